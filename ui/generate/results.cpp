// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/generate/results.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>

#include "core/base/os/files.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/text_pane.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kPictureSide = 256;
constexpr int kReadSide = 2 * kPictureSide; ///< a larger picture is made small off this thread
constexpr size_t kMostKept = 20000;
constexpr int kTableHeight = 150; ///< at least: three rows

std::string textOf(const Json& body, const char* key) {
    const auto at = body.find(key);
    return at != body.end() && at->is_string() ? at->get<std::string>() : std::string();
}
QString modelOf(const Json& body) {
    const auto model = body.find("model");
    return model != body.end() && model->is_object() ? qstr(textOf(*model, "name")) : QString();
}
QString scoreText(double score) {
    return std::isfinite(score) ? QString::number(score, 'f', 2) : u"not scored"_s;
}
} // namespace

ResultsCard::ResultsCard() {
    m_chip = new StatusChip;
    m_chip->hide();
    setCorner(m_chip);
    m_progress = new ProgressLine;
    m_progress->hide();
    body()->addWidget(m_progress);
    m_nothing = new TextLabel({}, TextStyle::Body, Tone::Second);
    m_nothing->setWordWrap(true);
    body()->addWidget(m_nothing);
    m_summary = new TextLabel;
    m_summary->setWordWrap(true);
    body()->addWidget(m_summary);
    auto* row = new QHBoxLayout;
    setNoMargins(row, Size::GapL);
    m_first = new QWidget;
    auto* first = new QVBoxLayout(m_first);
    setNoMargins(first, Size::GapS);
    m_prompt = new TextLabel({}, TextStyle::Strong);
    m_prompt->setWordWrap(true);
    m_prompt->hide();
    first->addWidget(m_prompt);
    auto* panes = new QHBoxLayout;
    setNoMargins(panes, Size::GapM);
    for (int i = 0; i < 2; ++i) {
        auto* column = new QVBoxLayout;
        setNoMargins(column, Size::Grid);
        m_from[i] = new ElidedLabel({}, TextStyle::MonoCaption, Tone::Second);
        m_pane[i] = new TextPane;
        m_picture[i] = new QLabel;
        m_picture[i]->setAlignment(Qt::AlignTop | Qt::AlignLeft); // under its caption, however large the window
        column->addWidget(m_from[i]);
        column->addWidget(m_pane[i], 1);
        column->addWidget(m_picture[i], 1);
        panes->addLayout(column, 1);
    }
    first->addLayout(panes, 1);
    row->addWidget(m_first, 1);
    m_table = new DetailTable(new TableModel({{u"Prompt"_s, false, false, 0, true},
                                              {u"Model"_s, false, true, 150, false, {}, true},
                                              {u"Kept"_s, true, true, 72},
                                              {u"Scores"_s, true, true, 130, false, u"Of those kept, best first"_s}},
                                             [this](int row, int column, int role) { return keptCell(row, column, role); }));
    m_table->setFilterPlaceholder(u"Filter by prompt"_s);
    m_table->setMinimumHeight(kTableHeight);
    row->addWidget(m_table, 1);
    body()->addLayout(row, 1);
    body()->addStretch(0);
    connect(&m_loader, &ImageLoader::loaded, this,
            [this](const QString& path, int, const ImagePtr& image) { onPicture(path, *image); });
    setImages(false);
    begin({});
    m_chip->hide();
    m_progress->hide();
}

void ResultsCard::setImages(bool images) {
    m_images = images;
    setTitle(images ? u"First pictures"_s : u"First answers"_s);
    m_nothing->setText(images ? u"The first two pictures appear here while the rest are being drawn."_s
                              : u"The first two answers appear here while the rest is being written."_s);
}

void ResultsCard::begin(const std::string& run) {
    m_run = run;
    m_seen = 0;
    m_kept.clear();
    m_table->model()->reset(0);
    setImages(m_images);
    m_first->show();
    for (int i = 0; i < 2; ++i) {
        m_pane[i]->hide();
        m_picture[i]->hide();
        m_from[i]->hide();
    }
    for (QWidget* w : std::initializer_list<QWidget*>{m_prompt, m_summary, m_table})
        w->hide();
    for (QWidget* w : std::initializer_list<QWidget*>{m_nothing, m_progress, m_chip})
        w->show();
}

void ResultsCard::onRun(const desk::RunInfo& info, const std::vector<Event>& events) {
    if (info.name != m_run || m_run.empty())
        return;
    for (const Event& e : events)
        if (e.type == event::kCandidate && !takeKept(e))
            take(info, e);
    showKept(info);
    m_progress->setValue(info.of > 0 ? static_cast<double>(info.step) / static_cast<double>(info.of)
                                     : std::numeric_limits<double>::quiet_NaN());
    switch (info.state) {
    case RunState::Queued:
        m_chip->set(State::Queued, u"Waiting"_s);
        break;
    case RunState::Running:
        m_chip->set(State::Running,
                    info.of > 0 ? u"%1 of %2"_s.arg(formatCount(info.step), formatCount(info.of)) : u"Loading"_s);
        break;
    case RunState::Paused:
        m_chip->set(State::Paused, u"Paused"_s);
        break;
    default: {
        const bool failed = info.state == RunState::Failed;
        m_chip->set(failed ? State::Failed : info.state == RunState::Stopped ? State::Stopped : State::Done,
                    failed ? u"Failed"_s : info.state == RunState::Stopped ? u"Stopped"_s : u"Done"_s);
        m_progress->hide();
        Q_EMIT ended(info);
    }
    }
}

void ResultsCard::take(const desk::RunInfo& info, const Event& e) {
    if (m_seen >= 2)
        return;
    const auto content = eventText(info.dir, e.body, "content");
    const auto prompt = eventText(info.dir, e.body, "prompt");
    const QString name = modelOf(e.body);
    m_nothing->hide();
    m_prompt->setText(qstr(prompt ? *prompt : std::string()).left(400));
    m_prompt->show();
    m_from[m_seen]->show();
    if (const std::string file = textOf(e.body, "image"); !file.empty()) {
        showPicture(m_seen, name, info.dir, file);
    } else {
        const double tokens = e.body.contains("tokens") && e.body["tokens"].is_number() ? e.body["tokens"].get<double>() : 0;
        m_from[m_seen]->setText(u"%1 · %2 tokens%3"_s.arg(name).arg(tokens).arg(
            e.body.value("finished", Json(true)) == Json(false) ? u" · cut off"_s : QString()));
        m_pane[m_seen]->setRaw(qstr(content ? *content : std::string()));
        m_pane[m_seen]->setVisible(true);
    }
    ++m_seen;
}

// ---- best of N

bool ResultsCard::takeKept(const Event& e) {
    const auto params = e.body.find("params");
    if (params == e.body.end() || !params->is_object() || !params->contains("reward") || !params->contains("best_of") ||
        !(*params)["best_of"].is_number_integer() || (*params)["best_of"].get<int64_t>() < 2)
        return false;
    const QString prompt = qstr(textOf(e.body, "prompt")).left(400), model = modelOf(e.body);
    const auto reward = numberOf((*params)["reward"], "reward");
    const double score = reward ? *reward : std::nan("");
    if (m_kept.empty() || m_kept.back().prompt != prompt || m_kept.back().model != model) {
        if (m_kept.size() >= kMostKept)
            return true;
        m_kept.push_back({prompt, model, (*params)["best_of"].get<int64_t>(), {}});
    }
    m_kept.back().scores.push_back(score);
    return true;
}

void ResultsCard::showKept(const desk::RunInfo& info) {
    if (m_kept.empty())
        return;
    const int rows = static_cast<int>(m_kept.size()), before = m_table->model()->rowCount();
    if (rows > before)
        m_table->model()->appendTo(rows);
    m_table->model()->changed(std::max(0, before - 1), rows - 1);
    m_table->show();
    m_nothing->hide();
    m_first->hide(); // nothing that was scored is shown: the scores have the place
    setTitle(u"What was kept"_s);
    size_t kept = 0;
    for (const KeptRow& row : m_kept)
        kept += row.scores.size();
    const auto mean = [&](const char* name) {
        const auto at = info.metrics.find(name);
        return at == info.metrics.end() ? std::nan("") : at->second;
    };
    const double best = mean("reward/kept"), all = mean("reward/drawn");
    const bool over = info.state == RunState::Finished || info.state == RunState::Stopped || info.state == RunState::Failed;
    QString words = (over ? u"Kept %1 of %2 drawn for each prompt: %3 pictures"_s
                          : u"Kept %1 of %2 drawn for each prompt: %3 pictures so far"_s)
                        .arg(m_kept.front().scores.size())
                        .arg(m_kept.front().drawn)
                        .arg(formatCount(static_cast<int64_t>(kept)));
    if (std::isfinite(best) && std::isfinite(all))
        words += u", mean score %1 against %2 of all drawn"_s.arg(scoreText(best), scoreText(all));
    m_summary->setText(words + u'.');
    m_summary->show();
}

QVariant ResultsCard::keptCell(int row, int column, int role) const {
    const KeptRow& kept = m_kept[static_cast<size_t>(row)];
    if (role == Qt::UserRole && column >= 2)
        return column == 3 ? kept.scores.empty() ? 0.0 : kept.scores.front() : static_cast<double>(kept.scores.size());
    if (role != Qt::DisplayRole && role != Qt::UserRole && role != Qt::ToolTipRole)
        return {};
    switch (column) {
    case 0:
        return kept.prompt;
    case 1:
        return kept.model;
    case 2:
        return u"%1 of %2"_s.arg(kept.scores.size()).arg(kept.drawn);
    default: {
        QStringList all;
        for (const double score : kept.scores)
            all.append(scoreText(score));
        return all.join(u", "_s);
    }
    }
}

// ---- pictures

/// Only a name in the run's own samples/ is opened, and not on this thread.
void ResultsCard::showPicture(int at, const QString& model, const std::string& dir, const std::string& file) {
    const QString name = QFileInfo(qstr(file)).fileName();
    m_picturePath[at] = qstr(os::joinPath(os::joinPath(dir, "samples"), sstr(name)));
    m_pictureModel[at] = model;
    m_from[at]->setText(model);
    m_picture[at]->clear();
    m_picture[at]->setAccessibleName(u"Image of %1"_s.arg(model));
    m_picture[at]->show();
    if (const ImagePtr image = m_loader.get(m_picturePath[at], kReadSide))
        onPicture(m_picturePath[at], *image);
}

/// A small image is enlarged with hard pixels.
void ResultsCard::onPicture(const QString& path, const LoadedImage& loaded) {
    for (int i = 0; i < 2; ++i) {
        if (m_picturePath[i] != path)
            continue;
        if (!loaded.ok()) {
            m_picture[i]->setText(loaded.problem);
            continue;
        }
        m_from[i]->setText(u"%1 · %2 × %3"_s.arg(m_pictureModel[i]).arg(loaded.size.width()).arg(loaded.size.height()));
        const bool small = loaded.size.width() <= kPictureSide && loaded.size.height() <= kPictureSide;
        m_picture[i]->setPixmap(QPixmap::fromImage(loaded.image.scaled(
            kPictureSide, kPictureSide, Qt::KeepAspectRatio, small ? Qt::FastTransformation : Qt::SmoothTransformation)));
    }
}

} // namespace pl::ui

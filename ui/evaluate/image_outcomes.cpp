// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/evaluate/image_outcomes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <QGridLayout>
#include <QHBoxLayout>
#include <QScrollArea>
#include <QScrollBar>
#include <QVBoxLayout>

#include "core/rules/scene.h"
#include "core/rules/statistics.h"
#include "ui/shell/context.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr qint64 kCache = qint64{64} << 20; ///< of pictures, whatever the number of prompts

double valueOf(const RunSeries& series, const std::string& name) {
    const auto it = series.result().find(name);
    return it == series.result().end() ? std::numeric_limits<double>::quiet_NaN() : it->second;
}

QString shareWords(double value, int64_t n) {
    if (!std::isfinite(value) || n <= 0)
        return u"–"_s;
    const auto interval = rules::wilson(value * static_cast<double>(n), static_cast<double>(n));
    Estimate e;
    e.value = value;
    e.low = interval.low;
    e.high = interval.high;
    e.n = n;
    e.judge = u"rules"_s;
    e.percent = true;
    const EstimateText text = formatEstimate(e);
    return text.shown ? text.value + u' ' + text.interval : text.value;
}

} // namespace

std::vector<ImageFigure> imageFigures(const RunSeries& series) {
    struct Part {
        const char* slot;
        QString name;
        std::set<std::string> prompts; ///< that say something of it
    };
    std::array<Part, 5> parts{Part{"all", u"All as asked"_s, {}}, Part{"colour", u"Colour as asked"_s, {}},
                              Part{"background", u"Background as asked"_s, {}}, Part{"shape", u"Shape as asked"_s, {}},
                              Part{"count", u"Number as asked"_s, {}}};
    const auto take = [&](const std::string& id, const std::string& prompt) {
        const rules::Caption said = rules::parseCaption(prompt).caption;
        const std::array<bool, 5> says{true, said.colour > 0, said.background > 0, said.shape > 0, said.count > 0};
        for (size_t i = 0; i < parts.size(); ++i)
            if (says[i])
                parts[i].prompts.insert(id.empty() ? prompt : id);
    };
    for (const ImageOutcome& each : series.imageOutcomes())
        take(each.promptId, each.prompt);
    if (series.imageOutcomes().empty()) // one model alone
        for (const RunSample& each : series.samples())
            if (!each.image.empty())
                take(each.promptId, each.prompt);
    std::vector<ImageFigure> out;
    for (const Part& part : parts) {
        const auto n = static_cast<int64_t>(part.prompts.size());
        const auto words = [&](const char* whose) { return shareWords(valueOf(series, whose + std::string(part.slot)), n); };
        out.push_back({part.name, words("obedience/"), words("obedience_against/"), words("obedience_ceiling/"), n});
    }
    const auto plain = [&](const char* name) {
        const double v = valueOf(series, name);
        return std::isfinite(v) ? formatNumber(v, 3) : u"–"_s;
    };
    out.push_back({u"Diversity"_s, plain("diversity"), plain("diversity_against"), u"–"_s, 0});
    return out;
}

ImageOutcomes::ImageOutcomes(QWidget* parent) : QWidget(parent), m_loader(nullptr, kCache) {
    auto* outer = new QVBoxLayout(this);
    setNoMargins(outer, Size::GapS);
    m_choice = new SegmentedControl({u"All"_s, u"Model better"_s, u"Other better"_s, u"Ties"_s}, this);
    m_choice->setAccessibleName(u"Which verdicts"_s);
    auto* row = new QHBoxLayout;
    setNoMargins(row, Size::GapL);
    m_browser = new PictureBrowser(&m_loader, Qt::Horizontal);
    m_browser->grid()->setAccessibleName(u"Pictures of both models by prompt"_s);
    row->addWidget(m_browser, 1);
    auto* area = m_area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    area->setFocusPolicy(Qt::NoFocus);
    auto* figures = new QWidget;
    auto* column = new QVBoxLayout(figures);
    setNoMargins(column, Size::GapS);
    m_grid = new QGridLayout;
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setHorizontalSpacing(px(Size::GapM));
    m_grid->setVerticalSpacing(px(Size::Grid));
    column->addLayout(m_grid);
    m_judge = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_judge->setWordWrap(true);
    auto* note = new TextLabel(u"Read off the pictures by rules, without a person. “Most there is”: what the same rules read off true "
                               u"drawings of these prompts. Diversity: mean distance of two pictures of one prompt, 0 to 1."_s,
                               TextStyle::Caption, Tone::Second);
    note->setWordWrap(true);
    column->addWidget(note);
    column->addWidget(m_judge);
    column->addStretch(1);
    area->setWidget(figures);
    row->addWidget(area);
    row->addStretch(0); // figures alone stand on the left
    outer->addLayout(row, 1);
    connect(m_choice, &SegmentedControl::currentChanged, this, [this] { filter(); });
    // With a pair open there is no room for figures; they come back with the whole list.
    connect(m_browser, &PictureBrowser::openChanged, area, [area](bool open) { area->setVisible(!open); });
    m_browser->setPairs(
        [this](int row, int) -> std::optional<PicturePair> {
            if (row < 0 || row >= shown())
                return std::nullopt;
            const ImageOutcome& o = at(row);
            return PicturePair{u"%1|%2"_s.arg(m_run).arg(m_shown[static_cast<size_t>(row)]), qstr(o.imageA), qstr(o.imageB), {}, {},
                               u"A %1  ·  B %2  ·  %3"_s.arg(m_model, m_against, verdict(row))};
        },
        u"No prompt passes the choice."_s);
}

QString ImageOutcomes::verdict(int row) const {
    const ImageOutcome& o = at(row);
    const QString who = o.winner == "a" ? u"A better"_s : o.winner == "b" ? u"B better"_s : u"a tie"_s;
    if (!std::isfinite(o.scoreA) || !std::isfinite(o.scoreB))
        return who;
    return u"%1: %2 against %3"_s.arg(who, formatNumber(o.scoreA, 3), formatNumber(o.scoreB, 3));
}

void ImageOutcomes::setOutcomes(const QString& run, const RunSeries& series, const QString& model, const QString& against,
                                const QString& judge) {
    if (run == m_run && m_all.size() == series.imageOutcomes().size() && m_values == series.result().size())
        return;
    m_values = series.result().size();
    m_run = run;
    m_all = series.imageOutcomes();
    m_model = model;
    m_against = against;
    m_judge->setText(u"Which is better was said by %1."_s.arg(judge));
    for (QWidget* w : std::initializer_list<QWidget*>{m_judge, m_choice, m_browser}) // of one model alone there is no verdict
        w->setVisible(!m_all.empty());
    m_area->setVisible(m_all.empty() || !m_browser->isPairOpen());
    fillFigures(imageFigures(series));
    filter();
}

QWidget* ImageOutcomes::choice() const {
    return m_choice;
}
void ImageOutcomes::setChoice(int choice) {
    m_choice->setCurrent(choice);
    filter();
}

void ImageOutcomes::filter() {
    m_shown.clear();
    for (size_t i = 0; i < m_all.size(); ++i) {
        const std::string& winner = m_all[i].winner;
        const int kind = winner == "a" ? 1 : winner == "b" ? 2 : 3;
        if (m_choice->current() <= 0 || m_choice->current() == kind)
            m_shown.push_back(i);
    }
    PictureTable table;
    table.rows = shown();
    table.columns = 2;
    table.title = [this](int row) { return qstr(at(row).prompt); };
    table.detail = [this](int row) { return verdict(row); };
    table.head = [this](int column) { return column == 0 ? u"A, under test\n"_s + m_model : u"B, the other\n"_s + m_against; };
    table.cell = [this](int row, int column) {
        const ImageOutcome& o = at(row);
        Picture picture{qstr(column == 0 ? o.imageA : o.imageB), {}, {}, {}};
        const double score = column == 0 ? o.scoreA : o.scoreB;
        if (std::isfinite(score))
            picture.caption = u"score "_s + formatNumber(score, 3);
        if (o.winner == (column == 0 ? "a" : "b")) {
            picture.side = column == 0 ? Side::A : Side::B;
            picture.tag = u"better"_s;
        }
        return picture;
    };
    m_browser->grid()->setTable(std::move(table));
    m_browser->refresh();
}

void ImageOutcomes::fillFigures(const std::vector<ImageFigure>& figures) {
    while (QLayoutItem* item = m_grid->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    const auto put = [this](int row, int column, const QString& text, TextStyle style, Tone tone) {
        auto* label = new TextLabel(text, style, tone);
        if (column > 0)
            label->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        m_grid->addWidget(label, row, column);
        label->show(); // now: what is hidden takes no room in the width below
    };
    const QStringList heads{QString(), u"Model"_s, u"Other"_s, u"Most there is"_s, u"n"_s};
    for (int c = 1; c < heads.size(); ++c)
        put(0, c, heads[c], TextStyle::Caption, Tone::Second);
    int row = 1;
    for (const ImageFigure& f : figures) {
        put(row, 0, f.name, TextStyle::Body, Tone::Second);
        put(row, 1, f.model, TextStyle::MonoCaption, Tone::Text);
        put(row, 2, f.against, TextStyle::MonoCaption, Tone::Text);
        put(row, 3, f.ceiling, TextStyle::MonoCaption, Tone::Second);
        put(row, 4, f.n > 0 ? formatCount(f.n) : QString(), TextStyle::MonoCaption, Tone::Second);
        ++row;
    }
    m_grid->setColumnStretch(0, 1);
    // As wide as the figures are, with room for the bar when they do not fit in height.
    m_area->setFixedWidth(m_grid->sizeHint().width() + m_area->verticalScrollBar()->sizeHint().width() + px(Size::GapS));
}

} // namespace pl::ui

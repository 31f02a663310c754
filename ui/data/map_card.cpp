// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/map_card.h"

#include <algorithm>

#include <QComboBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPointer>
#include <QThreadPool>
#include <QVBoxLayout>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/import.h"
#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::ColumnMap;

namespace {

constexpr int kWaitMs = 250; ///< after the last change, before the dry run
constexpr int kReasonsShown = 6, kRowsShown = 3, kTextShown = 120;
constexpr std::pair<const char*, const char*> kMeanings[] = {{"a", "A is better"},      {"b", "B is better"},     {"tie", "a tie"},
                                                             {"both_good", "both good"}, {"both_bad", "both bad"}, {"identical", "identical"},
                                                             {"none", "not judged"},     {"", "leave such rows out"}};

QString headOf(const std::string& text) {
    QString head = qstr(text).simplified();
    return head.size() > kTextShown ? head.left(kTextShown) + u"…"_s : head;
}

} // namespace

struct MapCard::File {
    std::string text, sha;
    std::optional<Error> error;
};

/// What a mapping makes of the whole file, and what the store would add.
struct MapCard::Trial {
    int turn = 0;
    desk::ParsedFile file;
    desk::ImportCounts counts;
    std::optional<Error> error;
};

MapCard::MapCard(Context& context, const QString& path, QWidget* parent) : QWidget(parent), m_context(context), m_path(path) {
    m_column = new QVBoxLayout(this);
    setNoMargins(m_column, Size::GapM);
    m_summary = new TextLabel(u"Reading"_s, TextStyle::Body, Tone::Second);
    m_summary->setWordWrap(true);
    m_column->addWidget(m_summary);
    m_wait.setSingleShot(true);
    m_wait.setInterval(kWaitMs);
    connect(&m_wait, &QTimer::timeout, this, &MapCard::tryOut);
    QThreadPool::globalInstance()->start([self = QPointer<MapCard>(this), app = QCoreApplication::instance(), path = sstr(path)] {
        auto file = std::make_shared<File>();
        auto preview = std::make_shared<desk::ColumnPreview>();
        if (auto text = desk::readMaybeGzip(path, desk::ImportOptions().maxBytes)) {
            file->text = std::move(*text);
            file->sha = sha256Hex(file->text);
            if (auto seen = desk::previewColumns(file->text, os::baseName(path)))
                *preview = std::move(*seen);
            else
                file->error = seen.error();
        } else {
            file->error = text.error();
        }
        QMetaObject::invokeMethod(
            app,
            [self, file, preview] {
                if (!self)
                    return;
                if (file->error) {
                    self->m_summary->setTone(Tone::Error);
                    self->m_summary->setText(errorText(*file->error));
                    Q_EMIT self->dryRunShown(false);
                    return;
                }
                self->m_file = file;
                self->build(*preview);
            },
            Qt::QueuedConnection);
    });
}
MapCard::~MapCard() = default;

QString MapCard::summary() const { return m_summary->text(); }

void MapCard::addRow(const QString& key, const QString& label, std::string ColumnMap::*path, const QString& tip) {
    Row row;
    row.key = key;
    row.path = path;
    const int at = m_grid->rowCount();
    row.label = new TextLabel(label, TextStyle::Body, Tone::Second);
    row.columns = new QComboBox;
    row.columns->setObjectName(u"map_"_s + key);
    row.columns->setAccessibleName(label);
    row.columns->setToolTip(tip);
    row.columns->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    row.columns->setMinimumContentsLength(12);
    row.columns->addItem(u"not in the file"_s);
    for (const auto& column : m_preview.columns)
        row.columns->addItem(qstr(column.path), qstr(column.path));
    row.sample = new ElidedLabel({}, TextStyle::Caption, Tone::Second);
    m_grid->addWidget(row.label, at, 0);
    m_grid->addWidget(row.columns, at, 1);
    m_grid->addWidget(row.sample, at, 2);
    connect(row.columns, &QComboBox::currentIndexChanged, this, &MapCard::changed);
    m_rows.push_back(row);
}

void MapCard::build(const desk::ColumnPreview& preview) {
    m_preview = preview;
    m_map = preview.guess;

    auto* kept = new QHBoxLayout;
    setNoMargins(kept, Size::GapS);
    m_keptMaps = new QComboBox;
    m_keptMaps->setObjectName(u"map_kept"_s);
    m_keptMaps->setAccessibleName(u"Mappings kept in the project"_s);
    m_keptMaps->setToolTip(u"Take a mapping that was kept in this project"_s);
    m_name = new QLineEdit;
    m_name->setObjectName(u"map_name"_s);
    m_name->setAccessibleName(u"Name to keep this mapping under"_s);
    m_name->setPlaceholderText(u"Name to keep it under"_s);
    m_save = new QuietButton(u"Keep"_s);
    m_save->setObjectName(u"map_save"_s);
    m_save->setToolTip(u"Keep this mapping in the project, for the next file of this kind"_s);
    m_save->setEnabled(false);
    kept->addWidget(m_keptMaps, 1);
    kept->addWidget(m_name, 1);
    kept->addWidget(m_save);
    m_column->addLayout(kept);
    connect(m_keptMaps, &QComboBox::activated, this, [this](int index) {
        const auto found = m_saved.find(sstr(m_keptMaps->itemText(index)));
        if (index > 0 && found != m_saved.end()) {
            m_name->setText(qstr(found->first));
            setMap(found->second);
        }
    });
    connect(m_name, &QLineEdit::textChanged, this, [this] { m_save->setEnabled(!m_name->text().trimmed().isEmpty() && m_map.check()); });
    connect(m_save, &QPushButton::clicked, this, [this] {
        m_context.ask(
            this, [name = sstr(m_name->text().trimmed()), map = m_map](desk::Project& p) { return desk::saveMap(p, name, map); },
            [this](Status done) {
                if (!done) {
                    m_summary->setTone(Tone::Error);
                    m_summary->setText(errorText(done.error()));
                }
                loadSaved();
            });
    });

    m_grid = new QGridLayout;
    m_grid->setHorizontalSpacing(px(Size::GapM));
    m_grid->setVerticalSpacing(px(Size::Grid));
    m_grid->setColumnStretch(2, 1);
    m_column->addLayout(m_grid);
    const auto choice = [this](const QString& label, const QString& name, const QStringList& items) {
        auto* combo = new QComboBox;
        combo->setObjectName(name);
        combo->setAccessibleName(label);
        combo->addItems(items);
        const int at = m_grid->rowCount();
        m_grid->addWidget(new TextLabel(label, TextStyle::Body, Tone::Second), at, 0);
        m_grid->addWidget(combo, at, 1, 1, 2);
        connect(combo, &QComboBox::currentIndexChanged, this, &MapCard::changed);
        return combo;
    };
    addRow(u"prompt"_s, u"Prompt"_s, &ColumnMap::prompt, u"A text or a conversation; may be missing where the answers are whole conversations"_s);
    m_answers = choice(u"Answers"_s, u"map_answers"_s, {u"none: prompts alone"_s, u"two, A and B"_s, u"two, chosen and rejected"_s});
    addRow(u"a"_s, u"A"_s, &ColumnMap::a, u"The first answer"_s);
    addRow(u"b"_s, u"B"_s, &ColumnMap::b, u"The second answer"_s);
    addRow(u"chosen"_s, u"Chosen"_s, &ColumnMap::chosen, u"The better answer"_s);
    addRow(u"rejected"_s, u"Rejected"_s, &ColumnMap::rejected, u"The worse answer"_s);
    m_verdict = choice(u"Verdict"_s, u"map_verdict"_s, {u"nobody judged"_s, u"a column names the winner"_s, u"a signed number"_s, u"two scores"_s});
    addRow(u"winner"_s, u"Winner"_s, &ColumnMap::winner, u"Its values are explained below"_s);
    addRow(u"points"_s, u"Points"_s, &ColumnMap::points, u"-3 to 3; 0 is a tie, its size is the strength"_s);
    m_negative = choice(u"Negative means"_s, u"map_negative"_s, {u"A is better"_s, u"B is better"_s});
    addRow(u"score_a"_s, u"Score of A"_s, &ColumnMap::scoreA, u"The higher score is better, equal ones are a tie"_s);
    addRow(u"score_b"_s, u"Score of B"_s, &ColumnMap::scoreB, u"The higher score is better, equal ones are a tie"_s);
    addRow(u"strength"_s, u"Strength"_s, &ColumnMap::strength, u"1 slightly, 2 plainly, 3 much better"_s);
    addRow(u"annotator"_s, u"Annotator"_s, &ColumnMap::annotator, u"Who judged; everybody is kept apart"_s);
    addRow(u"rationale"_s, u"Rationale"_s, &ColumnMap::rationale, u"Why"_s);
    addRow(u"model_a"_s, u"Model of the first"_s, &ColumnMap::modelA, u"Who wrote A, or the chosen answer"_s);
    addRow(u"model_b"_s, u"Model of the second"_s, &ColumnMap::modelB, u"Who wrote B, or the rejected answer"_s);
    addRow(u"split"_s, u"Split"_s, &ColumnMap::split, u"train, dev or validation, test; else drawn by the prompt's text"_s);

    m_values = new QWidget;
    m_column->addWidget(m_values);
    m_rowsShown = new TextLabel({}, TextStyle::Caption, Tone::Second);
    m_rowsShown->setObjectName(u"map_rows"_s);
    m_rowsShown->setWordWrap(true);
    m_column->addWidget(m_rowsShown);

    m_column->addWidget(new TextLabel(u"The same as JSON; attributes and strength words are said here"_s, TextStyle::Caption, Tone::Second));
    m_json = new QPlainTextEdit;
    m_json->setObjectName(u"map_json"_s);
    m_json->setAccessibleName(u"The mapping as JSON"_s);
    m_json->setTabChangesFocus(true);
    m_json->setFont(textFont(TextStyle::Mono));
    m_json->setFixedHeight(4 * lineHeight(TextStyle::Body));
    m_column->addWidget(m_json);
    m_useJson = new QuietButton(u"Use this JSON"_s);
    m_useJson->setObjectName(u"map_use_json"_s);
    connect(m_useJson, &QPushButton::clicked, this, [this] {
        const auto json = parseJson(sstr(m_json->toPlainText()), "the mapping", {size_t{1} << 20, 8});
        auto map = json ? ColumnMap::fromJson(*json) : Result<ColumnMap>(tl::unexpected(json.error()));
        if (map)
            return setMap(*map);
        m_summary->setTone(Tone::Error);
        m_summary->setText(errorText(map.error()));
        Q_EMIT dryRunShown(false);
    });

    auto* buttons = new QHBoxLayout;
    setNoMargins(buttons, Size::GapS);
    m_import = new FilledButton(u"Import"_s);
    m_import->setObjectName(u"map_import"_s);
    m_import->setEnabled(false);
    auto* close = new QuietButton(u"Close"_s);
    connect(m_import, &QPushButton::clicked, this, &MapCard::importNow);
    connect(close, &QPushButton::clicked, this, &MapCard::closed);
    buttons->addWidget(m_import);
    buttons->addWidget(m_useJson);
    buttons->addWidget(close);
    buttons->addStretch(1);
    m_column->addLayout(buttons);
    loadSaved();
    showMap();
    m_rows.front().columns->setFocus();
    Q_EMIT ready();
    tryOut();
}

void MapCard::loadSaved() {
    m_context.ask(
        this, [](desk::Project& p) { return desk::savedMaps(p); },
        [this](Result<std::map<std::string, ColumnMap>> maps) {
            if (!maps)
                return;
            m_saved = std::move(*maps);
            m_keptMaps->clear();
            m_keptMaps->addItem(m_saved.empty() ? u"no mapping kept yet"_s : u"a guess by the names"_s);
            for (const auto& [name, map] : m_saved)
                m_keptMaps->addItem(qstr(name));
        });
}

void MapCard::setMap(const ColumnMap& map) {
    m_map = map;
    showMap();
    m_wait.start();
}

/// Puts the mapping into the choices.
void MapCard::showMap() {
    m_filling = true;
    m_answers->setCurrentIndex(static_cast<int>(!m_map.a.empty() || !m_map.b.empty()                    ? Answers::AB
                                                : !m_map.chosen.empty() || !m_map.rejected.empty() ? Answers::ChosenRejected
                                                                                                   : Answers::Nothing));
    m_verdict->setCurrentIndex(static_cast<int>(!m_map.winner.empty()   ? Verdict::Winner
                                                : !m_map.points.empty() ? Verdict::Points
                                                : !m_map.scoreA.empty() ? Verdict::Scores
                                                                        : Verdict::Nobody));
    m_negative->setCurrentIndex(m_map.negativeIsA ? 0 : 1);
    for (const Row& row : m_rows) {
        const QString path = qstr(m_map.*row.path);
        int at = path.isEmpty() ? 0 : row.columns->findData(path);
        if (at < 0) { // a path that the first rows do not show
            row.columns->addItem(path, path);
            at = row.columns->count() - 1;
        }
        row.columns->setCurrentIndex(at);
    }
    m_filling = false;
    refreshRows();
    refreshValues();
    refreshPreview();
}

QString MapCard::sampleOf(const std::string& path) const {
    for (const auto& column : m_preview.columns)
        if (column.path == path)
            for (const std::string& value : column.values)
                if (!value.empty())
                    return headOf(value);
    return {};
}

void MapCard::refreshRows() {
    const auto answers = static_cast<Answers>(m_answers->currentIndex());
    const auto verdict = static_cast<Verdict>(m_verdict->currentIndex());
    const bool ab = answers == Answers::AB, any = answers != Answers::Nothing;
    const auto shown = [&](const QString& key) {
        if (key == u"a" || key == u"b")
            return ab;
        if (key == u"chosen" || key == u"rejected")
            return answers == Answers::ChosenRejected;
        if (key == u"winner")
            return ab && verdict == Verdict::Winner;
        if (key == u"points")
            return ab && verdict == Verdict::Points;
        if (key.startsWith(u"score"))
            return ab && verdict == Verdict::Scores;
        if (key == u"strength")
            return any && verdict != Verdict::Points;
        return key == u"prompt" || key == u"split" || any;
    };
    for (const Row& row : m_rows) {
        const bool visible = shown(row.key);
        row.label->setVisible(visible);
        row.columns->setVisible(visible);
        row.sample->setVisible(visible);
        row.sample->setText(sampleOf(m_map.*row.path));
    }
    const auto place = [this](QComboBox* combo, bool visible) {
        combo->setVisible(visible);
        if (QLayoutItem* label = m_grid->itemAtPosition([&] {
                int row = 0, column = 0, rows = 0, columns = 0;
                m_grid->getItemPosition(m_grid->indexOf(combo), &row, &column, &rows, &columns);
                return row;
            }(), 0); label && label->widget())
            label->widget()->setVisible(visible);
    };
    place(m_verdict, ab);
    place(m_negative, ab && verdict == Verdict::Points);
}

/// A choice for every value that the winner's column has.
void MapCard::refreshValues() {
    auto* fresh = new QWidget;
    auto* grid = new QGridLayout(fresh);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(px(Size::GapM));
    grid->setVerticalSpacing(px(Size::Grid));
    grid->setColumnStretch(1, 1);
    const auto column = std::find_if(m_preview.columns.begin(), m_preview.columns.end(), [this](const auto& c) { return c.path == m_map.winner; });
    if (!m_map.winner.empty() && column != m_preview.columns.end()) {
        std::map<std::string, std::string> words = m_map.winnerValues;
        for (const auto& [word, n] : column->distinct)
            words.try_emplace(word, "");
        for (const auto& [word, meaning] : words) {
            auto* combo = new QComboBox;
            combo->setObjectName(u"map_value_"_s + qstr(word));
            combo->setAccessibleName(u"What “%1” means"_s.arg(qstr(word)));
            for (const auto& [value, text] : kMeanings)
                combo->addItem(QString::fromLatin1(text), QString::fromLatin1(value));
            if (meaning.empty() && m_map.winnerValues.empty())
                combo->setItemText(combo->findData(QString()), u"as the usual words"_s);
            combo->setCurrentIndex(combo->findData(qstr(meaning)));
            const int at = grid->rowCount();
            grid->addWidget(new TextLabel(u"“%1” means"_s.arg(headOf(word)), TextStyle::Body, Tone::Second), at, 0);
            grid->addWidget(combo, at, 1);
            connect(combo, &QComboBox::currentIndexChanged, this, [this, combo, word = word] {
                const std::string value = sstr(combo->currentData().toString());
                if (value.empty())
                    m_map.winnerValues.erase(word);
                else
                    m_map.winnerValues[word] = value;
                refreshPreview();
                m_wait.start();
            });
        }
    }
    m_column->replaceWidget(m_values, fresh);
    m_values->deleteLater();
    m_values = fresh;
}

void MapCard::refreshPreview() {
    m_json->setPlainText(qstr(dumpJson(m_map.toJson())));
    m_save->setEnabled(!m_name->text().trimmed().isEmpty() && m_map.check());
}

void MapCard::collect() {
    const auto answers = static_cast<Answers>(m_answers->currentIndex());
    const auto verdict = static_cast<Verdict>(m_verdict->currentIndex());
    const std::string winner = m_map.winner;
    for (const Row& row : m_rows)
        m_map.*row.path = sstr(row.columns->currentData().toString());
    const auto drop = [this](std::initializer_list<std::string ColumnMap::*> paths) {
        for (const auto path : paths)
            (m_map.*path).clear();
    };
    if (answers != Answers::AB)
        drop({&ColumnMap::a, &ColumnMap::b, &ColumnMap::winner, &ColumnMap::points});
    if (answers != Answers::ChosenRejected)
        drop({&ColumnMap::chosen, &ColumnMap::rejected});
    if (answers == Answers::Nothing) {
        drop({&ColumnMap::scoreA, &ColumnMap::scoreB, &ColumnMap::strength, &ColumnMap::annotator, &ColumnMap::rationale, &ColumnMap::modelA, &ColumnMap::modelB});
        m_map.attributes.clear();
    }
    if (answers == Answers::AB) {
        if (verdict != Verdict::Winner)
            drop({&ColumnMap::winner});
        if (verdict != Verdict::Points)
            drop({&ColumnMap::points});
        if (verdict != Verdict::Scores)
            drop({&ColumnMap::scoreA, &ColumnMap::scoreB});
        if (verdict == Verdict::Points)
            drop({&ColumnMap::strength});
    }
    m_map.negativeIsA = m_negative->currentIndex() == 0;
    if (m_map.winner != winner)
        m_map.winnerValues.clear();
}

void MapCard::changed() {
    if (m_filling)
        return;
    collect();
    refreshRows();
    refreshValues();
    refreshPreview();
    m_wait.start();
}

void MapCard::tryOut() {
    const int turn = ++m_turn;
    m_import->setEnabled(false);
    if (const Status usable = m_map.check(); !usable) {
        m_summary->setTone(Tone::Second);
        m_summary->setText(errorText(usable.error()));
        m_rowsShown->setText({});
        Q_EMIT dryRunShown(false);
        return;
    }
    if (m_busy) // one parse at a time, however quickly choices follow each other
        return;
    m_busy = true;
    QThreadPool::globalInstance()->start([self = QPointer<MapCard>(this), app = QCoreApplication::instance(), file = m_file, map = m_map, turn,
                                          name = os::baseName(sstr(m_path))] {
        auto trial = std::make_shared<Trial>();
        trial->turn = turn;
        desk::ImportOptions options;
        options.map = std::make_shared<const ColumnMap>(map);
        auto parsed = desk::parseImport(file->text, name, options);
        if (parsed)
            trial->file = std::move(*parsed);
        else
            trial->error = parsed.error();
        QMetaObject::invokeMethod(
            app,
            [self, trial, file, name] {
                if (!self)
                    return;
                if (trial->error || self->m_turn != trial->turn)
                    return self->tried(trial);
                self->m_context.ask(
                    self,
                    [trial, file, name, task = self->m_context.task.id](desk::Project& p) {
                        return p.importRows({name, file->sha, "mapped", task, "imported"}, trial->file.rows, true);
                    },
                    [self, trial](Result<desk::ImportCounts> counts) {
                        if (!self)
                            return;
                        if (counts)
                            trial->counts = *counts;
                        else
                            trial->error = counts.error();
                        self->tried(trial);
                    });
            },
            Qt::QueuedConnection);
    });
}

/// Shown when it is of the mapping on screen; else that one is tried.
void MapCard::tried(const std::shared_ptr<Trial>& trial) {
    m_busy = false;
    if (trial->turn == m_turn)
        showTrial(trial);
    else
        tryOut();
}

void MapCard::showTrial(const std::shared_ptr<Trial>& trial) {
    m_trial = trial;
    if (trial->error) {
        m_summary->setTone(Tone::Error);
        m_summary->setText(errorText(*trial->error));
        m_rowsShown->setText({});
        Q_EMIT dryRunShown(false);
        return;
    }
    const desk::ImportCounts& n = trial->counts;
    QString text = u"Dry run: %1 rows read, %2 new prompts, %3 new pairs, %4 new votes, %5 known, %6 left out"_s.arg(
        formatCount(trial->file.read), formatCount(n.prompts), formatCount(n.pairs), formatCount(n.votes), formatCount(n.duplicates),
        formatCount(trial->file.rejectedCount));
    if (n.differing)
        text += u", %1 differ from a vote here"_s.arg(formatCount(n.differing));
    std::map<std::string, std::pair<int64_t, size_t>> reasons; // how many, and the first line
    for (const desk::RejectedRow& row : trial->file.rejected) {
        auto& [count, line] = reasons[row.reason];
        line = count++ ? line : row.line;
    }
    std::vector<std::pair<int64_t, std::string>> order;
    for (const auto& [reason, at] : reasons)
        order.emplace_back(-at.first, reason);
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < std::min<size_t>(order.size(), kReasonsShown); ++i)
        text += u"\n%1 × %2 (first in line %3)"_s.arg(formatCount(-order[i].first), qstr(order[i].second)).arg(reasons[order[i].second].second);
    if (!trial->file.note.empty())
        text += u"\n"_s + qstr(trial->file.note);
    m_summary->setTone(Tone::Text);
    m_summary->setText(text);
    QString rows;
    for (size_t i = 0; i < std::min<size_t>(trial->file.rows.size(), kRowsShown); ++i) {
        const desk::ImportRow& row = trial->file.rows[i];
        rows += (rows.isEmpty() ? u""_s : u"\n\n"_s) + u"Row %1: %2"_s.arg(row.line).arg(headOf(row.prompt.content));
        if (row.chosen)
            rows += row.tie ? u"\n  tie: %1\n  and: %2"_s.arg(headOf(*row.chosen), headOf(*row.rejected))
                            : u"\n  better: %1\n  worse: %2"_s.arg(headOf(*row.chosen), headOf(*row.rejected));
        for (const desk::ImportText& each : row.texts)
            rows += u"\n  to judge: %1"_s.arg(headOf(each.text));
    }
    m_rowsShown->setText(rows);
    m_import->setText(u"Import %1 rows"_s.arg(formatCount(n.rows)));
    m_import->setEnabled(n.prompts + n.candidates + n.pairs + n.votes > 0);
    Q_EMIT dryRunShown(true);
}

void MapCard::importNow() {
    if (!m_trial || m_trial->error || m_trial->turn != m_turn)
        return;
    m_import->setEnabled(false);
    m_context.ask(
        this,
        [trial = m_trial, file = m_file, name = os::baseName(sstr(m_path)), task = m_context.task.id](desk::Project& p) {
            return p.importRows({name, file->sha, "mapped", task, "imported"}, trial->file.rows, false);
        },
        [this](Result<desk::ImportCounts> counts) {
            if (!counts) {
                m_summary->setTone(Tone::Error);
                m_summary->setText(errorText(counts.error()));
                return;
            }
            Q_EMIT imported(counts->prompts, u"%1 prompts, %2 pairs and %3 votes imported; Revert takes them back"_s.arg(
                                                 formatCount(counts->prompts), formatCount(counts->pairs), formatCount(counts->votes)));
        });
}

} // namespace pl::ui

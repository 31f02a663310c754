// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/data_page.h"

#include <array>

#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QDateTime>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QShortcut>
#include <QSplitter>
#include <QStackedWidget>
#include <QTabBar>
#include <QTableView>
#include <QThreadPool>
#include <QVBoxLayout>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "ui/data/detail_panel.h"
#include "ui/data/paged_table.h"
#include "ui/data/quality_panel.h"
#include "ui/data/sources.h"
#include "ui/shell/annotator.h"
#include "ui/theme/theme.h"
#include "ui/widgets/detail_table.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;
using desk::Project;

namespace {
constexpr int kReasonsShown = 8;
constexpr qint64 kPictureCache = qint64{64} << 20; ///< bytes of thumbnails and pictures, however long the tables are
} // namespace

struct DataPage::Side {
    Tab tab;
    PagedTable* table = nullptr; ///< null: Quality
    DetailPanel* detail = nullptr;
    bool stale = true;
};

/// A file read and parsed, and what the store says it would add.
struct DataPage::Parsed {
    QString path;
    std::string sha;
    desk::ParsedFile file;
    desk::ImportCounts counts;
    std::optional<Error> error;
};

PageFactory dataPage(const Preferences* preferences) {
    return {page::kData.toString(), u"Data"_s, u"data"_s, [preferences](Context& c) { return new DataPage(c, preferences); }};
}

DataPage::DataPage(Context& context, const Preferences* preferences) : m_context(context), m_loader(nullptr, kPictureCache) {
    build(preferences);
    connect(&m_context.signals, &Signals::changed, this, [this](desk::Change change) {
        using desk::Change;
        const auto stale = [this](std::initializer_list<Tab> tabs) {
            for (const Tab each : tabs) {
                if (each == Quality) {
                    m_quality->invalidate();
                    continue;
                }
                m_sides[each]->stale = true;
                if (isVisible() && tab() == each)
                    reload(each);
            }
        };
        switch (change) {
        case Change::Prompts:
        case Change::Candidates: stale({Prompts}); break;
        case Change::Pairs: stale({Pairs, Prompts}); break;
        case Change::Votes: stale({Votes, Pairs, Quality}); break;
        case Change::Datasets: stale({Datasets}); break;
        case Change::Imports: stale({Imports, Prompts, Pairs, Votes, Quality}); break;
        default: break;
        }
        refreshEmpty();
    });
}
DataPage::~DataPage() = default;

DataPage::Side& DataPage::add(Tab tab, const QString& title, PagedTable* table, const QString& emptyText) {
    auto side = std::make_unique<Side>();
    side->tab = tab;
    side->table = table;
    side->detail = new DetailPanel(emptyText);
    auto* splitter = makeSplitter(Qt::Horizontal);
    splitter->addWidget(table);
    splitter->addWidget(side->detail);
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 2);
    splitter->setSizes({720, 440});
    m_stack->addWidget(splitter);
    m_tabs->addTab(title);
    table->showPictures(&m_loader);
    connect(table->model(), &PagedModel::failed, this, [this](const QString& text) { say(State::Failed, text); });
    m_sides.push_back(std::move(side));
    return *m_sides.back();
}

void DataPage::build(const Preferences* preferences) {
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(px(Size::GapL), px(Size::GapS), px(Size::GapL), px(Size::GapM));
    outer->setSpacing(px(Size::GapS));
    m_root = new QStackedWidget;
    outer->addWidget(m_root, 1);
    auto* main = new QWidget;
    auto* column = new QVBoxLayout(main);
    setNoMargins(column, Size::GapS);
    m_tabs = new QTabBar;
    m_tabs->setDrawBase(false);
    m_tabs->setExpanding(false);
    auto* top = new QHBoxLayout;
    setNoMargins(top, Size::GapL);
    top->addWidget(m_tabs);
    m_message = new InlineMessage;
    top->addWidget(m_message, 1);
    column->addLayout(top);
    m_stack = new QStackedWidget;
    column->addWidget(m_stack, 1);

    auto* prompts = new PagedTable(m_context, promptColumns(), promptSource(), u"Filter prompts by their text"_s);
    auto* paste = new QuietButton(u"plus"_s, u"Add prompts"_s);
    auto* file = new QuietButton(u"import"_s, u"Import a file"_s);
    connect(paste, &QPushButton::clicked, this, &DataPage::showPaste);
    connect(file, &QPushButton::clicked, this, &DataPage::chooseFile);
    prompts->addTool(paste);
    prompts->addTool(file);
    add(Prompts, u"Prompts"_s, prompts, u"Choose a prompt to see it whole, with its answers or images."_s);
    connect(prompts, &PagedTable::currentChanged, this, &DataPage::showPrompt);
    connect(prompts->model(), &PagedModel::loaded, this, &DataPage::refreshEmpty);

    auto* pairs = new PagedTable(m_context, pairColumns(), pairSource(), u"Filter pairs by their prompt"_s);
    pairs->setNothing(u"No pairs yet: the Generate page (Alt+3) lets a model write some, Imports takes yours."_s);
    add(Pairs, u"Pairs"_s, pairs, u"Choose a pair to see both sides of it. What you see here with model names no longer "
                                  u"counts as blind."_s);
    connect(pairs, &PagedTable::currentChanged, this, &DataPage::showPair);

    auto* votes = new PagedTable(m_context, voteColumns(), voteSource(), u"Filter votes by their prompt"_s);
    if (!annotatorMode(m_context)) {
        auto* out = new QuietButton(u"Export…"_s);
        out->setObjectName(u"export"_s);
        out->setToolTip(u"The votes as a file of another tool, or whole (Ctrl+K, “export”)"_s);
        connect(out, &QPushButton::clicked, this, &DataPage::showExport);
        votes->addTool(out);
    }
    votes->setNothing(u"Nobody has judged a pair yet: the Label page, Alt+1."_s);
    add(Votes, u"Votes"_s, votes, u"Every judgement is kept: undone and corrected ones too, in grey."_s);
    connect(votes, &PagedTable::currentChanged, this, &DataPage::showVote);

    m_quality = new QualityPanel(m_context, preferences);
    m_stack->addWidget(m_quality);
    m_tabs->addTab(u"Quality"_s);
    m_sides.push_back(std::make_unique<Side>());
    m_sides.back()->tab = Quality;
    connect(m_quality, &QualityPanel::pairWanted, this, [this](qint64 pair) {
        setTab(Pairs);
        showPair(pair);
    });
    connect(m_quality, &QualityPanel::promptWanted, this, [this](qint64 prompt) {
        setTab(Prompts);
        showPrompt(prompt);
    });

    auto* datasets = new PagedTable(m_context, datasetColumns(), datasetSource(), u"Filter datasets by name"_s);
    auto* freeze = new QuietButton(u"lock"_s, u"Freeze the votes"_s);
    connect(freeze, &QPushButton::clicked, this, &DataPage::showFreeze);
    datasets->addTool(freeze);
    datasets->setNothing(u"Nothing is frozen yet: a run freezes the votes it trains on, or you do, above."_s);
    add(Datasets, u"Datasets"_s, datasets,
        u"A dataset is a frozen, named selection of votes. Runs train on datasets, so that they can be compared."_s);
    connect(datasets, &PagedTable::currentChanged, this, &DataPage::showDataset);

    auto* imports = new PagedTable(m_context, importColumns(), importSource(), u"Filter imports by file"_s);
    auto* another = new QuietButton(u"import"_s, u"Import a file"_s);
    connect(another, &QPushButton::clicked, this, &DataPage::chooseFile);
    imports->addTool(another);
    auto* two = new QuietButton(u"Pair two files"_s);
    two->setToolTip(u"Two files of answers, joined by their prompts into pairs to judge"_s);
    connect(two, &QPushButton::clicked, this, &DataPage::showPairFiles);
    imports->addTool(two);
    imports->setNothing(u"Nothing was imported yet: drop a file on the window, or choose one above."_s);
    add(Imports, u"Imports"_s, imports, u"Each import is a batch that can be taken back. Drop a file on the window to see "
                                        u"what is in it."_s);
    connect(imports, &PagedTable::currentChanged, this, &DataPage::showBatch);
    m_root->addWidget(main);

    // Empty: a drop zone and the formats by name.
    m_empty = new QWidget;
    auto* emptyRow = new QHBoxLayout(m_empty);
    emptyRow->addStretch(1);
    auto* zone = new QFrame;
    setLook(zone, "sunken");
    zone->setMaximumWidth(620);
    auto* zoneColumn = new QVBoxLayout(zone);
    zoneColumn->setContentsMargins(px(Size::GapXl), 2 * px(Size::GapXl), px(Size::GapXl), 2 * px(Size::GapXl));
    zoneColumn->setSpacing(px(Size::GapM));
    auto* picture = new QLabel;
    picture->setPixmap(iconPixmap(u"drop"_s, Tone::Second, 32, devicePixelRatioF()));
    zoneColumn->addWidget(picture, 0, Qt::AlignHCenter);
    zoneColumn->addWidget(new TextLabel(u"Drop a file here"_s, TextStyle::Title), 0, Qt::AlignHCenter);
    auto* formats = new TextLabel(u"Plain text, one prompt a line, or rows with “prompt”\nTRL pairs: texts or conversations, explicit or "
                                  u"implicit\nAnthropic HH, UltraFeedback, HelpSteer 2 and 3, LMArena\nArgilla, Label Studio, LLaMA-Factory, "
                                  u"RewardBench\n(.jsonl, .json, .csv, .tsv and .txt, also .gz)"_s,
                                  TextStyle::Body, Tone::Second);
    formats->setAlignment(Qt::AlignHCenter);
    zoneColumn->addWidget(formats, 0, Qt::AlignHCenter);
    auto* zoneButtons = new QHBoxLayout;
    setNoMargins(zoneButtons, Size::GapS);
    auto* choose = new FilledButton(u"Choose a file"_s);
    auto* pasteEmpty = new QuietButton(u"Paste prompts"_s);
    connect(choose, &QPushButton::clicked, this, &DataPage::chooseFile);
    connect(pasteEmpty, &QPushButton::clicked, this, &DataPage::showPaste);
    zoneButtons->addStretch(1);
    zoneButtons->addWidget(choose);
    zoneButtons->addWidget(pasteEmpty);
    zoneButtons->addStretch(1);
    zoneColumn->addLayout(zoneButtons);
    emptyRow->addWidget(zone, 100, Qt::AlignVCenter);
    emptyRow->addStretch(1);
    m_root->addWidget(m_empty);
    m_root->setCurrentIndex(0);

    auto* guideline = new QShortcut(QKeySequence(Qt::Key_F4), this);
    guideline->setContext(Qt::WidgetWithChildrenShortcut);
    connect(guideline, &QShortcut::activated, this, [this] {
        if (tab() != Votes)
            return;
        m_guidelines = !m_guidelines;
        showVote(m_vote);
    });
    if (annotatorMode(m_context)) { // of an annotator only the own votes
        for (int i = 0; i < m_tabs->count(); ++i)
            m_tabs->setTabVisible(i, i == Votes);
        m_tabs->setCurrentIndex(Votes);
        m_stack->setCurrentIndex(Votes);
    }
    connect(m_tabs, &QTabBar::currentChanged, this, [this](int index) {
        m_stack->setCurrentIndex(index);
        if (m_started && m_sides[static_cast<size_t>(index)]->stale)
            reload(static_cast<Tab>(index));
    });
}

void DataPage::activated() {
    m_started = true;
    if (m_sides[tab()]->stale)
        reload(tab());
    if (tab() == Quality)
        m_quality->takeFocus();
    else
        m_sides[tab()]->table->view()->setFocus();
}

DataPage::Tab DataPage::tab() const {
    return static_cast<Tab>(std::max(0, m_tabs->currentIndex()));
}
void DataPage::setTab(Tab tab) {
    m_tabs->setCurrentIndex(tab);
}
PagedTable* DataPage::table(Tab tab) const {
    return m_sides[tab]->table;
}
DetailPanel* DataPage::detail(Tab tab) const {
    return m_sides[tab]->detail;
}
bool DataPage::isEmptyShown() const {
    return m_root->currentWidget() == m_empty;
}
QString DataPage::messageText() const {
    return m_message->text();
}
void DataPage::say(State state, const QString& text) {
    m_message->setMessage(state, text);
}

void DataPage::reload(Tab tab) {
    m_sides[tab]->stale = false;
    if (tab != Quality) // looks after itself
        m_sides[tab]->table->model()->reload();
}

void DataPage::refreshEmpty() {
    // Only a project without prompts is empty; whoever is pasting or previewing stays where they are.
    PagedModel* prompts = m_sides[Prompts]->table->model();
    const bool empty = prompts->isLoaded() && prompts->total() == 0 &&
                       m_sides[Prompts]->table->filter()->text().isEmpty() && tab() == Prompts &&
                       m_sides[Prompts]->detail->title().isEmpty();
    m_root->setCurrentIndex(empty ? 1 : 0);
    if (prompts->isLoaded() && m_sides[Prompts]->stale && m_started && isEmptyShown())
        reload(Prompts);
}

void DataPage::openArgument(const QString& argument) {
    if (annotatorMode(m_context))
        return;
    if (argument.startsWith(u"import:")) {
        const QString path = argument.mid(7);
        if (path.isEmpty())
            chooseFile();
        else
            previewFile(path);
    } else if (argument.startsWith(u"prompt:")) {
        m_root->setCurrentIndex(0);
        setTab(Prompts);
        showPrompt(argument.mid(7).toLongLong());
    } else if (argument == u"export") {
        showExport();
    } else if (argument == u"disputed" || argument == u"doubtful") {
        setTab(Quality);
        m_quality->setView(argument == u"disputed" ? QualityPanel::Disputed : QualityPanel::Doubtful);
        m_quality->takeFocus();
    } else {
        static const std::array<QStringView, 6> names{u"prompts", u"pairs", u"votes", u"quality", u"datasets", u"imports"};
        for (size_t i = 0; i < names.size(); ++i)
            if (argument == names[i])
                setTab(static_cast<Tab>(i));
    }
}

// --- files ------------------------------------------------------------------------------------------------------------

void DataPage::chooseFile() {
    auto* dialog = new QFileDialog(this, u"Prompts or preference pairs"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFile);
    dialog->setNameFilters({u"Text, JSON Lines and tables (*.txt *.jsonl *.json *.csv *.tsv *.gz)"_s, u"All files (*)"_s});
    connect(dialog, &QFileDialog::fileSelected, this, &DataPage::previewFile);
    dialog->open();
}

void DataPage::previewFile(const QString& path) {
    m_root->setCurrentIndex(0);
    setTab(Imports);
    DetailPanel* d = detail(Imports);
    d->begin(QFileInfo(path).fileName());
    auto* line = new ProgressLine;
    line->setValue(std::nan(""));
    d->note(u"Reading"_s);
    d->widget(line);
    d->end();
    QThreadPool::globalInstance()->start([self = QPointer<DataPage>(this), app = QCoreApplication::instance(), path] {
        auto parsed = std::make_shared<Parsed>();
        parsed->path = path;
        const desk::ImportOptions options;
        auto text = desk::readMaybeGzip(sstr(path), options.maxBytes);
        if (!text) {
            parsed->error = text.error();
        } else {
            parsed->sha = sha256Hex(*text);
            auto file = desk::parseImport(*text, os::baseName(sstr(path)), options);
            if (file)
                parsed->file = std::move(*file);
            else
                parsed->error = file.error();
        }
        QMetaObject::invokeMethod(
            app,
            [self, parsed] {
                if (!self)
                    return;
                if (parsed->error)
                    return self->showPreview(parsed);
                // What is new is only known to the store.
                self->m_context.ask(
                    self,
                    [parsed, task = self->m_context.task.id](Project& p) {
                        const Project::ImportMeta meta{os::baseName(sstr(parsed->path)), parsed->sha,
                                                       desk::importFormatName(parsed->file.format), task, "imported"};
                        return p.importRows(meta, parsed->file.rows, true);
                    },
                    [self, parsed](Result<desk::ImportCounts> counts) {
                        if (counts)
                            parsed->counts = *counts;
                        else
                            parsed->error = counts.error();
                        self->showPreview(parsed);
                    });
            },
            Qt::QueuedConnection);
    });
}

void DataPage::showPreview(std::shared_ptr<Parsed> parsed) {
    DetailPanel* d = detail(Imports);
    d->begin(QFileInfo(parsed->path).fileName());
    auto* cancel = new QuietButton(u"Close"_s);
    connect(cancel, &QPushButton::clicked, this, [d] { d->clear(); });
    auto* columns = new QuietButton(u"Map its columns"_s);
    columns->setObjectName(u"map_columns"_s);
    columns->setToolTip(u"Say which column is the prompt, the answers, the winner"_s);
    connect(columns, &QPushButton::clicked, this, [this, path = parsed->path] { showMapping(path); });
    if (parsed->error) {
        d->note(errorText(*parsed->error), Tone::Error);
        auto* other = new QuietButton(u"Choose another file"_s);
        connect(other, &QPushButton::clicked, this, &DataPage::chooseFile);
        d->end({columns, other, cancel});
        Q_EMIT previewShown(false);
        return;
    }
    const desk::ImportCounts& n = parsed->counts;
    d->fact(u"Format"_s, QString::fromLatin1(desk::importFormatName(parsed->file.format)));
    if (!parsed->file.note.empty())
        d->note(qstr(parsed->file.note) + (parsed->file.note.back() == '.' ? QString() : u"."_s));
    d->fact(u"Rows read"_s, formatCount(parsed->file.read));
    d->fact(u"New prompts"_s, formatCount(n.prompts));
    d->fact(u"New answers"_s, formatCount(n.candidates));
    d->fact(u"New pairs"_s, formatCount(n.pairs));
    d->fact(u"New votes"_s, formatCount(n.votes) + (n.votes ? u" (marked imported)"_s : QString()));
    d->fact(u"Already here"_s, formatCount(n.duplicates));
    if (n.differing)
        d->fact(u"Differ from a vote here"_s, formatCount(n.differing) + u" (the earlier is kept)"_s);
    if (n.keptSplit)
        d->fact(u"Prompts in another split here"_s, formatCount(n.keptSplit) + u" (they stay there)"_s);
    d->fact(u"Left out"_s, formatCount(parsed->file.rejectedCount));
    if (!parsed->file.rejected.empty()) {
        QString reasons;
        int shown = 0;
        for (const desk::RejectedRow& row : parsed->file.rejected) {
            if (++shown > kReasonsShown)
                break;
            reasons += u"line %1: %2\n"_s.arg(row.line).arg(qstr(row.reason));
        }
        d->text(u"Why rows are left out"_s, reasons.trimmed(), kReasonsShown);
    }
    int sample = 0;
    for (const desk::ImportRow& row : parsed->file.rows) {
        if (++sample > 2)
            break;
        d->text(u"Row %1: prompt"_s.arg(row.line), qstr(row.prompt.content), 4);
        if (row.chosen)
            d->text(row.tie ? u"First answer (a tie)"_s : u"Chosen"_s, qstr(*row.chosen), 4);
        if (row.rejected)
            d->text(row.tie ? u"Second answer"_s : u"Rejected"_s, qstr(*row.rejected), 4);
        for (size_t i = 0; i < row.texts.size(); ++i)
            d->text(row.ranks.empty() ? u"Answer %1"_s.arg(i + 1) : u"Answer %1, place %2"_s.arg(i + 1).arg(row.ranks[i]),
                    qstr(row.texts[i].text), 3);
    }
    auto* import = new FilledButton(u"Import %1 rows"_s.arg(formatCount(n.rows)));
    import->setObjectName(u"import_now"_s);
    import->setEnabled(n.prompts + n.candidates + n.pairs + n.votes > 0);
    if (!import->isEnabled())
        d->note(n.differing ? u"Nothing new: what differs from the votes here is not taken over. Revert the earlier import to take it."_s
                            : u"Everything in this file is in the project already."_s);
    connect(import, &QPushButton::clicked, this, [this, parsed, import] {
        import->setEnabled(false);
        importNow(parsed);
    });
    d->end({import, columns, cancel});
    Q_EMIT previewShown(true);
}

void DataPage::importNow(std::shared_ptr<Parsed> parsed) {
    m_context.ask(
        this,
        [parsed, task = m_context.task.id](Project& p) {
            const Project::ImportMeta meta{os::baseName(sstr(parsed->path)), parsed->sha,
                                           desk::importFormatName(parsed->file.format), task, "imported"};
            return p.importRows(meta, parsed->file.rows, false);
        },
        [this, parsed](Result<desk::ImportCounts> counts) {
            if (!counts) {
                parsed->error = counts.error();
                return showPreview(parsed);
            }
            say(State::Done, u"%1 prompts, %2 pairs and %3 votes imported; Revert takes them back"_s.arg(
                                 formatCount(counts->prompts), formatCount(counts->pairs), formatCount(counts->votes)));
            detail(Imports)->clear();
            reload(Imports);
            m_sides[Prompts]->stale = m_sides[Pairs]->stale = m_sides[Votes]->stale = true;
            Q_EMIT imported(counts->prompts);
        });
}

void DataPage::showFreeze() {
    DetailPanel* d = detail(Datasets);
    d->begin(u"Freeze the votes"_s);
    auto* name = new QLineEdit;
    name->setObjectName(u"dataset_name"_s);
    name->setAccessibleName(u"Name of the dataset"_s);
    name->setText(u"votes-%1"_s.arg(QDateTime::currentDateTime().toString(u"yyyyMMdd-hhmm"_s)));
    d->widget(name);
    auto* ties = new QCheckBox(u"Ties as soft labels (else left out)"_s);
    ties->setChecked(true);
    d->widget(ties);
    auto* simulated = new QCheckBox(u"Only votes of people, no rules or models"_s);
    d->widget(simulated);
    auto* preview = new TextLabel(u"Counting"_s, TextStyle::Body, Tone::Second);
    preview->setWordWrap(true);
    d->widget(preview);
    const auto spec = [this, name, ties, simulated] {
        desk::DatasetSpec s;
        s.name = sstr(name->text().trimmed());
        s.filter.task = m_context.task.id;
        s.tiePolicy = ties->isChecked() ? desk::TiePolicy::SoftLabel : desk::TiePolicy::Drop;
        if (simulated->isChecked())
            s.filter.provenances = {desk::Provenance::Human};
        return s;
    };
    auto* freeze = new FilledButton(u"Freeze"_s);
    freeze->setObjectName(u"freeze_now"_s);
    auto* cancel = new QuietButton(u"Cancel"_s);
    const auto count = [this, spec, preview = QPointer<TextLabel>(preview), freeze = QPointer<FilledButton>(freeze)] {
        m_context.ask(
            this, [s = spec()](Project& p) { return p.previewDataset(s); },
            [preview, freeze](Result<desk::DatasetCounts> n) {
                if (!preview || !freeze)
                    return;
                preview->setText(n ? u"%1 votes become %2 training and %3 dev pairs, %4 ties, %5 unpaired rows; %6 "
                                     u"disagreements and %7 flagged pairs are left out."_s.arg(
                                         formatCount(n->votes), formatCount(n->train), formatCount(n->dev),
                                         formatCount(n->ties), formatCount(n->unpaired), formatCount(n->disagreements),
                                         formatCount(n->flagged))
                                   : errorText(n.error()));
                freeze->setEnabled(n && n->votes > 0);
            });
    };
    connect(ties, &QCheckBox::toggled, this, count);
    connect(simulated, &QCheckBox::toggled, this, count);
    connect(cancel, &QPushButton::clicked, this, [d] { d->clear(); });
    connect(freeze, &QPushButton::clicked, this, [this, spec, freeze] {
        freeze->setEnabled(false);
        m_context.ask(
            this, [s = spec()](Project& p) { return p.freezeDataset(s); },
            [this](Result<desk::DatasetInfo> info) {
                if (!info)
                    return say(State::Failed, u"Nothing was frozen. %1"_s.arg(errorText(info.error())));
                say(State::Done, u"%1 is frozen: %2 training pairs, hash %3"_s.arg(
                                     qstr(info->name), formatCount(info->counts.train), qstr(info->sha).left(8)));
                reload(Datasets);
                showDataset(info->id);
            });
    });
    d->end({freeze, cancel});
    count();
    name->setFocus();
}

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
// The data page's ways in by hand: prompts, answers, columns, two files of answers.
#include <array>
#include <memory>

#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPointer>
#include <QStackedWidget>
#include <QThreadPool>

#include "core/desk/exchange/pair_files.h"
#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/export_card.h"
#include "ui/data/map_card.h"
#include "ui/data/paged_table.h"
#include "ui/shell/annotator.h"
#include "ui/theme/theme.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;
using desk::Project;

namespace {

QComboBox* splitChoice() {
    auto* combo = new QComboBox;
    combo->addItems({u"split drawn by the text (80/10/10)"_s, u"all to train"_s, u"all to dev"_s, u"all to test"_s});
    combo->setAccessibleName(u"Split"_s);
    return combo;
}
std::optional<desk::Split> splitAt(int index) {
    return index <= 0 ? std::nullopt : std::optional<desk::Split>(static_cast<desk::Split>(index - 1));
}

/// A text whose Ctrl+Enter does what its button does.
class Draft : public QPlainTextEdit {
public:
    QPushButton* button = nullptr;

protected:
    void keyPressEvent(QKeyEvent* event) override {
        if ((event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) && event->modifiers().testFlag(Qt::ControlModifier)) {
            if (button && button->isEnabled())
                button->click();
            return;
        }
        QPlainTextEdit::keyPressEvent(event);
    }
};

/// Prompts of several lines, with a line of their own between them.
std::vector<desk::NewPrompt> separated(const QString& text, const QString& separator) {
    std::vector<desk::NewPrompt> out;
    QStringList lines;
    const auto flush = [&] {
        const QString one = lines.join(u'\n').trimmed();
        lines.clear();
        if (one.isEmpty())
            return;
        desk::NewPrompt prompt;
        prompt.content = sstr(one);
        out.push_back(std::move(prompt));
    };
    for (const QString& line : text.split(u'\n')) {
        if (line.trimmed() == separator)
            flush();
        else
            lines.append(line);
    }
    flush();
    return out;
}

} // namespace

// --- prompts and answers ---------------------------------------------------------------------------------------------------

void DataPage::showPaste() {
    m_root->setCurrentIndex(0);
    setTab(Prompts);
    ++m_shown;
    DetailPanel* d = detail(Prompts);
    d->begin(u"Add prompts"_s);
    d->note(u"One prompt a line, or JSON Lines with “prompt”; with a separator a prompt may have several lines."_s);
    auto* edit = new Draft;
    edit->setObjectName(u"paste_prompts"_s);
    edit->setAccessibleName(u"Prompts to add"_s);
    edit->setTabChangesFocus(true);
    edit->setMinimumHeight(10 * lineHeight(TextStyle::Body));
    d->widget(edit);
    auto* separator = new QLineEdit;
    separator->setObjectName(u"paste_separator"_s);
    separator->setAccessibleName(u"Line between prompts"_s);
    separator->setPlaceholderText(u"Line between prompts, such as ---; empty: every line is a prompt"_s);
    d->widget(separator);
    auto* split = splitChoice();
    d->widget(split);
    auto* addButton = new FilledButton(u"Add"_s);
    addButton->setObjectName(u"add_prompts"_s);
    addButton->setEnabled(false);
    addButton->setToolTip(u"Ctrl+Enter"_s);
    auto* cancel = new QuietButton(u"Cancel"_s);
    connect(edit, &QPlainTextEdit::textChanged, this,
            [edit, addButton] { addButton->setEnabled(!edit->toPlainText().trimmed().isEmpty()); });
    connect(addButton, &QPushButton::clicked, this,
            [this, edit, separator, split] { addPasted(edit->toPlainText(), separator->text().trimmed(), splitAt(split->currentIndex())); });
    edit->button = addButton;
    connect(cancel, &QPushButton::clicked, this, [this, d] {
        d->clear();
        refreshEmpty();
    });
    d->end({addButton, cancel});
    edit->setFocus();
}

void DataPage::addPasted(const QString& text, const QString& separator, std::optional<desk::Split> split) {
    std::vector<desk::NewPrompt> prompts;
    int64_t rejected = 0;
    if (separator.isEmpty()) {
        desk::ImportOptions options;
        options.format = desk::ImportFormat::Prompts;
        auto parsed = desk::parseImport(sstr(text), "the pasted text", options);
        if (!parsed)
            return say(State::Failed, errorText(parsed.error()));
        for (desk::ImportRow& row : parsed->rows)
            prompts.push_back(std::move(row.prompt));
        rejected = parsed->rejectedCount;
    } else {
        prompts = separated(text, separator);
    }
    for (desk::NewPrompt& prompt : prompts) {
        prompt.source = "pasted";
        if (split)
            prompt.split = split;
    }
    struct Added {
        Result<std::vector<Id>> ids;
        int64_t fresh = 0;
    };
    m_context.ask(
        this,
        [prompts](Project& p) {
            const int64_t before = p.counters().prompts;
            Added added{p.addPrompts(prompts), 0};
            added.fresh = p.counters().prompts - before;
            return added;
        },
        [this, rejected, split, n = static_cast<int64_t>(prompts.size())](Added added) {
            if (!added.ids)
                return say(State::Failed, u"Nothing was added. %1"_s.arg(errorText(added.ids.error())));
            QString text = u"%1 prompts added"_s.arg(formatCount(added.fresh));
            if (n > added.fresh)
                text += (split ? u", %1 were there already and keep their split"_s : u", %1 were there already"_s)
                            .arg(formatCount(n - added.fresh));
            if (rejected)
                text += u", %1 lines could not be read"_s.arg(formatCount(rejected));
            say(State::Done, text);
            detail(Prompts)->clear();
            reload(Prompts);
            Q_EMIT imported(added.fresh);
        });
}

void DataPage::offerAnswer(DetailPanel* d, Id prompt, int others) {
    auto* edit = new Draft;
    edit->setObjectName(u"type_answer"_s);
    edit->setAccessibleName(u"An answer of your own"_s);
    edit->setPlaceholderText(u"Type an answer of your own"_s);
    edit->setTabChangesFocus(true);
    edit->setFixedHeight(4 * lineHeight(TextStyle::Body));
    d->widget(edit);
    auto* pairs = new QCheckBox(others == 1 ? u"Pair it with the answer above"_s : u"Pair it with each answer above"_s);
    pairs->setObjectName(u"pair_answer"_s);
    pairs->setChecked(others > 0);
    d->widget(pairs);
    pairs->setVisible(others > 0);
    auto* add = new QuietButton(u"plus"_s, u"Add answer"_s);
    add->setObjectName(u"add_answer"_s);
    add->setToolTip(u"Ctrl+Enter"_s);
    add->setEnabled(false);
    connect(edit, &QPlainTextEdit::textChanged, this, [edit, add] { add->setEnabled(!edit->toPlainText().trimmed().isEmpty()); });
    connect(add, &QPushButton::clicked, this, [this, prompt, edit, pairs, add] {
        add->setEnabled(false);
        addAnswer(prompt, edit->toPlainText(), pairs->isChecked());
    });
    edit->button = add;
    d->widget(add);
}

void DataPage::addAnswer(Id prompt, const QString& text, bool pairs) {
    struct Added {
        Status status;
        int64_t pairs = 0;
        bool known = false;
    };
    m_context.ask(
        this,
        [prompt, text = sstr(text), pairs](Project& p) {
            Added out;
            const auto work = [&]() -> Status {
                desk::Page page;
                page.prompt = prompt;
                page.limit = 0;
                page.kind = desk::CandidateKind::Text;
                PL_TRY(const auto others, p.candidates(page));
                desk::NewCandidate answer;
                answer.prompt = prompt;
                answer.content = text;
                answer.provenance = desk::Provenance::Human;
                const int64_t before = p.counters().candidates;
                PL_TRY(const auto ids, p.addCandidates({answer}));
                out.known = p.counters().candidates == before;
                std::vector<Project::NewPair> wanted;
                for (const desk::Candidate& other : others)
                    if (pairs && other.id != ids[0])
                        wanted.push_back({ids[0], other.id, "manual", 0, 0, {}});
                const int64_t had = p.counters().comparisons;
                PL_TRY([[maybe_unused]] const auto made, p.addPairs(wanted));
                out.pairs = p.counters().comparisons - had;
                return {};
            };
            out.status = work();
            return out;
        },
        [this, prompt](Added added) {
            if (!added.status)
                return say(State::Failed, u"The answer was not added. %1"_s.arg(errorText(added.status.error())));
            say(added.known ? State::Info : State::Done,
                added.known ? u"This answer was there already; %1 pairs made"_s.arg(formatCount(added.pairs))
                            : u"Answer added, %1 pairs made"_s.arg(formatCount(added.pairs)));
            showPrompt(prompt);
        });
}

// --- files ---------------------------------------------------------------------------------------------------------------------

void DataPage::showMapping(const QString& path) {
    m_root->setCurrentIndex(0);
    setTab(Imports);
    DetailPanel* d = detail(Imports);
    d->begin(u"Columns of %1"_s.arg(QFileInfo(path).fileName()));
    auto* card = new MapCard(m_context, path);
    card->setObjectName(u"map_card"_s);
    connect(card, &MapCard::closed, this, [d] { d->clear(); });
    connect(card, &MapCard::dryRunShown, this, &DataPage::previewShown);
    connect(card, &MapCard::imported, this, [this](qint64 prompts, const QString& what) {
        say(State::Done, what);
        detail(Imports)->clear();
        reload(Imports);
        reload(Prompts);
        Q_EMIT imported(prompts);
    });
    d->widget(card);
    d->end();
}

void DataPage::showExport() {
    m_root->setCurrentIndex(0);
    setTab(Votes);
    DetailPanel* d = detail(Votes);
    d->begin(u"Export the votes"_s);
    if (!m_reader)
        m_reader = std::make_shared<desk::ReaderThread>(m_context.store);
    auto* card = new ExportCard(m_context, m_reader);
    card->setObjectName(u"export_card"_s);
    connect(card, &ExportCard::closed, this, [this, d] {
        d->clear();
        table(Votes)->view()->setFocus();
    });
    d->widget(card);
    d->end();
    card->takeFocus();
}

void DataPage::showPairFiles() {
    m_root->setCurrentIndex(0);
    setTab(Imports);
    DetailPanel* d = detail(Imports);
    d->begin(u"Pair two files"_s);
    d->note(u"Each has a prompt and an answer a row (JSON Lines, JSON or CSV, also .gz). Answers to the same prompt become a pair to judge."_s);
    std::array<QLineEdit*, 2> paths{};
    for (size_t i = 0; i < 2; ++i) {
        auto* row = new QWidget;
        auto* line = new QHBoxLayout(row);
        setNoMargins(line, Size::GapS);
        paths[i] = new QLineEdit;
        paths[i]->setObjectName(i ? u"pair_file_b"_s : u"pair_file_a"_s);
        paths[i]->setAccessibleName(i ? u"Second file of answers"_s : u"First file of answers"_s);
        paths[i]->setPlaceholderText(i ? u"Second file of answers"_s : u"First file of answers"_s);
        auto* browse = new QuietButton(u"Browse"_s);
        connect(browse, &QPushButton::clicked, this, [this, edit = QPointer<QLineEdit>(paths[i])] {
            auto* dialog = new QFileDialog(this, u"A file of answers"_s);
            dialog->setAttribute(Qt::WA_DeleteOnClose);
            dialog->setFileMode(QFileDialog::ExistingFile);
            connect(dialog, &QFileDialog::fileSelected, this, [edit](const QString& file) {
                if (edit)
                    edit->setText(file);
            });
            dialog->open();
        });
        line->addWidget(paths[i], 1);
        line->addWidget(browse);
        d->widget(row);
    }
    auto* found = new TextLabel(u"Nothing is written before you import."_s, TextStyle::Body, Tone::Second);
    found->setObjectName(u"pair_found"_s);
    found->setWordWrap(true);
    d->widget(found);
    auto* look = new QuietButton(u"See what meets"_s);
    look->setObjectName(u"pair_look"_s);
    auto* import = new FilledButton(u"Import pairs"_s);
    import->setObjectName(u"pair_import"_s);
    auto* cancel = new QuietButton(u"Close"_s);
    // The files are read and joined on a thread of their own; the store only counts and writes, and it writes what was shown.
    struct Joined {
        std::array<std::string, 2> paths;
        std::shared_ptr<desk::PairedRead> read;
    };
    auto joined = std::make_shared<Joined>();
    const auto go = [this, d, paths, joined, found = QPointer<TextLabel>(found),
                     buttons = std::array{QPointer<QPushButton>(look), QPointer<QPushButton>(import)}](bool dryRun) {
        const auto busy = [buttons](bool on) {
            for (const auto& button : buttons)
                if (button)
                    button->setEnabled(!on);
        };
        const auto refuse = [this, found, busy](const Error& error) {
            busy(false);
            if (found) {
                found->setTone(Tone::Error);
                found->setText(errorText(error));
            }
            Q_EMIT previewShown(false);
        };
        const auto store = [this, d, found, busy, refuse, dryRun](const std::shared_ptr<desk::PairedRead>& read) {
            m_context.ask(
                this,
                [read, dryRun, task = m_context.task.id](Project& p) {
                    desk::PairFilesOptions options;
                    options.dryRun = dryRun;
                    options.task = task;
                    return desk::importPaired(p, *read, options);
                },
                [this, d, found, busy, refuse, dryRun, read](Result<desk::ImportReport> report) {
                    if (!report)
                        return refuse(report.error());
                    busy(false);
                    const desk::PairedFiles& f = read->files;
                    const QString text = u"%1 pairs by prompt, %2 of them new; %3 answers only in the first file, %4 only in the second, %5 the same on both "
                                         u"sides, %6 rows left out"_s.arg(formatCount(static_cast<int64_t>(f.rows.size())), formatCount(report->counts.pairs),
                                                                          formatCount(f.onlyA), formatCount(f.onlyB), formatCount(f.identical),
                                                                          formatCount(f.rejectedCount));
                    if (dryRun) {
                        if (found) {
                            found->setTone(Tone::Text);
                            found->setText(text);
                        }
                        Q_EMIT previewShown(true);
                        return;
                    }
                    say(State::Done, text);
                    if (found) // else something else is shown there by now
                        d->clear();
                    reload(Imports);
                    Q_EMIT imported(report->counts.prompts);
                });
        };
        std::array<std::string, 2> asked{sstr(paths[0]->text().trimmed()), sstr(paths[1]->text().trimmed())};
        busy(true);
        if (!dryRun && joined->read && joined->paths == asked)
            return store(joined->read);
        if (found) {
            found->setTone(Tone::Second);
            found->setText(u"Reading"_s);
        }
        QThreadPool::globalInstance()->start([self = QPointer<DataPage>(this), app = QCoreApplication::instance(), asked, joined, refuse, store] {
            auto read = std::make_shared<Result<desk::PairedRead>>(desk::readPaired(asked[0], asked[1], {}));
            QMetaObject::invokeMethod(
                app,
                [self, asked, joined, refuse, store, read] {
                    if (!self)
                        return;
                    if (!*read)
                        return refuse(read->error());
                    *joined = {asked, std::make_shared<desk::PairedRead>(std::move(**read))};
                    store(joined->read);
                },
                Qt::QueuedConnection);
        });
    };
    connect(look, &QPushButton::clicked, this, [go] { go(true); });
    connect(import, &QPushButton::clicked, this, [go] { go(false); });
    connect(cancel, &QPushButton::clicked, this, [d] { d->clear(); });
    d->end({import, look, cancel});
    paths[0]->setFocus();
}

} // namespace pl::ui

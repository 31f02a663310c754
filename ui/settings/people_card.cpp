// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/settings/people_card.h"

#include <QDateTime>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QSpinBox>
#include <QTableView>
#include <QVBoxLayout>

#include "core/desk/store/rankings.h"
#include "ui/theme/theme.h"
#include "ui/widgets/detail_table.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

enum Column { Person, Judged, Ranked, Shared, Dealt, Returned };

QString dayText(int64_t ms) {
    return QDateTime::fromMSecsSinceEpoch(ms).toString(u"yyyy-MM-dd HH:mm"_s);
}

TextLabel* caption(const QString& text) {
    auto* label = new TextLabel(text, TextStyle::Caption, Tone::Second);
    label->setWordWrap(true);
    return label;
}

QHBoxLayout* line() {
    auto* row = new QHBoxLayout;
    setNoMargins(row, Size::GapM);
    return row;
}

QString listed(const std::vector<std::string>& names) {
    QStringList all;
    for (const std::string& name : names)
        all.append(qstr(name));
    return all.isEmpty() ? u"none"_s : all.join(u", "_s);
}

/// "12 pairs", "12 pairs and 3 sets", "3 sets".
QString work(qint64 pairs, qint64 sets) {
    const QString both = u"%1 %2"_s.arg(pairs).arg(pairs == 1 ? u"pair"_s : u"pairs"_s);
    const QString ranked = u"%1 %2"_s.arg(sets).arg(sets == 1 ? u"set"_s : u"sets"_s);
    return sets == 0 ? both : pairs == 0 ? ranked : u"%1 and %2"_s.arg(both, ranked);
}

/// "5 of 12 pairs and 1 of 3 sets".
QString done(qint64 judged, qint64 pairs, qint64 ranked, qint64 sets) {
    const QString both = u"%1 of %2"_s.arg(judged).arg(work(pairs, 0)), order = u"%1 of %2"_s.arg(ranked).arg(work(0, sets));
    return sets == 0 ? both : pairs == 0 ? order : u"%1 and %2"_s.arg(both, order);
}

QSpinBox* numberBox(int low, int value, const QString& suffix, const QString& name, const QString& tip) {
    auto* box = new QSpinBox;
    box->setRange(low, 1'000'000);
    box->setValue(value);
    box->setSuffix(suffix);
    box->setAccessibleName(name);
    box->setToolTip(tip);
    return box;
}

} // namespace

// --- the manager -----------------------------------------------------------------------------------------------------

PeopleCard::PeopleCard(Context& context) : Card(u"People and packages"_s), m_context(context) {
    body()->addWidget(caption(u"Pairs and sets nobody has judged are dealt out as a file for each person, without names of models, scores or the votes "
                              u"of others. What comes back is merged in any order, as often as you like."_s));
    m_table = new DetailTable(new TableModel({{u"Person"_s, false, false, 120, true},
                                              {u"Pairs judged"_s, true, true, 110, false, u"Of the pairs in the package"_s},
                                              {u"Sets ranked"_s, true, true, 100, false, u"Of the sets of three answers or more in the package"_s, true},
                                              {u"Shared"_s, true, true, 70, false, u"Pairs and sets that everybody of the same deal got"_s, true},
                                              {u"Dealt"_s, false, false, 150, false, {}, true},
                                              {u"Came back"_s, false, false, 180, false, u"How many returns were merged, and when the last"_s}},
                                             [this](int row, int column, int role) { return cell(row, column, role); }));
    m_table->setFilterVisible(false);
    m_table->view()->setAccessibleName(u"Packages"_s);
    m_table->setFixedHeight(7 * lineHeight(TextStyle::Body) + px(Size::Control));
    body()->addWidget(m_table);

    auto* form = line();
    m_names = new QLineEdit;
    m_names->setPlaceholderText(u"Names, with commas: Ada, Bo"_s);
    m_names->setAccessibleName(u"Who is to label"_s);
    m_pairs = numberBox(0, 100, u" pairs each"_s, u"Pairs of each person"_s, u"How many pairs each person gets"_s);
    m_shared = numberBox(0, 20, u" shared"_s, u"Pairs that everybody gets"_s, u"The same pairs for everybody: what agreement is computed from"_s);
    m_sets = numberBox(0, 0, u" sets each"_s, u"Sets of each person"_s, u"Sets of three answers or more, to be put into an order"_s);
    m_sharedSets = numberBox(0, 0, u" shared"_s, u"Sets that everybody gets"_s, u"The same sets for everybody"_s);
    body()->addWidget(m_names);
    for (QSpinBox* box : {m_pairs, m_shared, m_sets, m_sharedSets})
        form->addWidget(box);
    body()->addLayout(form);
    auto* buttons = line();
    m_deal = new QuietButton(u"export"_s, u"&Deal out…"_s);
    m_deal->setObjectName(u"deal_out"_s);
    m_deal->setToolTip(u"Writes a package for each person into a folder (Alt+D)"_s);
    m_deal->setEnabled(false);
    m_merge = new QuietButton(u"merge"_s, u"&Merge returns…"_s);
    m_merge->setObjectName(u"merge_returns"_s);
    m_merge->setToolTip(u"Verifies the files that came back and takes over what is new (Alt+M)"_s);
    buttons->addWidget(m_deal);
    buttons->addWidget(m_merge);
    m_message = new InlineMessage;
    buttons->addWidget(m_message, 1);
    body()->addLayout(buttons);
    connect(m_names, &QLineEdit::textChanged, this, [this](const QString& text) { m_deal->setEnabled(!text.trimmed().isEmpty()); });
    connect(m_deal, &QPushButton::clicked, this, [this] {
        auto* dialog = new QFileDialog(this, u"Folder for the packages"_s);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->setFileMode(QFileDialog::Directory);
        connect(dialog, &QFileDialog::fileSelected, this, &PeopleCard::dealTo);
        dialog->open();
    });
    connect(m_merge, &QPushButton::clicked, this, [this] {
        auto* dialog = new QFileDialog(this, u"Returns to merge"_s, {}, u"Returns (*%1)"_s.arg(QString::fromLatin1(desk::kReturnSuffix)));
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->setFileMode(QFileDialog::ExistingFiles);
        connect(dialog, &QFileDialog::filesSelected, this, &PeopleCard::merge);
        dialog->open();
    });
    refresh();
}

QVariant PeopleCard::cell(int row, int column, int role) const {
    const desk::PackageRow& p = m_rows[static_cast<size_t>(row)];
    if (role == Qt::ToolTipRole)
        return u"Package %1, task %2"_s.arg(qstr(p.uuid), qstr(p.task)).toHtmlEscaped();
    if (role == Qt::UserRole) {
        switch (column) {
        case Judged: return double(p.judged) / double(std::max<int64_t>(1, p.pairs));
        case Ranked: return double(p.ranked) / double(std::max<int64_t>(1, p.sets));
        case Shared: return qlonglong(p.shared + p.sharedSets);
        case Dealt: return qlonglong(p.createdMs);
        case Returned: return qlonglong(p.returnedMs);
        default: return qstr(p.person);
        }
    }
    if (role != Qt::DisplayRole)
        return {};
    switch (column) {
    case Person: return qstr(p.person);
    case Judged: return p.pairs ? u"%1 of %2"_s.arg(p.judged).arg(p.pairs) : u"–"_s;
    case Ranked: return p.sets ? u"%1 of %2"_s.arg(p.ranked).arg(p.sets) : u"–"_s;
    case Shared: return QString::number(p.shared + p.sharedSets);
    case Dealt: return dayText(p.createdMs);
    case Returned: return p.returns ? u"%1, last %2"_s.arg(p.returns).arg(dayText(p.returnedMs)) : u"not yet"_s;
    default: return {};
    }
}

void PeopleCard::refresh() {
    m_context.ask(
        this, [](desk::Project& p) { return desk::packages(p); },
        [this](Result<std::vector<desk::PackageRow>> rows) {
            if (!rows) {
                m_message->setMessage(State::Failed, errorText(rows.error()));
            } else {
                m_rows = std::move(*rows);
                m_table->model()->reset(static_cast<int>(m_rows.size()));
                m_table->setVisible(!m_rows.empty());
            }
            Q_EMIT finished();
        });
}

void PeopleCard::dealTo(const QString& folder) {
    desk::DealOptions options;
    options.task = m_context.task.id;
    for (const QString& name : m_names->text().split(u',', Qt::SkipEmptyParts))
        if (!name.trimmed().isEmpty())
            options.people.push_back(sstr(name.trimmed()));
    options.pairs = m_pairs->value();
    options.shared = m_shared->value();
    options.sets = m_sets->value();
    options.sharedSets = m_sharedSets->value();
    options.out = sstr(folder);
    m_message->setMessage(State::Running, u"Dealing out"_s);
    m_context.ask(
        this, [options](desk::Project& p) { return desk::dealPackages(p, options); },
        [this, folder](Result<std::vector<desk::DealtPackage>> dealt) {
            if (dealt)
                m_message->setMessage(State::Done, dealt->size() == 1 ? u"A package is in %1"_s.arg(folder)
                                                                      : u"%1 packages are in %2"_s.arg(dealt->size()).arg(folder));
            else
                m_message->setMessage(State::Failed, errorText(dealt.error()));
            refresh();
        });
}

void PeopleCard::merge(const QStringList& files) {
    if (files.isEmpty())
        return;
    m_message->setMessage(State::Running, u"Merging"_s);
    m_context.ask(
        this,
        [files](desk::Project& p) -> Result<desk::MergeReport> {
            desk::MergeReport all;
            for (const QString& file : files) {
                PL_TRY(const desk::MergeReport one, desk::mergeReturn(p, sstr(file)));
                if (all.person.find(one.person) == std::string::npos)
                    all.person += (all.person.empty() ? "" : ", ") + one.person;
                all.events += one.events;
                all.fresh += one.fresh;
            }
            return all;
        },
        [this](Result<desk::MergeReport> merged) {
            if (merged)
                m_message->setMessage(State::Done, merged->fresh == 0
                                                       ? u"Nothing new: all %1 judgements of %2 were here"_s.arg(merged->events).arg(qstr(merged->person))
                                                       : u"%1 new judgements of %2"_s.arg(merged->fresh).arg(qstr(merged->person)));
            else
                m_message->setMessage(State::Failed, errorText(merged.error()));
            refresh();
        });
}

// --- the annotator ---------------------------------------------------------------------------------------------------

PackageCard::PackageCard(Context& context) : Card(u"Package"_s), m_context(context) {
    m_state = new TextLabel({}, TextStyle::Body);
    m_state->setWordWrap(true);
    body()->addWidget(m_state);
    body()->addWidget(caption(u"You may give back what is judged at any time, and again later: whoever merges it counts nothing twice."_s));
    auto* buttons = line();
    m_return = new FilledButton(u"&Give back…"_s);
    m_return->setObjectName(u"give_back"_s);
    m_return->setToolTip(u"Writes your votes into a file for whoever dealt the package (Alt+G)"_s);
    buttons->addWidget(m_return);
    m_message = new InlineMessage;
    buttons->addWidget(m_message, 1);
    body()->addLayout(buttons);
    connect(m_return, &QPushButton::clicked, this, [this] {
        auto* dialog = new QFileDialog(this, u"Give back"_s);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->setAcceptMode(QFileDialog::AcceptSave);
        dialog->selectFile(m_context.annotatorName + QString::fromLatin1(desk::kReturnSuffix));
        connect(dialog, &QFileDialog::fileSelected, this, &PackageCard::giveBack);
        dialog->open();
    });
    refresh();
}

void PackageCard::refresh() {
    struct Answer {
        std::optional<desk::WorkOrder> order;
        int64_t left = 0, unranked = 0;
    };
    m_context.ask(
        this,
        [task = m_context.task.id, person = m_context.annotator](desk::Project& p) -> Result<Answer> {
            Answer answer;
            PL_TRY(answer.order, desk::workOrder(p));
            PL_TRY(answer.left, p.remaining(task, person));
            desk::Project::NextOptions all;
            all.task = task;
            all.annotator = person;
            PL_TRY(answer.unranked, desk::remainingRankings(p, all));
            return answer;
        },
        [this](Result<Answer> answer) {
            if (answer && answer->order)
                m_state->setText(u"%1 are judged by %2."_s.arg(
                    done(answer->order->pairs - answer->left, answer->order->pairs, answer->order->sets - answer->unranked, answer->order->sets),
                    qstr(answer->order->personName)));
            else if (!answer)
                m_message->setMessage(State::Failed, errorText(answer.error()));
            Q_EMIT finished();
        });
}

void PackageCard::giveBack(const QString& file) {
    m_context.ask(
        this, [file](desk::Project& p) { return desk::writeReturn(p, sstr(file)); },
        [this](Result<desk::ReturnedWork> back) {
            if (back)
                m_message->setMessage(State::Done, u"%1 are in %2"_s.arg(done(back->judged, back->pairs, back->ranked, back->sets), qstr(back->file)));
            else
                m_message->setMessage(State::Failed, errorText(back.error()));
            refresh();
        });
}

// --- erasing ---------------------------------------------------------------------------------------------------------

EraseCard::EraseCard(Context& context) : Card(u"Erase"_s), m_context(context) {
    body()->addWidget(caption(u"A prompt goes with all its answers, a person with name and words, their votes stay without them. Datasets, runs' "
                              u"files and backups lose the text too. It cannot be undone; a note of when, why and by whom stays."_s));
    auto* form = line();
    m_kind = new SegmentedControl({u"Person"_s, u"Prompt"_s});
    m_what = new QLineEdit;
    m_what->setAccessibleName(u"Whom or what to erase"_s);
    m_why = new QLineEdit;
    m_why->setPlaceholderText(u"Why (kept)"_s);
    m_why->setAccessibleName(u"Why"_s);
    form->addWidget(m_kind);
    form->addWidget(m_what, 1);
    form->addWidget(m_why, 1);
    body()->addLayout(form);
    m_preview = new TextLabel({}, TextStyle::Body);
    m_preview->setWordWrap(true);
    m_preview->hide();
    body()->addWidget(m_preview);
    auto* buttons = line();
    m_look = new QuietButton(u"eye"_s, u"See what &would go"_s);
    m_look->setObjectName(u"erase_look"_s);
    m_look->setToolTip(u"Changes nothing (Alt+W)"_s);
    m_erase = new QuietButton(u"trash"_s, u"&Erase"_s);
    m_erase->setObjectName(u"erase_now"_s);
    m_erase->setToolTip(u"After you have seen what would go and said why (Alt+E)"_s);
    buttons->addWidget(m_look);
    buttons->addWidget(m_erase);
    m_message = new InlineMessage;
    buttons->addWidget(m_message, 1);
    body()->addLayout(buttons);
    connect(m_look, &QPushButton::clicked, this, [this] { run(true); });
    connect(m_erase, &QPushButton::clicked, this, [this] { run(false); });
    connect(m_what, &QLineEdit::returnPressed, this, [this] { run(true); });
    for (QLineEdit* edit : {m_what, m_why})
        connect(edit, &QLineEdit::textChanged, this, &EraseCard::refresh);
    connect(m_kind, &SegmentedControl::currentChanged, this, &EraseCard::refresh);
    refresh();
}

void EraseCard::refresh() {
    m_what->setPlaceholderText(m_kind->current() == 0 ? u"Name or uuid"_s : u"Number or uuid of the prompt"_s);
    const QString asked = u"%1 %2"_s.arg(m_kind->current()).arg(m_what->text().trimmed());
    m_look->setEnabled(!m_what->text().trimmed().isEmpty());
    m_erase->setEnabled(m_seen == asked && !m_why->text().trimmed().isEmpty());
    if (m_seen != asked)
        m_preview->hide();
}

desk::EraseOptions EraseCard::options(bool dryRun) const {
    desk::EraseOptions o;
    o.kind = m_kind->current() == 0 ? desk::Erasable::Person : desk::Erasable::Prompt;
    o.what = sstr(m_what->text().trimmed());
    o.why = sstr(m_why->text().trimmed());
    o.who = sstr(m_context.annotatorName);
    o.dryRun = dryRun;
    return o;
}

void EraseCard::run(bool dryRun) {
    const QString asked = u"%1 %2"_s.arg(m_kind->current()).arg(m_what->text().trimmed());
    m_erase->setEnabled(false);
    m_message->setMessage(State::Running, dryRun ? u"Looking"_s : u"Erasing: the project is rewritten"_s);
    m_context.ask(
        this, [o = options(dryRun)](desk::Project& p) { return desk::erase(p, o); },
        [this, dryRun, asked](Result<desk::EraseReport> done) {
            m_message->clear();
            if (!done) {
                m_message->setMessage(State::Failed, errorText(done.error()));
            } else if (dryRun) {
                m_seen = asked;
                m_preview->setText(
                    done->already
                        ? u"It was erased before."_s
                        : u"“%1”: %2 events lose their words (%3 have some), %4 answers, %5 pairs and %6 images go, %7 rows of frozen files, %8 "
                          u"backups. Datasets: %9. Runs: %10, which keep what they learned."_s.arg(qstr(done->name))
                              .arg(done->votes)
                              .arg(done->words)
                              .arg(done->answers)
                              .arg(done->pairs)
                              .arg(done->media)
                              .arg(done->rows)
                              .arg(done->backups)
                              .arg(listed(done->datasets), listed(done->runs)));
                m_preview->show();
                if (m_why->text().trimmed().isEmpty())
                    m_why->setFocus();
            } else {
                m_seen.clear();
                m_what->clear();
                m_why->clear();
                if (done->left.empty())
                    m_message->setMessage(State::Done, u"Erased"_s);
                else
                    m_message->setMessage(State::Warning, u"Erased, but the text is still in %1: look there yourself"_s.arg(listed(done->left)));
            }
            refresh();
            Q_EMIT finished();
        });
}

} // namespace pl::ui

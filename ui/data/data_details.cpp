// SPDX-License-Identifier: GPL-3.0-or-later
// The data page's details: what is beside a table when a row is chosen.
#include "ui/data/data_page.h"

#include <algorithm>

#include <QDateTime>
#include <QLineEdit>
#include <QPushButton>

#include "core/desk/store/details.h"
#include "core/desk/store/erase.h"
#include "ui/data/adjudication_panel.h"
#include "ui/data/data_marks.h"
#include "ui/data/detail_panel.h"
#include "ui/data/paged_table.h"
#include "ui/data/pictures.h"
#include "ui/data/quality_panel.h"
#include "ui/data/sources.h"
#include "ui/theme/theme.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/picture_strip.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Id;
using desk::Project;

namespace {
constexpr int kTextLines = 9;
constexpr int kLeastView = 240, kMostView = 520, kStripSide = 128;

QString when(int64_t ms) {
    return ms > 0 ? QDateTime::fromMSecsSinceEpoch(ms).toString(u"yyyy-MM-dd hh:mm"_s) : u"–"_s;
}

PictureStrip* strip(ImageLoader* loader, const QString& name, const QList<Picture>& pictures) {
    auto* out = new PictureStrip(loader, kStripSide);
    out->setAccessibleName(name);
    out->setPictures(pictures);
    return out;
}

/// The members of a k-way ranking, best first where it was judged.
QList<Picture> ranked(const Context& context, const std::vector<desk::Candidate>& members, const Json& ranking) {
    const auto ranks = ranking.is_object() ? ranking.find("ranks") : ranking.end();
    const bool judged = ranking.is_object() && ranks != ranking.end() && ranks->is_array() && ranks->size() == members.size();
    std::vector<std::pair<int64_t, size_t>> order;
    for (size_t i = 0; i < members.size(); ++i)
        order.emplace_back(judged && (*ranks)[i].is_number_integer() ? (*ranks)[i].get<int64_t>() : 0, i);
    std::stable_sort(order.begin(), order.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    QList<Picture> out;
    for (const auto& [rank, i] : order) {
        const desk::Candidate& c = members[i];
        QStringList words;
        if (rank > 0)
            words.append(u"rank %1"_s.arg(rank));
        if (!c.modelName.empty())
            words.append(qstr(c.modelName));
        words.append(drawnWith(c));
        words.removeAll(QString());
        out.append({mediaFile(context, c.content), words.join(u" · "_s), {}, {}});
    }
    return out;
}

QString voteWords(const desk::Judgement& judgement, bool ranking) {
    if (ranking)
        return u"ranked"_s;
    desk::HistoryRow row;
    row.winner = judgement.winner;
    row.tieKind = judgement.tieKind;
    row.strength = judgement.strength;
    return verdictText(row);
}
} // namespace

void DataPage::showPrompt(Id id) {
    const int turn = ++m_shown;
    struct Answer {
        Result<desk::Prompt> prompt;
        std::vector<desk::Candidate> answers;
    };
    m_context.ask(
        this,
        [id](Project& p) {
            Answer out{p.prompt(id), {}};
            desk::Page page;
            page.prompt = id;
            page.limit = 12;
            if (auto answers = p.candidates(page))
                out.answers = inPlaces(std::move(*answers));
            return out;
        },
        [this, turn](Answer answer) {
            if (turn != m_shown)
                return;
            DetailPanel* d = detail(Prompts);
            if (!answer.prompt)
                return say(State::Failed, errorText(answer.prompt.error()));
            const desk::Prompt& prompt = *answer.prompt;
            d->begin(u"Prompt %1"_s.arg(prompt.id));
            d->text(u"Text"_s, qstr(prompt.content), kTextLines);
            d->fact(u"Split"_s, QString::fromLatin1(desk::splitName(prompt.split)));
            if (!prompt.kind.empty())
                d->fact(u"Kind"_s, qstr(prompt.kind));
            if (!prompt.verifierKind.empty())
                d->fact(u"Checked by"_s, u"%1: %2"_s.arg(qstr(prompt.verifierKind), qstr(prompt.verifierAnswer)));
            d->fact(u"Source"_s, prompt.source.empty() ? u"–"_s : qstr(prompt.source));
            d->fact(u"Added"_s, when(prompt.createdMs));
            const bool images = !answer.answers.empty() && isImage(answer.answers.front());
            d->fact(images ? u"Images"_s : u"Answers"_s, formatCount(prompt.candidates));
            // Without their models: what is read here stays blind.
            int n = 0;
            QList<Picture> pictures;
            for (const desk::Candidate& each : answer.answers) {
                if (isImage(each))
                    pictures.append({mediaFile(m_context, each.content), drawnWith(each), {}, {}});
                else
                    d->text(u"Answer %1"_s.arg(++n), qstr(each.content), kTextLines);
            }
            if (!pictures.isEmpty())
                d->widget(strip(&m_loader, u"Images of this prompt"_s, pictures));
            if (images)
                return d->end();
            offerAnswer(d, prompt.id, n);
            d->end();
        });
}

ImageView* DataPage::showTwo(DetailPanel* d, const desk::LabelItem& item, std::optional<desk::Winner> winner, bool names) {
    const auto said = [&](desk::Winner side) -> QString {
        if (!winner || *winner == desk::Winner::Tie)
            return {};
        return *winner == side ? u"chosen"_s : u"rejected"_s;
    };
    const auto words = [](const QString& letter, const QString& word) { return word.isEmpty() ? letter : letter + u' ' + word; };
    const QString a = words(u"a"_s, said(desk::Winner::A)), b = words(u"b"_s, said(desk::Winner::B));
    const auto caption = [names](const desk::Candidate& c) {
        QStringList parts;
        if (names && !c.modelName.empty())
            parts.append(qstr(c.modelName));
        if (isImage(c))
            parts.append(drawnWith(c));
        parts.removeAll(QString());
        return parts.isEmpty() ? u"–"_s : parts.join(u" · "_s);
    };
    if (!isImage(item.a) && !isImage(item.b)) {
        const auto head = [&](const QString& tag, const desk::Candidate& c) { return names ? tag + u" · "_s + caption(c) : tag; };
        d->text(head(a, item.a), qstr(item.a.content), kTextLines);
        d->text(head(b, item.b), qstr(item.b.content), kTextLines);
        return nullptr;
    }
    auto* view = new ImageView(&m_loader);
    view->setFocusPolicy(Qt::StrongFocus);
    view->setFixedHeight(std::clamp(d->viewport()->width() / 2, kLeastView, kMostView));
    view->setTags(a, b);
    view->setPair(QString::number(item.comparison.id), mediaFile(m_context, item.a.content), mediaFile(m_context, item.b.content));
    d->widget(view);
    d->note(u"F1 side by side, F2 wipe, F3 difference, F5 blink, V held flips, Z 1:1, R hides marks"_s);
    d->fact(u"a"_s, caption(item.a));
    d->fact(u"b"_s, caption(item.b));
    return view;
}

void DataPage::showPair(Id id) {
    struct Answer {
        Result<desk::LabelItem> item;
        Status exposed;
        std::vector<desk::Candidate> members; ///< of a ranking: all, in the order of its ranks
        std::optional<NewestVote> vote;
    };
    m_context.ask(
        this,
        [id, person = m_context.annotator](Project& p) {
            Answer out{p.pairItem(id), {}, {}, newestVote(p, id)};
            if (!out.item)
                return out;
            std::vector<Id> seen{out.item->a.id, out.item->b.id};
            if (auto members = p.members(id); members && members->size() > 2) {
                out.members = std::move(*members);
                for (size_t i = 2; i < out.members.size(); ++i)
                    seen.push_back(out.members[i].id);
            }
            out.exposed = p.markExposed(person, seen);
            return out;
        },
        [this](Answer answer) {
            DetailPanel* d = detail(Pairs);
            if (!answer.item)
                return say(State::Failed, errorText(answer.item.error()));
            const desk::LabelItem& item = *answer.item;
            d->begin(u"Pair %1"_s.arg(item.comparison.id));
            d->text(u"Prompt"_s, qstr(item.prompt.content), 5);
            if (!answer.members.empty())
                d->widget(strip(&m_loader, u"Images in the order of their ranks"_s,
                                ranked(m_context, answer.members, answer.vote ? answer.vote->judgement.ranking : Json())));
            else if (ImageView* view = showTwo(d, item, answer.vote ? std::optional(answer.vote->judgement.winner) : std::nullopt, true);
                     answer.vote)
                showMarks(d, item, answer.vote->judgement, view);
            if (answer.vote)
                d->fact(u"Newest vote"_s, u"%1, by %2"_s.arg(voteWords(answer.vote->judgement, !answer.members.empty()),
                                                           qstr(answer.vote->by)));
            d->fact(u"Split"_s, QString::fromLatin1(desk::splitName(item.prompt.split)));
            d->fact(u"Source"_s, qstr(item.comparison.source));
            d->fact(u"Made"_s, when(item.comparison.createdMs));
            d->fact(u"Identity"_s, qstr(item.comparison.sha).left(16), true);
            d->note(isImage(item.a) ? u"You have now seen these images with their models: on the Label page they are marked exposed."_s
                                    : u"You have now read these answers with their names: on the Label page they are marked exposed."_s);
            auto* decide = new QuietButton(u"done"_s, u"Decide, as gold"_s);
            decide->setToolTip(u"Enter: your verdict on this pair, as an adjudicator; it becomes gold for everybody else"_s);
            connect(decide, &QPushButton::clicked, this, [this, pair = item.comparison.id] {
                setTab(Quality);
                m_quality->setView(QualityPanel::Disputed);
                m_quality->adjudication()->open(pair);
                m_quality->takeFocus();
            });
            if (answer.members.empty())
                d->end({decide});
            else
                d->end();
            if (!answer.exposed)
                say(State::Failed, errorText(answer.exposed.error()));
        });
}

void DataPage::showVote(Id id) {
    struct Answer {
        std::optional<desk::HistoryRow> row;
        std::optional<desk::LabelItem> item;
        std::optional<desk::Judgement> said; ///< with what it marks
        QString guideline; ///< that the vote was given under
    };
    m_vote = id;
    PagedModel* model = table(Votes)->model();
    const int at = model->rowOf(id);
    m_context.ask(
        this,
        [id, at, filter = table(Votes)->filter()->text().trimmed()](Project& p) {
            Answer out;
            desk::Page page;
            page.newestFirst = true;
            page.text = sstr(filter);
            page.offset = std::max(0, at - 20); // rows may have come in above
            page.limit = 60;
            if (auto rows = p.history(page))
                for (const desk::HistoryRow& row : *rows)
                    if (row.event == id)
                        out.row = row;
            if (out.row) {
                if (auto item = p.pairItem(out.row->comparison))
                    out.item = std::move(*item);
                if (auto said = desk::judgementAt(p, id))
                    out.said = std::move(*said);
                if (auto text = p.guideline(out.row->task, out.row->guidelineVersion))
                    out.guideline = qstr(*text);
            }
            return out;
        },
        [this, id](Answer answer) {
            DetailPanel* d = detail(Votes);
            if (!answer.row)
                return d->clear();
            const desk::HistoryRow& row = *answer.row;
            d->begin(verdictText(row));
            d->fact(u"By"_s, qstr(row.annotatorName));
            d->fact(u"Provenance"_s, QString::fromLatin1(desk::provenanceName(row.provenance)));
            d->fact(u"When"_s, when(row.timeMs));
            d->fact(u"Counts"_s, row.isCurrent ? u"yes"_s : u"no: undone or replaced"_s);
            d->fact(u"Guideline"_s, u"v%1"_s.arg(row.guidelineVersion));
            d->fact(u"Event"_s, qstr(row.uuid), true);
            if (m_guidelines)
                d->text(u"Guideline v%1, which this vote was given under"_s.arg(row.guidelineVersion),
                        answer.guideline.isEmpty() ? u"(empty)"_s : answer.guideline, 14);
            if (answer.item) {
                d->text(u"Prompt"_s, qstr(answer.item->prompt.content), 5);
                const bool said = row.kind == desk::EventKind::Vote;
                ImageView* view = showTwo(d, *answer.item, said ? std::optional(row.winner) : std::nullopt, false);
                if (said && answer.said)
                    showMarks(d, *answer.item, *answer.said, view);
            }
            auto* guideline = new LinkButton(m_guidelines ? u"Hide the guideline"_s : u"Guideline v%1"_s.arg(row.guidelineVersion));
            guideline->setToolTip(u"The text this vote was given under, whatever it says now (F4)"_s);
            connect(guideline, &QPushButton::clicked, this, [this, id] {
                m_guidelines = !m_guidelines;
                showVote(id);
            });
            d->end({guideline});
        });
}

void DataPage::showDataset(Id id) {
    struct Answer {
        std::optional<desk::DatasetInfo> info;
        Result<desk::DatasetDrift> drift = desk::DatasetDrift();
        int erased = 0; ///< times something was erased from it
        QStringList runs;
        QString problem;
    };
    m_context.ask(
        this,
        [id](Project& p) {
            Answer out;
            auto all = p.datasets();
            if (!all) {
                out.problem = errorText(all.error());
                return out;
            }
            for (const desk::DatasetInfo& each : *all)
                if (each.id == id)
                    out.info = each;
            if (!out.info)
                return out;
            out.drift = p.datasetDrift(id);
            if (const auto stones = desk::tombstones(p))
                for (const desk::Tombstone& stone : *stones)
                    out.erased += static_cast<int>(std::count(stone.datasets.begin(), stone.datasets.end(), out.info->name));
            desk::Page page;
            page.limit = 500;
            if (auto runs = p.runs(page))
                for (const desk::RunRow& run : *runs)
                    if (run.datasetHash == out.info->sha)
                        out.runs.append(qstr(run.name));
            return out;
        },
        [this](Answer answer) {
            if (!answer.problem.isEmpty())
                return say(State::Failed, answer.problem);
            DetailPanel* d = detail(Datasets);
            if (!answer.info)
                return d->clear();
            const desk::DatasetInfo& info = *answer.info;
            const desk::DatasetCounts& n = info.counts;
            d->begin(qstr(info.name));
            d->fact(u"Frozen"_s, when(info.createdMs));
            d->fact(u"Hash"_s, qstr(info.sha).left(16), true);
            d->fact(u"Votes"_s, formatCount(n.votes));
            d->fact(u"Train pairs"_s, formatCount(n.train));
            d->fact(u"Dev pairs"_s, formatCount(n.dev));
            d->fact(u"Ties"_s, u"%1 (%2)"_s.arg(formatCount(n.ties), info.spec.tiePolicy == desk::TiePolicy::Drop
                                                                         ? u"dropped"_s
                                                                         : u"soft labels"_s));
            d->fact(u"Both bad"_s, formatCount(n.bothBad) + u" (kept out of pairs)"_s);
            d->fact(u"Identical"_s, formatCount(n.identical));
            d->fact(u"Unpaired rows"_s, formatCount(n.unpaired));
            d->fact(u"Disagreements"_s, formatCount(n.disagreements) + u" (left out)"_s);
            d->fact(u"Skipped"_s, formatCount(n.skips));
            d->fact(u"Flagged"_s, formatCount(n.flagged) + u" (left out)"_s);
            d->fact(u"Sealed test"_s, formatCount(n.sealedTest) + u" (kept out)"_s);
            d->fact(u"Used by"_s, answer.runs.isEmpty() ? u"no run yet"_s : answer.runs.join(u", "_s));
            if (answer.erased)
                d->note(u"Something was erased from it after it was frozen: it is no longer what its hash says, and runs on it cannot be repeated "
                        u"exactly."_s);
            if (answer.drift && (answer.drift->newer || answer.drift->changed))
                d->note(u"%1 newer votes and %2 changed ones are not in it."_s.arg(formatCount(answer.drift->newer),
                                                                                formatCount(answer.drift->changed)));
            auto* train = new QuietButton(u"train"_s, u"Train on it"_s);
            connect(train, &QPushButton::clicked, this,
                    [this, name = qstr(info.name)] { m_context.navigate(page::kTrain, u"dataset:"_s + name); });
            d->end({train});
        });
}

void DataPage::showBatch(Id id) {
    m_context.ask(
        this, [](Project& p) { return p.importBatches(); },
        [this, id](Result<std::vector<desk::ImportBatch>> batches) {
            if (!batches)
                return say(State::Failed, errorText(batches.error()));
            DetailPanel* d = detail(Imports);
            for (const desk::ImportBatch& batch : *batches) {
                if (batch.id != id)
                    continue;
                d->begin(qstr(batch.source));
                d->fact(u"Imported"_s, when(batch.createdMs));
                d->fact(u"Format"_s, qstr(batch.format));
                d->fact(u"SHA-256"_s, qstr(batch.sha).left(16), true);
                d->fact(u"New prompts"_s, formatCount(batch.prompts));
                d->fact(u"New answers"_s, formatCount(batch.candidates));
                d->fact(u"New pairs"_s, formatCount(batch.pairs));
                d->fact(u"New votes"_s, formatCount(batch.votes));
                if (batch.revertedMs) {
                    d->note(u"Taken back on %1."_s.arg(when(batch.revertedMs)));
                    return d->end();
                }
                auto* revert = new QuietButton(u"undo"_s, u"Revert"_s);
                setLook(revert, "danger");
                connect(revert, &QPushButton::clicked, this, [this, id, revert, name = qstr(batch.source)] {
                    revert->setEnabled(false);
                    m_context.ask(
                        this, [id](Project& p) { return p.revertImport(id); },
                        [this, id, name](Status done) {
                            say(done ? State::Done : State::Failed,
                                done ? u"%1 is taken back"_s.arg(name) : errorText(done.error()));
                            reload(Imports);
                            showBatch(id);
                        });
                });
                d->note(u"Reverting takes back its labels and removes what nothing else uses; your own votes on its pairs "
                        u"keep those pairs."_s);
                return d->end({revert});
            }
            d->clear();
        });
}

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/sources.h"

#include <algorithm>

#include <QDateTime>

#include "ui/data/pictures.h"
#include "ui/theme/theme.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;
using desk::Project;

namespace {

constexpr int kInRow = 2; ///< pictures

desk::Page pageOf(const QString& filter, int64_t offset = 0, int64_t limit = 0) {
    desk::Page page;
    page.text = sstr(filter);
    page.offset = offset;
    page.limit = limit;
    return page;
}

QString when(int64_t ms) {
    return QDateTime::fromMSecsSinceEpoch(ms).toString(u"yyyy-MM-dd hh:mm"_s);
}

/// What a row shows of a pair of images; both empty for texts.
struct Two {
    QStringList pictures;
    QString drawn;
};
Two twoOf(const Project& p, const desk::Candidate& a, const desk::Candidate& b) {
    if (!isImage(a) || !isImage(b))
        return {};
    return {{mediaOf(p, a), mediaOf(p, b)}, drawnWith(a, b)};
}
Two twoOf(Project& p, const desk::Comparison& pair) {
    if (pair.differsIn == "response") // of texts: nothing more is read
        return {};
    const auto a = p.candidate(pair.a), b = p.candidate(pair.b);
    return a && b ? twoOf(p, *a, *b) : Two();
}
QStringList picturesOf(Project& p, desk::Id comparison) {
    const auto item = p.pairItem(comparison);
    return item ? twoOf(p, item->a, item->b).pictures : QStringList();
}
/// Two images of a prompt.
QStringList firstPictures(Project& p, const desk::Prompt& prompt) {
    QStringList out;
    if (prompt.candidates == 0)
        return out;
    desk::Page page;
    page.prompt = prompt.id;
    page.kind = desk::CandidateKind::Image;
    if (auto images = p.candidates(page))
        for (const desk::Candidate& each : inPlaces(std::move(*images))) {
            out.append(mediaOf(p, each));
            if (out.size() == kInRow)
                break;
        }
    return out;
}

TableColumn pictureColumn() {
    TableColumn column{u"Images"_s, false, false, kInRow * PictureDelegate::kSide + px(Size::GapL) + px(Size::GapS), false, {}};
    column.pictures = true;
    return column;
}

TableColumn promptColumn() {
    TableColumn column{u"Prompt"_s, false, false, 0, true, {}};
    column.captioned = true;
    return column;
}

/// The part of a short list that passes the filter, newest first.
template<class T, class Name, class Row>
PagedSource listSource(Result<std::vector<T>> (Project::*read)(), Name name, Row toRow) {
    const auto passing = [read, name](Project& p, const QString& filter) -> Result<std::vector<T>> {
        PL_TRY(auto all, (p.*read)());
        std::erase_if(all, [&](const T& each) {
            return !filter.isEmpty() && !qstr(name(each)).contains(filter, Qt::CaseInsensitive);
        });
        std::sort(all.begin(), all.end(), [](const T& a, const T& b) { return a.id > b.id; });
        return all;
    };
    PagedSource source;
    source.count = [passing](Project& p, const QString& filter) -> Result<int64_t> {
        PL_TRY(auto all, passing(p, filter));
        return static_cast<int64_t>(all.size());
    };
    source.rows = [passing, toRow](Project& p, const QString& filter, int64_t offset,
                                   int64_t limit) -> Result<std::vector<DataRow>> {
        PL_TRY(auto all, passing(p, filter));
        std::vector<DataRow> rows;
        for (int64_t i = offset; i < std::min<int64_t>(offset + limit, static_cast<int64_t>(all.size())); ++i)
            rows.push_back(toRow(all[static_cast<size_t>(i)]));
        return rows;
    };
    return source;
}

} // namespace

QList<TableColumn> promptColumns() {
    return {{u"#"_s, true, true, 64, false, {}},
            pictureColumn(),
            {u"Prompt"_s, false, false, 0, true, {}},
            {u"Split"_s, false, false, 64, false, {}},
            {u"Kind"_s, false, false, 84, false, {}},
            {.title = u"Answers"_s, .number = true, .mono = true, .width = 76, .tip = {}, .imageTitle = u"Images"_s}};
}
QList<TableColumn> pairColumns() {
    return {{u"#"_s, true, true, 64, false, {}},
            pictureColumn(),
            promptColumn(),
            {u"Split"_s, false, false, 64, false, {}},
            {u"Source"_s, false, false, 96, false, {}},
            {u"Votes"_s, true, true, 64, false, {}}};
}
QList<TableColumn> voteColumns() {
    return {{u"When"_s, false, true, 156, false, {}},
            pictureColumn(),
            {u"Verdict"_s, false, false, 170, false, u"a and b are the answers as stored, whatever side they were shown on"_s},
            {u"Prompt"_s, false, false, 0, true, {}},
            {u"By"_s, false, false, 110, false, {}}};
}
QList<TableColumn> datasetColumns() {
    return {{u"Name"_s, false, false, 0, true, {}},
            {u"Frozen"_s, false, true, 140, false, {}},
            {u"Votes"_s, true, true, 72, false, {}},
            {u"Train"_s, true, true, 72, false, {}},
            {u"Dev"_s, true, true, 64, false, {}},
            {u"Hash"_s, false, true, 90, false, {}}};
}
QList<TableColumn> importColumns() {
    return {{u"File"_s, false, false, 0, true, {}},
            {u"When"_s, false, true, 140, false, {}},
            {u"Format"_s, false, false, 76, false, {}},
            {u"Prompts"_s, true, true, 76, false, {}},
            {u"Pairs"_s, true, true, 64, false, {}},
            {u"Votes"_s, true, true, 64, false, {}}};
}

PagedSource promptSource() {
    PagedSource source;
    source.count = [](Project& p, const QString& filter) { return p.countPrompts(pageOf(filter)); };
    source.rows = [](Project& p, const QString& filter, int64_t offset, int64_t limit) -> Result<std::vector<DataRow>> {
        PL_TRY(auto prompts, p.prompts(pageOf(filter, offset, limit)));
        std::vector<DataRow> rows;
        for (const desk::Prompt& each : prompts)
            rows.push_back({each.id,
                            {QString::number(each.id), {}, qstr(each.content).left(400),
                             QString::fromLatin1(desk::splitName(each.split)), qstr(each.kind),
                             formatCount(each.candidates)},
                            {},
                            false,
                            firstPictures(p, each),
                            {}});
        return rows;
    };
    return source;
}

PagedSource pairSource() {
    PagedSource source;
    source.count = [](Project& p, const QString& filter) { return p.countPairs(pageOf(filter)); };
    source.rows = [](Project& p, const QString& filter, int64_t offset, int64_t limit) -> Result<std::vector<DataRow>> {
        PL_TRY(auto pairs, p.pairs(pageOf(filter, offset, limit)));
        std::vector<DataRow> rows;
        for (const desk::PairPageRow& each : pairs) {
            const Two two = twoOf(p, each.comparison);
            rows.push_back({each.comparison.id,
                            {QString::number(each.comparison.id), {}, qstr(each.promptHead),
                             QString::fromLatin1(desk::splitName(each.split)), qstr(each.comparison.source),
                             formatCount(each.votes)},
                            two.drawn,
                            false,
                            two.pictures,
                            two.drawn});
        }
        return rows;
    };
    return source;
}

PagedSource voteSource() {
    PagedSource source;
    // With a filter the exact number is only known page by page.
    source.count = [](Project& p, const QString& filter) -> Result<int64_t> {
        if (filter.isEmpty())
            return p.counters().events;
        PL_TRY(auto all, p.history(pageOf(filter, 0, 0)));
        return static_cast<int64_t>(all.size());
    };
    source.rows = [](Project& p, const QString& filter, int64_t offset, int64_t limit) -> Result<std::vector<DataRow>> {
        desk::Page page = pageOf(filter, offset, limit);
        page.newestFirst = true;
        PL_TRY(auto history, p.history(page));
        std::vector<DataRow> rows;
        for (const desk::HistoryRow& each : history)
            rows.push_back({each.event,
                            {when(each.timeMs), {}, verdictText(each), qstr(each.promptHead), qstr(each.annotatorName)},
                            each.isCurrent ? QString() : u"Undone or replaced: kept, but does not count"_s,
                            !each.isCurrent,
                            picturesOf(p, each.comparison),
                            {}});
        return rows;
    };
    return source;
}

PagedSource datasetSource() {
    return listSource<desk::DatasetInfo>(
        &Project::datasets, [](const desk::DatasetInfo& d) { return d.name; },
        [](const desk::DatasetInfo& d) {
            return DataRow{d.id,
                           {qstr(d.name), when(d.createdMs), formatCount(d.counts.votes), formatCount(d.counts.train),
                            formatCount(d.counts.dev), qstr(d.sha).left(8)},
                           {},
                           false,
                           {},
                           {}};
        });
}

PagedSource importSource() {
    return listSource<desk::ImportBatch>(
        &Project::importBatches, [](const desk::ImportBatch& b) { return b.source; },
        [](const desk::ImportBatch& b) {
            return DataRow{b.id,
                           {qstr(b.source), when(b.createdMs), qstr(b.format), formatCount(b.prompts),
                            formatCount(b.pairs), formatCount(b.votes)},
                           b.revertedMs ? u"Taken back"_s : QString(),
                           b.revertedMs > 0,
                           {},
                           {}};
        });
}

std::optional<NewestVote> newestVote(Project& project, desk::Id comparison) {
    const desk::CurrentVote* newest = nullptr;
    for (const desk::CurrentVote& vote : project.currentVotes())
        if (vote.comparison == comparison && vote.occasion == 0 && vote.kind == desk::EventKind::Vote &&
            (!newest || vote.event > newest->event))
            newest = &vote;
    if (!newest)
        return std::nullopt;
    const desk::Id person = newest->annotator;
    const auto judgement = project.currentJudgement(newest->task, person, comparison);
    if (!judgement || !*judgement)
        return std::nullopt;
    NewestVote out{**judgement, {}};
    if (const auto people = project.annotators())
        for (const desk::Annotator& each : *people)
            if (each.id == person)
                out.by = each.name;
    return out;
}

QString verdictText(const desk::HistoryRow& row) {
    switch (row.kind) {
    case desk::EventKind::Undo: return u"undo"_s;
    case desk::EventKind::Redo: return u"redo"_s;
    case desk::EventKind::Revert: return u"import reverted"_s;
    case desk::EventKind::Flag: return row.flag.empty() ? u"flag removed"_s : u"flagged: %1"_s.arg(qstr(row.flag));
    case desk::EventKind::Skip: return u"skipped: %1"_s.arg(QString(qstr(row.skipReason)).replace(u'_', u' '));
    case desk::EventKind::Vote: break;
    }
    if (row.winner == desk::Winner::Tie)
        return row.tieKind == desk::TieKind::BothGood    ? u"tie, both good"_s
               : row.tieKind == desk::TieKind::BothBad   ? u"tie, both bad"_s
               : row.tieKind == desk::TieKind::Identical ? u"tie, identical"_s
                                                         : u"tie"_s;
    const QString who = row.winner == desk::Winner::A ? u"a"_s : u"b"_s;
    const int strength = row.strength.value_or(0);
    return who + (strength == 3 ? u" much better"_s : strength == 1 ? u" slightly better"_s : u" better"_s);
}

} // namespace pl::ui

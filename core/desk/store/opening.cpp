// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/opening.h"

#include <cstdio>

#include "core/desk/store/file_check.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/schema.h"

namespace pl::desk {

// --- checks ----------------------------------------------------------------------------------------------------------

CheckDue checkDue(Project::Impl& impl) {
    const std::string due = impl.meta("check_due");
    return due == "full" ? CheckDue::Full : due == "quick" ? CheckDue::Quick : CheckDue::No;
}

void noteCheckDue(Project::Impl& impl, CheckDue due) {
    if (due != checkDue(impl))
        impl.setMeta("check_due", due == CheckDue::Full ? "full" : due == CheckDue::Quick ? "quick" : "");
}

void noteChecked(Project::Impl& impl) {
    impl.setMeta("check_due", "");
    impl.setMeta("last_check_ms", std::to_string(impl.now()));
}

Error damaged(const Project::Impl& impl, const std::string& problem) {
    std::string newest;
    if (const auto names = os::listDir(os::joinPath(impl.dir, "backups")))
        for (const auto& name : *names)
            if (name.size() > 3 && name.compare(name.size() - 3, 3, ".db") == 0)
                newest = name;
    return {Code::Corrupt, fmt::format("project {} is damaged: {}", os::joinPath(impl.dir, "project.db"), problem),
            newest.empty() ? "There is no backup of it yet."
                           : "Its newest backup is backups/" + newest + ": copy it over project.db to go back to it."};
}

Status checkIfDue(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("checking project " + impl.dir, [&]() -> Status {
        const CheckDue due = checkDue(impl);
        if (due == CheckDue::No)
            return {};
        const auto problems = integrityProblems(*impl.db, due == CheckDue::Quick);
        if (!problems.empty())
            return tl::unexpected(damaged(impl, problems.front()));
        noteChecked(impl);
        return {};
    });
}

// --- what memory holds of votes and pairs ------------------------------------------------------------------------------

CurrentVote currentVoteOf(Query& row) {
    CurrentVote vote;
    vote.task = row.integer(0);
    vote.comparison = row.integer(1);
    vote.annotator = row.integer(2);
    vote.occasion = static_cast<int32_t>(row.integer(3));
    vote.event = row.integer(4);
    vote.kind = stored(eventKindOf(row.text(5)));
    vote.winner = row.null(6) ? Winner::Tie : stored(winnerOf(row.text(6)));
    vote.tieKind = row.null(7) ? TieKind::None : stored(tieKindOf(row.text(7)));
    vote.strength = static_cast<int8_t>(row.null(8) ? 0 : row.integer(8));
    vote.badA = row.boolean(9);
    vote.badB = row.boolean(10);
    vote.flagged = row.boolean(11);
    vote.provenance = stored(provenanceOf(row.text(12)));
    vote.shown = row.boolean(13);
    vote.aOnLeft = row.boolean(14);
    vote.random = row.boolean(15);
    vote.activeMs = static_cast<int32_t>(row.integer(16));
    return vote;
}

std::string snapshotToken(Project::Impl& impl) {
    auto row = impl.query("SELECT (SELECT coalesce(max(id), 0) FROM judgements), (SELECT coalesce(max(id), 0) FROM comparisons)");
    row.step();
    return fmt::format("{} {} {}", newUuid(), row.integer(0), row.integer(1));
}

void watchSnapshot(Project::Impl& impl) {
    for (const auto& [name, what] : {std::pair("pairs", "UPDATE ON comparisons"), {"prompts", "UPDATE OF split ON prompts"},
                                     {"answers", "UPDATE OF kind ON candidates"}})
        impl.db->exec(fmt::format("CREATE TEMP TRIGGER snapshot_{} AFTER {} WHEN (SELECT value FROM meta WHERE key = 'snapshot') <> '' "
                                  "BEGIN UPDATE meta SET value = '' WHERE key = 'snapshot'; END",
                                  name, what));
}

bool followSnapshot(Project::Impl& impl, const Snapshot& kept, const std::string& token) {
    long long event = -1, pair = -1;
    if (std::sscanf(token.c_str(), "%*s %lld %lld", &event, &pair) != 2)
        return false;
    impl.votes.clear();
    impl.votes.reserve(kept.votes.size());
    for (const CurrentVote& vote : kept.votes)
        impl.votes.set(vote);
    {
        auto changed = impl.query("SELECT DISTINCT task_id, comparison_id, annotator_id, occasion FROM judgements NOT INDEXED WHERE id > ?");
        auto row = impl.query(fmt::format("SELECT {} FROM current WHERE task_id = ? AND comparison_id = ? AND annotator_id = ? AND occasion = ?",
                                          kCurrentColumns));
        changed.bind(int64_t{event});
        while (changed.step()) {
            const VoteKey key{changed.integer(0), changed.integer(1), changed.integer(2), static_cast<int32_t>(changed.integer(3))};
            row.again();
            if (row.bind(key.task, key.comparison, key.annotator, key.occasion).step())
                impl.votes.set(currentVoteOf(row));
            else
                impl.votes.erase(key);
        }
    }
    int64_t votes = 0, skips = 0;
    for (const CurrentVote& vote : impl.votes.rows()) {
        votes += vote.occasion == 0 && vote.kind == EventKind::Vote;
        skips += vote.occasion == 0 && vote.kind == EventKind::Skip;
    }
    if (votes != impl.counts.current || skips != impl.counts.skips)
        return false;
    impl.pairsLoaded = kept.hasPairs;
    if (kept.hasPairs) {
        impl.pairs.reserve(kept.pairs.size());
        impl.pairs.insert(kept.pairs.begin(), kept.pairs.end());
        readPairsAfter(impl, pair);
    }
    return true;
}

void readPairsAfter(Project::Impl& impl, Id last) {
    auto rows = impl.query("SELECT x.id, x.sha, p.split, x.task_id, a.kind FROM comparisons x NOT INDEXED "
                           "JOIN prompts p ON p.id = x.prompt_id JOIN candidates a ON a.id = x.a_id WHERE x.id > ? AND x.withdrawn = 0 "
                           "AND NOT EXISTS (SELECT 1 FROM comparison_members k WHERE k.comparison_id = x.id)");
    rows.bind(last);
    while (rows.step())
        impl.pairs[rows.integer(0)] = {hashPrefix(rows.text(1)), stored(splitOf(rows.text(2))), rows.null(3) ? 0 : rows.integer(3),
                                       stored(candidateKindOf(rows.text(4)))};
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/gold.h"

#include <algorithm>

#include "core/desk/store/adjudication.h"
#include "core/desk/store/impl.h"

namespace pl::desk {

namespace {

Status setGoldIn(Project::Impl& impl, Id task, Id comparison, Winner winner, GoldSource source, Id by) {
    PL_CHECK(impl.taskIn(task));
    PL_CHECK(impl.comparisonIn(comparison));
    PL_TRY(const auto members, impl.membersIn(comparison));
    if (members.size() > 2)
        return fail(Code::InvalidInput, fmt::format("{} is a set of {} answers; only pairs can be gold", comparison, members.size()));
    impl.query("INSERT INTO gold(task_id, comparison_id, winner, source, annotator_id, created_ms) VALUES (?, ?, ?, ?, ?, ?) "
               "ON CONFLICT(task_id, comparison_id) DO UPDATE SET winner = excluded.winner, source = excluded.source, "
               "annotator_id = excluded.annotator_id")
        .bind(task, comparison, winnerName(winner), goldSourceName(source), orNull(by), impl.now())
        .run();
    impl.pending.dropMarks = true;
    impl.pending.changes.insert(Change::Votes); // what people's accuracy rests on
    return {};
}

Result<std::vector<GoldVote>> goldVotesIn(Project::Impl& impl, Id task) {
    std::vector<GoldVote> out;
    std::set<std::tuple<Id, Id, Id>> seen;
    auto rows = impl.query("SELECT p.task_id, p.comparison_id, p.annotator_id, g.winner FROM presentations p JOIN gold g "
                           "ON g.task_id = p.task_id AND g.comparison_id = p.comparison_id WHERE p.stratum = 'gold' "
                           "AND (? = 0 OR p.task_id = ?)");
    rows.bind(task, task);
    while (rows.step()) {
        const CurrentVote* vote = impl.votes.find({rows.integer(0), rows.integer(1), rows.integer(2), 0});
        if (!vote || vote->kind != EventKind::Vote || !seen.insert({rows.integer(0), rows.integer(1), rows.integer(2)}).second)
            continue; // shown and left, or shown twice before its vote
        out.push_back({rows.integer(2), rows.integer(1), vote->winner == stored(winnerOf(rows.text(3)))});
    }
    return out;
}

} // namespace

const char* goldSourceName(GoldSource value) {
    return value == GoldSource::Hand ? "hand" : value == GoldSource::Adjudicated ? "adjudicated" : "unanimous";
}

Result<std::vector<GoldPair>> goldPairs(Project& project, Id task) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading gold", [&]() -> Result<std::vector<GoldPair>> {
        std::map<Id, std::pair<int64_t, int64_t>> met;
        PL_TRY(const auto votes, goldVotesIn(impl, task));
        for (const GoldVote& vote : votes) {
            ++met[vote.comparison].first;
            met[vote.comparison].second += vote.right;
        }
        std::vector<GoldPair> out;
        auto rows = impl.query("SELECT g.comparison_id, g.winner, g.source, g.created_ms, c.text FROM gold g "
                               "JOIN comparisons x ON x.id = g.comparison_id JOIN prompts p ON p.id = x.prompt_id "
                               "JOIN contents c ON c.id = p.content_id WHERE g.task_id = ? ORDER BY g.created_ms, g.comparison_id");
        rows.bind(task);
        while (rows.step()) {
            GoldPair pair;
            pair.comparison = rows.integer(0);
            pair.winner = stored(winnerOf(rows.text(1)));
            for (const GoldSource source : {GoldSource::Hand, GoldSource::Adjudicated, GoldSource::Unanimous})
                if (rows.text(2) == goldSourceName(source))
                    pair.source = source;
            pair.createdMs = rows.integer(3);
            pair.promptHead = headOf(rows.text(4), 120);
            std::tie(pair.met, pair.right) = met[pair.comparison];
            out.push_back(std::move(pair));
        }
        return out;
    });
}

Status setGold(Project& project, Id task, Id comparison, Winner winner, GoldSource source, Id by) {
    Project::Impl& impl = project.impl();
    return impl.write("making a pair gold", [&] { return setGoldIn(impl, task, comparison, winner, source, by); });
}

Status removeGold(Project& project, Id task, Id comparison) {
    Project::Impl& impl = project.impl();
    return impl.write("removing gold", [&]() -> Status {
        impl.query("DELETE FROM gold WHERE task_id = ? AND comparison_id = ?").bind(task, comparison).run();
        if (impl.db->getChanges() == 0)
            return fail(Code::NotFound, fmt::format("pair {} is not gold", comparison));
        impl.pending.dropMarks = true;
        impl.pending.changes.insert(Change::Votes);
        return {};
    });
}

Result<GoldPromotion> promoteGold(Project& project, Id task, int votes, int64_t most) {
    if (votes < 2)
        return fail(Code::InvalidInput, fmt::format("{} votes agree with nobody", votes), "Gold needs two votes or more that say the same.");
    Project::Impl& impl = project.impl();
    return impl.write("promoting pairs to gold", [&]() -> Result<GoldPromotion> {
        impl.loadPairs();
        impl.loadMarks();
        struct Said {
            int n[3] = {};
            bool doubt = false;
        };
        std::map<Id, Said> said;
        std::map<Id, const CurrentVote*> verdicts;
        for (const CurrentVote& vote : impl.votes.rows()) {
            const bool person = vote.provenance == Provenance::Human || vote.provenance == Provenance::Imported;
            if (vote.task != task || vote.occasion != 0 || !person || !impl.pairs.count(vote.comparison) ||
                impl.memory.isGold(task, vote.comparison))
                continue;
            if (impl.memory.adjudicators.count(vote.annotator)) {
                const CurrentVote*& last = verdicts[vote.comparison];
                if (!last || last->event < vote.event)
                    last = &vote;
                continue;
            }
            Said& pair = said[vote.comparison];
            pair.doubt = pair.doubt || vote.flagged || vote.kind != EventKind::Vote;
            if (vote.kind == EventKind::Vote)
                ++pair.n[static_cast<int>(vote.winner)];
        }
        struct New {
            uint64_t key;
            Id pair;
            Winner winner;
            GoldSource source;
            Id by;
        };
        std::vector<New> fresh;
        for (const auto& [pair, verdict] : verdicts) {
            if (verdict->kind != EventKind::Vote || verdict->flagged)
                continue;
            PL_TRY(const Judgement j, impl.judgementOf(verdict->event));
            if (std::count(j.reasons.begin(), j.reasons.end(), causeName(Cause::TrulySplit)))
                continue; // nobody who differs from it is wrong
            Id person = 0;
            {
                auto row = impl.query("SELECT p.id FROM annotators n JOIN annotators p ON instr(n.detail, p.uuid) > 0 WHERE n.id = ?");
                if (row.bind(verdict->annotator).step())
                    person = row.integer(0);
            }
            fresh.push_back({mix64(impl.pairs.at(pair).hash), pair, verdict->winner, GoldSource::Adjudicated, person});
        }
        for (const auto& [pair, each] : said) {
            const int all = each.n[0] + each.n[1] + each.n[2], top = std::max({each.n[0], each.n[1], each.n[2]});
            if (each.doubt || verdicts.count(pair) || all < votes || top != all)
                continue;
            const Winner winner = static_cast<Winner>(std::find(each.n, each.n + 3, top) - each.n);
            fresh.push_back({mix64(impl.pairs.at(pair).hash), pair, winner, GoldSource::Unanimous, 0});
        }
        std::sort(fresh.begin(), fresh.end(), [](const New& x, const New& y) {
            return std::make_pair(x.source != GoldSource::Adjudicated, x.key) < std::make_pair(y.source != GoldSource::Adjudicated, y.key);
        });
        GoldPromotion out;
        for (const New& each : fresh) {
            if (most > 0 && out.adjudicated + out.unanimous >= most)
                break;
            PL_CHECK(setGoldIn(impl, task, each.pair, each.winner, each.source, each.by));
            ++(each.source == GoldSource::Adjudicated ? out.adjudicated : out.unanimous);
        }
        return out;
    });
}

Result<std::vector<GoldVote>> goldVotes(Project& project, Id task) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading votes on gold", [&] { return goldVotesIn(impl, task); });
}

// --- second looks ----------------------------------------------------------------------------------------------------

Result<int64_t> askSecondLook(Project& project, Id task, const std::vector<Id>& comparisons, const std::string& reason) {
    Project::Impl& impl = project.impl();
    return impl.write("asking for a second look", [&]() -> Result<int64_t> {
        PL_CHECK(impl.taskIn(task));
        impl.loadMarks();
        auto last = impl.query("SELECT coalesce(max(id), 0) FROM judgements");
        last.step();
        const Id newest = last.integer(0);
        int64_t fresh = 0;
        for (const Id comparison : comparisons) {
            PL_CHECK(impl.comparisonIn(comparison));
            if (impl.memory.doubted[task].count(comparison))
                continue;
            impl.query("INSERT INTO second_looks(task_id, comparison_id, after_event_id, reason, created_ms) VALUES (?, ?, ?, ?, ?) "
                       "ON CONFLICT(task_id, comparison_id) DO UPDATE SET after_event_id = excluded.after_event_id, "
                       "reason = excluded.reason, created_ms = excluded.created_ms")
                .bind(task, comparison, newest, reason, impl.now())
                .run();
            ++fresh;
        }
        impl.pending.dropMarks = true;
        impl.pending.changes.insert(Change::Pairs); // the labeller has something to do again
        return fresh;
    });
}

Result<int64_t> waitingLooks(Project& project, Id task) {
    Project::Impl& impl = project.impl();
    return impl.guarded("counting second looks", [&]() -> Result<int64_t> {
        impl.loadMarks();
        return static_cast<int64_t>(impl.memory.doubted[task].size());
    });
}

} // namespace pl::desk

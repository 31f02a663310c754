// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/rankings.h"

#include <algorithm>
#include <numeric>

#include "core/desk/store/impl.h"
#include "core/desk/store/packages.h"

namespace pl::desk {

namespace {

/// Sets this person may be asked for, oldest first.
std::vector<Id> openSets(Project::Impl& impl, const Project::NextOptions& options) {
    std::vector<Id> out;
    auto rows = impl.query("SELECT x.id, p.split, a.kind, x.task_id FROM comparisons x JOIN prompts p ON p.id = x.prompt_id "
                           "JOIN candidates a ON a.id = x.a_id WHERE x.withdrawn = 0 AND x.id IN (SELECT comparison_id FROM comparison_members) "
                           "ORDER BY x.id");
    while (rows.step()) {
        const Id id = rows.integer(0);
        if (!rows.null(3) && rows.integer(3) != options.task)
            continue;
        if (!offers(options.split, stored(splitOf(rows.text(1)))) || (options.kind && stored(candidateKindOf(rows.text(2))) != *options.kind))
            continue;
        if (impl.votes.find({options.task, id, options.annotator, 0}) ||
            std::find(options.skip.begin(), options.skip.end(), id) != options.skip.end())
            continue;
        out.push_back(id);
    }
    return out;
}

Result<RankItem> itemOf(Project::Impl& impl, const Project::NextOptions& options, Id comparison) {
    RankItem item;
    PL_TRY(item.comparison, impl.comparisonIn(comparison));
    PL_TRY(item.prompt, impl.promptIn(item.comparison.prompt));
    PL_TRY(item.members, impl.membersIn(comparison));
    if (item.members.size() < 3)
        return fail(Code::InvalidInput, fmt::format("comparison {} is a pair, not a set of three or more", comparison));
    Presentation& shown = item.presentation;
    shown.task = options.task;
    shown.comparison = comparison;
    shown.annotator = options.annotator;
    shown.session = options.session;
    shown.seed = options.seed ? options.seed : impl.seed;
    shown.blind = options.blind;
    shown.stratum = queueRuleName(QueueRule::Fifo);
    // The same set stands in the same order for the same person, in another for the next one.
    const uint64_t stream = mix64(mix64(shown.seed ^ hashPrefix(item.comparison.sha)) ^ mix64(static_cast<uint64_t>(options.annotator)));
    item.shown.resize(item.members.size());
    std::iota(item.shown.begin(), item.shown.end(), size_t{0});
    for (size_t i = item.shown.size() - 1; i > 0; --i)
        std::swap(item.shown[i], item.shown[mix64(stream + i) % (i + 1)]);
    const auto place = [&](size_t member) { return std::find(item.shown.begin(), item.shown.end(), member); };
    shown.aOnLeft = place(0) < place(1);
    auto seen = impl.query("SELECT 1 FROM exposures WHERE annotator_id = ? AND candidate_id = ?");
    for (const Candidate& member : item.members) {
        seen.again();
        shown.exposed = seen.bind(options.annotator, member.id).step() || shown.exposed;
    }
    return item;
}

} // namespace

Result<std::vector<RankItem>> nextRankings(Project& project, const Project::NextOptions& options) {
    Project::Impl& impl = project.impl();
    return impl.guarded("choosing the next set", [&]() -> Result<std::vector<RankItem>> {
        std::vector<RankItem> out;
        for (const Id id : openSets(impl, options)) {
            if (out.size() >= options.limit)
                break;
            PL_TRY(RankItem item, itemOf(impl, options, id));
            out.push_back(std::move(item));
        }
        return out;
    });
}

Result<int64_t> remainingRankings(Project& project, const Project::NextOptions& options) {
    Project::Impl& impl = project.impl();
    return impl.guarded("counting open sets", [&]() -> Result<int64_t> { return static_cast<int64_t>(openSets(impl, options).size()); });
}

Result<RankItem> rankItem(Project& project, const Project::NextOptions& options, Id comparison) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading a set", [&] { return itemOf(impl, options, comparison); });
}

Result<std::vector<Id>> setComparisons(Project& project) {
    Project::Impl& impl = project.impl();
    return impl.guarded("reading sets", [&]() -> Result<std::vector<Id>> {
        std::vector<Id> out;
        auto rows = impl.query("SELECT DISTINCT comparison_id FROM comparison_members ORDER BY comparison_id");
        while (rows.step())
            out.push_back(rows.integer(0));
        return out;
    });
}

Result<std::vector<CurrentVote>> pairVotes(Project& project) {
    PL_TRY(const auto sets, setComparisons(project));
    auto votes = project.currentVotes();
    if (!sets.empty())
        std::erase_if(votes, [&](const CurrentVote& vote) { return std::binary_search(sets.begin(), sets.end(), vote.comparison); });
    return votes;
}

Result<MakeRankingsResult> makeRankings(Project& project, const MakeRankingsOptions& options) {
    Project::Impl& impl = project.impl();
    if (options.size < 3 || options.size > Ranking::kMost)
        return fail(Code::InvalidInput, fmt::format("a set of {} answers cannot be ranked", options.size), fmt::format("Choose 3 to {}.", Ranking::kMost));
    PL_CHECK(notInPackage(project, "making sets"));
    return impl.write("making sets to rank", [&]() -> Result<MakeRankingsResult> {
        MakeRankingsResult made;
        std::map<std::pair<Id, std::string>, std::vector<std::pair<std::string, Id>>> answers; // by prompt and kind: hash, candidate
        {
            auto rows = impl.query("SELECT k.prompt_id, k.kind, k.sha, k.id, p.split FROM candidates k JOIN prompts p ON p.id = k.prompt_id "
                                   "WHERE k.withdrawn = 0 AND p.withdrawn = 0 ORDER BY k.prompt_id, k.sha, k.id");
            while (rows.step()) {
                if (!offers(options.split, stored(splitOf(rows.text(4)))) || (options.kind && stored(candidateKindOf(rows.text(1))) != *options.kind))
                    continue;
                auto& list = answers[{rows.integer(0), rows.text(1)}];
                if (list.empty() || list.back().first != rows.text(2)) // the same answer twice is one
                    list.emplace_back(rows.text(2), rows.integer(3));
            }
        }
        for (auto& [of, list] : answers) {
            if (options.maxSets > 0 && made.sets >= options.maxSets)
                break;
            if (list.size() < 3) {
                ++made.tooFew;
                continue;
            }
            list.resize(std::min(list.size(), options.size));
            Project::NewPair set;
            set.a = list[0].second;
            set.b = list[1].second;
            for (size_t i = 2; i < list.size(); ++i)
                set.more.push_back(list[i].second);
            set.task = options.task;
            set.source = "ranking";
            bool fresh = false;
            PL_TRY([[maybe_unused]] const Id id, impl.addPairIn(set, 0, &fresh));
            ++(fresh ? made.sets : made.duplicates);
        }
        return made;
    });
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/summary.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "core/desk/store/adjudication.h"
#include "core/desk/store/rankings.h"

namespace pl::desk {

namespace {

std::optional<double> medianOf(const std::vector<double>& values) {
    return values.empty() ? std::nullopt : std::optional<double>(rules::median(values));
}

Json orNullJson(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

} // namespace

Json Rate::toJson() const {
    const auto bounds = interval();
    return {{"value", orNullJson(value())}, {"low", bounds.low}, {"high", bounds.high}, {"n", n}};
}

Json VoteSummary::toJson() const {
    Json list = Json::array();
    for (const auto& person : people)
        list.push_back({{"name", person.name},
                        {"kind", person.kind},
                        {"votes", person.votes},
                        {"skips", person.skips},
                        {"flags", person.flags},
                        {"left", person.left.toJson()},
                        {"ties", person.ties.toJson()},
                        {"self_consistency", person.selfConsistency.toJson()},
                        {"median_active_ms", orNullJson(person.medianActiveMs)}});
    return {{"votes", votes},
            {"skips", skips},
            {"flags", flags},
            {"left", left.toJson()},
            {"ties", ties.toJson()},
            {"self_consistency", selfConsistency.toJson()},
            {"agreement", agreement.toJson()},
            {"longer_wins", longerWins.toJson()},
            {"median_active_ms", orNullJson(medianActiveMs)},
            {"provenances", provenances},
            {"people", list}};
}

VoteSummary summarize(const std::vector<CurrentVote>& votes, const std::vector<Annotator>& people,
                      const std::map<Id, Project::PairFacts>& facts, Id task) {
    VoteSummary all;
    std::map<Id, PersonSummary> byPerson;
    for (const Annotator& person : people) {
        byPerson[person.id].name = person.name;
        byPerson[person.id].kind = annotatorKindName(person.kind);
    }
    std::set<Id> adjudicators; // a verdict is no opinion
    for (const Annotator& person : people)
        if (isAdjudicator(person))
            adjudicators.insert(person.id);
    std::map<std::tuple<Id, Id, Id>, const CurrentVote*> first; // task, pair, person
    for (const CurrentVote& vote : votes)
        if (!adjudicators.count(vote.annotator) && vote.occasion == 0 && vote.kind == EventKind::Vote)
            first[{vote.task, vote.comparison, vote.annotator}] = &vote;
    std::vector<double> times;
    std::map<Id, std::vector<double>> personTimes;
    for (const CurrentVote& vote : votes) {
        if ((task && vote.task != task) || adjudicators.count(vote.annotator))
            continue;
        PersonSummary& person = byPerson[vote.annotator];
        if (vote.occasion > 0) {
            const auto original = first.find({vote.task, vote.comparison, vote.annotator});
            if (vote.kind == EventKind::Vote && original != first.end()) {
                const bool same = original->second->winner == vote.winner;
                all.selfConsistency.add(same);
                person.selfConsistency.add(same);
            }
            continue;
        }
        all.flags += vote.flagged;
        person.flags += vote.flagged;
        all.skips += vote.kind == EventKind::Skip;
        person.skips += vote.kind == EventKind::Skip;
        if (vote.kind != EventKind::Vote)
            continue;
        ++all.votes;
        ++person.votes;
        ++all.provenances[provenanceName(vote.provenance)];
        const bool tie = vote.winner == Winner::Tie;
        all.ties.add(tie);
        person.ties.add(tie);
        if (!tie && vote.shown) {
            const bool left = (vote.winner == Winner::A) == vote.aOnLeft;
            all.left.add(left);
            person.left.add(left);
        }
        const auto fact = facts.find(vote.comparison);
        if (!tie && fact != facts.end() && fact->second.lengthA != fact->second.lengthB)
            all.longerWins.add((fact->second.lengthA > fact->second.lengthB) == (vote.winner == Winner::A));
        if (vote.activeMs >= 0) {
            times.push_back(vote.activeMs);
            personTimes[vote.annotator].push_back(vote.activeMs);
        }
    }
    // `first` is sorted by task and pair: people who judged the same one are neighbours.
    for (auto i = first.begin(); i != first.end(); ++i)
        for (auto j = std::next(i); j != first.end(); ++j) {
            if (std::get<0>(i->first) != std::get<0>(j->first) || std::get<1>(i->first) != std::get<1>(j->first))
                break;
            if (!task || std::get<0>(i->first) == task)
                all.agreement.add(i->second->winner == j->second->winner);
        }
    all.medianActiveMs = medianOf(times);
    for (auto& [id, person] : byPerson) {
        person.annotator = id;
        person.medianActiveMs = medianOf(personTimes[id]);
        if (person.votes || person.skips || person.flags)
            all.people.push_back(person);
    }
    return all;
}

Result<VoteSummary> summarize(Project& project, Id task) {
    PL_TRY(const auto people, project.annotators());
    PL_TRY(const auto facts, project.pairFacts());
    PL_TRY(const auto votes, pairVotes(project));
    return summarize(votes, people, facts, task);
}

} // namespace pl::desk

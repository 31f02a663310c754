// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/ranking.h"

#include <fmt/format.h>

namespace pl::desk {

Result<Ranking> Ranking::of(const Json& payload, size_t members) {
    const auto wrong = [](const std::string& what) { return fail(Code::InvalidInput, "a ranking " + what, "It is {\"v\": 1, \"ranks\": [1, 2, ...]}, one a member."); };
    if (!payload.is_object() || !payload.contains("ranks") || !payload["ranks"].is_array())
        return wrong("has no list of ranks");
    if (payload.contains("v") && payload["v"] != 1)
        return wrong("is of a version that this program does not know");
    if (payload["ranks"].size() != members)
        return wrong(fmt::format("of {} members has {} ranks", members, payload["ranks"].size()));
    const auto number = [](const Json& value) -> std::optional<int> {
        if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > 1000)
            return std::nullopt;
        return static_cast<int>(value.get<int64_t>());
    };
    Ranking out;
    for (const Json& rank : payload["ranks"]) {
        const auto value = number(rank);
        if (!value)
            return wrong("has a rank that is no whole number from 1 to 1000");
        out.ranks.push_back(*value);
    }
    if (payload.contains("unordered")) {
        if (!payload["unordered"].is_array())
            return wrong("has an \"unordered\" that is no list of ranks");
        for (const Json& rank : payload["unordered"]) {
            const auto value = number(rank);
            if (!value)
                return wrong("has an unordered rank that is no whole number from 1 to 1000");
            out.unordered.insert(*value);
        }
    }
    return out;
}

Json Ranking::toJson() const {
    Json out{{"v", 1}, {"ranks", ranks}};
    if (!unordered.empty())
        out["unordered"] = unordered;
    return out;
}

Ranking::Relation Ranking::relation(size_t first, size_t second) const {
    if (ranks[first] != ranks[second])
        return ranks[first] < ranks[second] ? Relation::FirstBetter : Relation::SecondBetter;
    return unordered.count(ranks[first]) ? Relation::Unknown : Relation::Tie;
}

int64_t Ranking::pairs() const {
    int64_t n = 0;
    for (size_t x = 0; x < ranks.size(); ++x)
        for (size_t y = x + 1; y < ranks.size(); ++y)
            n += relation(x, y) != Relation::Unknown;
    return n;
}

bool Ranking::isComplete() const {
    return pairs() == static_cast<int64_t>(ranks.size() * (ranks.size() - 1) / 2);
}

Judgement judgementOf(const Ranking& ranking) {
    Judgement out;
    const auto relation = ranking.relation(0, 1);
    out.winner = relation == Ranking::Relation::FirstBetter    ? Winner::A
                 : relation == Ranking::Relation::SecondBetter ? Winner::B
                                                               : Winner::Tie;
    if (out.winner == Winner::Tie)
        out.tieKind = TieKind::Unspecified;
    out.ranking = ranking.toJson();
    return out;
}

} // namespace pl::desk

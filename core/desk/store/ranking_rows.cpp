// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/ranking_rows.h"

#include <fmt/format.h>

namespace pl::desk {

std::vector<DatasetLine> linesOf(const RankedSet& set, const Ranking& ranking, TiePolicy ties) {
    if (set.images && ranking.isComplete())
        return {{"rankings.jsonl", set.id,
                 dumpJson({{"id", set.id},
                           {"prompt", set.prompt},
                           {"images", set.sides},
                           {"ranks", ranking.ranks},
                           {"modality", "image"},
                           {"split", splitName(set.split)},
                           {"provenance", provenanceName(set.provenance)},
                           {"annotator", set.annotator}})}};
    std::vector<DatasetLine> out;
    const double weight = 1.0 / static_cast<double>(std::max<int64_t>(1, ranking.pairs()));
    for (size_t x = 0; x < set.sides.size(); ++x)
        for (size_t y = x + 1; y < set.sides.size(); ++y) {
            const auto relation = ranking.relation(x, y);
            const bool tie = relation == Ranking::Relation::Tie, second = relation == Ranking::Relation::SecondBetter;
            if (relation == Ranking::Relation::Unknown || (tie && ties == TiePolicy::Drop))
                continue;
            const std::string id = fmt::format("{}-{}-{}", set.id, x, y);
            Json line{{"id", id},
                      {"prompt", set.prompt},
                      {tie ? "a" : "chosen", set.sides[second ? y : x]},
                      {tie ? "b" : "rejected", set.sides[second ? x : y]},
                      {"split", splitName(set.split)},
                      {"weight", weight},
                      {"ranking", set.id},
                      {"provenance", provenanceName(set.provenance)},
                      {"annotator", set.annotator}};
            if (tie)
                line["tie_kind"] = tieKindName(TieKind::Unspecified);
            if (set.images)
                line["modality"] = "image";
            out.push_back({tie ? "ties.jsonl" : std::string(splitName(set.split)) + ".jsonl", id, dumpJson(line)});
        }
    return out;
}

} // namespace pl::desk

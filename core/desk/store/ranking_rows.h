// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/desk/domain/ranking.h"

namespace pl::desk {

/// A ranked set on its way into a dataset.
struct RankedSet {
    std::string id;
    Json prompt;
    std::vector<std::string> sides; ///< texts, or images/NAME, in the order of the ranks
    bool images = false;
    Split split = Split::Train;
    Provenance provenance = Provenance::Human;
    std::string annotator;
};
struct DatasetLine {
    std::string file, key, line; ///< lines of a file stand in the order of their keys
};
/// A complete order of images is one row of rankings.jsonl. All else becomes pairs, what was said and no more: rows of the split's file and of
/// ties.jsonl (left out with TiePolicy::Drop), which weigh one vote together.
std::vector<DatasetLine> linesOf(const RankedSet& set, const Ranking& ranking, TiePolicy ties);

} // namespace pl::desk

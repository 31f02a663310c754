// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/learn/training/text_data.h"

/// Controls: what a method makes of labels that say nothing about the answers. A result that survives them
/// came from somewhere else than the labels.
namespace pl::learn {

enum class LabelControl {
    None,
    Shuffle,        ///< the labels of the pairs are dealt out anew among the same pairs
    ShuffleInverted ///< the same deal with every label turned round: what one gets right by luck, the other
                    ///< gets wrong
};
Result<LabelControl> labelControlOf(std::string_view name); ///< none | shuffle | shuffle_inverted

/// One label as a control sees it. Which side is called the first must not depend on the vote: it is told by a hash of the
/// contents. Ties stay as they are.
struct ControlledLabel {
    bool chosenIsFirst = true;
    bool tie = false;
    double softLabel = 1, margin = 0; ///< changed in place
    bool exchanged = false;           ///< out: chosen and rejected change places
};

struct LabelControlReport {
    int64_t labels = 0;    ///< that were dealt out; ties are none
    int64_t exchanged = 0; ///< pairs whose label now points the other way
};

/// Deals the labels out anew among the same pairs. Depends only on the labels, their order and the seed.
LabelControlReport dealLabels(std::vector<ControlledLabel>& labels, LabelControl control, uint64_t seed);

/// Changes the labels (which side is chosen, the soft label, the margin its strength asks for) of `pairs` in
/// place; prompts, answers, weights and ties stay where they are. Depends only on the pairs, their order and
/// the seed.
LabelControlReport applyLabelControl(std::vector<TokenizedPair>& pairs, LabelControl control, uint64_t seed);

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/label_control.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "core/base/hash.h"

namespace pl::learn {
namespace {

uint64_t contentHash(const TokenizedRow& row) {
    uint64_t hash = static_cast<uint64_t>(row.length());
    for (const int64_t id : row.ids)
        hash = mix64(hash ^ static_cast<uint64_t>(id));
    return hash;
}

/// Which of the two rows is called the first one. Pairs reach us ordered, the chosen row before the rejected
/// one, so "the row at hand is the better one" is the same label for all of them, and dealing it out anew
/// would change nothing. The name must not depend on the vote, nor on anything a vote may depend on, such as
/// length or spelling: it is a hash of the contents. A label then says "the first is better" for about half
/// of the pairs, and one that comes from another pair is right with probability one half.
bool chosenIsFirst(const TokenizedPair& pair) {
    const uint64_t chosen = contentHash(pair.chosen), rejected = contentHash(pair.rejected);
    return chosen != rejected ? chosen < rejected : pair.chosen.ids < pair.rejected.ids;
}

struct Label {
    double first = 1;  ///< probability that the first row is the better one
    double margin = 0; ///< a strength belongs to the vote, not to the answers
};

} // namespace

Result<LabelControl> labelControlOf(std::string_view name) {
    if (name == "none")
        return LabelControl::None;
    if (name == "shuffle")
        return LabelControl::Shuffle;
    if (name == "shuffle_inverted")
        return LabelControl::ShuffleInverted;
    return fail(Code::InvalidInput, fmt::format("label_control is '{}'", name),
                "Use none, shuffle or shuffle_inverted.");
}

LabelControlReport dealLabels(std::vector<ControlledLabel>& all, LabelControl control, uint64_t seed) {
    LabelControlReport report;
    if (control == LabelControl::None)
        return report;
    std::vector<size_t> labelled;
    std::vector<Label> labels;
    for (size_t i = 0; i < all.size(); ++i) {
        if (all[i].tie)
            continue;
        labelled.push_back(i);
        labels.push_back({all[i].chosenIsFirst ? all[i].softLabel : 1 - all[i].softLabel, all[i].margin});
    }
    std::vector<size_t> deal(labels.size());
    std::iota(deal.begin(), deal.end(), size_t{0});
    const uint64_t stream = hashSeed(seed, "label_control");
    for (size_t i = deal.size(); i > 1; --i)
        std::swap(deal[i - 1], deal[static_cast<size_t>(mix64(stream + i) % i)]);
    for (size_t k = 0; k < labelled.size(); ++k) {
        auto& label = all[labelled[k]];
        Label now = labels[deal[k]];
        if (control == LabelControl::ShuffleInverted)
            now.first = 1 - now.first;
        report.exchanged += (now.first > 0.5) != (labels[k].first > 0.5);
        label.exchanged = label.chosenIsFirst != (now.first > 0.5);
        label.softLabel = std::max(now.first, 1 - now.first);
        label.margin = now.margin;
    }
    report.labels = static_cast<int64_t>(labels.size());
    return report;
}

LabelControlReport applyLabelControl(std::vector<TokenizedPair>& pairs, LabelControl control, uint64_t seed) {
    std::vector<ControlledLabel> labels;
    for (const auto& pair : pairs)
        labels.push_back({.chosenIsFirst = chosenIsFirst(pair), .tie = pair.tie(), .softLabel = pair.softLabel, .margin = pair.margin});
    const auto report = dealLabels(labels, control, seed);
    for (size_t i = 0; i < pairs.size(); ++i) {
        if (labels[i].exchanged)
            std::swap(pairs[i].chosen, pairs[i].rejected);
        pairs[i].softLabel = labels[i].softLabel;
        pairs[i].margin = labels[i].margin;
    }
    return report;
}

} // namespace pl::learn

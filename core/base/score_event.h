// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace pl::event {

/// What a reward model thinks of answers: model{name, hash}, ids[] (of the rows of data/items.jsonl), scores[] (one each; a text for
/// what is no number).
inline constexpr const char* kScore = "score";
/// So many answers a line at most, which keeps it well below kMaxEventLine.
inline constexpr size_t kScoresALine = 500;

} // namespace pl::event

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace pl::text {

enum class DiffKind { Equal, OnlyA, OnlyB };

/// A stretch of text; offsets are bytes at character borders. Equal has both ranges, OnlyA and OnlyB one (the
/// other is empty and stands where the stretch would go).
struct DiffSegment {
    DiffKind kind = DiffKind::Equal;
    size_t aBegin = 0;
    size_t aEnd = 0;
    size_t bBegin = 0;
    size_t bEnd = 0;
};

struct DiffOptions {
    /// Edit steps tried per stretch before it is shown as replaced as a whole: bounds time by about
    /// maxEdits^2.
    size_t maxEdits = 1000;
};

/// Word by word (a word, a run of white space, or one other character), after E. Myers, "An O(ND) Difference
/// Algorithm" (1986). The segments cover both texts in order; within a change OnlyA comes before OnlyB.
/// Invalid UTF-8 is compared as bytes.
std::vector<DiffSegment> diffWords(std::string_view a, std::string_view b, const DiffOptions& options = {});

/// Bytes both texts begin (end) with, cut back to a character border; the suffix never overlaps the prefix
/// given.
size_t commonPrefix(std::string_view a, std::string_view b);
size_t commonSuffix(std::string_view a, std::string_view b, size_t prefix = 0);

} // namespace pl::text

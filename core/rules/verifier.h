// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

/// Tasks with one right answer, checked by rule.
namespace pl::rules {

enum class VerifierKind { Arithmetic, Sort, Copy };

std::vector<std::string> verifierNames();
/// "arithmetic", "sort" or "copy"; anything else is refused with the list.
Result<VerifierKind> verifierByName(std::string_view name);

struct Verdict {
    bool correct = false;
    double score = 0.0; ///< 1 when correct; for sort and copy else the share of items right from the front, below 1
    std::string found;  ///< what was read as the answer ("" when there was none)
};

/// Reads the answer out of a response and compares. The answer is what follows the last "answer is" (or "answer:"),
/// up to the end of its sentence; without those words:
///   arithmetic  the last number of the response; numbers may have a sign, decimals and thousands separators
///   sort, copy  the text after the last ':', or all of it; items are separated by commas, blanks or "and" and
///               compared as text without the surrounding punctuation, case ignored
/// Any bytes are accepted; at most the last 64 KiB are read.
Verdict verify(VerifierKind kind, std::string_view answer, std::string_view response);

} // namespace pl::rules

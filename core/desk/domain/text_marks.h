// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

/// What a person marks inside an answer: stretches that are good, bad or worth a look, and the first wrong step. Offsets count
/// Unicode code points of the answer as it is stored, never bytes, UTF-16 units or what a view makes of the text.
namespace pl::desk {

enum class SpanLabel { Good, Bad, Neutral };
const char* spanLabelName(SpanLabel label); ///< good bad neutral

/// [begin, end) in code points.
struct TextSpan {
    int64_t begin = 0, end = 0;
    SpanLabel label = SpanLabel::Neutral;
    bool operator==(const TextSpan&) const = default;
};

/// Puts `span` over what is there: older marks give way where they overlap, neighbours of one label become one. Sorted after it.
void setSpan(std::vector<TextSpan>& spans, TextSpan span);
/// Removes the marks that [begin, end) touches, or that hold `begin` when it is empty. False when there was none.
bool clearSpans(std::vector<TextSpan>& spans, int64_t begin, int64_t end);

/// An answer in steps. "numbered": two or more lines begin with 1, 2, 3, ... ("1.", "2)", "Step 3:", "**4.", "## Step 5"), each step
/// reaching to the next; what stands before the first belongs to it. Else "lines": every line that is not blank. A fenced block of
/// code is never divided. Ranges leave out the white space around a step, and cover everything else.
struct TextSteps {
    std::string rule; ///< numbered | lines
    std::vector<std::array<int64_t, 2>> ranges;
    bool operator==(const TextSteps&) const = default;
};
/// Fewer than two steps: none.
std::optional<TextSteps> splitSteps(std::string_view text);

/// What is marked in one answer.
struct AnswerMarks {
    std::vector<TextSpan> spans;
    std::optional<TextSteps> steps; ///< only when the person said something about them
    int64_t firstWrong = -1;        ///< index of the first wrong step; -1: all are right. Only with steps.
    bool empty() const { return spans.empty() && !steps; }
    bool operator==(const AnswerMarks&) const = default;
};

/// The payload kept with a judgement (Judgement::spans), null when nothing is marked:
/// {"v": 1, "unit": "code_point", "a": {"sha256": of the answer's UTF-8, "spans": [{"start", "end", "label"}],
///  "steps": {"rule", "ranges": [[start, end], ...], "first_wrong": index or null}}, "b": ...}; sides in content space.
Json marksPayload(const AnswerMarks& a, const std::string& textA, const AnswerMarks& b, const std::string& textB);
/// And back. Fails when it is of another version or unit, of another text, or reaches outside of it. Null gives no marks.
Result<std::array<AnswerMarks, 2>> marksOf(const Json& payload, const std::string& textA, const std::string& textB);

/// The bytes of [begin, end).
std::string_view textPart(std::string_view text, int64_t begin, int64_t end);

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/domain/text_marks.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/text/utf8.h"

namespace pl::desk {

namespace {

constexpr const char* kUnit = "code_point";
constexpr size_t kMostMarks = 100'000; ///< of a payload that comes from elsewhere

std::string_view trimmed(std::string_view line) {
    const auto from = line.find_first_not_of(" \t\r");
    return from == std::string_view::npos ? std::string_view() : line.substr(from, line.find_last_not_of(" \t\r") - from + 1);
}

/// The number a line begins with as a step; 0 for none.
int64_t stepNumber(std::string_view line) {
    std::string_view rest = trimmed(line);
    const auto skip = [&](std::string_view marks) {
        const auto at = rest.find_first_not_of(marks);
        rest.remove_prefix(at == std::string_view::npos ? rest.size() : at);
    };
    skip("#");
    skip(" *_");
    bool word = false;
    for (const std::string_view name : {"Step", "step", "STEP"})
        if (rest.substr(0, name.size()) == name) {
            rest.remove_prefix(name.size());
            skip(" ");
            word = true;
            break;
        }
    int64_t number = 0;
    size_t digits = 0;
    while (digits < rest.size() && digits < 6 && rest[digits] >= '0' && rest[digits] <= '9')
        number = number * 10 + (rest[digits++] - '0');
    if (!digits)
        return 0;
    const char after = digits < rest.size() ? rest[digits] : '\0';
    // "3.5 litres" is no third step, "Step 3" alone is one.
    const bool closed = (after == '.' || after == ')' || (word && after == ':')) &&
                        (digits + 1 >= rest.size() || rest[digits + 1] < '0' || rest[digits + 1] > '9');
    return closed || (word && (after == '\0' || after == ' ' || after == '*')) ? number : 0;
}

struct Line {
    size_t begin, end; ///< bytes
    bool inside;       ///< of a fenced block, beyond its first line
};

std::vector<Line> linesOf(std::string_view text) {
    std::vector<Line> lines;
    std::string_view fence;
    for (size_t at = 0; at <= text.size();) {
        const size_t stop = std::min(text.find('\n', at), text.size());
        const std::string_view line = trimmed(text.substr(at, stop - at));
        const bool inside = !fence.empty();
        if (inside && line.substr(0, 3) == fence)
            fence = {};
        else if (!inside && (line.substr(0, 3) == "```" || line.substr(0, 3) == "~~~"))
            fence = line.substr(0, 3);
        lines.push_back({at, stop, inside});
        at = stop + 1;
    }
    return lines;
}

Json sideJson(const AnswerMarks& marks, const std::string& text) {
    Json side{{"sha256", sha256Hex(text)}};
    if (!marks.spans.empty()) {
        side["spans"] = Json::array();
        for (const TextSpan& span : marks.spans)
            side["spans"].push_back({{"start", span.begin}, {"end", span.end}, {"label", spanLabelName(span.label)}});
    }
    if (marks.steps)
        side["steps"] = {{"rule", marks.steps->rule},
                         {"ranges", marks.steps->ranges},
                         {"first_wrong", marks.firstWrong < 0 ? Json() : Json(marks.firstWrong)}};
    return side;
}

Result<AnswerMarks> sideOf(const Json& side, const std::string& text, const char* name) {
    const auto bad = [&](const std::string& why) {
        return fail(Code::InvalidInput, fmt::format("the marks in answer {} cannot be read: {}", name, why),
                    "See the user guide, \"Marks inside an answer\", for their form.");
    };
    if (!side.is_object() || !side.contains("sha256") || !side["sha256"].is_string())
        return bad("they do not say which text they are of (\"sha256\")");
    if (side["sha256"] != sha256Hex(text))
        return bad("they are of another text");
    const auto length = static_cast<int64_t>(text::codePointCount(text));
    AnswerMarks marks;
    const auto number = [](const Json& value) { return value.is_number_integer() ? value.get<int64_t>() : int64_t{-1}; };
    const auto fits = [&](int64_t begin, int64_t end) { return begin >= 0 && begin < end && end <= length; };
    if (const auto spans = side.find("spans"); spans != side.end()) {
        if (!spans->is_array() || spans->size() > kMostMarks)
            return bad("\"spans\" is no list, or one of more than 100000");
        for (const Json& each : *spans) {
            if (!each.is_object())
                return bad("a span is no object");
            TextSpan span{number(each.value("start", Json())), number(each.value("end", Json())), SpanLabel::Neutral};
            const Json label = each.value("label", Json());
            if (!fits(span.begin, span.end))
                return bad(fmt::format("a span lies outside of its {} characters", length));
            if (label == "good")
                span.label = SpanLabel::Good;
            else if (label == "bad")
                span.label = SpanLabel::Bad;
            else if (label != "neutral")
                return bad("a span is not good, bad or neutral");
            if (!marks.spans.empty() && span.begin < marks.spans.back().end)
                return bad("spans overlap or are not in order");
            marks.spans.push_back(span);
        }
    }
    if (const auto steps = side.find("steps"); steps != side.end()) {
        const Json rule = steps->is_object() ? steps->value("rule", Json()) : Json();
        const Json ranges = steps->is_object() ? steps->value("ranges", Json()) : Json();
        if (!rule.is_string() || !ranges.is_array() || ranges.empty() || ranges.size() > kMostMarks)
            return bad("\"steps\" has no rule or no ranges");
        TextSteps read;
        read.rule = rule.get<std::string>();
        for (const Json& range : ranges) {
            const int64_t begin = range.is_array() && range.size() == 2 ? number(range[0]) : -1;
            const int64_t end = begin < 0 ? -1 : number(range[1]);
            if (!fits(begin, end) || (!read.ranges.empty() && begin < read.ranges.back()[1]))
                return bad("a step lies outside of the text, or before the one above it");
            read.ranges.push_back({begin, end});
        }
        const Json wrong = steps->value("first_wrong", Json());
        marks.firstWrong = wrong.is_null() ? -1 : number(wrong);
        if (!wrong.is_null() && (marks.firstWrong < 0 || marks.firstWrong >= static_cast<int64_t>(read.ranges.size())))
            return bad("\"first_wrong\" is none of the steps");
        marks.steps = std::move(read);
    }
    return marks;
}

} // namespace

const char* spanLabelName(SpanLabel label) {
    return label == SpanLabel::Good ? "good" : label == SpanLabel::Bad ? "bad" : "neutral";
}

void setSpan(std::vector<TextSpan>& spans, TextSpan span) {
    if (span.begin >= span.end)
        return;
    std::vector<TextSpan> out;
    for (const TextSpan& old : spans) {
        if (old.begin < span.begin)
            out.push_back({old.begin, std::min(old.end, span.begin), old.label});
        if (old.end > span.end)
            out.push_back({std::max(old.begin, span.end), old.end, old.label});
    }
    out.push_back(span);
    std::sort(out.begin(), out.end(), [](const TextSpan& x, const TextSpan& y) { return x.begin < y.begin; });
    spans.clear();
    for (const TextSpan& each : out)
        if (!spans.empty() && spans.back().end == each.begin && spans.back().label == each.label)
            spans.back().end = each.end;
        else
            spans.push_back(each);
}

bool clearSpans(std::vector<TextSpan>& spans, int64_t begin, int64_t end) {
    return std::erase_if(spans, [&](const TextSpan& span) {
               return begin == end ? span.begin <= begin && begin < span.end : span.begin < end && begin < span.end;
           }) > 0;
}

std::optional<TextSteps> splitSteps(std::string_view text) {
    const std::vector<Line> lines = linesOf(text);
    std::vector<size_t> starts; // bytes
    int64_t expected = 1;
    for (const Line& line : lines)
        if (!line.inside && stepNumber(text.substr(line.begin, line.end - line.begin)) == expected) {
            starts.push_back(line.begin);
            ++expected;
        }
    TextSteps steps;
    steps.rule = "numbered";
    if (starts.size() >= 2) {
        starts[0] = 0;
    } else {
        steps.rule = "lines";
        starts.clear();
        for (const Line& line : lines)
            if (!line.inside && !trimmed(text.substr(line.begin, line.end - line.begin)).empty())
                starts.push_back(line.begin);
    }
    if (starts.size() < 2)
        return std::nullopt;
    // Bytes to code points, walking the text once.
    size_t at = 0;
    int64_t point = 0;
    const auto pointAt = [&](size_t byte) {
        for (; at < byte; ++point)
            text::nextCodePoint(text, at);
        return point;
    };
    constexpr std::string_view kSpace = " \t\r\n";
    for (size_t i = 0; i < starts.size(); ++i) {
        const size_t stop = i + 1 < starts.size() ? starts[i + 1] : text.size();
        const std::string_view part = text.substr(starts[i], stop - starts[i]);
        const size_t from = part.find_first_not_of(kSpace);
        if (from == std::string_view::npos)
            continue;
        const int64_t begin = pointAt(starts[i] + from);
        steps.ranges.push_back({begin, pointAt(starts[i] + part.find_last_not_of(kSpace) + 1)});
    }
    return steps.ranges.size() < 2 ? std::nullopt : std::optional(std::move(steps));
}

Json marksPayload(const AnswerMarks& a, const std::string& textA, const AnswerMarks& b, const std::string& textB) {
    if (a.empty() && b.empty())
        return {};
    Json payload{{"v", 1}, {"unit", kUnit}};
    if (!a.empty())
        payload["a"] = sideJson(a, textA);
    if (!b.empty())
        payload["b"] = sideJson(b, textB);
    return payload;
}

Result<std::array<AnswerMarks, 2>> marksOf(const Json& payload, const std::string& textA, const std::string& textB) {
    std::array<AnswerMarks, 2> marks;
    if (payload.is_null())
        return marks;
    if (!payload.is_object() || payload.value("v", Json()) != 1 || payload.value("unit", Json()) != kUnit)
        return fail(Code::InvalidInput, "marks inside answers are of a version or unit that this program does not read",
                    "It reads {\"v\": 1, \"unit\": \"code_point\", ...}.");
    if (payload.contains("a")) {
        PL_TRY(marks[0], sideOf(payload["a"], textA, "a"));
    }
    if (payload.contains("b")) {
        PL_TRY(marks[1], sideOf(payload["b"], textB, "b"));
    }
    return marks;
}

std::string_view textPart(std::string_view text, int64_t begin, int64_t end) {
    const size_t from = text::byteOffset(text, static_cast<size_t>(std::max<int64_t>(0, begin)));
    const size_t to = text::byteOffset(text, static_cast<size_t>(std::max(begin, end)));
    return text.substr(from, to - from);
}

} // namespace pl::desk

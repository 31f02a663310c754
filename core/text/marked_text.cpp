// SPDX-License-Identifier: Apache-2.0
#include "core/text/marked_text.h"

#include <algorithm>

namespace pl::text {

void MarkedText::append(std::string_view part, bool isContent) {
    if (isContent && !part.empty()) {
        if (!content.empty() && content.back().end == text.size())
            content.back().end += part.size();
        else
            content.push_back({text.size(), text.size() + part.size()});
    }
    text += part;
}

void MarkedText::append(const MarkedText& part) {
    const size_t shift = text.size();
    for (const Span& span : part.content) {
        if (!content.empty() && content.back().end == shift + span.begin)
            content.back().end = shift + span.end;
        else
            content.push_back({shift + span.begin, shift + span.end});
    }
    text += part.text;
}

MarkedText MarkedText::slice(size_t begin, size_t end) const {
    end = std::min(end, text.size());
    begin = std::min(begin, end);
    return {text.substr(begin, end - begin), clipSpans(content, begin, end)};
}

MarkedText mapParts(const MarkedText& text, const std::function<std::string(std::string_view)>& map) {
    MarkedText out;
    std::string whole = map(text.text);
    if (text.content.empty() || (text.content.size() == 1 && text.content[0] == MarkedText::Span{0, text.text.size()})) {
        out.append(whole, !text.content.empty());
        return out;
    }
    size_t done = 0;
    const auto part = [&](size_t end, bool isContent) {
        if (end > done)
            out.append(map(std::string_view(text.text).substr(done, end - done)), isContent);
        done = end;
    };
    for (const auto& span : text.content) {
        part(span.begin, false);
        part(span.end, true);
    }
    part(text.text.size(), false);
    if (out.text != whole) {
        out = {};
        out.append(whole, true);
    }
    return out;
}

std::vector<MarkedText::Span> clipSpans(const std::vector<MarkedText::Span>& spans, size_t begin, size_t end) {
    std::vector<MarkedText::Span> out;
    auto span = std::partition_point(spans.begin(), spans.end(), [&](const auto& s) { return s.end <= begin; });
    for (; span != spans.end() && span->begin < end; ++span)
        out.push_back({std::max(span->begin, begin) - begin, std::min(span->end, end) - begin});
    return out;
}

} // namespace pl::text

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pl::text {

/// A text that knows which of its bytes are content: written by a person or a model, not by a template. A special
/// token that content spells stays plain text, whatever was done to the content on its way.
struct MarkedText {
    struct Span {
        size_t begin = 0;
        size_t end = 0;
        bool operator==(const Span&) const = default;
    };
    std::string text;
    std::vector<Span> content; ///< in order, disjoint, not empty

    void append(std::string_view part, bool isContent = false);
    void append(const MarkedText& part);
    /// Bytes begin to end (clipped to the text).
    MarkedText slice(size_t begin, size_t end) const;
};

/// Maps a text part by part, so that content stays content. Where that is not what mapping it as a whole gives, all of
/// the result counts as content (if there was any).
MarkedText mapParts(const MarkedText& text, const std::function<std::string(std::string_view)>& map);

/// Those parts of the spans that lie in begin to end, counted from begin.
std::vector<MarkedText::Span> clipSpans(const std::vector<MarkedText::Span>& spans, size_t begin, size_t end);

} // namespace pl::text

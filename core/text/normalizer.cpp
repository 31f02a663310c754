// SPDX-License-Identifier: Apache-2.0
#include "core/text/normalizer.h"

namespace pl::text {
namespace {

/// Byte range of text without white space at its ends.
MarkedText::Span stripped(std::string_view text, bool left, bool right) {
    size_t begin = 0;
    size_t end = text.size();
    while (left && begin < end) {
        size_t next = begin;
        if (!isWhiteSpace(nextCodePoint(text, next)))
            break;
        begin = next;
    }
    while (right && end > begin) {
        size_t start = end - 1;
        while (start > begin && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80)
            --start;
        size_t at = start;
        if (!isWhiteSpace(nextCodePoint(text, at)))
            break;
        end = start;
    }
    return {begin, end};
}

std::string replaced(const Normalizer::Step& step, std::string_view text, bool& keepsStart) {
    std::vector<Cut> cuts;
    std::string_view rest;
    step.pattern.split(text, cuts, rest);
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < cuts.size(); ++i) {
        out += cuts[i].match ? std::string_view(step.content) : cuts[i].text;
        if (i == 0 && cuts[i].match && step.content.empty())
            keepsStart = false;
    }
    out += rest;
    return out;
}

std::string applyOne(const Normalizer::Step& step, std::string_view text, bool& keepsStart) {
    switch (step.kind) {
    case Normalizer::Step::Form:
        return normalized(text, step.form);
    case Normalizer::Step::Lowercase:
        return lowerEach(text);
    case Normalizer::Step::Replace:
        return replaced(step, text, keepsStart);
    case Normalizer::Step::Prepend:
        return text.empty() ? std::string() : step.content + std::string(text);
    case Normalizer::Step::Strip: {
        const auto range = stripped(text, step.left, step.right);
        keepsStart = keepsStart && range.begin == 0;
        return std::string(text.substr(range.begin, range.end - range.begin));
    }
    }
    return std::string(text);
}

} // namespace

std::string Normalizer::apply(std::string_view text, bool& keepsStart) const {
    std::string out(text);
    for (const Step& step : steps)
        out = applyOne(step, out, keepsStart);
    return out;
}

MarkedText Normalizer::apply(const MarkedText& text) const {
    MarkedText now = text;
    for (const Step& step : steps) {
        MarkedText next;
        if (step.kind == Step::Prepend) {
            if (!now.text.empty())
                next.append(step.content);
            next.append(now);
        } else if (step.kind == Step::Strip) {
            const auto range = stripped(now.text, step.left, step.right);
            next = now.slice(range.begin, range.end);
        } else {
            bool keepsStart = true;
            next = mapParts(now, [&](std::string_view part) { return applyOne(step, part, keepsStart); });
        }
        now = std::move(next);
    }
    return now;
}

} // namespace pl::text

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/queue/sketch.h"

#include <algorithm>
#include <string>

#include "core/base/hash.h"

namespace pl::desk {

namespace {

constexpr size_t kShingle = 5;
constexpr size_t kMostBytes = 16 * 1024;

std::string folded(std::string_view text) {
    std::string out;
    bool space = true; // none at the beginning
    for (const char c : text.substr(0, kMostBytes)) {
        const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (!blank)
            out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        else if (!space)
            out += ' ';
        space = blank;
    }
    while (!out.empty() && out.back() == ' ')
        out.pop_back();
    return out;
}

} // namespace

Sketch sketchOf(std::string_view text) {
    const std::string plain = folded(text);
    Sketch out;
    uint64_t window = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
        window = (window << 8 | static_cast<unsigned char>(plain[i])) & 0xffffffffffull;
        if (i + 1 >= kShingle || i + 1 == plain.size()) // a shorter text is one shingle
            out.smallest.push_back(mix64(window + 1));
    }
    std::sort(out.smallest.begin(), out.smallest.end());
    out.smallest.erase(std::unique(out.smallest.begin(), out.smallest.end()), out.smallest.end());
    if (out.smallest.size() > Sketch::kMost)
        out.smallest.resize(Sketch::kMost);
    return out;
}

double resemblance(const Sketch& x, const Sketch& y) {
    size_t i = 0, j = 0, seen = 0, both = 0;
    while (seen < Sketch::kMost && (i < x.smallest.size() || j < y.smallest.size())) {
        const bool left = j == y.smallest.size() || (i < x.smallest.size() && x.smallest[i] <= y.smallest[j]);
        const bool right = i == x.smallest.size() || (j < y.smallest.size() && y.smallest[j] <= x.smallest[i]);
        both += left && right;
        i += left;
        j += right;
        ++seen;
    }
    return seen ? static_cast<double>(both) / static_cast<double>(seen) : 1.0; // two empty texts are the same
}

bool nearlySame(const PairSketch& x, const PairSketch& y) {
    if (resemblance(x.prompt, y.prompt) >= kNearlySame)
        return true;
    const auto close = [](const Sketch& one, const Sketch& other) { return resemblance(one, other) >= kNearlySame; };
    return (close(x.a, y.a) && close(x.b, y.b)) || (close(x.a, y.b) && close(x.b, y.a));
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/text/utf8.h"

namespace pl::test {

/// The strings that tests/golden/make_tokenizers.py makes of the tables in tokenizers/generator.json: the same numbers in
/// the same order.
inline std::vector<std::string> generatedStrings(const Json& tables) {
    uint64_t state = tables["seed"].get<uint64_t>();
    const auto next = [&](size_t n) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<size_t>((state >> 33) % n);
    };
    const auto kinds = tables["kinds"].get<std::vector<std::string>>();
    const auto pools = tables["pools"].get<std::map<std::string, std::vector<std::string>>>();
    const auto ranges = tables["ranges"].get<std::vector<std::vector<uint32_t>>>();
    std::vector<std::string> out;
    for (size_t count = tables["count"].get<size_t>(); count > 0; --count) {
        std::string text;
        for (size_t piece = 2 + next(14); piece > 0; --piece) {
            const std::string& kind = kinds[next(kinds.size())];
            if (kind == "range") {
                const auto& range = ranges[next(ranges.size())];
                for (size_t n = 1 + next(6); n > 0; --n)
                    text::appendUtf8(text, static_cast<char32_t>(range[0] + next(range[1] - range[0] + 1)));
                continue;
            }
            const auto& pool = pools.at(kind);
            text += pool[next(pool.size())];
            if (kind == "words" && next(4))
                text += " ";
        }
        out.push_back(std::move(text));
    }
    return out;
}

} // namespace pl::test

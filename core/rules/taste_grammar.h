// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/result.h"

/// How tastes are named, whatever they look at. Only the tastes' own sources include this.
namespace pl::rules::grammar {

/// Names of basic tastes, in their order. Basic has name, kind, description, tieBand.
template<class Basics>
std::vector<std::string> namesOf(const Basics& basics) {
    std::vector<std::string> names;
    for (const auto& basic : basics)
        names.emplace_back(basic.name);
    return names;
}

/// NAME, inverse:NAME, or several joined by '+'; at most 8, none twice. `unknown` begins the refusal: "no taste is called".
template<class Taste, class Basics>
Result<Taste> tasteOf(std::string_view name, const Basics& basics, std::string_view unknown) {
    Taste taste;
    taste.name = name;
    double band = 0.0;
    for (std::string_view rest = name;;) {
        const size_t plus = rest.find('+');
        std::string_view part = rest.substr(0, plus);
        const bool inverse = part.starts_with("inverse:");
        if (inverse)
            part.remove_prefix(8);
        const auto found = std::find_if(std::begin(basics), std::end(basics), [&](const auto& b) { return b.name == part; });
        if (found == std::end(basics) || taste.terms.size() >= 8)
            return fail(Code::InvalidInput, fmt::format("{} \"{}\"", unknown, name.substr(0, 80)),
                        fmt::format("Tastes: {}; inverse:NAME; several joined by '+'.", fmt::join(namesOf(basics), ", ")));
        for (const auto& term : taste.terms)
            if (term.kind == found->kind)
                return fail(Code::InvalidInput, fmt::format("the taste \"{}\" names {} twice", name, part),
                            "Name each taste once.");
        taste.terms.push_back({found->kind, inverse ? -1.0 : 1.0});
        taste.description += fmt::format("{}{}{}", taste.description.empty() ? "prefers " : " and ",
                                         inverse ? "the opposite of " : "", found->description);
        band += found->tieBand * found->tieBand;
        if (plus == std::string_view::npos)
            break;
        rest.remove_prefix(plus + 1);
    }
    taste.tieBand = std::sqrt(band); // independent terms: bands add like standard deviations
    return taste;
}

} // namespace pl::rules::grammar

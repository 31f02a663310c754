// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace pl {

/// What a model's folder says of itself in words. Nothing is trusted: lines are cut at 300 characters.
struct ModelCard {
    std::string licence; ///< of README.md's front matter, else the first line of LICENSE, else card.json's; empty: not said
    std::string made;    ///< the first line after the card's title; empty: not said
};
ModelCard readModelCard(const std::string& dir);

/// The first line that says something, without marks of Markdown, at most 300 characters.
std::string firstLine(const std::string& text);

} // namespace pl

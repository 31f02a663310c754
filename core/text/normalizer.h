// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/text/marked_text.h"
#include "core/text/pattern.h"
#include "core/text/unicode.h"

namespace pl::text {

/// The normalizer of a tokenizer.json: its steps in order, sequences flattened.
class Normalizer {
public:
    struct Step {
        enum Kind { Form, Lowercase, Replace, Prepend, Strip } kind = Form;
        NormalForm form = NormalForm::Nfc;
        Pattern pattern;     ///< Replace
        std::string content; ///< Replace, Prepend
        bool left = false;   ///< Strip
        bool right = false;
    };
    std::vector<Step> steps;

    bool empty() const { return steps.empty(); }
    /// keepsStart becomes false when the first character was taken away. A Replace whose pattern exceeds its
    /// matching limit leaves the rest as it is.
    std::string apply(std::string_view text, bool& keepsStart) const;
    /// The same, and where content went. Where that cannot be told (a literal and a content character became
    /// one), all of it counts as content.
    MarkedText apply(const MarkedText& text) const;
};

} // namespace pl::text

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "core/text/jinja/value.h"

namespace pl::text::jinja {

/// What strftime_now says the time is.
struct Now {
    int year = 2024, month = 7, day = 26, hour = 0, minute = 0, second = 0;
};

/// A template in a subset of Jinja 3.1, run as transformers runs chat templates (trim_blocks, lstrip_blocks, loop
/// controls, no autoescape). It reaches nothing but the variables it is given, and its work is bounded.
///
/// Statements: if, for (with if, else, several targets, break, continue), set (also of a namespace's attribute, and with
/// a body), macro, generation, raw, comments, white space control. Expressions: all of Jinja's but ** and * in calls.
/// Filters, tests and methods: those of builtins.cpp. Functions: range, namespace, raise_exception, strftime_now, macros.
class Template {
public:
    /// What the subset lacks is refused here (Code::Unsupported), with the construct and its line; other mistakes are
    /// Code::InvalidInput.
    static Result<Template> parse(std::string_view source);
    /// Fails by line when the template raises an exception (with its text), does what has no meaning (adds a number to
    /// a text) or exceeds the budget.
    Result<MarkedText> render(const Dict& variables, const Now& now = {}, Budget budget = {}) const;

private:
    std::shared_ptr<const std::vector<Statement>> m_body;
};

} // namespace pl::text::jinja

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/text/marked_text.h"

namespace pl::text::jinja {

struct Statement;
struct Scope;
struct Value;

struct Undefined {
    std::string name; ///< of what is missing, for messages
};
struct None {};
struct List {
    std::vector<Value> items;
    int depth = 1; ///< of lists and dicts within each other; set by Value::of
};
/// Keeps the order in which keys came, as Python's dict does. Keys are strings.
struct Dict {
    std::vector<std::pair<std::string, Value>> items;
    int depth = 1;
    const Value* find(std::string_view key) const;
    void set(const std::string& key, Value value);
};
/// namespace(): the one thing that can be changed.
struct Namespace {
    Dict attributes;
};
/// The variable `loop`.
struct Loop {
    std::shared_ptr<const List> items;
    int64_t index = 0;
};
struct Macro {
    const Statement* definition = nullptr;
    std::weak_ptr<Scope> scope; ///< where it was defined
};
/// A function that templates are given: range, namespace, raise_exception, strftime_now.
struct Function {
    std::string name;
};

/// A value of the template language; the behaviour is Python's. Copies are cheap.
struct Value {
    std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const MarkedText>, std::shared_ptr<const List>,
                 std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<const Loop>, Macro, Function>
        data;

    static Value none() { return {None{}}; }
    static Value of(MarkedText text) { return {std::make_shared<const MarkedText>(std::move(text))}; }
    static Value of(std::string text) { return of(MarkedText{std::move(text), {}}); }
    static Value of(List list);
    static Value of(Dict dict);
    static Value of(bool value) { return {value}; }
    static Value of(int64_t value) { return {value}; }

    template<class T>
    bool is() const {
        return std::holds_alternative<T>(data);
    }
    bool isUndefined() const { return is<Undefined>(); }
    bool isNone() const { return is<None>(); }
    const MarkedText* text() const;
    const List* list() const;
    const Dict* dict() const;
    /// Whole numbers; true and false count as 1 and 0, as in Python.
    const int64_t* integer() const;
    bool isNumber() const { return is<bool>() || is<int64_t>() || is<double>(); }
    double number() const;
    int64_t whole() const; ///< of a bool or whole number

    int depth() const; ///< 0 for what is neither list nor dict
    bool truth() const;
    /// "a list", "None", ...: for messages.
    std::string kind() const;
};

/// What rendering one template may cost. Exceeding it is an error, so that no template runs on or fills the memory.
struct Budget {
    int64_t steps = 5'000'000;
    size_t textBytes = size_t{64} << 20; ///< of the output and of any text on the way
    /// Takes `cost` steps; false when there are none left.
    bool take(size_t cost = 1) { return (steps -= static_cast<int64_t>(cost)) >= 0; }
};
tl::unexpected<Error> overBudget();

/// Appends when the result stays within the budget.
Status append(MarkedText& out, const MarkedText& part, Budget& budget);
/// str(value); lists, dicts and the like are refused.
Result<MarkedText> toText(const Value& value);
Result<bool> equal(const Value& a, const Value& b, Budget& budget);
/// < and its kin: -1, 0, 1; fails for kinds that have no order.
Result<int> compare(const Value& a, const Value& b);
/// json.dumps(value, ensure_ascii=False, indent=indent); indent < 0: on one line.
Result<MarkedText> toJson(const Value& value, int indent, Budget& budget);
/// What iterating gives: the items of a list, the characters of a text, the keys of a dict.
Result<std::shared_ptr<const List>> iterate(const Value& value, Budget& budget);

} // namespace pl::text::jinja

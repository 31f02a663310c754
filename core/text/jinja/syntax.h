// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/jinja/value.h"

namespace pl::text::jinja {

struct Token {
    enum Kind { Text, VariableBegin, VariableEnd, BlockBegin, BlockEnd, Name, Integer, Float, String, Operator, End } kind = End;
    std::string value; ///< a String's is already unescaped
    int line = 1;
};

/// Text and tags of a template as Jinja 3.1 cuts them with trim_blocks and lstrip_blocks. Fails by line.
Result<std::vector<Token>> tokenize(std::string_view source);

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
    enum Kind {
        Literal,   ///< value
        Name,      ///< name
        ListOf,    ///< parts
        DictOf,    ///< parts: key, value, key, value
        Attribute, ///< parts[0].name
        Item,      ///< parts[0][parts[1]]
        Slice,     ///< parts[0][parts[1]:parts[2]:parts[3]], each but the first may be null
        Call,      ///< name(parts, named)
        Method,    ///< parts[0].name(parts from 1, named)
        Filter,    ///< parts[0] | name(parts from 1, named)
        Test,      ///< parts[0] is name(parts from 1)
        Not,
        Negative,
        Positive,
        And,
        Or,
        Binary,   ///< name: + - * / // % **
        Concat,   ///< ~ of all parts
        Compare,  ///< parts[0] names[0] parts[1] names[1] ...
        Condition ///< parts[0] if parts[1] else parts[2], which may be null
    } kind = Literal;
    int line = 1;
    std::string name;
    Value value;
    std::vector<ExpressionPtr> parts;
    std::vector<std::pair<std::string, ExpressionPtr>> named;
    std::vector<std::string> names;
};

using Body = std::vector<Statement>;

struct Statement {
    enum Kind {
        Text,   ///< text
        Output, ///< expression
        If,     ///< for each condition a body; one body more: else
        For,    ///< names in expression if condition: bodies[0], else bodies[1]
        Set,    ///< names = expression; with `attribute`: names[0].attribute = expression
        Capture, ///< names[0] = what bodies[0] writes
        Define, ///< a macro: names[0](the other names, conditions: their defaults or null): bodies[0]
        Group,  ///< bodies[0]
        Break,
        Continue
    } kind = Text;
    int line = 1;
    std::string text;
    std::string attribute;
    std::vector<std::string> names;
    ExpressionPtr expression;
    std::vector<ExpressionPtr> conditions;
    std::vector<Body> bodies;
};

/// Parses a template. What this subset lacks (statements, filters, tests, methods, functions) is refused here, with the
/// construct and its line.
Result<Body> parse(std::string_view source);

/// Which names the subset knows (builtins.cpp).
bool isFilter(std::string_view name);
bool isTest(std::string_view name);
bool isMethod(std::string_view name);
bool isFunction(std::string_view name);

struct Arguments {
    std::vector<Value> values;
    std::vector<std::pair<std::string, Value>> named;
};

/// value | name(arguments)
Result<Value> applyFilter(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget);
/// value is name(arguments)
Result<bool> applyTest(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget);
/// value.name(arguments) of a text, a dict or loop.
Result<Value> callMethod(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget);
/// value.name, as Jinja looks it up; undefined where there is none.
Value attributeOf(const Value& value, const std::string& name);
/// value[key]
Result<Value> itemOf(const Value& value, const Value& key);
Result<Value> sliceOf(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget);
/// a in b
Result<bool> contains(const Value& container, const Value& item, Budget& budget);

} // namespace pl::text::jinja

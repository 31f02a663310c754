// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "core/text/jinja/syntax.h"
#include "core/text/utf8.h"

namespace pl::text::jinja {
namespace {

constexpr int kMaxDepth = 100;
constexpr size_t kMaxNodes = 200'000;

class Parser {
public:
    explicit Parser(std::vector<Token> tokens)
        : m_tokens(std::move(tokens)) {
        for (size_t i = 2; i < m_tokens.size(); ++i) // macros may be called before they are defined
            if (m_tokens[i - 2].kind == Token::BlockBegin && m_tokens[i - 1].value == "macro" && m_tokens[i].kind == Token::Name)
                m_macros.insert(m_tokens[i].value);
    }

    Result<Body> run() {
        PL_TRY(Body body, statements({}));
        return body;
    }

private:
    struct Deeper {
        explicit Deeper(int& depth)
            : depth(depth) {
            ++depth;
        }
        ~Deeper() { --depth; }
        int& depth;
    };

    const Token& now() const { return m_tokens[m_at]; }
    const Token& next() {
        const Token& token = m_tokens[m_at];
        m_at += m_at + 1 < m_tokens.size();
        return token;
    }
    bool isOperator(std::string_view value) const { return now().kind == Token::Operator && now().value == value; }
    bool isName(std::string_view value) const { return now().kind == Token::Name && now().value == value; }
    bool skipOperator(std::string_view value) {
        const bool found = isOperator(value);
        if (found)
            next();
        return found;
    }
    bool skipName(std::string_view value) {
        const bool found = isName(value);
        if (found)
            next();
        return found;
    }
    tl::unexpected<Error> wrong(const std::string& cause) const {
        return fail(Code::InvalidInput, fmt::format("line {}: {}", now().line, cause));
    }
    tl::unexpected<Error> unsupported(int line, const std::string& construct) const {
        return fail(Code::Unsupported, fmt::format("line {}: {} is not supported", line, construct));
    }
    std::string shown() const {
        switch (now().kind) {
        case Token::Text:
        case Token::VariableBegin:
            return "the text behind";
        case Token::VariableEnd:
            return "}}";
        case Token::BlockBegin:
            return "{%";
        case Token::BlockEnd:
            return "%}";
        case Token::End:
            return "the end of the template";
        default:
            return fmt::format("'{}'", truncateText(repairUtf8(now().value), 30));
        }
    }
    Status expect(std::string_view value) {
        if (!skipOperator(value))
            return wrong(fmt::format("expected '{}', found {}", value, shown()));
        return {};
    }
    Result<std::string> expectName() {
        if (now().kind != Token::Name)
            return wrong(fmt::format("expected a name, found {}", shown()));
        return next().value;
    }
    Status endBlock() {
        if (now().kind != Token::BlockEnd)
            return wrong(fmt::format("expected %}}, found {}", shown()));
        next();
        return {};
    }
    Status count() {
        if (++m_nodes > kMaxNodes)
            return wrong("the template is too large");
        return {};
    }

    /// Up to a tag {% name %} with one of these names (not taken); to the end when there are none.
    Result<Body> statements(const std::vector<std::string_view>& ends) {
        const Deeper deeper(m_depth);
        if (m_depth > kMaxDepth)
            return wrong("tags are nested too deep");
        Body body;
        while (now().kind != Token::End) {
            PL_CHECK(count());
            Statement statement;
            statement.line = now().line;
            if (now().kind == Token::Text) {
                statement.text = next().value;
                body.push_back(std::move(statement));
            } else if (now().kind == Token::VariableBegin) {
                next();
                statement.kind = Statement::Output;
                PL_TRY(statement.expression, tuple());
                if (now().kind != Token::VariableEnd)
                    return wrong(fmt::format("expected }}}}, found {}", shown()));
                next();
                body.push_back(std::move(statement));
            } else {
                const Token& name = m_tokens[std::min(m_at + 1, m_tokens.size() - 1)];
                if (std::find(ends.begin(), ends.end(), name.value) != ends.end() && name.kind == Token::Name)
                    return body;
                next();
                PL_CHECK(block(std::move(statement), body));
            }
        }
        if (!ends.empty())
            return wrong(fmt::format("{{% {} %}} is missing", ends.back()));
        return body;
    }

    /// One {% tag %} and all that belongs to it.
    Status block(Statement statement, Body& out) {
        PL_TRY(const std::string name, expectName());
        if (name == "if")
            PL_CHECK(ifBlock(statement));
        else if (name == "for")
            PL_CHECK(forBlock(statement));
        else if (name == "set")
            PL_CHECK(setBlock(statement));
        else if (name == "macro")
            PL_CHECK(macroBlock(statement));
        else if (name == "generation") { // marks what the model writes; prints its body
            statement.kind = Statement::Group;
            PL_CHECK(endBlock());
            PL_CHECK(bodyUntil(statement, "endgeneration"));
        } else if (name == "break" || name == "continue") {
            if (m_loops == 0)
                return wrong(fmt::format("{{% {} %}} outside of a loop", name));
            statement.kind = name == "break" ? Statement::Break : Statement::Continue;
            PL_CHECK(endBlock());
        } else if (name.rfind("end", 0) == 0 || name == "else" || name == "elif") {
            return wrong(fmt::format("{{% {} %}} ends nothing", truncateText(name, 30)));
        } else {
            return unsupported(statement.line, fmt::format("the statement {{% {} %}}", truncateText(name, 30)));
        }
        out.push_back(std::move(statement));
        return {};
    }
    Status bodyUntil(Statement& statement, std::string_view end) {
        PL_TRY(Body body, statements({end}));
        statement.bodies.push_back(std::move(body));
        next(); // {%
        next(); // the name
        return endBlock();
    }
    Status ifBlock(Statement& statement) {
        statement.kind = Statement::If;
        while (true) {
            PL_TRY(ExpressionPtr condition, orExpression());
            PL_CHECK(endBlock());
            PL_TRY(Body body, statements({"elif", "else", "endif"}));
            statement.conditions.push_back(std::move(condition));
            statement.bodies.push_back(std::move(body));
            next();
            const std::string name = next().value;
            if (name == "elif")
                continue;
            PL_CHECK(endBlock());
            return name == "else" ? bodyUntil(statement, "endif") : Status();
        }
    }
    Status targets(Statement& statement) {
        do {
            PL_TRY(std::string name, expectName());
            statement.names.push_back(std::move(name));
        } while (skipOperator(","));
        return {};
    }
    Status forBlock(Statement& statement) {
        statement.kind = Statement::For;
        const bool bracket = skipOperator("(");
        PL_CHECK(targets(statement));
        if (bracket)
            PL_CHECK(expect(")"));
        if (!skipName("in"))
            return wrong(fmt::format("expected 'in', found {}", shown()));
        PL_TRY(statement.expression, orExpression());
        statement.conditions.emplace_back();
        if (skipName("if")) {
            PL_TRY(statement.conditions[0], expression());
        }
        if (isName("recursive"))
            return unsupported(statement.line, "a recursive loop");
        PL_CHECK(endBlock());
        ++m_loops;
        PL_TRY(Body body, statements({"else", "endfor"}));
        --m_loops;
        statement.bodies.push_back(std::move(body));
        next();
        const std::string name = next().value;
        PL_CHECK(endBlock());
        if (name == "else")
            return bodyUntil(statement, "endfor");
        statement.bodies.emplace_back();
        return {};
    }
    Status setBlock(Statement& statement) {
        statement.kind = Statement::Set;
        const bool bracket = skipOperator("(");
        PL_CHECK(targets(statement));
        if (bracket)
            PL_CHECK(expect(")"));
        if (skipOperator(".")) {
            PL_TRY(statement.attribute, expectName());
        }
        if (skipOperator("=")) {
            PL_TRY(statement.expression, tuple());
            return endBlock();
        }
        if (isOperator("|"))
            return unsupported(statement.line, "a filter on {% set %} with a body");
        if (statement.names.size() != 1 || !statement.attribute.empty())
            return wrong(fmt::format("expected '=', found {}", shown()));
        statement.kind = Statement::Capture;
        PL_CHECK(endBlock());
        return bodyUntil(statement, "endset");
    }
    Status macroBlock(Statement& statement) {
        statement.kind = Statement::Define;
        PL_TRY(std::string name, expectName());
        statement.names.push_back(std::move(name));
        PL_CHECK(expect("("));
        while (!isOperator(")")) {
            PL_TRY(std::string parameter, expectName());
            statement.names.push_back(std::move(parameter));
            statement.conditions.emplace_back();
            if (skipOperator("=")) {
                PL_TRY(statement.conditions.back(), expression());
            }
            if (!isOperator(")"))
                PL_CHECK(expect(","));
        }
        next();
        PL_CHECK(endBlock());
        const int loops = std::exchange(m_loops, 0);
        PL_CHECK(bodyUntil(statement, "endmacro"));
        m_loops = loops;
        return {};
    }

    ExpressionPtr make(Expression::Kind kind, int line, std::string name = {}) const {
        auto out = std::make_unique<Expression>();
        out->kind = kind;
        out->line = line;
        out->name = std::move(name);
        return out;
    }
    ExpressionPtr make(Expression::Kind kind, ExpressionPtr first, std::string name = {}) const {
        ExpressionPtr out = make(kind, first->line, std::move(name));
        out->parts.push_back(std::move(first));
        return out;
    }

    /// expression, expression, ...: a list when there is a comma.
    Result<ExpressionPtr> tuple() {
        PL_TRY(ExpressionPtr first, expression());
        if (!isOperator(","))
            return first;
        ExpressionPtr out = make(Expression::ListOf, std::move(first));
        while (skipOperator(",")) {
            if (now().kind == Token::VariableEnd || now().kind == Token::BlockEnd || isOperator(")"))
                break;
            PL_TRY(ExpressionPtr part, expression());
            out->parts.push_back(std::move(part));
        }
        return out;
    }
    Result<ExpressionPtr> expression() {
        PL_TRY(ExpressionPtr out, orExpression());
        while (skipName("if")) {
            PL_TRY(ExpressionPtr condition, orExpression());
            out = make(Expression::Condition, std::move(out));
            out->parts.push_back(std::move(condition));
            out->parts.emplace_back();
            if (skipName("else")) {
                PL_TRY(out->parts[2], expression());
            }
        }
        return out;
    }
    Result<ExpressionPtr> orExpression() {
        const Deeper deeper(m_depth);
        if (m_depth > kMaxDepth)
            return wrong("an expression is nested too deep");
        PL_TRY(ExpressionPtr out, andExpression());
        while (skipName("or")) {
            PL_TRY(ExpressionPtr right, andExpression());
            out = make(Expression::Or, std::move(out));
            out->parts.push_back(std::move(right));
        }
        return out;
    }
    Result<ExpressionPtr> andExpression() {
        PL_TRY(ExpressionPtr out, notExpression());
        while (skipName("and")) {
            PL_TRY(ExpressionPtr right, notExpression());
            out = make(Expression::And, std::move(out));
            out->parts.push_back(std::move(right));
        }
        return out;
    }
    Result<ExpressionPtr> notExpression() {
        if (!isName("not"))
            return comparison();
        const Deeper deeper(m_depth);
        if (m_depth > kMaxDepth)
            return wrong("an expression is nested too deep");
        next();
        PL_TRY(ExpressionPtr out, notExpression());
        return make(Expression::Not, std::move(out));
    }
    Result<ExpressionPtr> comparison() {
        PL_TRY(ExpressionPtr out, sum());
        ExpressionPtr chain;
        while (true) {
            std::string name;
            for (const char* symbol : {"==", "!=", "<=", ">=", "<", ">"})
                if (name.empty() && skipOperator(symbol))
                    name = symbol;
            if (name.empty() && skipName("in"))
                name = "in";
            if (name.empty() && isName("not") && m_at + 1 < m_tokens.size() && m_tokens[m_at + 1].kind == Token::Name &&
                m_tokens[m_at + 1].value == "in") {
                next();
                next();
                name = "not in";
            }
            if (name.empty())
                return chain ? std::move(chain) : std::move(out);
            if (!chain)
                chain = make(Expression::Compare, std::move(out));
            PL_TRY(ExpressionPtr right, sum());
            chain->names.push_back(name);
            chain->parts.push_back(std::move(right));
        }
    }
    Result<ExpressionPtr> sum() {
        PL_TRY(ExpressionPtr out, concatenation());
        while (isOperator("+") || isOperator("-")) {
            const std::string name = next().value;
            PL_TRY(ExpressionPtr right, concatenation());
            out = make(Expression::Binary, std::move(out), name);
            out->parts.push_back(std::move(right));
            PL_CHECK(count());
        }
        return out;
    }
    Result<ExpressionPtr> concatenation() {
        PL_TRY(ExpressionPtr out, product());
        if (!isOperator("~"))
            return out;
        out = make(Expression::Concat, std::move(out));
        while (skipOperator("~")) {
            PL_TRY(ExpressionPtr right, product());
            out->parts.push_back(std::move(right));
        }
        return out;
    }
    Result<ExpressionPtr> product() {
        PL_TRY(ExpressionPtr out, power());
        while (isOperator("*") || isOperator("/") || isOperator("//") || isOperator("%")) {
            const std::string name = next().value;
            PL_TRY(ExpressionPtr right, power());
            out = make(Expression::Binary, std::move(out), name);
            out->parts.push_back(std::move(right));
        }
        return out;
    }
    Result<ExpressionPtr> power() {
        PL_TRY(ExpressionPtr out, unary(true));
        if (isOperator("**"))
            return unsupported(now().line, "the operator **");
        return out;
    }
    Result<ExpressionPtr> unary(bool withFilters) {
        const Deeper deeper(m_depth);
        if (m_depth > kMaxDepth)
            return wrong("an expression is nested too deep");
        ExpressionPtr out;
        if (isOperator("-") || isOperator("+")) {
            const bool negative = next().value == "-";
            PL_TRY(out, unary(false));
            out = make(negative ? Expression::Negative : Expression::Positive, std::move(out));
        } else {
            PL_TRY(out, primary());
        }
        PL_TRY(out, postfix(std::move(out)));
        if (withFilters) {
            PL_TRY(out, filters(std::move(out)));
        }
        return out;
    }
    Result<ExpressionPtr> primary() {
        PL_CHECK(count());
        const Token token = now();
        ExpressionPtr out = make(Expression::Literal, token.line);
        if (token.kind == Token::Name) {
            next();
            if (token.value == "true" || token.value == "True")
                out->value = Value::of(true);
            else if (token.value == "false" || token.value == "False")
                out->value = Value::of(false);
            else if (token.value == "none" || token.value == "None")
                out->value = Value::none();
            else
                out = make(Expression::Name, token.line, token.value);
            return out;
        }
        if (token.kind == Token::String) {
            std::string text;
            while (now().kind == Token::String) // one behind the other, as in Python
                text += next().value;
            out->value = Value::of(std::move(text));
            return out;
        }
        if (token.kind == Token::Integer || token.kind == Token::Float) {
            next();
            if (token.kind == Token::Integer)
                out->value = Value::of(static_cast<int64_t>(std::strtoll(token.value.c_str(), nullptr, 10)));
            else
                out->value = Value{std::strtod(token.value.c_str(), nullptr)};
            return out;
        }
        if (skipOperator("(")) {
            if (skipOperator(")"))
                return make(Expression::ListOf, token.line);
            PL_TRY(out, tuple());
            PL_CHECK(expect(")"));
            return out;
        }
        if (skipOperator("[")) {
            out = make(Expression::ListOf, token.line);
            while (!isOperator("]")) {
                PL_TRY(ExpressionPtr part, expression());
                out->parts.push_back(std::move(part));
                if (!isOperator("]"))
                    PL_CHECK(expect(","));
            }
            next();
            return out;
        }
        if (skipOperator("{")) {
            out = make(Expression::DictOf, token.line);
            while (!isOperator("}")) {
                PL_TRY(ExpressionPtr key, expression());
                PL_CHECK(expect(":"));
                PL_TRY(ExpressionPtr value, expression());
                out->parts.push_back(std::move(key));
                out->parts.push_back(std::move(value));
                if (!isOperator("}"))
                    PL_CHECK(expect(","));
            }
            next();
            return out;
        }
        return wrong(fmt::format("expected a value, found {}", shown()));
    }
    Result<ExpressionPtr> postfix(ExpressionPtr out) {
        while (true) {
            PL_CHECK(count());
            if (skipOperator(".")) {
                const Token token = next();
                if (token.kind == Token::Integer) {
                    ExpressionPtr index = make(Expression::Literal, token.line);
                    index->value = Value::of(static_cast<int64_t>(std::strtoll(token.value.c_str(), nullptr, 10)));
                    out = make(Expression::Item, std::move(out));
                    out->parts.push_back(std::move(index));
                } else if (token.kind == Token::Name) {
                    const bool called = isOperator("(");
                    if (called && !isMethod(token.value))
                        return unsupported(token.line, fmt::format("the method .{}()", truncateText(token.value, 30)));
                    out = make(called ? Expression::Method : Expression::Attribute, std::move(out), token.value);
                    if (called)
                        PL_CHECK(arguments(*out));
                } else {
                    return wrong("expected a name behind '.'");
                }
            } else if (isOperator("[")) {
                PL_TRY(out, subscript(std::move(out)));
            } else if (isOperator("(")) {
                if (out->kind != Expression::Name)
                    return unsupported(now().line, "calling what is no function");
                if (!isFunction(out->name) && !m_macros.count(out->name))
                    return unsupported(out->line, fmt::format("the function {}()", truncateText(out->name, 30)));
                out->kind = Expression::Call;
                PL_CHECK(arguments(*out));
            } else {
                return out;
            }
        }
    }
    Result<ExpressionPtr> subscript(ExpressionPtr object) {
        next();
        ExpressionPtr parts[3];
        size_t colons = 0;
        while (!isOperator("]")) {
            if (isOperator(":") && colons < 2) {
                ++colons;
                next();
            } else if (!parts[colons]) {
                PL_TRY(parts[colons], expression());
            } else {
                return wrong(fmt::format("expected ']', found {}", shown()));
            }
        }
        next();
        if (colons == 0 && !parts[0])
            return wrong("expected a value between '[' and ']'");
        ExpressionPtr out = make(colons == 0 ? Expression::Item : Expression::Slice, std::move(object));
        for (size_t i = 0; i < (colons == 0 ? 1 : 3); ++i)
            out->parts.push_back(std::move(parts[i]));
        return out;
    }
    Status arguments(Expression& call) {
        PL_CHECK(expect("("));
        while (!isOperator(")")) {
            if (isOperator("*") || isOperator("**"))
                return unsupported(now().line, "handing on arguments with *");
            const bool named = now().kind == Token::Name && m_at + 1 < m_tokens.size() &&
                               m_tokens[m_at + 1].kind == Token::Operator && m_tokens[m_at + 1].value == "=";
            std::string name;
            if (named) {
                name = next().value;
                next();
            } else if (!call.named.empty()) {
                return wrong("an argument without a name behind one with a name");
            }
            PL_TRY(ExpressionPtr value, expression());
            if (named)
                call.named.emplace_back(std::move(name), std::move(value));
            else
                call.parts.push_back(std::move(value));
            if (!isOperator(")"))
                PL_CHECK(expect(","));
        }
        next();
        return {};
    }
    Result<ExpressionPtr> filters(ExpressionPtr out) {
        while (true) {
            PL_CHECK(count());
            if (skipOperator("|")) {
                PL_TRY(const std::string name, expectName());
                if (!isFilter(name))
                    return unsupported(out->line, fmt::format("the filter |{}", truncateText(name, 30)));
                out = make(Expression::Filter, std::move(out), name);
                if (isOperator("("))
                    PL_CHECK(arguments(*out));
                PL_CHECK(checkNamesIn(*out));
            } else if (isName("is")) {
                PL_TRY(out, test(std::move(out)));
            } else {
                return out;
            }
        }
    }
    /// select("test"), map("filter") and their kin name tests and filters in their arguments.
    Status checkNamesIn(const Expression& filter) const {
        const bool byAttribute = filter.name == "selectattr" || filter.name == "rejectattr";
        const bool isMap = filter.name == "map";
        if (!byAttribute && !isMap && filter.name != "select" && filter.name != "reject")
            return {};
        const size_t at = byAttribute ? 2 : 1;
        if (filter.parts.size() <= at)
            return {};
        const Value& name = filter.parts[at]->value;
        if (filter.parts[at]->kind != Expression::Literal || !name.text())
            return unsupported(filter.line, fmt::format("|{} with a computed name", filter.name));
        if (isMap ? !isFilter(name.text()->text) : !isTest(name.text()->text))
            return unsupported(filter.line, fmt::format("the {} '{}' in |{}", isMap ? "filter" : "test",
                                                        truncateText(name.text()->text, 30), filter.name));
        return {};
    }
    Result<ExpressionPtr> test(ExpressionPtr value) {
        next();
        const bool negated = skipName("not");
        PL_TRY(const std::string name, expectName());
        if (!isTest(name))
            return unsupported(value->line, fmt::format("the test 'is {}'", truncateText(name, 30)));
        ExpressionPtr out = make(Expression::Test, std::move(value), name);
        if (isOperator("(")) {
            PL_CHECK(arguments(*out));
        } else if (now().kind == Token::String || now().kind == Token::Integer || now().kind == Token::Float || isOperator("[") ||
                   isOperator("{") ||
                   (now().kind == Token::Name && !isName("else") && !isName("or") && !isName("and") && !isName("is") &&
                    !isName("if"))) {
            PL_TRY(ExpressionPtr argument, primary());
            PL_TRY(argument, postfix(std::move(argument)));
            out->parts.push_back(std::move(argument));
        }
        if (negated)
            out = make(Expression::Not, std::move(out));
        return out;
    }

    std::vector<Token> m_tokens;
    size_t m_at = 0;
    size_t m_nodes = 0;
    int m_depth = 0;
    int m_loops = 0;
    std::set<std::string> m_macros;
};

} // namespace

Result<Body> parse(std::string_view source) {
    PL_TRY(std::vector<Token> tokens, tokenize(source));
    return Parser(std::move(tokens)).run();
}

} // namespace pl::text::jinja

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

#include <fmt/format.h>

#include "core/text/jinja/syntax.h"
#include "core/text/jinja/template.h"

namespace pl::text::jinja {

/// Variables of a template, of one round of a loop, or of one call of a macro.
struct Scope {
    std::vector<std::pair<std::string, Value>> variables;
    std::shared_ptr<Scope> parent;

    const Value* find(const std::string& name) const {
        for (const Scope* scope = this; scope; scope = scope->parent.get())
            for (const auto& [key, value] : scope->variables)
                if (key == name)
                    return &value;
        return nullptr;
    }
    void set(const std::string& name, Value value) {
        for (auto& [key, old] : variables)
            if (key == name) {
                old = std::move(value);
                return;
            }
        variables.emplace_back(name, std::move(value));
    }
};

namespace {

constexpr int kMaxCalls = 40;
constexpr size_t kMaxSource = size_t{1} << 20;
constexpr int64_t kMaxRange = 100'000;
constexpr int kMaxNesting = 50;
constexpr size_t kNamespaceSteps = 100;

tl::unexpected<Error> wrong(std::string cause) {
    return fail(Code::InvalidInput, std::move(cause));
}

/// strftime of the C locale, whatever the program's is. Fails on what depends on a place or on more than a date and a time.
Result<std::string> formatTime(const std::string& format, const Now& now) {
    for (size_t i = 0; i < format.size(); ++i)
        if (format[i] == '%' && (++i == format.size() || std::string_view("aAbBdmYyHIMSp%").find(format[i]) == std::string_view::npos))
            return fail(Code::Unsupported, fmt::format("{} in strftime_now is not supported", format.substr(i - 1, 2)));
    const std::chrono::year_month_day date{std::chrono::year(now.year), std::chrono::month(static_cast<unsigned>(now.month)),
                                           std::chrono::day(static_cast<unsigned>(now.day))};
    std::tm time{};
    time.tm_year = now.year - 1900;
    time.tm_mon = now.month - 1;
    time.tm_mday = now.day;
    time.tm_wday = static_cast<int>(std::chrono::weekday(std::chrono::sys_days(date)).c_encoding());
    time.tm_hour = now.hour;
    time.tm_min = now.minute;
    time.tm_sec = now.second;
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out << std::put_time(&time, format.c_str());
    return std::move(out).str();
}

class Evaluator {
public:
    Evaluator(const Now& now, Budget budget)
        : m_now(now)
        , m_budget(budget) {}

    Evaluator(const Evaluator&) = delete;
    Evaluator& operator=(const Evaluator&) = delete;
    /// Namespaces may hold each other: they are emptied one by one.
    ~Evaluator() {
        for (const auto& space : m_spaces)
            space->attributes.items.clear();
    }

    enum class Flow { Next, Break, Continue };
    using ScopePtr = std::shared_ptr<Scope>;

    Result<Flow> run(const Body& body, const ScopePtr& scope, MarkedText& out) {
        for (const Statement& statement : body) {
            PL_TRY(const Flow flow, run(statement, scope, out));
            if (flow != Flow::Next)
                return flow;
        }
        return Flow::Next;
    }

private:
    /// Names the line of what failed, once.
    template<class T>
    Result<T> at(int line, Result<T> result) const {
        if (!result && result.error().message.rfind("line ", 0) != 0)
            result.error().message = fmt::format("line {}: {}", line, result.error().message);
        return result;
    }

    Result<Flow> run(const Statement& statement, const ScopePtr& scope, MarkedText& out) {
        if (!m_budget.take())
            return at(statement.line, Result<Flow>(overBudget()));
        switch (statement.kind) {
        case Statement::Text: {
            if (out.text.size() + statement.text.size() > m_budget.textBytes || !m_budget.take(statement.text.size() / 32))
                return at(statement.line, Result<Flow>(overBudget()));
            out.append(statement.text);
            return Flow::Next;
        }
        case Statement::Output: {
            PL_TRY(const Value value, evaluate(*statement.expression, scope));
            if (const MarkedText* text = value.text()) {
                PL_CHECK(at(statement.line, append(out, *text, m_budget)));
                return Flow::Next;
            }
            PL_TRY(const MarkedText text, at(statement.line, toText(value)));
            out.append(text);
            return Flow::Next;
        }
        case Statement::If:
            for (size_t i = 0; i < statement.bodies.size(); ++i) {
                if (i < statement.conditions.size()) {
                    PL_TRY(const Value condition, evaluate(*statement.conditions[i], scope));
                    if (!condition.truth())
                        continue;
                }
                return run(statement.bodies[i], scope, out);
            }
            return Flow::Next;
        case Statement::For:
            return runLoop(statement, scope, out);
        case Statement::Set:
            return set(statement, scope);
        case Statement::Capture: {
            MarkedText text;
            PL_TRY(const Flow flow, run(statement.bodies[0], scope, text));
            scope->set(statement.names[0], Value::of(std::move(text)));
            return flow;
        }
        case Statement::Define:
            scope->set(statement.names[0], Value{Macro{&statement, scope}});
            return Flow::Next;
        case Statement::Group:
            return run(statement.bodies[0], scope, out);
        case Statement::Break:
            return Flow::Break;
        case Statement::Continue:
            return Flow::Continue;
        }
        return Flow::Next;
    }

    Status unpack(const Statement& statement, const Value& value, Scope& scope) {
        if (statement.names.size() == 1) {
            scope.set(statement.names[0], value);
            return {};
        }
        PL_TRY(const auto items, at(statement.line, iterate(value, m_budget)));
        if (items->items.size() != statement.names.size())
            return at(statement.line, Status(wrong(fmt::format("{} values for {} names", items->items.size(), statement.names.size()))));
        for (size_t i = 0; i < statement.names.size(); ++i)
            scope.set(statement.names[i], items->items[i]);
        return {};
    }

    Result<Flow> set(const Statement& statement, const ScopePtr& scope) {
        PL_TRY(const Value value, evaluate(*statement.expression, scope));
        if (statement.attribute.empty()) {
            PL_CHECK(unpack(statement, value, *scope));
            return Flow::Next;
        }
        const Value* space = scope->find(statement.names[0]);
        const auto* held = space ? std::get_if<std::shared_ptr<Namespace>>(&space->data) : nullptr;
        if (!held)
            return at(statement.line, Result<Flow>(wrong(fmt::format("{} is no namespace", statement.names[0]))));
        (*held)->attributes.set(statement.attribute, value);
        return Flow::Next;
    }

    Result<Flow> runLoop(const Statement& statement, const ScopePtr& scope, MarkedText& out) {
        PL_TRY(const Value source, evaluate(*statement.expression, scope));
        PL_TRY(auto items, at(statement.line, iterate(source, m_budget)));
        if (statement.conditions[0]) {
            auto kept = std::make_shared<List>();
            for (const Value& item : items->items) {
                auto inner = std::make_shared<Scope>();
                inner->parent = scope;
                PL_CHECK(unpack(statement, item, *inner));
                PL_TRY(const Value condition, evaluate(*statement.conditions[0], inner));
                if (condition.truth())
                    kept->items.push_back(item);
            }
            items = std::move(kept);
        }
        if (items->items.empty())
            return run(statement.bodies[1], scope, out);
        for (size_t i = 0; i < items->items.size(); ++i) {
            auto inner = std::make_shared<Scope>();
            inner->parent = scope;
            inner->set("loop", Value{std::make_shared<const Loop>(Loop{items, static_cast<int64_t>(i)})});
            PL_CHECK(unpack(statement, items->items[i], *inner));
            PL_TRY(const Flow flow, run(statement.bodies[0], inner, out));
            if (flow == Flow::Break)
                break;
        }
        return Flow::Next;
    }

    Result<Arguments> argumentsOf(const Expression& call, size_t from, const ScopePtr& scope) {
        Arguments out;
        for (size_t i = from; i < call.parts.size(); ++i) {
            PL_TRY(Value value, evaluate(*call.parts[i], scope));
            out.values.push_back(std::move(value));
        }
        for (const auto& [name, expression] : call.named) {
            PL_TRY(Value value, evaluate(*expression, scope));
            out.named.emplace_back(name, std::move(value));
        }
        return out;
    }

    Result<Value> call(const Expression& expression, const ScopePtr& scope) {
        PL_TRY(const Arguments arguments, argumentsOf(expression, 0, scope));
        const Value* callee = scope->find(expression.name);
        if (const Macro* macro = callee ? std::get_if<Macro>(&callee->data) : nullptr)
            return callMacro(*macro, arguments);
        const Function* function = callee ? std::get_if<Function>(&callee->data) : nullptr;
        if (!function)
            return wrong(fmt::format("{} is not a function", expression.name));
        if (function->name == "namespace") {
            if (!m_budget.take(kNamespaceSteps))
                return overBudget();
            auto space = std::make_shared<Namespace>();
            m_spaces.push_back(space);
            for (const Value& value : arguments.values)
                if (const Dict* dict = value.dict())
                    space->attributes = *dict;
            for (const auto& [name, value] : arguments.named)
                space->attributes.set(name, value);
            return Value{std::move(space)};
        }
        if (function->name == "range")
            return range(arguments);
        if (arguments.values.size() != 1)
            return wrong(fmt::format("{}() needs one text", function->name));
        PL_TRY(const MarkedText text, toText(arguments.values[0]));
        if (function->name == "raise_exception")
            return fail(Code::InvalidInput, text.text, "The conversation does not fit this model's chat template.");
        MarkedText time;
        PL_TRY(const std::string written, formatTime(text.text, m_now));
        time.append(written, !text.content.empty());
        return Value::of(std::move(time));
    }

    Result<Value> range(const Arguments& arguments) {
        int64_t bounds[3] = {0, 0, 1};
        const size_t count = arguments.values.size();
        if (count < 1 || count > 3)
            return wrong("range() needs one to three whole numbers");
        for (size_t i = 0; i < count; ++i) {
            if (!arguments.values[i].integer())
                return wrong(fmt::format("range() needs whole numbers, not {}", arguments.values[i].kind()));
            bounds[count == 1 ? 1 : i] = arguments.values[i].whole();
        }
        const auto [start, stop, step] = bounds;
        constexpr int64_t kMost = int64_t{1} << 40;
        if (step == 0 || std::max({start, stop, step}) > kMost || std::min({start, stop, step}) < -kMost)
            return wrong("range() with a step of 0 or numbers that are too large");
        List out;
        for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
            if (static_cast<int64_t>(out.items.size()) >= kMaxRange || !m_budget.take())
                return wrong(fmt::format("range() of more than {} numbers", kMaxRange));
            out.items.push_back(Value::of(i));
        }
        return Value::of(std::move(out));
    }

    Result<Value> callMacro(const Macro& macro, const Arguments& arguments) {
        const Statement& definition = *macro.definition;
        if (m_calls >= kMaxCalls)
            return wrong(fmt::format("macros call each other more than {} deep", kMaxCalls));
        const size_t parameters = definition.names.size() - 1;
        if (arguments.values.size() > parameters)
            return wrong(fmt::format("{}() takes {} arguments, not {}", definition.names[0], parameters, arguments.values.size()));
        auto scope = std::make_shared<Scope>();
        scope->parent = macro.scope.lock();
        if (!scope->parent)
            return wrong(fmt::format("{}() is called where it is not defined any more", definition.names[0]));
        for (const auto& [name, value] : arguments.named)
            if (std::find(definition.names.begin() + 1, definition.names.end(), name) == definition.names.end())
                return wrong(fmt::format("{}() has no argument {}", definition.names[0], name));
        ++m_calls;
        for (size_t i = 0; i < parameters; ++i) {
            const std::string& name = definition.names[i + 1];
            Value value{Undefined{name}};
            const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                            [&](const auto& argument) { return argument.first == name; });
            if (i < arguments.values.size()) {
                value = arguments.values[i];
            } else if (named != arguments.named.end()) {
                value = named->second;
            } else if (definition.conditions[i]) {
                PL_TRY(value, evaluate(*definition.conditions[i], scope));
            }
            scope->set(name, std::move(value));
        }
        MarkedText out;
        PL_CHECK(run(definition.bodies[0], scope, out));
        --m_calls;
        return Value::of(std::move(out));
    }

    Result<Value> evaluate(const Expression& expression, const ScopePtr& scope) {
        if (!m_budget.take())
            return at(expression.line, Result<Value>(overBudget()));
        return at(expression.line, evaluateHere(expression, scope));
    }
    Result<Value> part(const Expression& expression, size_t i, const ScopePtr& scope) {
        return expression.parts[i] ? evaluate(*expression.parts[i], scope) : Result<Value>(Value::none());
    }

    static Result<Value> nested(Value value) {
        if (value.depth() > kMaxNesting)
            return wrong(fmt::format("lists and dicts are nested deeper than {}", kMaxNesting));
        return value;
    }

    Result<Value> evaluateHere(const Expression& expression, const ScopePtr& scope) {
        switch (expression.kind) {
        case Expression::Literal:
            return expression.value;
        case Expression::Name: {
            const Value* found = scope->find(expression.name);
            return found ? *found : Value{Undefined{expression.name}};
        }
        case Expression::ListOf: {
            PL_TRY(Arguments items, argumentsOf(expression, 0, scope));
            return nested(Value::of(List{std::move(items.values)}));
        }
        case Expression::DictOf: {
            PL_TRY(const Arguments items, argumentsOf(expression, 0, scope));
            Dict out;
            for (size_t i = 0; i + 1 < items.values.size(); i += 2) {
                if (!items.values[i].text())
                    return wrong(fmt::format("the key of a dict is {}, not a text", items.values[i].kind()));
                if (!items.values[i].text()->content.empty()) // keys do not know what content is
                    return wrong("the key of a dict comes from a message");
                out.set(items.values[i].text()->text, items.values[i + 1]);
            }
            return nested(Value::of(std::move(out)));
        }
        case Expression::Attribute: {
            PL_TRY(const Value object, part(expression, 0, scope));
            if (object.isUndefined())
                return wrong(fmt::format("{} has no attribute '{}'", object.kind(), expression.name));
            return attributeOf(object, expression.name);
        }
        case Expression::Item: {
            PL_TRY(const Value object, part(expression, 0, scope));
            PL_TRY(const Value key, part(expression, 1, scope));
            return itemOf(object, key);
        }
        case Expression::Slice: {
            PL_TRY(const Value object, part(expression, 0, scope));
            PL_TRY(const Value start, part(expression, 1, scope));
            PL_TRY(const Value stop, part(expression, 2, scope));
            PL_TRY(const Value step, part(expression, 3, scope));
            return sliceOf(object, start, stop, step, m_budget);
        }
        case Expression::Call:
            return call(expression, scope);
        case Expression::Method:
        case Expression::Filter: {
            PL_TRY(const Value object, part(expression, 0, scope));
            PL_TRY(const Arguments arguments, argumentsOf(expression, 1, scope));
            return expression.kind == Expression::Method ? callMethod(expression.name, object, arguments, m_budget)
                                                         : applyFilter(expression.name, object, arguments, m_budget);
        }
        case Expression::Test: {
            PL_TRY(const Value object, part(expression, 0, scope));
            PL_TRY(const Arguments arguments, argumentsOf(expression, 1, scope));
            PL_TRY(const bool holds, applyTest(expression.name, object, arguments, m_budget));
            return Value::of(holds);
        }
        case Expression::Not: {
            PL_TRY(const Value value, part(expression, 0, scope));
            return Value::of(!value.truth());
        }
        case Expression::Negative:
        case Expression::Positive: {
            PL_TRY(const Value value, part(expression, 0, scope));
            if (!value.isNumber())
                return wrong(fmt::format("a sign before {}", value.kind()));
            const bool negative = expression.kind == Expression::Negative;
            if (value.is<double>())
                return Value{negative ? -value.number() : value.number()};
            return Value::of(negative ? -value.whole() : value.whole()); // below 2^63: literals are short, sums are checked
        }
        case Expression::And:
        case Expression::Or: {
            PL_TRY(Value left, part(expression, 0, scope));
            if (left.truth() == (expression.kind == Expression::Or))
                return left;
            return part(expression, 1, scope);
        }
        case Expression::Binary: {
            PL_TRY(const Value left, part(expression, 0, scope));
            PL_TRY(const Value right, part(expression, 1, scope));
            return binary(expression.name, left, right);
        }
        case Expression::Concat: {
            MarkedText out;
            for (size_t i = 0; i < expression.parts.size(); ++i) {
                PL_TRY(const Value value, part(expression, i, scope));
                PL_TRY(const MarkedText text, toText(value));
                PL_CHECK(append(out, text, m_budget));
            }
            return Value::of(std::move(out));
        }
        case Expression::Compare: {
            PL_TRY(Value left, part(expression, 0, scope));
            for (size_t i = 0; i < expression.names.size(); ++i) {
                PL_TRY(Value right, part(expression, i + 1, scope));
                PL_TRY(const bool holds, compares(expression.names[i], left, right));
                if (!holds)
                    return Value::of(false);
                left = std::move(right);
            }
            return Value::of(true);
        }
        case Expression::Condition: {
            PL_TRY(const Value condition, part(expression, 1, scope));
            if (condition.truth())
                return part(expression, 0, scope);
            return expression.parts[2] ? part(expression, 2, scope) : Result<Value>(Value{Undefined{}});
        }
        }
        return Value{};
    }

    Result<bool> compares(const std::string& name, const Value& left, const Value& right) {
        if (name == "in" || name == "not in") {
            PL_TRY(const bool found, contains(right, left, m_budget));
            return found == (name == "in");
        }
        if (name == "==" || name == "!=") {
            PL_TRY(const bool same, equal(left, right, m_budget));
            return same == (name == "==");
        }
        PL_TRY(const int order, compare(left, right));
        return name == "<" ? order < 0 : name == ">" ? order > 0 : name == "<=" ? order <= 0 : order >= 0;
    }

    Result<Value> repeated(const Value& value, int64_t times) {
        if (const MarkedText* text = value.text()) {
            MarkedText out;
            for (; times > 0 && !text->text.empty(); --times)
                PL_CHECK(append(out, *text, m_budget));
            return Value::of(std::move(out));
        }
        List out;
        for (; times > 0 && !value.list()->items.empty(); --times) {
            if (!m_budget.take(value.list()->items.size()))
                return overBudget();
            out.items.insert(out.items.end(), value.list()->items.begin(), value.list()->items.end());
        }
        return Value::of(std::move(out));
    }

    Result<Value> binary(const std::string& name, const Value& left, const Value& right) {
        if (name == "+" && left.text() && right.text()) {
            MarkedText out = *left.text();
            if (!m_budget.take(out.text.size() / 32))
                return overBudget();
            PL_CHECK(append(out, *right.text(), m_budget));
            return Value::of(std::move(out));
        }
        if (name == "+" && left.list() && right.list()) {
            List out = *left.list();
            if (!m_budget.take(out.items.size() + right.list()->items.size()))
                return overBudget();
            out.items.insert(out.items.end(), right.list()->items.begin(), right.list()->items.end());
            return Value::of(std::move(out));
        }
        const auto isWhole = [](const Value& value) { return value.is<bool>() || value.integer(); };
        if (name == "*" && (left.text() || left.list()) && isWhole(right))
            return repeated(left, right.whole());
        if (name == "*" && (right.text() || right.list()) && isWhole(left))
            return repeated(right, left.whole());
        if (!left.isNumber() || !right.isNumber())
            return wrong(fmt::format("{} {} {} has no meaning", left.kind(), name, right.kind()));
        const bool divides = name == "/" || name == "//" || name == "%";
        if (divides && right.number() == 0)
            return wrong("division by 0");
        if (name == "/" || left.is<double>() || right.is<double>()) {
            const double a = left.number();
            const double b = right.number();
            if (name == "%") {
                const double rest = std::fmod(a, b);
                return Value{rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest};
            }
            return Value{name == "+" ? a + b : name == "-" ? a - b : name == "*" ? a * b : name == "/" ? a / b : std::floor(a / b)};
        }
        const int64_t a = left.whole();
        const int64_t b = right.whole();
        int64_t out = 0;
        bool overflow = false;
        if (name == "+")
            overflow = __builtin_add_overflow(a, b, &out);
        else if (name == "-")
            overflow = __builtin_sub_overflow(a, b, &out);
        else if (name == "*")
            overflow = __builtin_mul_overflow(a, b, &out);
        else { // towards minus infinity, as Python does
            const int64_t quotient = b == -1 ? -a : a / b;
            const int64_t rest = b == -1 ? 0 : a % b;
            const bool below = rest != 0 && (rest < 0) != (b < 0);
            out = name == "//" ? quotient - below : rest + (below ? b : 0);
        }
        if (overflow || out == INT64_MIN)
            return wrong(fmt::format("the result of {} is too large", name));
        return Value::of(out);
    }

    Now m_now;
    Budget m_budget;
    std::vector<std::shared_ptr<Namespace>> m_spaces;
    int m_calls = 0;
};

} // namespace

Result<Template> Template::parse(std::string_view source) {
    if (source.size() > kMaxSource)
        return wrong(fmt::format("it is longer than {} bytes", kMaxSource));
    PL_TRY(Body body, jinja::parse(source));
    Template out;
    out.m_body = std::make_shared<const Body>(std::move(body));
    return out;
}

Result<MarkedText> Template::render(const Dict& variables, const Now& now, Budget budget) const {
    auto globals = std::make_shared<Scope>();
    for (const char* name : {"namespace", "raise_exception", "range", "strftime_now"})
        globals->set(name, Value{Function{name}});
    for (const auto& [name, value] : variables.items)
        globals->set(name, value);
    auto scope = std::make_shared<Scope>();
    scope->parent = globals;
    MarkedText out;
    Evaluator evaluator(now, budget);
    PL_CHECK(evaluator.run(*m_body, scope, out));
    return out;
}

} // namespace pl::text::jinja

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "core/text/jinja/syntax.h"
#include "core/text/unicode.h"

namespace pl::text::jinja {
namespace {

constexpr std::array kFilters = {"abs",    "capitalize", "count",  "d",       "default",  "first",      "float",  "int",
                                 "items",  "join",       "last",   "length",  "list",     "lower",      "map",    "reject",
                                 "rejectattr", "replace", "reverse", "safe",  "select",   "selectattr", "string", "title",
                                 "tojson", "trim",       "upper"};
constexpr std::array kTests = {"boolean", "callable", "defined", "divisibleby", "eq",      "equalto",   "even",    "false",  "float",
                               "ge",      "gt",       "in",      "integer",     "iterable", "le",       "lt",      "mapping", "ne",
                               "none",    "number",   "odd",     "sameas",      "sequence", "string",   "true",    "undefined",
                               "lessthan", "greaterthan"};
constexpr std::array kMethods = {"capitalize", "count",   "cycle", "endswith", "find",   "get",   "items",      "join",       "keys",
                                 "lower",      "lstrip",  "replace", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip",
                                 "title",      "upper",   "values"};
constexpr std::array kFunctions = {"namespace", "raise_exception", "range", "strftime_now"};

template<class Names>
bool has(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

tl::unexpected<Error> wrong(std::string cause) {
    return fail(Code::InvalidInput, std::move(cause));
}

/// The argument at `at`, or by name; nullptr when it was not given.
const Value* argument(const Arguments& arguments, size_t at, std::string_view name = {}) {
    if (at < arguments.values.size())
        return &arguments.values[at];
    for (const auto& [key, value] : arguments.named)
        if (!name.empty() && key == name)
            return &value;
    return nullptr;
}

Result<const MarkedText*> textArgument(const Arguments& arguments, size_t at, const std::string& where, std::string_view name = {}) {
    const Value* value = argument(arguments, at, name);
    if (!value || !value->text())
        return wrong(fmt::format("{} needs a text, not {}", where, value ? value->kind() : "nothing"));
    return value->text();
}

Result<int64_t> wholeArgument(const Value* value, int64_t fallback, const std::string& where) {
    if (!value || value->isNone())
        return fallback;
    if (!value->is<bool>() && !value->integer())
        return wrong(fmt::format("{} needs a whole number, not {}", where, value->kind()));
    return value->whole();
}

/// Byte offset of the code point boundary before `at`.
size_t before(std::string_view text, size_t at) {
    --at;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
        --at;
    return at;
}

MarkedText stripped(const MarkedText& text, bool left, bool right, const std::string* characters) {
    const auto goes = [&](size_t at) {
        const char32_t c = nextCodePoint(text.text, at);
        if (!characters)
            return isPythonSpace(c);
        for (size_t i = 0; i < characters->size();)
            if (nextCodePoint(*characters, i) == c)
                return true;
        return false;
    };
    size_t begin = 0;
    size_t end = text.text.size();
    while (left && begin < end && goes(begin))
        nextCodePoint(text.text, begin);
    while (right && end > begin && goes(before(text.text, end)))
        end = before(text.text, end);
    return text.slice(begin, end);
}

/// Python's str.split; an empty separator splits at white space.
List splitText(const MarkedText& text, const std::string& separator, int64_t most) {
    List out;
    const std::string& bytes = text.text;
    size_t at = 0;
    if (!separator.empty()) {
        for (size_t found = bytes.find(separator); found != std::string::npos && most != 0; found = bytes.find(separator, at), --most) {
            out.items.push_back(Value::of(text.slice(at, found)));
            at = found + separator.size();
        }
        out.items.push_back(Value::of(text.slice(at, bytes.size())));
        return out;
    }
    const auto space = [&](size_t where) { return isPythonSpace(nextCodePoint(bytes, where)); };
    while (true) {
        while (at < bytes.size() && space(at))
            nextCodePoint(bytes, at);
        if (at >= bytes.size())
            return out;
        size_t end = at;
        while (end < bytes.size() && !space(end))
            nextCodePoint(bytes, end);
        if (most-- == 0) {
            out.items.push_back(Value::of(stripped(text.slice(at, bytes.size()), false, true, nullptr)));
            return out;
        }
        out.items.push_back(Value::of(text.slice(at, end)));
        at = end;
    }
}

/// Python's str.rsplit with a separator.
List splitFromTheEnd(const MarkedText& text, const std::string& separator, int64_t most) {
    List out;
    size_t end = text.text.size();
    while (most != 0 && end >= separator.size()) {
        const size_t found = text.text.rfind(separator, end - separator.size());
        if (found == std::string::npos)
            break;
        out.items.push_back(Value::of(text.slice(found + separator.size(), end)));
        end = found;
        --most;
    }
    out.items.push_back(Value::of(text.slice(0, end)));
    std::reverse(out.items.begin(), out.items.end());
    return out;
}

List splitLines(const MarkedText& text) {
    List out;
    size_t line = 0;
    for (size_t at = 0; at < text.text.size();) {
        const size_t begin = at;
        const char32_t c = nextCodePoint(text.text, at);
        if (!((c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029))
            continue;
        if (c == '\r' && at < text.text.size() && text.text[at] == '\n')
            ++at;
        out.items.push_back(Value::of(text.slice(line, begin)));
        line = at;
    }
    if (line < text.text.size())
        out.items.push_back(Value::of(text.slice(line, text.text.size())));
    return out;
}

Result<Value> replaced(const MarkedText& text, const MarkedText& from, const MarkedText& to, int64_t most, Budget& budget) {
    MarkedText out;
    size_t done = 0;
    for (size_t at = 0; most != 0; --most) {
        const size_t found = text.text.find(from.text, at);
        if (found == std::string::npos)
            break;
        PL_CHECK(append(out, text.slice(done, found), budget));
        PL_CHECK(append(out, to, budget));
        done = found + from.text.size();
        at = done;
        if (from.text.empty()) { // between all characters
            if (done >= text.text.size())
                break;
            nextCodePoint(text.text, at);
        }
    }
    PL_CHECK(append(out, text.slice(done, text.text.size()), budget));
    return Value::of(std::move(out));
}

Result<Value> joined(const List& list, const MarkedText& separator, const Value* attribute, Budget& budget) {
    MarkedText out;
    for (size_t i = 0; i < list.items.size(); ++i) {
        if (i > 0)
            PL_CHECK(append(out, separator, budget));
        Value item = list.items[i];
        if (attribute && attribute->text())
            item = attributeOf(item, attribute->text()->text);
        PL_TRY(const MarkedText text, toText(item));
        PL_CHECK(append(out, text, budget));
    }
    return Value::of(std::move(out));
}

/// Jinja's |title: each part between spaces and brackets begins with a capital, which is not Python's str.title().
std::string titleOfWords(std::string_view text) {
    std::string out;
    bool first = true;
    size_t begin = 0;
    const auto flush = [&](size_t end) {
        size_t rest = begin;
        if (begin < end) {
            nextCodePoint(text, rest);
            out += upperText(text.substr(begin, rest - begin)) + lowerText(text.substr(rest, end - rest));
        }
        begin = end;
    };
    for (size_t at = 0; at < text.size();) {
        const size_t here = at;
        const char32_t c = nextCodePoint(text, at);
        const bool separates = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || isPythonSpace(c);
        if (separates == first) {
            flush(here);
            first = !separates;
        }
    }
    flush(text.size());
    return out;
}

Result<Value> itemsOf(const Dict& dict) {
    List out;
    for (const auto& [key, value] : dict.items)
        out.items.push_back(Value::of(List{{Value::of(key), value}}));
    return Value::of(std::move(out));
}

/// select, reject, selectattr, rejectattr, map
Result<Value> filterList(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget) {
    PL_TRY(const auto list, iterate(value, budget));
    const bool byAttribute = name == "selectattr" || name == "rejectattr";
    const bool keeps = name == "select" || name == "selectattr";
    const Value* attribute = byAttribute || name == "map" ? argument(arguments, byAttribute ? 0 : 1000, "attribute") : nullptr;
    if (byAttribute && (!attribute || !attribute->text()))
        return wrong(fmt::format("|{} needs the name of an attribute", name));
    const size_t at = byAttribute ? 1 : 0;
    Arguments rest;
    if (arguments.values.size() > at + 1)
        rest.values.assign(arguments.values.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.values.end());
    const Value* operation = argument(arguments, at);
    if (name == "map" && !attribute && (!operation || !operation->text()))
        return wrong("|map needs an attribute or a filter");
    List out;
    for (const Value& item : list->items) {
        if (!budget.take())
            return overBudget();
        const Value seen = attribute ? attributeOf(item, attribute->text()->text) : item;
        if (name == "map") {
            if (attribute) {
                const Value* fallback = argument(arguments, 1000, "default");
                out.items.push_back(seen.isUndefined() && fallback ? *fallback : seen);
            } else {
                PL_TRY(Value mapped, applyFilter(operation->text()->text, item, rest, budget));
                out.items.push_back(std::move(mapped));
            }
            continue;
        }
        bool holds = seen.truth();
        if (operation && operation->text()) {
            PL_TRY(holds, applyTest(operation->text()->text, seen, rest, budget));
        }
        if (holds == keeps)
            out.items.push_back(item);
    }
    return Value::of(std::move(out));
}

Result<Value> lengthOf(const Value& value) {
    if (const MarkedText* text = value.text())
        return Value::of(static_cast<int64_t>(codePointCount(text->text)));
    if (const List* list = value.list())
        return Value::of(static_cast<int64_t>(list->items.size()));
    if (const Dict* dict = value.dict())
        return Value::of(static_cast<int64_t>(dict->items.size()));
    if (value.isUndefined())
        return Value::of(int64_t{0});
    return wrong(fmt::format("{} has no length", value.kind()));
}

Result<Value> toNumber(const std::string& name, const Value& value, const Arguments& arguments) {
    const Value* given = argument(arguments, 0, "default");
    const Value fallback = given ? *given : name == "int" ? Value::of(int64_t{0}) : Value{0.0};
    double number = 0;
    if (value.isNumber()) {
        if (name == "int" && !value.is<double>())
            return Value::of(value.whole());
        number = value.number();
    } else if (const MarkedText* text = value.text()) {
        const std::string trimmed = stripped(*text, true, true, nullptr).text;
        if (trimmed.empty() || trimmed.find_first_not_of("+-0123456789.eE") != std::string::npos)
            return fallback;
        char* end = nullptr;
        errno = 0;
        const long long whole = std::strtoll(trimmed.c_str(), &end, 10);
        if (name == "int" && *end == 0 && errno == 0)
            return Value::of(static_cast<int64_t>(whole));
        number = std::strtod(trimmed.c_str(), &end);
        if (*end != 0)
            return fallback;
    } else {
        return fallback;
    }
    if (name == "float")
        return Value{number};
    if (!(std::fabs(number) < 9e18))
        return fallback;
    return Value::of(static_cast<int64_t>(number));
}

Result<bool> startsOrEnds(const MarkedText& text, const Value* affix, bool starts) {
    const auto fits = [&](const std::string& part) {
        return part.size() <= text.text.size() &&
               text.text.compare(starts ? 0 : text.text.size() - part.size(), part.size(), part) == 0;
    };
    if (affix && affix->text())
        return fits(affix->text()->text);
    if (affix && affix->list()) {
        for (const Value& part : affix->list()->items)
            if (part.text() && fits(part.text()->text))
                return true;
        return false;
    }
    return wrong(fmt::format(".{}swith() needs a text", starts ? "start" : "end"));
}

std::function<std::string(std::string_view)> caseOf(const std::string& name) {
    return name == "upper" ? upperText : name == "lower" ? lowerText : name == "title" ? titleText : capitalText;
}

Result<Value> textMethod(const std::string& name, const MarkedText& text, const Arguments& arguments, Budget& budget) {
    const std::string where = "." + name + "()";
    if (!budget.take(1 + text.text.size() / 8))
        return overBudget();
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
        const Value* characters = argument(arguments, 0);
        const bool given = characters && !characters->isNone();
        if (given && !characters->text())
            return wrong(fmt::format("{} needs a text, not {}", where, characters->kind()));
        return Value::of(stripped(text, name != "rstrip", name != "lstrip", given ? &characters->text()->text : nullptr));
    }
    if (name == "split" || name == "rsplit") {
        const Value* separator = argument(arguments, 0, "sep");
        PL_TRY(const int64_t most, wholeArgument(argument(arguments, 1, "maxsplit"), -1, where));
        if (!separator || separator->isNone()) {
            if (name == "rsplit" && most >= 0)
                return wrong(".rsplit() needs a separator");
            return Value::of(splitText(text, {}, most));
        }
        if (!separator->text() || separator->text()->text.empty())
            return wrong(fmt::format("{} needs a text that is not empty", where));
        return Value::of(name == "split" ? splitText(text, separator->text()->text, most)
                                         : splitFromTheEnd(text, separator->text()->text, most));
    }
    if (name == "startswith" || name == "endswith") {
        PL_TRY(const bool fits, startsOrEnds(text, argument(arguments, 0), name == "startswith"));
        return Value::of(fits);
    }
    if (name == "replace") {
        PL_TRY(const MarkedText* from, textArgument(arguments, 0, where));
        PL_TRY(const MarkedText* to, textArgument(arguments, 1, where));
        PL_TRY(const int64_t most, wholeArgument(argument(arguments, 2, "count"), -1, where));
        return replaced(text, *from, *to, most, budget);
    }
    if (name == "upper" || name == "lower" || name == "title" || name == "capitalize")
        return Value::of(mapParts(text, caseOf(name)));
    if (name == "splitlines")
        return Value::of(splitLines(text));
    if (name == "join") {
        if (arguments.values.size() != 1)
            return wrong(".join() needs a list");
        PL_TRY(const auto list, iterate(arguments.values[0], budget));
        for (const Value& item : list->items)
            if (!item.text())
                return wrong(fmt::format(".join() joins texts, not {}", item.kind()));
        return joined(*list, text, nullptr, budget);
    }
    if (name == "find" || name == "count") {
        PL_TRY(const MarkedText* part, textArgument(arguments, 0, where));
        size_t at = text.text.find(part->text);
        if (name == "find")
            return Value::of(at == std::string::npos ? int64_t{-1}
                                                     : static_cast<int64_t>(codePointCount(std::string_view(text.text).substr(0, at))));
        if (part->text.empty())
            return Value::of(static_cast<int64_t>(codePointCount(text.text)) + 1);
        int64_t count = 0;
        for (; at != std::string::npos; at = text.text.find(part->text, at + part->text.size()))
            ++count;
        return Value::of(count);
    }
    return wrong(fmt::format("a text has no {}", where));
}

} // namespace

bool isFilter(std::string_view name) {
    return has(kFilters, name);
}
bool isTest(std::string_view name) {
    return has(kTests, name);
}
bool isMethod(std::string_view name) {
    return has(kMethods, name);
}
bool isFunction(std::string_view name) {
    return has(kFunctions, name);
}

Result<Value> callMethod(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget) {
    if (const MarkedText* text = value.text())
        return textMethod(name, *text, arguments, budget);
    if (const Dict* dict = value.dict()) {
        if (name == "items")
            return itemsOf(*dict);
        if (name == "get") {
            PL_TRY(const MarkedText* key, textArgument(arguments, 0, ".get()"));
            const Value* found = dict->find(key->text);
            const Value* fallback = argument(arguments, 1);
            return found ? *found : fallback ? *fallback : Value::none();
        }
        if (name == "keys" || name == "values") {
            List out;
            for (const auto& [key, item] : dict->items)
                out.items.push_back(name == "keys" ? Value::of(key) : item);
            return Value::of(std::move(out));
        }
    }
    if (const auto* loop = std::get_if<std::shared_ptr<const Loop>>(&value.data); loop && name == "cycle" && !arguments.values.empty())
        return arguments.values[static_cast<size_t>((*loop)->index) % arguments.values.size()];
    return wrong(fmt::format("{} has no .{}()", value.kind(), name));
}

Result<Value> applyFilter(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget) {
    const std::string where = "|" + name;
    if (name == "default" || name == "d") {
        const Value* fallback = argument(arguments, 0, "default_value");
        const Value* falseToo = argument(arguments, 1, "boolean");
        if (value.isUndefined() || (falseToo && falseToo->truth() && !value.truth()))
            return fallback ? *fallback : Value::of(std::string());
        return value;
    }
    if (name == "length" || name == "count")
        return lengthOf(value);
    if (name == "tojson") {
        if (!arguments.values.empty())
            return wrong("|tojson takes its arguments by name");
        for (const auto& [key, given] : arguments.named)
            if (key != "indent" && (key != "ensure_ascii" || given.truth()))
                return wrong(fmt::format("|tojson with {} is not supported", key));
        PL_TRY(const int64_t indent, wholeArgument(argument(arguments, 0, "indent"), -1, where));
        PL_TRY(MarkedText text, toJson(value, static_cast<int>(std::clamp<int64_t>(indent, -1, 16)), budget));
        return Value::of(std::move(text));
    }
    if (name == "map" || name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
        return filterList(name, value, arguments, budget);
    if (name == "int" || name == "float")
        return toNumber(name, value, arguments);
    if (name == "abs") {
        if (!value.isNumber())
            return wrong(fmt::format("|abs of {}", value.kind()));
        return value.is<double>() ? Value{std::fabs(value.number())} : Value::of(value.whole() < 0 ? -value.whole() : value.whole());
    }
    if (name == "items") {
        if (value.isUndefined())
            return Value::of(List{});
        return value.dict() ? itemsOf(*value.dict()) : wrong(fmt::format("|items of {}", value.kind()));
    }
    if (name == "join" || name == "first" || name == "last" || name == "list" || (name == "reverse" && !value.text())) {
        PL_TRY(const auto list, iterate(value, budget));
        if (!budget.take(list->items.size()))
            return overBudget();
        if (name == "join") {
            const Value* separator = argument(arguments, 0, "d");
            PL_TRY(const MarkedText between, separator ? toText(*separator) : Result<MarkedText>(MarkedText{}));
            return joined(*list, between, argument(arguments, 1, "attribute"), budget);
        }
        if (name == "list")
            return Value{list};
        if (name == "reverse")
            return Value::of(List{{list->items.rbegin(), list->items.rend()}});
        if (list->items.empty())
            return Value{Undefined{name}};
        return name == "first" ? list->items.front() : list->items.back();
    }
    // What is left works on the text of any value.
    PL_TRY(MarkedText text, toText(value));
    if (!budget.take(1 + text.text.size() / 8))
        return overBudget();
    if (name == "string" || name == "safe")
        return Value::of(std::move(text));
    if (name == "trim") {
        const Value* characters = argument(arguments, 0, "chars");
        return Value::of(stripped(text, true, true, characters && characters->text() ? &characters->text()->text : nullptr));
    }
    if (name == "replace") {
        PL_TRY(const MarkedText* from, textArgument(arguments, 0, where, "old"));
        PL_TRY(const MarkedText* to, textArgument(arguments, 1, where, "new"));
        PL_TRY(const int64_t most, wholeArgument(argument(arguments, 2, "count"), -1, where));
        return replaced(text, *from, *to, most, budget);
    }
    if (name == "reverse") {
        PL_TRY(const auto characters, iterate(value, budget));
        return joined(List{{characters->items.rbegin(), characters->items.rend()}}, {}, nullptr, budget);
    }
    return Value::of(mapParts(text, name == "title" ? titleOfWords : caseOf(name)));
}

Result<bool> applyTest(const std::string& name, const Value& value, const Arguments& arguments, Budget& budget) {
    if (name == "defined" || name == "undefined")
        return value.isUndefined() == (name == "undefined");
    if (name == "none")
        return value.isNone();
    if (name == "string")
        return value.text() != nullptr;
    if (name == "mapping")
        return value.dict() != nullptr;
    if (name == "iterable" || name == "sequence")
        return value.text() || value.list() || value.dict() || value.isUndefined();
    if (name == "number")
        return value.isNumber();
    if (name == "integer")
        return value.is<int64_t>();
    if (name == "float")
        return value.is<double>();
    if (name == "boolean")
        return value.is<bool>();
    if (name == "true" || name == "false")
        return value.is<bool>() && value.truth() == (name == "true");
    if (name == "callable")
        return value.is<Macro>() || value.is<Function>();
    if (name == "even" || name == "odd") {
        if (!value.is<bool>() && !value.integer())
            return wrong(fmt::format("'is {}' needs a whole number, not {}", name, value.kind()));
        return (value.whole() % 2 == 0) == (name == "even");
    }
    if (arguments.values.size() != 1)
        return wrong(fmt::format("'is {}' needs one argument", name));
    const Value& other = arguments.values[0];
    if (name == "eq" || name == "equalto" || name == "ne") {
        PL_TRY(const bool same, equal(value, other, budget));
        return same != (name == "ne");
    }
    if (name == "sameas") {
        PL_TRY(const bool same, equal(value, other, budget));
        return same && value.data.index() == other.data.index();
    }
    if (name == "in")
        return contains(other, value, budget);
    if (name == "divisibleby") {
        if (!value.integer() || !other.integer() || other.whole() <= 0)
            return wrong("'is divisibleby' needs two whole numbers");
        return value.whole() % other.whole() == 0;
    }
    PL_TRY(const int order, compare(value, other));
    if (name == "lt" || name == "lessthan")
        return order < 0;
    if (name == "gt" || name == "greaterthan")
        return order > 0;
    return name == "le" ? order <= 0 : order >= 0;
}

Value attributeOf(const Value& value, const std::string& name) {
    const Value missing{Undefined{name}};
    if (const Dict* dict = value.dict()) {
        const Value* found = dict->find(name);
        return found ? *found : missing;
    }
    if (const auto* space = std::get_if<std::shared_ptr<Namespace>>(&value.data)) {
        const Value* found = (*space)->attributes.find(name);
        return found ? *found : missing;
    }
    const auto* held = std::get_if<std::shared_ptr<const Loop>>(&value.data);
    if (!held)
        return missing;
    const Loop& loop = **held;
    const auto size = static_cast<int64_t>(loop.items->items.size());
    const auto at = [&](int64_t index) {
        return index < 0 || index >= size ? Value{Undefined{name}} : loop.items->items[static_cast<size_t>(index)];
    };
    if (name == "index0")
        return Value::of(loop.index);
    if (name == "index")
        return Value::of(loop.index + 1);
    if (name == "revindex")
        return Value::of(size - loop.index);
    if (name == "revindex0")
        return Value::of(size - loop.index - 1);
    if (name == "first")
        return Value::of(loop.index == 0);
    if (name == "last")
        return Value::of(loop.index + 1 == size);
    if (name == "length")
        return Value::of(size);
    if (name == "previtem")
        return at(loop.index - 1);
    if (name == "nextitem")
        return at(loop.index + 1);
    if (name == "depth")
        return Value::of(int64_t{1}); // counts recursion, which this subset lacks
    if (name == "depth0")
        return Value::of(int64_t{0});
    return missing;
}

Result<Value> itemOf(const Value& value, const Value& key) {
    if (key.text()) {
        if (value.isUndefined())
            return wrong(fmt::format("{} has no item '{}'", value.kind(), key.text()->text));
        return attributeOf(value, key.text()->text);
    }
    const bool isIndex = key.is<bool>() || key.integer();
    if (const List* list = value.list(); list && isIndex) {
        const auto size = static_cast<int64_t>(list->items.size());
        const int64_t index = key.whole() < 0 ? key.whole() + size : key.whole();
        return index < 0 || index >= size ? Value{Undefined{std::to_string(key.whole())}} : list->items[static_cast<size_t>(index)];
    }
    if (const MarkedText* text = value.text(); text && isIndex) {
        const auto size = static_cast<int64_t>(codePointCount(text->text));
        const int64_t index = key.whole() < 0 ? key.whole() + size : key.whole();
        if (index < 0 || index >= size)
            return Value{Undefined{std::to_string(key.whole())}};
        const size_t begin = byteOffset(text->text, static_cast<size_t>(index));
        size_t end = begin;
        nextCodePoint(text->text, end);
        return Value::of(text->slice(begin, end));
    }
    if (value.isUndefined())
        return wrong(fmt::format("{} has no items", value.kind()));
    return Value{Undefined{}};
}

Result<Value> sliceOf(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget) {
    const MarkedText* text = value.text();
    if (!text && !value.list())
        return wrong(fmt::format("{} cannot be sliced", value.kind()));
    const auto given = [](const Value& v) { return !v.isNone() && !v.isUndefined(); };
    for (const Value* part : {&start, &stop, &step})
        if (given(*part) && !part->integer())
            return wrong(fmt::format("a slice needs whole numbers, not {}", part->kind()));
    const auto size = text ? static_cast<int64_t>(codePointCount(text->text)) : static_cast<int64_t>(value.list()->items.size());
    const int64_t by = given(step) ? step.whole() : 1;
    if (by == 0 || by > (int64_t{1} << 40) || by < -(int64_t{1} << 40))
        return wrong("the step of a slice is 0 or too large");
    const auto bound = [&](const Value& v, int64_t fallback) {
        if (!given(v))
            return fallback;
        const int64_t index = v.whole() < 0 ? std::max(v.whole(), -size - 1) + size : v.whole();
        return std::clamp(index, by > 0 ? int64_t{0} : int64_t{-1}, by > 0 ? size : size - 1);
    };
    const int64_t from = bound(start, by > 0 ? 0 : size - 1);
    const int64_t to = bound(stop, by > 0 ? size : -1);
    if (!budget.take(static_cast<size_t>(size) / 8 + 1))
        return overBudget();
    if (text && by == 1)
        return Value::of(from >= to ? MarkedText{}
                                    : text->slice(byteOffset(text->text, static_cast<size_t>(from)),
                                                  byteOffset(text->text, static_cast<size_t>(to))));
    PL_TRY(const auto items, iterate(value, budget));
    List out;
    for (int64_t i = from; by > 0 ? i < to : i > to; i += by)
        out.items.push_back(items->items[static_cast<size_t>(i)]);
    if (!budget.take(out.items.size()))
        return overBudget();
    if (text)
        return joined(out, {}, nullptr, budget);
    return Value::of(std::move(out));
}

Result<bool> contains(const Value& container, const Value& item, Budget& budget) {
    if (const MarkedText* text = container.text()) {
        if (!item.text())
            return wrong(fmt::format("'in' looks for a text in a text, not for {}", item.kind()));
        if (!budget.take(1 + text->text.size() / 8))
            return overBudget();
        return text->text.find(item.text()->text) != std::string::npos;
    }
    if (const Dict* dict = container.dict())
        return item.text() && dict->find(item.text()->text);
    PL_TRY(const auto list, iterate(container, budget));
    for (const Value& each : list->items) {
        PL_TRY(const bool same, equal(each, item, budget));
        if (same)
            return true;
    }
    return false;
}

} // namespace pl::text::jinja

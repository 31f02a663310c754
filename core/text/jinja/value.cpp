// SPDX-License-Identifier: Apache-2.0
#include "core/text/jinja/value.h"

#include <cmath>

#include <fmt/format.h>

#include "core/text/utf8.h"

namespace pl::text::jinja {
namespace {

constexpr int kMaxJsonDepth = 32;

std::string numberText(double value) {
    if (std::isnan(value))
        return "nan";
    if (std::isinf(value))
        return value > 0 ? "inf" : "-inf";
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".e") == std::string::npos)
        text += ".0";
    return text;
}

std::string jsonEscaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        case '\b':
            out += "\\b";
            break;
        case '\f':
            out += "\\f";
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20)
                out += fmt::format("\\u{:04x}", static_cast<int>(c));
            else
                out += c;
        }
    }
    return out;
}

struct JsonWriter {
    Budget& budget;
    int indent;
    MarkedText out;

    Status put(std::string_view text) {
        if (!budget.take() || out.text.size() + text.size() > budget.textBytes)
            return overBudget();
        out.append(text);
        return {};
    }
    Status line(int depth) {
        if (indent < 0)
            return {};
        return put(std::string(1, '\n').append(static_cast<size_t>(indent * depth), ' '));
    }
    Status text(const MarkedText& value) {
        PL_CHECK(put("\""));
        PL_CHECK(append(out, mapParts(value, jsonEscaped), budget));
        return put("\"");
    }
    Status write(const Value& value, int depth) {
        if (depth > kMaxJsonDepth)
            return fail(Code::InvalidInput, fmt::format("tojson of values nested deeper than {}", kMaxJsonDepth));
        if (const MarkedText* string = value.text())
            return text(*string);
        if (const List* list = value.list()) {
            PL_CHECK(put("["));
            for (size_t i = 0; i < list->items.size(); ++i) {
                if (i > 0)
                    PL_CHECK(put(indent < 0 ? ", " : ","));
                PL_CHECK(line(depth + 1));
                PL_CHECK(write(list->items[i], depth + 1));
            }
            if (!list->items.empty())
                PL_CHECK(line(depth));
            return put("]");
        }
        if (const Dict* dict = value.dict()) {
            PL_CHECK(put("{"));
            for (size_t i = 0; i < dict->items.size(); ++i) {
                if (i > 0)
                    PL_CHECK(put(indent < 0 ? ", " : ","));
                PL_CHECK(line(depth + 1));
                PL_CHECK(text(MarkedText{dict->items[i].first, {}}));
                PL_CHECK(put(": "));
                PL_CHECK(write(dict->items[i].second, depth + 1));
            }
            if (!dict->items.empty())
                PL_CHECK(line(depth));
            return put("}");
        }
        if (value.isNone())
            return put("null");
        if (const bool* flag = std::get_if<bool>(&value.data))
            return put(*flag ? "true" : "false");
        if (value.isNumber())
            return put(value.is<double>() ? numberText(value.number()) : std::to_string(value.whole()));
        return fail(Code::InvalidInput, fmt::format("{} cannot be written as JSON", value.kind()));
    }
};

} // namespace

const Value* Dict::find(std::string_view key) const {
    for (const auto& [name, value] : items)
        if (name == key)
            return &value;
    return nullptr;
}

void Dict::set(const std::string& key, Value value) {
    for (auto& [name, old] : items)
        if (name == key) {
            old = std::move(value);
            return;
        }
    items.emplace_back(key, std::move(value));
}

Value Value::of(List list) {
    for (const Value& item : list.items)
        list.depth = std::max(list.depth, item.depth() + 1);
    return {std::make_shared<const List>(std::move(list))};
}
Value Value::of(Dict dict) {
    for (const auto& item : dict.items)
        dict.depth = std::max(dict.depth, item.second.depth() + 1);
    return {std::make_shared<const Dict>(std::move(dict))};
}
int Value::depth() const {
    return list() ? list()->depth : dict() ? dict()->depth : 0;
}

const MarkedText* Value::text() const {
    const auto* found = std::get_if<std::shared_ptr<const MarkedText>>(&data);
    return found ? found->get() : nullptr;
}
const List* Value::list() const {
    const auto* found = std::get_if<std::shared_ptr<const List>>(&data);
    return found ? found->get() : nullptr;
}
const Dict* Value::dict() const {
    if (const auto* found = std::get_if<std::shared_ptr<const Dict>>(&data))
        return found->get();
    return nullptr;
}
const int64_t* Value::integer() const {
    return std::get_if<int64_t>(&data);
}
double Value::number() const {
    if (const auto* value = std::get_if<double>(&data))
        return *value;
    return static_cast<double>(whole());
}
int64_t Value::whole() const {
    if (const auto* value = std::get_if<int64_t>(&data))
        return *value;
    const auto* flag = std::get_if<bool>(&data);
    return flag && *flag ? 1 : 0;
}

bool Value::truth() const {
    if (isUndefined() || isNone())
        return false;
    if (is<double>())
        return number() != 0;
    if (isNumber())
        return whole() != 0;
    if (const MarkedText* value = text())
        return !value->text.empty();
    if (const List* value = list())
        return !value->items.empty();
    if (const Dict* value = dict())
        return !value->items.empty();
    return true;
}

std::string Value::kind() const {
    if (const auto* missing = std::get_if<Undefined>(&data))
        return missing->name.empty() ? "an undefined value" : fmt::format("'{}', which is undefined,", missing->name);
    if (isNone())
        return "None";
    if (is<bool>())
        return "a truth value";
    if (isNumber())
        return "a number";
    if (text())
        return "a text";
    if (list())
        return "a list";
    if (dict())
        return "a dict";
    if (is<std::shared_ptr<Namespace>>())
        return "a namespace";
    if (is<std::shared_ptr<const Loop>>())
        return "loop";
    return "a function";
}

tl::unexpected<Error> overBudget() {
    return fail(Code::InvalidInput, "it takes too many steps or makes too long a text");
}

Status append(MarkedText& out, const MarkedText& part, Budget& budget) {
    if (!budget.take(1 + part.text.size() / 32) || out.text.size() + part.text.size() > budget.textBytes)
        return overBudget();
    out.append(part);
    return {};
}

Result<MarkedText> toText(const Value& value) {
    if (const MarkedText* text = value.text())
        return *text;
    if (value.isUndefined())
        return MarkedText{};
    if (value.isNone())
        return MarkedText{"None", {}};
    if (const bool* flag = std::get_if<bool>(&value.data))
        return MarkedText{*flag ? "True" : "False", {}};
    if (value.is<double>())
        return MarkedText{numberText(value.number()), {}};
    if (value.isNumber())
        return MarkedText{std::to_string(value.whole()), {}};
    return fail(Code::Unsupported, fmt::format("{} cannot be written as a text", value.kind()));
}

Result<bool> equal(const Value& a, const Value& b, Budget& budget) {
    if (!budget.take())
        return overBudget();
    if (a.isNumber() && b.isNumber())
        return a.is<double>() || b.is<double>() ? a.number() == b.number() : a.whole() == b.whole();
    if (a.text() && b.text())
        return a.text()->text == b.text()->text;
    if (const List *left = a.list(), *right = b.list(); left && right) {
        if (left->items.size() != right->items.size())
            return false;
        for (size_t i = 0; i < left->items.size(); ++i) {
            PL_TRY(const bool same, equal(left->items[i], right->items[i], budget));
            if (!same)
                return false;
        }
        return true;
    }
    if (const Dict *left = a.dict(), *right = b.dict(); left && right) {
        if (left->items.size() != right->items.size())
            return false;
        for (const auto& [key, value] : left->items) {
            const Value* other = right->find(key);
            if (!other)
                return false;
            PL_TRY(const bool same, equal(value, *other, budget));
            if (!same)
                return false;
        }
        return true;
    }
    return (a.isNone() && b.isNone()) || (a.isUndefined() && b.isUndefined());
}

Result<int> compare(const Value& a, const Value& b) {
    const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
    if (a.isNumber() && b.isNumber())
        return a.is<double>() || b.is<double>() ? sign(a.number(), b.number()) : sign(a.whole(), b.whole());
    if (a.text() && b.text()) // the order of UTF-8 is that of code points
        return sign(a.text()->text.compare(b.text()->text), 0);
    return fail(Code::InvalidInput, fmt::format("{} and {} have no order", a.kind(), b.kind()));
}

Result<MarkedText> toJson(const Value& value, int indent, Budget& budget) {
    JsonWriter writer{budget, indent, {}};
    PL_CHECK(writer.write(value, 0));
    return std::move(writer.out);
}

Result<std::shared_ptr<const List>> iterate(const Value& value, Budget& budget) {
    if (const auto* list = std::get_if<std::shared_ptr<const List>>(&value.data))
        return *list;
    auto out = std::make_shared<List>();
    if (const MarkedText* text = value.text()) {
        if (!budget.take(text->text.size()))
            return overBudget();
        for (size_t at = 0; at < text->text.size();) {
            const size_t begin = at;
            nextCodePoint(text->text, at);
            out->items.push_back(Value::of(text->slice(begin, at)));
        }
    } else if (const Dict* dict = value.dict()) {
        for (const auto& item : dict->items)
            out->items.push_back(Value::of(item.first));
    } else if (!value.isUndefined()) {
        return fail(Code::InvalidInput, fmt::format("{} cannot be gone through", value.kind()));
    }
    return std::shared_ptr<const List>(std::move(out));
}

} // namespace pl::text::jinja

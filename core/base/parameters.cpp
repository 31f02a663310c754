// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "core/base/manifest.h"

namespace pl {

Result<Json> checkedValue(const Parameter& parameter, const Json& value, const std::string& what);

namespace {

constexpr size_t kMaxText = size_t{1} << 20;
constexpr size_t kMaxVariants = 64;

tl::unexpected<Error> bad(const std::string& what, std::string why, std::string hint = {}) {
    return fail(Code::InvalidInput, fmt::format("{}: {}", what, why), std::move(hint));
}

size_t editDistance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

/// "Did you mean "beta"?", or the whole list when it is short, or nothing.
std::string suggestion(std::string_view given, const std::vector<std::string>& known) {
    const std::string* nearest = nullptr;
    size_t best = std::numeric_limits<size_t>::max();
    for (const std::string& name : known)
        if (const size_t distance = editDistance(given.substr(0, 64), name); distance < best) {
            best = distance;
            nearest = &name;
        }
    if (nearest && best <= std::max<size_t>(2, nearest->size() / 3))
        return fmt::format("Did you mean \"{}\"?", *nearest);
    return !known.empty() && known.size() <= 8 ? fmt::format("Known: {}.", fmt::join(known, ", ")) : std::string();
}

std::vector<std::string> namesOf(const std::vector<Parameter>& parameters) {
    std::vector<std::string> names;
    for (const Parameter& parameter : parameters)
        names.push_back(parameter.name);
    return names;
}

Status checkRange(const Parameter& parameter, double value, const std::string& what) {
    const bool low = parameter.min && (parameter.exclusiveMin ? value <= *parameter.min : value < *parameter.min);
    const bool high = parameter.max && value > *parameter.max;
    if (!low && !high)
        return {};
    std::string range;
    if (parameter.min)
        range += fmt::format("{} {}", parameter.exclusiveMin ? "above" : "at least", *parameter.min);
    if (parameter.max)
        range += fmt::format("{}at most {}", range.empty() ? "" : " and ", *parameter.max);
    return bad(what, fmt::format("{} is out of range", value), fmt::format("It must be {}.", range));
}

Result<Json> checkedNumber(const Parameter& parameter, const Json& value, const std::string& what) {
    // The default null means "left to the job"; the same may be given.
    if (value.is_null() && parameter.defaultValue.is_null())
        return value;
    if (!value.is_number())
        return bad(what, fmt::format("must be a number, not {}", value.type_name()));
    const double number = value.get<double>();
    if (!std::isfinite(number))
        return bad(what, "must be a finite number");
    PL_CHECK(checkRange(parameter, number, what));
    if (parameter.type == ParamType::Number)
        return Json(number);
    if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{1} << 62)
        return bad(what, "is too large");
    if (value.is_number_integer())
        return Json(value.get<int64_t>());
    if (number != std::floor(number) || std::fabs(number) > 9007199254740992.0)
        return bad(what, fmt::format("must be a whole number, not {}", number));
    return Json(static_cast<int64_t>(number));
}

/// Checks `given` against the parameters and fills in what it leaves out. `skip` names a key that is not a parameter.
Result<Json> effective(const std::vector<Parameter>& parameters, const Json& given, const std::string& what,
                       std::string_view skip) {
    Json result = Json::object();
    for (const auto& item : given.items()) {
        if (item.key() == skip)
            continue;
        const bool known = std::any_of(parameters.begin(), parameters.end(),
                                       [&](const Parameter& p) { return p.name == item.key(); });
        if (!known)
            return bad(what, fmt::format("there is no parameter \"{}\"", item.key().substr(0, 80)),
                       suggestion(item.key(), namesOf(parameters)));
    }
    for (const Parameter& parameter : parameters) {
        const auto found = given.find(parameter.name);
        if (found == given.end()) {
            result[parameter.name] = parameter.defaultValue;
        } else {
            PL_TRY(result[parameter.name],
                   checkedValue(parameter, *found, fmt::format("{}: parameter \"{}\"", what, parameter.name)));
        }
    }
    return result;
}

Result<Json> checkedVariants(const Parameter& parameter, const Json& value, const std::string& what) {
    if (!value.is_array())
        return bad(what, fmt::format("must be a list, not {}", value.type_name()));
    if (value.size() > kMaxVariants)
        return bad(what, fmt::format("has {} entries, at most {} are allowed", value.size(), kMaxVariants));
    Json result = Json::array();
    for (size_t i = 0; i < value.size(); ++i) {
        const std::string where = fmt::format("{}, entry {}", what, i + 1);
        PL_TRY(const std::string type, field<std::string>(value[i], "type", where));
        const auto variant = std::find_if(parameter.variants.begin(), parameter.variants.end(),
                                          [&](const Variant& v) { return v.name == type; });
        if (variant == parameter.variants.end()) {
            std::vector<std::string> names;
            for (const Variant& known : parameter.variants)
                names.push_back(known.name);
            return bad(where, fmt::format("there is no choice \"{}\"", type.substr(0, 80)), suggestion(type, names));
        }
        PL_TRY(Json entry, effective(variant->parameters, value[i], where, "type"));
        entry["type"] = type;
        result.push_back(std::move(entry));
    }
    return result;
}

bool equalsIgnoringCase(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y;
           });
}

Result<Json> fromText(const Parameter& parameter, std::string_view text, const std::string& what) {
    const char* end = text.data() + text.size();
    switch (parameter.type) {
    case ParamType::Boolean:
        for (const char* yes : {"true", "1", "yes", "on"})
            if (equalsIgnoringCase(text, yes))
                return Json(true);
        for (const char* no : {"false", "0", "no", "off"})
            if (equalsIgnoringCase(text, no))
                return Json(false);
        return bad(what, fmt::format("\"{}\" is neither true nor false", text.substr(0, 80)));
    case ParamType::Integer: {
        int64_t number = 0;
        if (const auto [at, error] = std::from_chars(text.data(), end, number); error == std::errc() && at == end)
            return Json(number);
        [[fallthrough]];
    }
    case ParamType::Number: {
        if (text == "null" || text == "none")
            return Json(nullptr);
        double number = 0;
        const auto [at, error] = std::from_chars(text.data(), end, number);
        if (error != std::errc() || at != end || text.empty())
            return bad(what, fmt::format("\"{}\" is not a number", text.substr(0, 80)));
        return Json(number);
    }
    case ParamType::Variants: return parseJson(text, what, {kMaxText, 16});
    default: return Json(std::string(text));
    }
}

} // namespace

/// The value in its canonical type, or what is wrong with it.
Result<Json> checkedValue(const Parameter& parameter, const Json& value, const std::string& what) {
    switch (parameter.type) {
    case ParamType::Boolean:
        if (!value.is_boolean())
            return bad(what, fmt::format("must be true or false, not {}", value.type_name()));
        return value;
    case ParamType::Integer:
    case ParamType::Number: return checkedNumber(parameter, value, what);
    case ParamType::Enum: {
        if (!value.is_string())
            return bad(what, fmt::format("must be a string, not {}", value.type_name()));
        const auto& text = value.get_ref<const std::string&>();
        if (std::find(parameter.values.begin(), parameter.values.end(), text) == parameter.values.end())
            return bad(what, fmt::format("\"{}\" is not one of {}", text.substr(0, 80), fmt::join(parameter.values, ", ")),
                       suggestion(text, parameter.values));
        return value;
    }
    case ParamType::Variants: return checkedVariants(parameter, value, what);
    case ParamType::String:
    case ParamType::Path:
    case ParamType::ModelRef:
    case ParamType::DatasetRef: break;
    }
    if (!value.is_string())
        return bad(what, fmt::format("must be a string, not {}", value.type_name()));
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > kMaxText)
        return bad(what, "is too long");
    if (text.find('\0') != std::string::npos)
        return bad(what, "holds a NUL character");
    return value;
}

Result<Json> Manifest::effectiveParameters(const Json& given) const {
    if (given.is_null())
        return effectiveParameters(Json::object());
    if (!given.is_object())
        return bad(id, fmt::format("the parameters must be an object, not {}", given.type_name()));
    return effective(parameters, given, id, {});
}

Status Manifest::setFromText(Json& object, const std::string& assignment) const {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0)
        return bad(id, fmt::format("\"{}\" is not of the form name=value", assignment.substr(0, 80)));
    const std::string name = assignment.substr(0, equals);
    const Parameter* known = parameter(name);
    if (!known)
        return bad(id, fmt::format("there is no parameter \"{}\"", name.substr(0, 80)), suggestion(name, namesOf(parameters)));
    const std::string what = fmt::format("{}: parameter \"{}\"", id, name);
    PL_TRY(const Json typed, fromText(*known, std::string_view(assignment).substr(equals + 1), what));
    PL_TRY(Json value, checkedValue(*known, typed, what));
    if (!object.is_object())
        object = Json::object();
    object[name] = std::move(value);
    return {};
}

bool Manifest::isVisible(const Parameter& parameter, const Json& values) {
    if (!parameter.visibleIf.is_object())
        return true;
    for (const auto& [key, allowed] : parameter.visibleIf.items()) {
        const auto found = values.is_object() ? values.find(key) : values.end();
        if (found == values.end() || std::find(allowed.begin(), allowed.end(), *found) == allowed.end())
            return false;
    }
    return true;
}

} // namespace pl

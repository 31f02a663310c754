// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl {
namespace {

/// Builds the value like the library's own reader, and refuses what that one lets through: duplicate keys and depth.
class Builder : public nlohmann::json_sax<Json> {
public:
    explicit Builder(int maxDepth) : m_maxDepth(static_cast<size_t>(maxDepth)) {}

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return refuse("binary values are not JSON"); }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (m_stack.back()->contains(name))
            return refuse(fmt::format("the key \"{}\" appears twice in one object", name.substr(0, 80)));
        m_key = std::move(name);
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
        m_position = position;
        std::string text = error.what();
        if (const size_t cut = text.find("] "); cut != std::string::npos)
            text = text.substr(cut + 2);
        if (text.size() > 300)
            text = text.substr(0, 300) + "...";
        return refuse(text);
    }

    Json root;
    std::string problem;

private:
    bool refuse(std::string why) {
        problem = std::move(why);
        return false;
    }
    Json* place(Json value) {
        if (m_stack.empty()) {
            root = std::move(value);
            return &root;
        }
        Json& top = *m_stack.back();
        if (top.is_array()) {
            top.push_back(std::move(value));
            return &top.back();
        }
        Json& slot = top[m_key];
        slot = std::move(value);
        return &slot;
    }
    bool add(Json value) {
        place(std::move(value));
        return true;
    }
    bool open(Json value) {
        if (m_stack.size() >= m_maxDepth)
            return refuse(fmt::format("nested deeper than {} levels", m_maxDepth));
        m_stack.push_back(place(std::move(value)));
        return true;
    }
    bool close() {
        m_stack.pop_back();
        return true;
    }

    size_t m_maxDepth;
    size_t m_position = 0;
    std::vector<Json*> m_stack;
    std::string m_key;
};

bool hasNonFinite(const Json& value) {
    if (value.is_number_float())
        return !std::isfinite(value.get<double>());
    if (value.is_structured())
        for (const Json& item : value)
            if (hasNonFinite(item))
                return true;
    return false;
}

void replaceNonFinite(Json& value) {
    if (value.is_number_float())
        value = jsonNumber(value.get<double>());
    else if (value.is_structured())
        for (Json& item : value)
            replaceNonFinite(item);
}

std::string dump(const Json& value, int indent) {
    if (!hasNonFinite(value))
        return value.dump(indent, ' ', false, Json::error_handler_t::replace);
    Json copy = value;
    replaceNonFinite(copy);
    return copy.dump(indent, ' ', false, Json::error_handler_t::replace);
}

tl::unexpected<Error> wrongType(const Json& value, const char* key, const char* wanted, std::string_view what) {
    return fail(Code::InvalidInput,
                fmt::format("{}: \"{}\" must be {}, not {}", what, key, wanted, value.type_name()));
}

Result<std::string> convert(const Json& value, const char* key, std::string_view what, std::string*) {
    if (!value.is_string())
        return wrongType(value, key, "a string", what);
    return value.get<std::string>();
}

Result<int64_t> convert(const Json& value, const char* key, std::string_view what, int64_t*) {
    if (value.is_number_unsigned()) {
        const auto number = value.get<uint64_t>();
        if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
            return static_cast<int64_t>(number);
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" is too large ({})", what, key, number));
    }
    if (value.is_number_integer())
        return value.get<int64_t>();
    if (value.is_number_float()) {
        const double number = value.get<double>();
        if (std::isfinite(number) && std::fabs(number) <= 9007199254740992.0 && number == std::floor(number))
            return static_cast<int64_t>(number);
    }
    return wrongType(value, key, "a whole number", what);
}

Result<double> convert(const Json& value, const char* key, std::string_view what, double*) {
    if (!value.is_number())
        return wrongType(value, key, "a number", what);
    return value.get<double>();
}

Result<bool> convert(const Json& value, const char* key, std::string_view what, bool*) {
    if (!value.is_boolean())
        return wrongType(value, key, "true or false", what);
    return value.get<bool>();
}

} // namespace

Result<Json> parseJson(std::string_view text, std::string_view what, const JsonLimits& limits) {
    if (text.size() > limits.maxBytes)
        return fail(Code::InvalidInput, fmt::format("{} is too large: {} bytes, at most {} are read", what, text.size(),
                                                    limits.maxBytes));
    // The reader takes a NUL byte for the end and would let anything stand behind it.
    if (const size_t at = text.find('\0'); at != std::string_view::npos)
        return fail(Code::Corrupt, fmt::format("{} is not valid JSON: NUL byte at offset {}", what, at));
    Builder builder(limits.maxDepth);
    bool good = false;
    try {
        good = Json::sax_parse(text.begin(), text.end(), &builder);
    } catch (const std::exception& error) {
        builder.problem = error.what();
    }
    if (!good)
        return fail(Code::Corrupt, fmt::format("{} is not valid JSON: {}", what, builder.problem));
    return std::move(builder.root);
}

Result<Json> readJsonFile(const std::string& path, const JsonLimits& limits) {
    PL_TRY(const std::string text, os::readFile(path, limits.maxBytes));
    auto json = parseJson(text, path, limits);
    if (!json && json.error().hint.empty())
        json.error().hint = "Copy the file again, or restore it.";
    return json;
}

std::string dumpJson(const Json& value) {
    return dump(value, -1);
}

std::string dumpJsonPretty(const Json& value) {
    return dump(value, 2);
}

Json jsonNumber(double value) {
    if (std::isnan(value))
        return "NaN";
    if (std::isinf(value))
        return value > 0 ? "Infinity" : "-Infinity";
    return value;
}

Result<double> numberOf(const Json& value, std::string_view what) {
    if (value.is_number())
        return value.get<double>();
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (text == "NaN")
            return std::numeric_limits<double>::quiet_NaN();
        if (text == "Infinity")
            return std::numeric_limits<double>::infinity();
        if (text == "-Infinity")
            return -std::numeric_limits<double>::infinity();
    }
    return fail(Code::InvalidInput, fmt::format("{} must be a number, not {}", what, value.type_name()));
}

template<class T>
Result<T> field(const Json& object, const char* key, std::string_view what) {
    if (!object.is_object())
        return fail(Code::InvalidInput, fmt::format("{} must be a JSON object, not {}", what, object.type_name()));
    const auto found = object.find(key);
    if (found == object.end())
        return fail(Code::InvalidInput, fmt::format("{}: \"{}\" is missing", what, key));
    return convert(*found, key, what, static_cast<T*>(nullptr));
}

template<class T>
Result<T> fieldOr(const Json& object, const char* key, T fallback, std::string_view what) {
    if (!object.is_object())
        return fail(Code::InvalidInput, fmt::format("{} must be a JSON object, not {}", what, object.type_name()));
    const auto found = object.find(key);
    if (found == object.end() || found->is_null())
        return fallback;
    return convert(*found, key, what, static_cast<T*>(nullptr));
}

template Result<std::string> field(const Json&, const char*, std::string_view);
template Result<int64_t> field(const Json&, const char*, std::string_view);
template Result<double> field(const Json&, const char*, std::string_view);
template Result<bool> field(const Json&, const char*, std::string_view);
template Result<std::string> fieldOr(const Json&, const char*, std::string, std::string_view);
template Result<int64_t> fieldOr(const Json&, const char*, int64_t, std::string_view);
template Result<double> fieldOr(const Json&, const char*, double, std::string_view);
template Result<bool> fieldOr(const Json&, const char*, bool, std::string_view);

} // namespace pl

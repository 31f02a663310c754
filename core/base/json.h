// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace pl {

/// Objects keep their keys sorted, so dump() of equal values is equal text: the canonical form that is hashed.
using Json = nlohmann::json;

struct JsonLimits {
    size_t maxBytes = size_t{256} << 20;
    int maxDepth = 64;
};

/// Parses untrusted text: refuses invalid UTF-8, duplicate keys, too deep nesting, trailing characters and oversize
/// input. `what` names the object in the message ("run.json of run 0042-dpo").
Result<Json> parseJson(std::string_view text, std::string_view what, const JsonLimits& limits = {});
Result<Json> readJsonFile(const std::string& path, const JsonLimits& limits = {});
/// Canonical compact text; invalid UTF-8 in strings is replaced (model output is untrusted), never thrown.
std::string dumpJson(const Json& value);
std::string dumpJsonPretty(const Json& value);

/// Non-finite numbers travel as the strings "NaN", "Infinity", "-Infinity" (DESIGN section 1).
Json jsonNumber(double value);
/// The reverse; fails on anything that is neither a number nor one of the three strings.
Result<double> numberOf(const Json& value, std::string_view what);

/// Typed access that names what is missing or wrong: fieldOr<T>(object, "beta", 0.1), field<T>(object, "id", "run.json").
template<class T>
Result<T> field(const Json& object, const char* key, std::string_view what);
template<class T>
Result<T> fieldOr(const Json& object, const char* key, T fallback, std::string_view what);
extern template Result<std::string> field(const Json&, const char*, std::string_view);
extern template Result<int64_t> field(const Json&, const char*, std::string_view);
extern template Result<double> field(const Json&, const char*, std::string_view);
extern template Result<bool> field(const Json&, const char*, std::string_view);
extern template Result<std::string> fieldOr(const Json&, const char*, std::string, std::string_view);
extern template Result<int64_t> fieldOr(const Json&, const char*, int64_t, std::string_view);
extern template Result<double> fieldOr(const Json&, const char*, double, std::string_view);
extern template Result<bool> fieldOr(const Json&, const char*, bool, std::string_view);

} // namespace pl

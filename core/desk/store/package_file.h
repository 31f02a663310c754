// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

/// The files of packages and returns: a JSON object a line; the first says what the file is, the last {"lines": N, "sha256": hex} closes it over
/// every byte before. A package with sets to rank is of version 2, which programs that know pairs alone refuse by its number. Private to store/.
namespace pl::desk {

inline constexpr const char* kPackageFormat = "pairlab-package";
inline constexpr const char* kReturnFormat = "pairlab-return";
inline constexpr int kNewestPackage = 2;

class PackageWriter {
public:
    void add(const Json& line);
    /// Adds the last line and writes the file; gives the SHA-256 of the whole.
    Result<std::string> write(const std::string& path);

private:
    std::string m_bytes;
    int64_t m_lines = 0;
};

struct PackageLine {
    std::string where; ///< "line 12 of FILE"
    Json json;
};

struct PackageContent {
    std::string sha; ///< of the file
    Json header;
    std::vector<PackageLine> lines; ///< between the first and the last
};
/// Reads a file of `format`; Corrupt when its end is missing or its bytes are not those that were written.
Result<PackageContent> readPackage(const std::string& path, const std::string& format);

std::string toBase64(std::string_view bytes);
/// Fails with Corrupt on anything else than padded base64.
Result<std::string> fromBase64(std::string_view text, const std::string& where);

} // namespace pl::desk

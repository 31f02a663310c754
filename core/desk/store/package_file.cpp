// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/package_file.h"

#include <array>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"

namespace pl::desk {

namespace {
constexpr uint64_t kMostBytes = uint64_t{2} << 30;
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
} // namespace

void PackageWriter::add(const Json& line) {
    m_bytes += dumpJson(line) + "\n";
    ++m_lines;
}

Result<std::string> PackageWriter::write(const std::string& path) {
    m_bytes += dumpJson({{"lines", m_lines}, {"sha256", sha256Hex(m_bytes)}}) + "\n";
    PL_CHECK(os::writeFileAtomic(path, m_bytes));
    return sha256Hex(m_bytes);
}

Result<PackageContent> readPackage(const std::string& path, const std::string& format) {
    if (!os::isRegularFile(path))
        return fail(os::exists(path) ? Code::InvalidInput : Code::NotFound, fmt::format("{} is not a file", path));
    PL_TRY(const std::string bytes, os::readFile(path, kMostBytes));
    PackageContent content;
    content.sha = sha256Hex(bytes);
    std::vector<std::string_view> lines;
    for (size_t at = 0; at < bytes.size();) {
        const size_t end = bytes.find('\n', at);
        if (end == std::string::npos)
            return fail(Code::Corrupt, fmt::format("{} is cut short", path), "Copy it again.");
        lines.push_back(std::string_view(bytes).substr(at, end - at));
        at = end + 1;
    }
    if (lines.empty())
        return fail(Code::InvalidInput, fmt::format("{} is empty", path));
    PL_TRY(content.header, parseJson(lines.front(), fmt::format("line 1 of {}", path)));
    if (!content.header.is_object() || content.header.value("format", Json()) != format)
        return fail(Code::InvalidInput, fmt::format("{} is not a {}", path, format), "Choose the file that the program wrote.");
    const Json version = content.header.value("v", Json());
    if (!version.is_number_integer() || version < 1 || version > kNewestPackage)
        return fail(Code::NewerFormat, fmt::format("{} is of a newer version of PairLab", path), "Install the newer PairLab.");
    PL_TRY(const Json last, parseJson(lines.back(), fmt::format("the last line of {}", path)));
    const size_t end = static_cast<size_t>(lines.back().data() - bytes.data());
    if (lines.size() < 2 || !last.is_object() || !last.contains("sha256"))
        return fail(Code::Corrupt, fmt::format("{} is cut short: its last line is missing", path), "Copy it again.");
    if (last["sha256"] != sha256Hex(std::string_view(bytes).substr(0, end)) || last.value("lines", Json()) != lines.size() - 1)
        return fail(Code::Corrupt, fmt::format("{} was changed after it was written", path), "Ask for the file again.");
    for (size_t i = 1; i + 1 < lines.size(); ++i) {
        PackageLine line{fmt::format("line {} of {}", i + 1, path), {}};
        PL_TRY(line.json, parseJson(lines[i], line.where));
        if (!line.json.is_object())
            return fail(Code::Corrupt, line.where + " is not an object");
        content.lines.push_back(std::move(line));
    }
    return content;
}

std::string toBase64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const auto at = [&](size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
        const uint32_t three = at(0) << 16 | at(1) << 8 | at(2);
        text += kDigits[three >> 18];
        text += kDigits[three >> 12 & 63];
        text += i + 1 < bytes.size() ? kDigits[three >> 6 & 63] : '=';
        text += i + 2 < bytes.size() ? kDigits[three & 63] : '=';
    }
    return text;
}

Result<std::string> fromBase64(std::string_view text, const std::string& where) {
    static const auto values = [] {
        std::array<int, 256> table;
        table.fill(-1);
        for (size_t i = 0; i < kDigits.size(); ++i)
            table[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
        return table;
    }();
    std::string bytes;
    bool sound = text.size() % 4 == 0;
    for (size_t i = 0; sound && i < text.size(); i += 4) {
        const bool last = i + 4 == text.size();
        const int padding = last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
        uint32_t three = 0;
        for (int k = 0; k < 4; ++k) {
            const int value = k >= 4 - padding ? 0 : values[static_cast<unsigned char>(text[i + static_cast<size_t>(k)])];
            sound = sound && value >= 0;
            three = three << 6 | static_cast<uint32_t>(value & 63);
        }
        for (int k = 0; k < 3 - padding; ++k)
            bytes += static_cast<char>(three >> (16 - 8 * k) & 255);
    }
    if (!sound)
        return fail(Code::Corrupt, where + ": an image is not base64");
    return bytes;
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/base/devices.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl {

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kMostMiB = uint64_t{1} << 40; ///< anything beyond is no memory of a card
constexpr double kLeast = double(kMiB), kMost = 1e18;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

bool mebibytes(std::string_view text, uint64_t& out) {
    text = trimmed(text);
    const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size() || out > kMostMiB)
        return false;
    out *= kMiB;
    return true;
}

/// "0" of "cuda:0"; -1 for anything else.
int indexOf(const std::string& name) {
    int out = -1;
    if (name.starts_with("cuda:"))
        std::from_chars(name.data() + 5, name.data() + name.size(), out);
    return out;
}

} // namespace

Device cpuDevice() {
    return {"cpu", "this machine", os::totalMemory(), os::availableMemory()};
}

Json devicesToJson(const std::vector<Device>& devices) {
    Json rows = Json::array();
    for (const Device& d : devices)
        rows.push_back({{"name", d.name}, {"title", d.title}, {"total", d.total}, {"free", d.free}});
    return {{"devices", rows}};
}

Result<std::vector<Device>> devicesFromJson(const Json& json, std::string_view what) {
    if (!json.is_object() || !json.contains("devices") || !json["devices"].is_array())
        return fail(Code::Corrupt, fmt::format("{} is no list of devices", what));
    std::vector<Device> out;
    for (const Json& row : json["devices"]) {
        Device d;
        PL_TRY(d.name, field<std::string>(row, "name", what));
        PL_TRY(d.title, field<std::string>(row, "title", what));
        PL_TRY(const auto total, field<int64_t>(row, "total", what));
        PL_TRY(const auto free, field<int64_t>(row, "free", what));
        if (d.name.empty() || total < 0 || free < 0)
            return fail(Code::Corrupt, fmt::format("{} has a device without a name or with negative memory", what));
        d.total = static_cast<uint64_t>(total);
        d.free = static_cast<uint64_t>(free);
        out.push_back(std::move(d));
    }
    return out;
}

std::vector<Device> nvidiaCards(std::string_view text) {
    std::vector<Device> out;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const size_t second = line.rfind(','), first = second == line.npos ? line.npos : line.rfind(',', second - 1);
        if (first == line.npos || second == 0)
            continue;
        Device d;
        d.title = trimmed(line.substr(0, first));
        if (!d.title.empty() && mebibytes(line.substr(first + 1, second - first - 1), d.total) && mebibytes(line.substr(second + 1), d.free))
            out.push_back(std::move(d));
    }
    return out;
}

std::vector<DeviceKind> deviceKinds(const std::vector<Device>& devices) {
    std::vector<DeviceKind> out;
    std::vector<std::vector<int>> indices;
    for (const Device& d : devices) {
        const auto same = std::find_if(out.begin(), out.end(), [&](const DeviceKind& k) {
            return indexOf(d.name) >= 0 && indexOf(k.device.name) >= 0 && k.device.title == d.title && k.device.total == d.total;
        });
        if (same == out.end()) {
            out.push_back({d, d.name});
            indices.push_back({indexOf(d.name)});
        } else {
            indices[static_cast<size_t>(same - out.begin())].push_back(indexOf(d.name));
        }
    }
    for (size_t i = 0; i < out.size(); ++i) {
        const auto& of = indices[i];
        const bool row = of.size() > 2 && of.back() - of.front() + 1 == static_cast<int>(of.size());
        for (size_t k = 1; k < of.size() && !row; ++k)
            out[i].label += fmt::format(", {}", of[k]);
        if (row)
            out[i].label += fmt::format(" to {}", of.back());
    }
    return out;
}

Result<uint64_t> memoryOf(std::string_view text) {
    const std::string_view all = trimmed(text);
    double value = 0;
    const auto [end, problem] = std::from_chars(all.data(), all.data() + all.size(), value);
    std::string unit(trimmed(all.substr(static_cast<size_t>(end - all.data()))));
    std::transform(unit.begin(), unit.end(), unit.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    double factor = 0;
    for (const auto& [letter, bytes] : {std::pair('M', 0x1p20), std::pair('G', 0x1p30), std::pair('T', 0x1p40)})
        if (unit == std::string(1, letter) || unit == std::string(1, letter) + "B" || unit == std::string(1, letter) + "IB")
            factor = bytes;
    if (unit.empty())
        factor = 0x1p30;
    value *= factor;
    if (problem != std::errc() || !(value >= kLeast && value <= kMost))
        return fail(Code::InvalidInput, fmt::format("'{}' is no amount of memory", text), "Write it like 24G, 512M or 1.5T.");
    return static_cast<uint64_t>(std::llround(value));
}

} // namespace pl

// SPDX-License-Identifier: Apache-2.0
#include "core/base/safetensors_header.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "core/base/json.h"
#include "core/base/os/files.h"

namespace pl {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxName = 512;
constexpr uint64_t kMaxDim = uint64_t{1} << 48;

tl::unexpected<Error> corrupt(const std::string& path, const std::string& cause) {
    return fail(Code::Corrupt, fmt::format("{} is not a valid safetensors file: {}", path, cause),
                "Copy or export the file again.");
}

std::optional<uint64_t> unsignedOf(const Json& value) {
    if (!value.is_number_unsigned())
        return std::nullopt;
    return value.get<uint64_t>();
}

Result<TensorEntry> entryOf(const std::string& path, const std::string& name, const Json& value, uint64_t dataSize) {
    const auto bad = [&](const std::string& cause) { return corrupt(path, fmt::format("tensor '{}': {}", name, cause)); };
    if (!isTensorName(name))
        return corrupt(path, "a tensor's name is empty, too long or not printable");
    if (!value.is_object())
        return bad("its entry is not an object");
    for (const auto& [key, unused] : value.items())
        if (key != "dtype" && key != "shape" && key != "data_offsets")
            return bad(fmt::format("unknown key '{}'", key.substr(0, 64)));
    if (!value.contains("dtype") || !value["dtype"].is_string())
        return bad("it has no dtype");
    const std::string dtypeName = value["dtype"].get<std::string>();
    uint64_t bytes = bytesOfDtype(dtypeName);
    if (bytes == 0)
        return fail(Code::Unsupported,
                    fmt::format("{}: tensor '{}' has the data type '{}', which is not supported", path, name,
                                dtypeName.substr(0, 32)),
                    "Convert the weights to F32, F16 or BF16.");
    TensorEntry entry{name, dtypeName, {}, 0, 0};
    if (!value.contains("shape") || !value["shape"].is_array() || value["shape"].size() > kMostTensorDimensions)
        return bad(fmt::format("its shape is missing or has more than {} dimensions", kMostTensorDimensions));
    for (const Json& item : value["shape"]) {
        const auto size = unsignedOf(item);
        if (!size || *size > kMaxDim)
            return bad("a dimension is not a whole number below 2^48");
        if (__builtin_mul_overflow(bytes, *size, &bytes))
            return bad("its size overflows");
        entry.shape.push_back(static_cast<int64_t>(*size));
    }
    const Json* offsets = value.contains("data_offsets") ? &value["data_offsets"] : nullptr;
    if (!offsets || !offsets->is_array() || offsets->size() != 2)
        return bad("data_offsets is not a pair");
    const auto begin = unsignedOf((*offsets)[0]), end = unsignedOf((*offsets)[1]);
    if (!begin || !end || *begin > *end || *end > dataSize)
        return bad(fmt::format("data_offsets lie outside the {} bytes of data", dataSize));
    if (*end - *begin != bytes)
        return bad(fmt::format("its shape needs {} bytes, its data_offsets give {}", bytes, *end - *begin));
    entry.begin = *begin;
    entry.end = *end;
    return entry;
}

} // namespace

uint64_t bytesOfDtype(std::string_view dtype) {
    constexpr std::pair<std::string_view, uint64_t> kSizes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                                                {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
    for (const auto& [name, size] : kSizes)
        if (dtype == name)
            return size;
    return 0;
}

bool isTensorName(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

Result<std::vector<TensorEntry>> readSafetensorsEntries(const std::string& path) {
    PL_TRY(const uint64_t fileSize, os::fileSize(path));
    PL_TRY(const std::string prefix, os::readFrom(path, 0, 16));
    if (prefix.substr(0, 2) == "PK" || (prefix.size() > 1 && prefix[0] == '\x80' && prefix[1] >= 2 && prefix[1] <= 5))
        return fail(Code::Unsupported, fmt::format("{} contains Python pickle or a zip archive, not opened", path),
                    "Convert the model to safetensors with the tool that made it.");
    if (fileSize < 8 || prefix.size() < 8)
        return corrupt(path, fmt::format("it has {} bytes, fewer than its length field", fileSize));
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i)
        length = length << 8 | static_cast<unsigned char>(prefix[static_cast<size_t>(i)]);
    if (length > kMaxHeader || length > fileSize - 8)
        return corrupt(path, fmt::format("its header claims {} bytes of a file of {}", length, fileSize));
    PL_TRY(std::string text, os::readFrom(path, 8, static_cast<size_t>(length)));
    if (text.size() != length)
        return corrupt(path, "it ends inside its header");
    if (text.empty() || text[0] != '{')
        return corrupt(path, "its header does not begin with '{'");
    auto parsed = parseJson(text, path + " (header)", {.maxBytes = kMaxHeader, .maxDepth = 8});
    if (!parsed)
        return corrupt(path, parsed.error().message);
    const uint64_t dataStart = 8 + length, dataSize = fileSize - dataStart;
    std::vector<TensorEntry> entries;
    for (const auto& [name, value] : parsed->items()) {
        if (name == "__metadata__") {
            if (!value.is_object())
                return corrupt(path, "__metadata__ is not an object");
            for (const auto& [key, text] : value.items())
                if (!text.is_string())
                    return corrupt(path, "__metadata__ holds something other than text");
            continue;
        }
        PL_TRY(TensorEntry entry, entryOf(path, name, value, dataSize));
        entries.push_back(std::move(entry));
    }
    std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
        return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    uint64_t expected = 0;
    for (TensorEntry& entry : entries) {
        if (entry.begin != expected)
            return corrupt(path, fmt::format("tensor '{}' begins at byte {} instead of {} (hole or overlap)", entry.name,
                                             entry.begin, expected));
        expected = entry.end;
        entry.begin += dataStart;
        entry.end += dataStart;
    }
    if (expected != dataSize)
        return corrupt(path, fmt::format("its tensors cover {} of {} bytes of data", expected, dataSize));
    return entries;
}

} // namespace pl

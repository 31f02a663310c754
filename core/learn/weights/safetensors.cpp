// SPDX-License-Identifier: Apache-2.0
#include "core/learn/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>

#include "core/base/json.h"
#include "core/base/os/files.h"

namespace pl::learn {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxName = 512;
constexpr size_t kMaxRank = 8;
constexpr uint64_t kMaxDim = uint64_t{1} << 48;

struct Dtype {
    const char* name;
    torch::Dtype type;
    uint64_t size;
};
constexpr Dtype kDtypes[] = {{"F64", torch::kFloat64, 8}, {"F32", torch::kFloat32, 4},   {"F16", torch::kFloat16, 2},
                             {"BF16", torch::kBFloat16, 2}, {"I64", torch::kInt64, 8},   {"I32", torch::kInt32, 4},
                             {"I16", torch::kInt16, 2},   {"I8", torch::kInt8, 1},       {"U8", torch::kUInt8, 1},
                             {"BOOL", torch::kBool, 1}};

const Dtype* dtypeOf(std::string_view name) {
    for (const Dtype& dtype : kDtypes)
        if (name == dtype.name)
            return &dtype;
    return nullptr;
}

const Dtype* dtypeOf(torch::Dtype type) {
    for (const Dtype& dtype : kDtypes)
        if (type == dtype.type)
            return &dtype;
    return nullptr;
}

struct Entry {
    std::string name;
    const Dtype* dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end;
};

struct Header {
    std::vector<Entry> entries; ///< in file order
    uint64_t dataStart = 0;
};

tl::unexpected<Error> corrupt(const std::string& path, const std::string& cause) {
    return fail(Code::Corrupt, fmt::format("{} is not a valid safetensors file: {}", path, cause),
                "Copy or export the file again.");
}

std::optional<uint64_t> unsignedOf(const Json& value) {
    if (!value.is_number_unsigned())
        return std::nullopt;
    return value.get<uint64_t>();
}

bool printableName(const std::string& name) {
    return !name.empty() && name.size() <= kMaxName &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

Result<Entry> entryOf(const std::string& path, const std::string& name, const Json& value, uint64_t dataSize) {
    const auto bad = [&](const std::string& cause) { return corrupt(path, fmt::format("tensor '{}': {}", name, cause)); };
    if (!printableName(name))
        return corrupt(path, "a tensor's name is empty, too long or not printable");
    if (!value.is_object())
        return bad("its entry is not an object");
    for (const auto& [key, unused] : value.items())
        if (key != "dtype" && key != "shape" && key != "data_offsets")
            return bad(fmt::format("unknown key '{}'", key.substr(0, 64)));
    if (!value.contains("dtype") || !value["dtype"].is_string())
        return bad("it has no dtype");
    const std::string dtypeName = value["dtype"].get<std::string>();
    const Dtype* dtype = dtypeOf(std::string_view(dtypeName));
    if (!dtype)
        return fail(Code::Unsupported,
                    fmt::format("{}: tensor '{}' has the data type '{}', which is not supported", path, name,
                                dtypeName.substr(0, 32)),
                    "Convert the weights to F32, F16 or BF16.");
    Entry entry{name, dtype, {}, 0, 0};
    if (!value.contains("shape") || !value["shape"].is_array() || value["shape"].size() > kMaxRank)
        return bad(fmt::format("its shape is missing or has more than {} dimensions", kMaxRank));
    uint64_t bytes = dtype->size;
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

Result<Header> headerOf(const std::string& path) {
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
    Header header;
    header.dataStart = 8 + length;
    const uint64_t dataSize = fileSize - header.dataStart;
    for (const auto& [name, value] : parsed->items()) {
        if (name == "__metadata__") {
            if (!value.is_object())
                return corrupt(path, "__metadata__ is not an object");
            for (const auto& [key, text] : value.items())
                if (!text.is_string())
                    return corrupt(path, "__metadata__ holds something other than text");
            continue;
        }
        PL_TRY(Entry entry, entryOf(path, name, value, dataSize));
        header.entries.push_back(std::move(entry));
    }
    std::sort(header.entries.begin(), header.entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    uint64_t expected = 0;
    for (const Entry& entry : header.entries) {
        if (entry.begin != expected)
            return corrupt(path, fmt::format("tensor '{}' begins at byte {} instead of {} (hole or overlap)", entry.name,
                                             entry.begin, expected));
        expected = entry.end;
    }
    if (expected != dataSize)
        return corrupt(path, fmt::format("its tensors cover {} of {} bytes of data", expected, dataSize));
    return header;
}

} // namespace

Result<std::map<std::string, TensorInfo>> readSafetensorsHeader(const std::string& path) {
    PL_TRY(const Header header, headerOf(path));
    std::map<std::string, TensorInfo> infos;
    for (const Entry& entry : header.entries)
        infos[entry.name] = {entry.dtype->name, entry.shape};
    return infos;
}

Result<TensorMap> readSafetensors(const std::string& path) {
    PL_TRY(const Header header, headerOf(path));
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(header.dataStart));
    if (!file)
        return fail(Code::Io, fmt::format("cannot read {}", path));
    TensorMap tensors;
    for (const Entry& entry : header.entries) {
        torch::Tensor tensor;
        try {
            tensor = torch::empty(entry.shape, torch::TensorOptions().dtype(entry.dtype->type));
        } catch (const std::exception&) {
            return fail(Code::OutOfMemory, fmt::format("not enough memory for tensor '{}' of {} ({} bytes)", entry.name,
                                                       path, entry.end - entry.begin));
        }
        if (entry.end > entry.begin) {
            file.read(static_cast<char*>(tensor.data_ptr()), static_cast<std::streamsize>(entry.end - entry.begin));
            if (!file)
                return fail(Code::Io, fmt::format("{} ended while tensor '{}' was read", path, entry.name));
        }
        if (entry.dtype->type == torch::kBool && entry.end > entry.begin) {
            const auto* bytes = static_cast<const unsigned char*>(tensor.data_ptr());
            for (uint64_t i = 0; i < entry.end - entry.begin; ++i)
                if (bytes[i] > 1)
                    return corrupt(path, fmt::format("tensor '{}': a truth value is neither 0 nor 1", entry.name));
        }
        tensors.emplace(entry.name, std::move(tensor));
    }
    return tensors;
}

Status writeSafetensors(const std::string& path, const TensorMap& tensors,
                        const std::map<std::string, std::string>& metadata) {
    struct Item {
        const std::string* name;
        torch::Tensor tensor;
        const Dtype* dtype;
    };
    std::vector<Item> items;
    for (const auto& [name, tensor] : tensors) {
        const Dtype* dtype = dtypeOf(tensor.scalar_type());
        if (!dtype || !printableName(name) || static_cast<size_t>(tensor.dim()) > kMaxRank)
            return fail(Code::Internal, fmt::format("tensor '{}' cannot be written to {}", name, path));
        items.push_back({&name, tensor.detach().to(torch::kCPU).contiguous(), dtype});
    }
    // Larger elements first keeps every tensor aligned.
    std::stable_sort(items.begin(), items.end(),
                     [](const Item& a, const Item& b) { return a.dtype->size > b.dtype->size; });
    Json header = Json::object();
    header["__metadata__"] = metadata;
    header["__metadata__"]["format"] = "pt";
    uint64_t offset = 0;
    for (const Item& item : items) {
        const uint64_t size = static_cast<uint64_t>(item.tensor.numel()) * item.dtype->size;
        header[*item.name] = {{"dtype", item.dtype->name},
                              {"shape", item.tensor.sizes().vec()},
                              {"data_offsets", {offset, offset + size}}};
        offset += size;
    }
    std::string text = dumpJson(header);
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string bytes;
    bytes.reserve(8 + text.size() + offset);
    for (int i = 0; i < 8; ++i)
        bytes.push_back(static_cast<char>(static_cast<uint64_t>(text.size()) >> (8 * i) & 0xff));
    bytes += text;
    for (const Item& item : items)
        bytes.append(static_cast<const char*>(item.tensor.data_ptr()),
                     static_cast<size_t>(item.tensor.numel()) * item.dtype->size);
    return os::writeFileAtomic(path, bytes);
}

} // namespace pl::learn

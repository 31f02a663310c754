// SPDX-License-Identifier: Apache-2.0
#include "core/learn/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/base/json.h"
#include "core/base/os/file_parts.h"
#include "core/base/os/files.h"
#include "core/base/safetensors_header.h"

namespace pl::learn {
namespace {

struct Dtype {
    const char* name;
    torch::Dtype type;
};
constexpr Dtype kDtypes[] = {{"F64", torch::kFloat64},   {"F32", torch::kFloat32}, {"F16", torch::kFloat16},
                             {"BF16", torch::kBFloat16}, {"I64", torch::kInt64},   {"I32", torch::kInt32},
                             {"I16", torch::kInt16},     {"I8", torch::kInt8},     {"U8", torch::kUInt8},
                             {"BOOL", torch::kBool}};

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

} // namespace

Result<std::map<std::string, TensorInfo>> readSafetensorsHeader(const std::string& path) {
    PL_TRY(const auto entries, readSafetensorsEntries(path));
    std::map<std::string, TensorInfo> infos;
    for (const TensorEntry& entry : entries)
        infos[entry.name] = {entry.dtype, entry.shape};
    return infos;
}

Status forEachTensor(const std::string& path, const std::function<Status(const std::string&, const torch::Tensor&)>& each) {
    PL_TRY(const auto entries, readSafetensorsEntries(path));
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return fail(Code::Io, fmt::format("cannot read {}", path));
    for (const TensorEntry& entry : entries) {
        const uint64_t bytes = entry.end - entry.begin;
        const torch::Dtype type = dtypeOf(std::string_view(entry.dtype))->type;
        torch::Tensor tensor;
        try {
            tensor = torch::empty(entry.shape, torch::TensorOptions().dtype(type));
        } catch (const std::exception&) {
            return fail(Code::OutOfMemory,
                        fmt::format("not enough memory for tensor '{}' of {} ({} bytes)", entry.name, path, bytes));
        }
        if (bytes > 0) {
            file.seekg(static_cast<std::streamoff>(entry.begin));
            file.read(static_cast<char*>(tensor.data_ptr()), static_cast<std::streamsize>(bytes));
            if (!file)
                return fail(Code::Io, fmt::format("{} ended while tensor '{}' was read", path, entry.name));
        }
        if (type == torch::kBool && bytes > 0) {
            const auto* values = static_cast<const unsigned char*>(tensor.data_ptr());
            if (std::any_of(values, values + bytes, [](unsigned char value) { return value > 1; }))
                return fail(Code::Corrupt, fmt::format("{} is not a valid safetensors file: tensor '{}': a truth value is neither "
                                                       "0 nor 1", path, entry.name),
                            "Copy or export the file again.");
        }
        PL_CHECK(each(entry.name, tensor));
    }
    return {};
}

Result<TensorMap> readSafetensors(const std::string& path) {
    TensorMap tensors;
    PL_CHECK(forEachTensor(path, [&](const std::string& name, const torch::Tensor& tensor) -> Status {
        tensors.emplace(name, tensor);
        return {};
    }));
    return tensors;
}

Status writeSafetensors(const std::string& path, const TensorMap& tensors,
                        const std::map<std::string, std::string>& metadata) {
    TensorSources sources;
    for (const auto& [name, tensor] : tensors)
        sources.emplace(name, TensorSource{tensor.scalar_type(), tensor.sizes().vec(), [tensor] { return tensor; }});
    return streamSafetensors(path, sources, metadata);
}

Status streamSafetensors(const std::string& path, const TensorSources& tensors,
                         const std::map<std::string, std::string>& metadata) {
    struct Item {
        const std::string* name;
        const TensorSource* source;
        const Dtype* dtype;
        size_t element;
    };
    std::vector<Item> items;
    for (const auto& [name, source] : tensors) {
        const Dtype* dtype = dtypeOf(source.type);
        if (!dtype || !isTensorName(name) || source.shape.size() > kMostTensorDimensions)
            return fail(Code::Internal, fmt::format("tensor '{}' cannot be written to {}", name, path));
        items.push_back({&name, &source, dtype, c10::elementSize(source.type)});
    }
    // Larger elements first keeps every tensor aligned.
    std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.element > b.element; });
    Json header = Json::object();
    header["__metadata__"] = metadata;
    header["__metadata__"]["format"] = "pt";
    uint64_t offset = 0;
    for (const Item& item : items) {
        uint64_t size = item.element;
        for (const int64_t n : item.source->shape)
            size *= static_cast<uint64_t>(n);
        header[*item.name] = {{"dtype", item.dtype->name},
                              {"shape", item.source->shape},
                              {"data_offsets", {offset, offset + size}}};
        offset += size;
    }
    std::string text = dumpJson(header);
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string length;
    for (int i = 0; i < 8; ++i)
        length.push_back(static_cast<char>(static_cast<uint64_t>(text.size()) >> (8 * i) & 0xff));
    return os::writeFileInParts(path, [&](const os::WriteBytes& write) -> Status {
        PL_CHECK(write(length + text));
        for (const Item& item : items) {
            const auto tensor = item.source->make().detach().to(torch::kCPU).contiguous();
            if (tensor.scalar_type() != item.source->type || tensor.sizes().vec() != item.source->shape)
                return fail(Code::Internal, fmt::format("tensor '{}' of {} is not what was said of it", *item.name, path));
            PL_CHECK(write({static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()}));
        }
        return {};
    });
}

} // namespace pl::learn

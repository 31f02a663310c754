// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace pl {

/// A tensor of a safetensors file, by its header.
struct TensorEntry {
    std::string name, dtype; ///< "F32", "BF16", ...
    std::vector<int64_t> shape;
    uint64_t begin = 0, end = 0; ///< bytes of the file
};

/// The tensors in file order. Untrusted input: header length, UTF-8, depth, duplicate keys, types, ranks, products, contiguous
/// offsets and the file's size are checked; nothing larger than a small multiple of the header is allocated.
/// Errors: Corrupt, Io, Unsupported (a type by name; Python pickle and zip archives).
Result<std::vector<TensorEntry>> readSafetensorsEntries(const std::string& path);

/// Bytes of one element; 0: not a type that is read.
uint64_t bytesOfDtype(std::string_view dtype);
inline bool isFloatDtype(std::string_view dtype) {
    return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}
/// A name that may stand in a file: not empty, not long, nothing but printable characters.
bool isTensorName(std::string_view name);
inline constexpr size_t kMostTensorDimensions = 8;

} // namespace pl

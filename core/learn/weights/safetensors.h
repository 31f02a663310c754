// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/base/result.h"

namespace pl::learn {

using TensorMap = std::map<std::string, torch::Tensor>;

/// Reads a safetensors file into CPU tensors that own their memory (the file may be truncated by others afterwards).
/// Untrusted input: header length, UTF-8, depth, duplicate keys, dtypes, ranks, products, contiguous offsets and the
/// file's size are checked before anything is allocated. Errors: Corrupt, Io, Unsupported (dtype by name).
Result<TensorMap> readSafetensors(const std::string& path);
/// The same a tensor at a time, in file order: no more than one is in memory. An error of `each` ends it.
Status forEachTensor(const std::string& path, const std::function<Status(const std::string&, const torch::Tensor&)>& each);
/// Same, without the data: name -> {dtype, shape}.
struct TensorInfo {
    std::string dtype;
    std::vector<int64_t> shape;
};
Result<std::map<std::string, TensorInfo>> readSafetensorsHeader(const std::string& path);
/// Written aside, fsynced, renamed, a tensor at a time: each is moved to the CPU and made contiguous when its turn comes. Metadata
/// {"format": "pt"} is added.
Status writeSafetensors(const std::string& path, const TensorMap& tensors,
                        const std::map<std::string, std::string>& metadata = {});
/// A tensor that is computed when its turn comes to be written: one is in memory at a time.
struct TensorSource {
    torch::Dtype type;
    std::vector<int64_t> shape;
    std::function<torch::Tensor()> make;
};
using TensorSources = std::map<std::string, TensorSource>;
/// The same file as of the tensors they make.
Status streamSafetensors(const std::string& path, const TensorSources& tensors,
                         const std::map<std::string, std::string>& metadata = {});

} // namespace pl::learn

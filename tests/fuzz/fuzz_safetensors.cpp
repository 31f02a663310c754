// SPDX-License-Identifier: Apache-2.0
// model.safetensors: the header alone and the whole file agree, and no tensor reaches beyond the data.
#include <sys/mman.h>
#include <unistd.h>

#include <torch/torch.h>

#include "core/learn/weights/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace {

std::string fileOf(const std::string& header, size_t data) {
    std::string bytes;
    for (int i = 0; i < 8; ++i)
        bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
    return bytes + header + std::string(data, '\x3c');
}

} // namespace

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = {
        fileOf(R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})", 32),
        fileOf(R"({"__metadata__":{"format":"pt"},"x":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}   )", 8),
        fileOf(R"({"e":{"dtype":"U8","shape":[0,7],"data_offsets":[0,0]},"f":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", 3),
        fileOf("{}", 0)};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl::learn;
    static const int file = ::memfd_create("weights", 0);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    fuzz::expect(file >= 0 && ::ftruncate(file, 0) == 0 && ::pwrite(file, data, size, 0) == static_cast<ssize_t>(size));
    const auto header = readSafetensorsHeader(path);
    const auto tensors = readSafetensors(path);
    if (!header || !tensors) {
        fuzz::expect(!tensors || header.has_value()); // what the header refuses is never loaded
        return 0;
    }
    fuzz::expect(header->size() == tensors->size());
    size_t bytes = 0;
    for (const auto& [name, tensor] : *tensors) {
        fuzz::expect(header->count(name) == 1 && header->at(name).shape == tensor.sizes().vec());
        bytes += tensor.nbytes();
        (void)tensor.to(torch::kFloat64).sum().item<double>(); // every element is read
    }
    fuzz::expect(bytes <= size);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

/// A fuzz target is libFuzzer's LLVMFuzzerTestOneInput and the inputs it starts from. Built with clang and PAIRLAB_FUZZ it is
/// driven by libFuzzer; in every other build by standalone_main.cpp, which ctest runs for a few seconds.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace fuzz {

/// Whole and slightly broken inputs of the target's format.
const std::vector<std::string>& seeds();

inline std::string_view view(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

/// What must hold of every input: ends the process when it does not, in every build.
inline void expect(bool holds) {
    if (!holds)
        std::abort();
}

} // namespace fuzz

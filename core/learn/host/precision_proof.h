// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl::learn {

/// Does a device compute products in bf16 rightly, and faster than in fp32?
struct Bf16Proof {
    std::string device;
    bool right = false;
    double error = 0;         ///< the worst of all results, as a share of what rounding once and adding up in fp32 allows
    double ratio = 0;         ///< time of fp32 products by that of bf16 ones
    std::string instructions; ///< "amx_bf16", "avx512_bf16" or "cuda"; empty: none that is known
    std::string failure;      ///< why nothing was measured

    bool proven() const;
    /// "proven on cpu: avx512_bf16, 2.1 times as fast as fp32, error 0.50 of the bound", or why it is not.
    std::string text() const;
};
Json proofToJson(const Bf16Proof& proof);

/// Products of the three kinds that training needs, against fp32 ones of the same numbers, in this process: where the processor lacks what
/// the library takes it to have, that ends here.
Bf16Proof measureBf16(const std::string& device);

/// measureBf16 in a child: `worker` precision --device `device`, which prints proofToJson(). A child that dies, hangs or says nothing
/// proves nothing. Blocks for about a second.
Bf16Proof proveBf16(const std::string& worker, const std::string& device);

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
#include "app/worker/precision.h"

#include <iostream>

#include <fmt/format.h>

#include "core/base/os/files.h"

namespace pl::worker {

Status printPrecision(const std::string& device) {
    std::cout << dumpJson(learn::proofToJson(learn::measureBf16(device))) << "\n";
    return {};
}

learn::Bf16Proof proveHere(const std::string& device) {
    return learn::proveBf16(os::joinPath(os::programDir(), "pairlab-worker"), device);
}

Status checkPrecision(learn::Job& job) {
    if (job.parameters().value("precision", Json()) != Json("bf16"))
        return {};
    const auto proof = proveHere(job.spec().device);
    if (!proof.proven())
        return fail(Code::Unsupported, fmt::format("precision is bf16, which is {}", proof.text()),
                    "Set precision to fp32, or run it on a processor with AVX-512 BF16 or AMX, or on a GPU.");
    job.logLine("info", fmt::format("precision bf16: {}", proof.text()));
    return {};
}

} // namespace pl::worker

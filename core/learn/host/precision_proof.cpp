// SPDX-License-Identifier: Apache-2.0
#include "core/learn/host/precision_proof.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/os/process.h"
#include "core/learn/models/decoder.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr int64_t kSide = 512;
constexpr int kRounds = 10;
constexpr int kChildMs = 60000;
constexpr double kLeastRatio = 1.1; ///< below that the conversions cost more than the products save
/// Half a unit in the last place of bf16, and what sums of kSide products in fp32 may be off by, of the sum of their sizes.
constexpr double kRounding = 0x1p-8, kSumming = 0x1p-20;

std::string instructionsOf(const torch::Device& device) {
    if (!device.is_cpu())
        return "cuda";
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1))
        return "amx_bf16";
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1))
        return "avx512_bf16";
#endif
    return {};
}

/// Of the processor, so that other programs do not count; of a GPU, which works beside it, of the clock on the wall.
double seconds(const torch::Device& device) {
    if (device.is_cpu())
        return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double timeOf(const Tensor& a, const Tensor& b) {
    const double begin = seconds(a.device());
    const auto out = torch::mm(a, b);
    (void)out[0][0].item<double>(); // waits for a GPU
    return seconds(a.device()) - begin;
}

/// How far the bf16 product is from that of the same numbers in fp32, as a share of the bound.
double errorOf(const Tensor& a, const Tensor& b) {
    const auto half = torch::mm(a, b).to(torch::kFloat64);
    const auto x = a.to(torch::kFloat64), y = b.to(torch::kFloat64);
    const auto exact = x.mm(y), sizes = x.abs().mm(y.abs());
    const auto share = (half - exact).abs() / (kRounding * exact.abs() + kSumming * sizes);
    const double worst = share.max().item<double>();
    return std::isfinite(worst) ? worst : std::numeric_limits<double>::infinity();
}

} // namespace

bool Bf16Proof::proven() const { return failure.empty() && right && ratio >= kLeastRatio; }

std::string Bf16Proof::text() const {
    if (!failure.empty())
        return fmt::format("not proven on {}: {}", device, failure);
    const std::string by = instructions.empty() ? "no instructions for it are known" : instructions;
    if (!right)
        return fmt::format("not proven on {}: {}, results are wrong: off by {:.3g} times what rounding explains", device, by, error);
    return fmt::format("{} on {}: {}, {:.2f} times as fast as fp32{}, error {:.2f} of the bound", proven() ? "proven" : "not proven", device, by,
                       ratio, proven() ? "" : ", which does not pay", error);
}

Json proofToJson(const Bf16Proof& proof) {
    return {{"device", proof.device},       {"right", proof.right},
            {"error", jsonNumber(proof.error)}, {"ratio", jsonNumber(proof.ratio)},
            {"instructions", proof.instructions}, {"failure", proof.failure}};
}

Bf16Proof measureBf16(const std::string& name) {
    Bf16Proof out;
    out.device = name;
    const auto device = parseDevice(name);
    if (!device) {
        out.failure = device.error().message;
        return out;
    }
    torch::NoGradGuard noGrad;
    if (device->is_cpu())
        at::set_num_threads(1); // processor time is then time
    out.instructions = instructionsOf(*device);
    auto generator = at::detail::createCPUGenerator(1);
    std::array<Tensor, 2> exact;
    for (auto& side : exact)
        side = torch::randn({kSide, kSide}, generator).to(*device);
    const auto a = exact[0].to(torch::kBFloat16), b = exact[1].to(torch::kBFloat16);
    // x W^T, g W and g^T x: each is another kernel.
    out.error = std::max({errorOf(a, b.t()), errorOf(a, b), errorOf(a.t(), b)});
    out.right = out.error <= 1;
    double plain = std::numeric_limits<double>::infinity(), half = plain;
    for (int i = 0; i < kRounds; ++i) { // by turns, and the best of each: what else runs slows both
        plain = std::min(plain, timeOf(exact[0], exact[1].t()));
        half = std::min(half, timeOf(a, b.t()));
    }
    out.ratio = half > 0 ? plain / half : 0;
    return out;
}

Bf16Proof proveBf16(const std::string& worker, const std::string& device) {
    Bf16Proof out;
    out.device = device;
    os::SpawnOptions spawn;
    spawn.arguments = {worker, "precision", "--device", device};
    spawn.environment = {{"OMP_WAIT_POLICY", "passive"}};
    const auto said = os::runToEnd(spawn, kChildMs);
    if (!said) {
        out.failure = said.error().message;
        return out;
    }
    if (said->status.signalled || said->status.code != 0) {
        out.failure = fmt::format("the child that tried it ended with {}", said->status.toString());
        return out;
    }
    const std::string_view what = "the answer of the child that tried it";
    const auto read = [&]() -> Status {
        std::string_view text = said->text; // a driver may have had something to say before
        while (!text.empty() && text.back() == '\n')
            text.remove_suffix(1);
        text.remove_prefix(text.rfind('\n') + 1);
        PL_TRY(const Json json, parseJson(text, what));
        PL_TRY(out.right, field<bool>(json, "right", what));
        PL_TRY(out.instructions, field<std::string>(json, "instructions", what));
        PL_TRY(out.failure, field<std::string>(json, "failure", what));
        if (!json.contains("error") || !json.contains("ratio"))
            return fail(Code::Corrupt, fmt::format("{} is incomplete", what));
        PL_TRY(out.error, numberOf(json["error"], what));
        PL_TRY(out.ratio, numberOf(json["ratio"], what));
        return {};
    };
    if (const auto done = read(); !done) {
        out = {};
        out.device = device;
        out.failure = done.error().message;
    }
    return out;
}

} // namespace pl::learn

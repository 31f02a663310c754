// SPDX-License-Identifier: Apache-2.0
// What this machine can do at this moment: single-precision matrix products and reading memory, with as many threads as the
// worker takes.
#include <torch/torch.h>

#include "tests/benchmark/benchmark.h"

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
    if (argc > 2)
        at::set_num_threads(std::atoi(argv[2]));
    torch::NoGradGuard noGrad;
    // A tall product as a training step has them, and a square one as arithmetic has it best.
    const auto rate = [&](int64_t m, int64_t n, int64_t k) {
        const auto a = torch::randn({m, k}), b = torch::randn({k, n});
        auto c = torch::mm(a, b);
        std::vector<double> rates;
        const int64_t end = pl::monotonicNs() + static_cast<int64_t>(seconds * 1e9);
        while (pl::monotonicNs() < end) {
            const int64_t begin = pl::monotonicNs();
            torch::mm_out(c, a, b);
            rates.push_back(2.0 * static_cast<double>(m * n * k) / static_cast<double>(pl::monotonicNs() - begin));
        }
        return pl::benchmark::quantile(rates, 0.5);
    };
    const double square = rate(768, 768, 768), tall = rate(2048, 512, 128);
    const auto block = torch::ones({32 << 20}); // 128 MB, beyond any cache
    std::vector<double> bandwidth;
    const int64_t end = pl::monotonicNs() + static_cast<int64_t>(seconds * 1e9);
    while (pl::monotonicNs() < end || bandwidth.size() < 3) {
        const int64_t begin = pl::monotonicNs();
        (void)block.sum().item<float>();
        bandwidth.push_back(static_cast<double>(block.nbytes()) / static_cast<double>(pl::monotonicNs() - begin));
    }
    std::printf("%s\n", pl::dumpJson({{"threads", at::get_num_threads()}, {"sgemm_gflops", square}, {"sgemm_tall_gflops", tall},
                                      {"read_gb_per_second", pl::benchmark::quantile(bandwidth, 0.5)}}).c_str());
    return 0;
}

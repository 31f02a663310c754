// SPDX-License-Identifier: Apache-2.0
// How fast a model answers many prompts: benchmark_decoding MODEL PROMPTS.jsonl COUNT [BATCH MAX_NEW_TOKENS ROUNDS ANSWERS THREADS].
#include <ctime>

#include <ATen/Parallel.h>

#include "core/base/records.h"
#include "core/learn/models/flops.h"
#include "core/learn/sampling/sampler.h"
#include "core/learn/training/text_data.h"
#include "tests/benchmark/benchmark.h"

using namespace pl;

int main(int argc, char** argv) {
    const auto number = [&](int at, int64_t otherwise) { return argc > at ? std::atoll(argv[at]) : otherwise; };
    const auto failed = [](const Error& error) {
        std::fprintf(stderr, "%s\n", error.toString().c_str());
        return 70;
    };
    if (argc < 4)
        return 2;
    if (argc > 8)
        at::set_num_threads(static_cast<int>(number(8, 1)));
    auto loaded = learn::loadModel(argv[1], torch::kCPU);
    if (!loaded)
        return failed(loaded.error());
    const auto encoder = learn::TextEncoder::load(argv[1]);
    if (!encoder)
        return failed(encoder.error());
    const auto rows = readPrompts(argv[2]);
    if (!rows)
        return failed(rows.error());
    learn::SamplingOptions options;
    options.batchSize = number(4, 64);
    options.maxNewTokens = number(5, 128);
    options.stopIds = {encoder->chat.endId()};
    std::vector<std::vector<int64_t>> prompts;
    std::vector<double> asked, lengths, rates, cpu; // tokens a second, and a second of processor time
    for (int64_t i = 0; i < number(3, 0) && i < static_cast<int64_t>(rows->size()); ++i) {
        const auto ids = encoder->promptIds((*rows)[static_cast<size_t>(i)].prompt);
        if (!ids)
            return failed(ids.error());
        asked.push_back(static_cast<double>(ids->size()));
        prompts.insert(prompts.end(), static_cast<size_t>(number(7, 1)), *ids);
    }
    double tokens = 0, flops = 0;
    for (int64_t round = 0; round < number(6, 3); ++round) {
        options.seed = static_cast<uint64_t>(round + 1);
        learn::takeFlops();
        const int64_t begin = monotonicNs();
        const auto used = std::clock();
        const auto sampled = learn::sampleBatch(loaded->model, prompts, options);
        const double processor = static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC;
        const double seconds = static_cast<double>(monotonicNs() - begin) * 1e-9;
        if (!sampled)
            return failed(sampled.error());
        double now = 0;
        for (const auto& one : *sampled) {
            now += static_cast<double>(one.ids.size());
            lengths.push_back(static_cast<double>(one.ids.size()));
        }
        rates.push_back(now / seconds);
        cpu.push_back(now / processor);
        tokens += now;
        flops += learn::takeFlops();
    }
    using benchmark::quantile;
    std::printf("%s\n", dumpJson({{"tokens_per_second", quantile(rates, 0.5)}, {"rates", rates}, {"tokens_per_cpu_second", quantile(cpu, 0.5)}, {"flops_per_token", flops / tokens},
                                  {"answers", prompts.size()}, {"batch", options.batchSize}, {"threads", at::get_num_threads()},
                                  {"prompt_p50", quantile(asked, 0.5)}, {"prompt_max", quantile(asked, 1)},
                                  {"length_p10", quantile(lengths, 0.1)}, {"length_p50", quantile(lengths, 0.5)},
                                  {"length_p90", quantile(lengths, 0.9)}, {"length_max", quantile(lengths, 1)}})
                            .c_str());
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Drawing and training pictures: with the model in a folder, or with fresh weights of the starter's size (the speed is the
// same). Beside the arithmetic of each stands what the same seconds of matrix products would do (tests/benchmark/run).
#include <torch/torch.h>

#include "core/learn/images/draw.h"
#include "core/learn/training/optimizer.h"
#include "core/rules/scene.h"
#include "tests/benchmark/benchmark.h"

using namespace pl;

namespace {

learn::ImageModel modelIn(const char* dir) {
    if (dir) {
        auto loaded = learn::loadImageModel(dir, torch::kCPU);
        if (loaded)
            return loaded->model;
        std::fprintf(stderr, "%s\n", loaded.error().toString().c_str());
        std::exit(70);
    }
    learn::ImageModelConfig config;
    for (int slot = 0; slot < rules::kSlots; ++slot)
        config.slots.push_back(rules::slotSize(static_cast<rules::Slot>(slot)));
    learn::ImageModel model(config);
    model->initialise(1);
    return model;
}

/// Median seconds of `work` within about so many seconds, the first call left out.
template<class Work>
double secondsOf(double seconds, Work work) {
    work();
    std::vector<double> times;
    const int64_t end = monotonicNs() + static_cast<int64_t>(seconds * 1e9);
    while (times.size() < 3 || monotonicNs() < end) {
        const int64_t begin = monotonicNs();
        work();
        times.push_back(static_cast<double>(monotonicNs() - begin) * 1e-9);
    }
    return benchmark::quantile(times, 0.5);
}

} // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 3.0;
    auto model = modelIn(argc > 2 ? argv[2] : nullptr);
    const learn::DrawOptions options;
    const auto draw = [&](size_t n) {
        std::vector<std::string> prompts;
        std::vector<uint64_t> streams;
        for (size_t i = 0; i < n; ++i) {
            prompts.push_back(rules::captionText(rules::drawCaption(i)));
            streams.push_back(i);
        }
        return secondsOf(seconds, [&] {
            if (!learn::drawImages(model, prompts, streams, options))
                std::exit(70);
        });
    };
    const double pair = draw(2), batch = draw(64) / 64;

    constexpr int64_t kBatch = 64;
    learn::NamedParameters parameters;
    for (const auto& item : model->named_parameters())
        parameters.emplace_back(item.key(), item.value());
    learn::AdamW optimizer(parameters, {});
    const auto ids = model->nullIds(kBatch);
    const auto x = torch::randn({kBatch, 3, model->config().size, model->config().size}), target = torch::randn_like(x);
    const auto times = torch::rand({kBatch});
    const double update = secondsOf(seconds, [&] {
        optimizer.zeroGrad();
        (model->predict(x, times, model->encode(ids)) - target).square().mean().backward();
        optimizer.step(0);
    });
    const double forward = model->config().forwardFlops();
    std::printf("%s\n",
                dumpJson({{"pair_s", pair},
                          {"images_per_second", 1 / batch},
                          {"trained_per_second", static_cast<double>(kBatch) / update},
                          {"steps", options.steps},
                          {"guidance", options.guidance},
                          {"draw_flops", forward * 2 * static_cast<double>(options.steps)},
                          {"train_flops", 3 * forward}})
                    .c_str());
    return 0;
}

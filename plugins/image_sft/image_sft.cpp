// SPDX-License-Identifier: Apache-2.0
// Pre-training and fine-tuning of image generators: flow matching or denoising, on drawings made as they are needed or on
// given images.
#include <cmath>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/images/draw.h"
#include "core/learn/images/pixels.h"
#include "core/learn/images/schedule.h"
#include "core/learn/training/batches.h"
#include "plugins/image_sft/scenes.h"
#include "plugins/sdk/image_rows.h"
#include "plugins/sdk/setup.h"
#include "plugins/sdk/train_loop.h"

namespace {

using namespace pl;
using namespace pl::sdk;
using namespace pl::image_sft;
using learn::Prediction;
using torch::Tensor;

constexpr int64_t kDevScenes = 256;
constexpr int64_t kSampledPrompts = 8;
constexpr int64_t kTrained = 1000; ///< levels of a discrete model
constexpr int64_t kScenesAnEpoch = 100000;

struct Parameters {
    bool scenes = false, fromScratch = false, bfloat16 = false;
    double defects = 0, captionDrop = 0;
    learn::TimeDensity density;
    int64_t asked = 0;
    learn::DrawOptions ask;

    static Result<Parameters> of(const Json& p) {
        const std::string_view what = "the parameters";
        Parameters out;
        PL_TRY(const auto source, field<std::string>(p, "source", what));
        out.scenes = source == "scenes";
        PL_TRY(out.fromScratch, field<bool>(p, "from_scratch", what));
        PL_TRY(const auto precision, field<std::string>(p, "precision", what));
        out.bfloat16 = precision == "bfloat16";
        PL_TRY(out.defects, field<double>(p, "defects", what));
        PL_TRY(out.captionDrop, field<double>(p, "caption_drop", what));
        PL_TRY(out.density.m, field<double>(p, "time_mean", what));
        PL_TRY(out.density.s, field<double>(p, "time_spread", what));
        PL_TRY(out.asked, field<int64_t>(p, "obedience_images", what));
        PL_TRY(out.ask.steps, field<int64_t>(p, "sample_steps", what));
        PL_TRY(out.ask.guidance, field<double>(p, "guidance", what));
        return out;
    }
};

/// Images with the captions they are of.
struct Examples {
    Tensor pixels; ///< [n, 3, size, size] fp32 in [-1, 1]
    Tensor ids;    ///< [n, slots] int64
    std::vector<rules::Caption> captions;
    std::vector<std::string> prompts;
};

Examples drawn(uint64_t seed, uint64_t first, int64_t n, int64_t size, double defects) {
    Examples out;
    std::vector<Image> images;
    for (int64_t i = 0; i < n; ++i) {
        auto one = sceneOf(seed, first + static_cast<uint64_t>(i), size, defects);
        images.push_back(std::move(one.image));
        out.captions.push_back(one.caption);
    }
    out.pixels = learn::tensorOf(images);
    out.ids = captionIds(out.captions, torch::kCPU);
    return out;
}

/// Rows {"prompt", "completion": image}, or pairs of images, of which the chosen ones count. Empty when no image could be read.
Result<Examples> readExamples(learn::Job& job, const std::string& file, const learn::ImageStore& store, ImageRows& images) {
    const auto path = job.bundle().dataPath(file);
    std::vector<std::pair<std::string, std::string>> rows; // prompt, reference
    PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t number) -> Status {
        const auto where = fmt::format("{} row {}", file, number);
        if (row.contains("chosen")) {
            PL_TRY(const auto pair, pairRowOf(row, where));
            if (!pair.image)
                return fail(Code::InvalidInput, where + " is no pair of images", "Choose a data set of images.");
            rows.emplace_back(pair.prompt, pair.chosen);
        } else {
            PL_TRY(const auto one, sftRowOf(row, where));
            if (!one.image)
                return fail(Code::InvalidInput, where + " has no image", "Choose a data set of images.");
            rows.emplace_back(one.prompt, one.completion);
        }
        return {};
    }));
    if (rows.empty())
        return fail(Code::InvalidInput, file + " has no image to train on", "Label more pairs.");
    Examples out;
    std::vector<size_t> indices;
    size_t unread = 0;
    for (const auto& [prompt, ref] : rows) {
        PL_TRY(const auto index, images.add(ref));
        if (!index) {
            images.countLeftOut();
            continue;
        }
        indices.push_back(*index);
        const auto parsed = rules::parseCaption(prompt);
        unread += !parsed.ignored.empty();
        out.captions.push_back(parsed.caption);
        out.prompts.push_back(prompt);
    }
    if (indices.empty())
        return out;
    out.pixels = store.batch(indices, torch::kCPU);
    out.ids = captionIds(out.captions, torch::kCPU);
    job.logLine(unread ? "warn" : "info", fmt::format("{}: {} images at {} x {}; {} captions hold words the model does not read",
                                                      file, indices.size(), store.side(), store.side(), unread));
    return out;
}

/// What some examples are trained on: everything random is a function of the seed and the example's place in the run.
struct Noised {
    Tensor x, times, target, ids;
};

class Noiser {
public:
    Noiser(const learn::ImageModelConfig& config, const learn::TimeDensity& density)
        : m_flow(config.prediction == Prediction::Flow), m_density(density), m_alphaBars(learn::alphaBars()) {}

    Noised operator()(const Tensor& pixels, const Tensor& ids, uint64_t seed, const std::vector<uint64_t>& streams) const {
        std::vector<float> times, onImage, onNoise;
        for (const uint64_t stream : streams) {
            if (m_flow) {
                const double t = m_density.draw(seed, stream);
                times.push_back(static_cast<float>(t));
                onImage.push_back(static_cast<float>(1 - t));
                onNoise.push_back(static_cast<float>(t));
            } else {
                const int64_t t = learn::drawTimestep(kTrained, seed, stream);
                const double abar = m_alphaBars[static_cast<size_t>(t)];
                times.push_back(static_cast<float>(t));
                onImage.push_back(static_cast<float>(std::sqrt(abar)));
                onNoise.push_back(static_cast<float>(std::sqrt(1 - abar)));
            }
        }
        const auto noise = learn::streamNoise(pixels.sizes().slice(1), seed, streams, 0);
        const auto column = [](const std::vector<float>& values) { return torch::tensor(values).view({-1, 1, 1, 1}); };
        Noised out;
        out.x = pixels * column(onImage) + noise * column(onNoise);
        out.times = torch::tensor(times);
        out.target = m_flow ? noise - pixels : noise;
        out.ids = ids;
        return out;
    }

private:
    bool m_flow;
    learn::TimeDensity m_density;
    std::vector<double> m_alphaBars;
};

/// Mean squared error of each image, [n].
Tensor losses(learn::ImageModel& model, const Noised& batch, int64_t first, int64_t n, bool bfloat16) {
    const auto device = model->device();
    const auto part = [&](const Tensor& t) { return t.narrow(0, first, n).to(device); };
    const learn::Bfloat16Scope scope(bfloat16, device.type());
    const auto prediction = model->predict(part(batch.x), part(batch.times), model->encode(part(batch.ids)));
    return (prediction.to(torch::kFloat32) - part(batch.target)).square().mean({1, 2, 3});
}

std::vector<uint64_t> streamsFrom(uint64_t first, int64_t n) {
    std::vector<uint64_t> out;
    for (int64_t i = 0; i < n; ++i)
        out.push_back(first + static_cast<uint64_t>(i));
    return out;
}

/// Everything a run holds.
class Trainer {
public:
    Trainer(learn::Job& job, const Parameters& parameters) : m_job(job), m_p(parameters) {}

    Status run() {
        PL_TRY(auto setup, setUpImages(m_job, "policy", m_p.fromScratch));
        m_model = setup.loaded.model;
        const auto& config = setup.loaded.config;
        PL_CHECK(checkSlots(config, setup.loaded.dir));
        PL_CHECK(readData(config.size));
        const size_t examples = m_p.scenes ? kScenesAnEpoch : static_cast<size_t>(m_train.pixels.size(0));
        PL_TRY(const auto options, loopOptions(m_job.parameters(), examples));
        PL_TRY(m_loop, TrainLoop::start(m_job, learn::trainable(m_model), options, examples));
        const Noiser noiser(config, m_p.density);
        if (m_dev.pixels.defined())
            m_devNoised = noiser(m_dev.pixels, m_dev.ids, hashSeed(m_job.spec().seed, "image_sft/dev"),
                                 streamsFrom(0, m_dev.pixels.size(0)));
        if (!m_loop->resumed()) {
            PL_CHECK(m_loop->report(ceiling()));
            PL_CHECK(observe(options.microBatchTokens));
        }
        const uint64_t noiseSeed = hashSeed(m_job.spec().seed, "image_sft/noise");
        const uint64_t sceneSeed = hashSeed(m_job.spec().seed, "image_sft/scenes");
        const uint64_t dropSeed = hashSeed(m_job.spec().seed, "image_sft/drop");
        learn::BatchPlan plan(examples, static_cast<size_t>(options.batchSize), m_job.spec().seed);
        const auto nothing = m_model->nullIds(1).cpu();
        while (m_loop->next()) {
            const int64_t n = options.batchSize;
            const auto first = static_cast<uint64_t>((m_loop->step() - 1) * n);
            const auto streams = streamsFrom(first, n);
            Tensor pixels, ids;
            if (m_p.scenes) {
                auto scenes = drawn(sceneSeed, first, n, config.size, m_p.defects);
                pixels = scenes.pixels;
                ids = scenes.ids;
            } else {
                std::vector<int64_t> chosen;
                for (const size_t i : plan.batch(m_loop->step()))
                    chosen.push_back(static_cast<int64_t>(i));
                const auto rows = torch::tensor(chosen);
                pixels = m_train.pixels.index_select(0, rows);
                ids = m_train.ids.index_select(0, rows);
            }
            for (int64_t i = 0; i < n; ++i)
                if (unitUniform(mix64(dropSeed + streams[static_cast<size_t>(i)])) < m_p.captionDrop)
                    ids[i].copy_(nothing[0]);
            const auto batch = noiser(pixels, ids, noiseSeed, streams);
            for (int64_t at = 0; at < n; at += options.microBatchTokens) {
                if (m_loop->leaving())
                    break;
                const int64_t part = std::min(options.microBatchTokens, n - at);
                const auto loss = losses(m_model, batch, at, part, m_p.bfloat16).sum() / n;
                loss.backward();
                m_loop->addLoss(loss.detach());
                m_loop->addTokens(part);
            }
            PL_CHECK(m_loop->update());
            PL_CHECK(observe(options.microBatchTokens));
            PL_CHECK(m_loop->endStep());
        }
        return m_loop->finish();
    }

private:
    Status checkSlots(const learn::ImageModelConfig& config, const std::string& dir) const {
        bool fits = config.slots.size() == rules::kSlots;
        for (int i = 0; fits && i < rules::kSlots; ++i)
            fits = config.slots[static_cast<size_t>(i)] == rules::slotSize(static_cast<rules::Slot>(i));
        if (fits)
            return {};
        return fail(Code::Unsupported, fmt::format("{} reads other captions than this program writes", dir),
                    "Use a model made by this version.");
    }

    Status readData(int64_t size) {
        const uint64_t devSeed = hashSeed(m_job.spec().seed, "image_sft/dev scenes");
        if (m_p.scenes) {
            m_dev = drawn(devSeed, 0, kDevScenes, size, 0);
        } else {
            learn::ImageStore store(size);
            ImageRows images(m_job, store);
            PL_TRY(m_train, readExamples(m_job, "train.jsonl", store, images));
            if (!m_train.pixels.defined())
                return fail(Code::InvalidInput, "train.jsonl has no image to train on" + images.because(),
                            "Import whole copies of the images.");
            if (!dataFile(m_job, "dev.jsonl").empty()) {
                PL_TRY(m_dev, readExamples(m_job, "dev.jsonl", store, images));
            }
            images.alert();
        }
        // Obedience is asked of the held-out prompts as they come, each once.
        if (m_dev.ids.defined()) {
            m_asked = m_dev.captions;
            m_asked.resize(std::min(m_asked.size(), static_cast<size_t>(m_p.asked)));
        }
        if (const auto path = dataFile(m_job, "prompts.jsonl"); !path.empty()) {
            PL_TRY(const auto rows, readPrompts(path));
            for (const auto& row : rows)
                if (row.split == "dev" && static_cast<int64_t>(m_shown.size()) < kSampledPrompts)
                    m_shown.push_back(row);
        } else if (m_p.scenes) {
            for (int64_t i = 0; i < kSampledPrompts; ++i) {
                const auto& caption = m_dev.captions[static_cast<size_t>(i)];
                m_shown.push_back({fmt::format("scene-{}", i), rules::captionText(caption), "dev", {}, {}});
            }
        }
        return {};
    }

    /// What the measure reads off true drawings: the most a generator can reach.
    std::map<std::string, double> ceiling() const {
        if (!m_p.scenes || m_asked.empty())
            return {};
        ObedienceTally tally;
        for (size_t i = 0; i < m_asked.size(); ++i)
            tally.add(m_asked[i], learn::imageOf(m_dev.pixels[static_cast<int64_t>(i)]));
        return tally.values("ceiling/");
    }

    /// Image i's noise is stream i of the run's seed, at every measurement.
    Result<std::vector<Image>> ask(const std::vector<std::string>& prompts, bool mayLeave) {
        auto options = m_p.ask;
        options.seed = m_job.spec().seed;
        return learn::drawImages(m_model, prompts, streamsFrom(0, static_cast<int64_t>(prompts.size())), options,
                                 [&] { return !mayLeave || !m_job.mustLeave(); });
    }

    Status observe(int64_t microBatch) {
        if (!m_loop->evaluationDue() && !m_loop->samplesDue())
            return {};
        const auto averaged = m_loop->averaged();
        if (m_loop->evaluationDue()) {
            std::map<std::string, double> values;
            if (m_devNoised.x.defined()) {
                torch::NoGradGuard noGrad;
                double sum = 0;
                for (int64_t at = 0; at < m_devNoised.x.size(0); at += microBatch) {
                    const int64_t n = std::min(microBatch, m_devNoised.x.size(0) - at);
                    sum += losses(m_model, m_devNoised, at, n, false).sum().item<double>();
                }
                values["eval_loss"] = sum / static_cast<double>(m_devNoised.x.size(0));
            }
            if (!m_asked.empty()) {
                std::vector<std::string> prompts;
                for (size_t i = 0; i < m_asked.size(); ++i)
                    prompts.push_back(m_dev.prompts.empty() ? rules::captionText(m_asked[i]) : m_dev.prompts[i]);
                // To the end, as every figure that decides which checkpoint is the best.
                PL_TRY(const auto images, ask(prompts, false));
                ObedienceTally tally;
                for (size_t i = 0; i < m_asked.size(); ++i)
                    tally.add(m_asked[i], images[i]);
                values.merge(tally.values("eval_obedience/"));
            }
            if (!values.empty())
                PL_CHECK(m_loop->evaluated(values, "eval_loss", false));
        }
        if (m_loop->samplesDue() && !m_shown.empty()) {
            std::vector<std::string> prompts;
            for (const auto& row : m_shown)
                prompts.push_back(row.prompt);
            auto images = ask(prompts, true);
            if (!images) // left on request: the step ends, then the run
                return images.error().code == Code::Cancelled ? Status() : tl::unexpected<Error>(std::move(images).error());
            for (size_t i = 0; i < m_shown.size(); ++i)
                PL_CHECK(writeImageSample(m_job, m_loop->step(), m_shown[i].id, m_shown[i].prompt, (*images)[i], m_job.spec().seed));
        }
        return {};
    }

    learn::Job& m_job;
    Parameters m_p;
    learn::ImageModel m_model{nullptr};
    Examples m_train, m_dev;
    Noised m_devNoised;
    std::vector<rules::Caption> m_asked;
    std::vector<PromptRow> m_shown;
    std::unique_ptr<TrainLoop> m_loop;
};

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    PL_TRY(const auto parameters, Parameters::of(job.parameters()));
    PL_CHECK(loopOptions(job.parameters(), 1));
    if (!parameters.scenes && dataFile(job, "train.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/train.jsonl", "Choose a data set of images, or drawn scenes.");
    return {};
}

Status run(learn::Job& job) {
    PL_TRY(const auto parameters, Parameters::of(job.parameters()));
    return Trainer(job, parameters).run();
}

} // namespace

PAIRLAB_PLUGIN("image_sft", "1.0.0", validate, run)

// SPDX-License-Identifier: Apache-2.0
// Noise schedules and image samplers: against diffusers and released formulas (tests/golden/diffusers), against distributions
// known in closed form, and what must not change an image.
#include <cmath>

#include <torch/torch.h>

#include <QtTest>

#include "core/base/json.h"
#include "core/learn/images/sampler.h"
#include "core/learn/images/schedule.h"

using namespace pl;
using namespace pl::learn;
using torch::Tensor;

namespace {

const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/diffusers/";

template<class T>
T must(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}

Tensor tensorOf(const Json& values, const Json& shape) {
    return torch::tensor(values.get<std::vector<float>>()).view(shape.get<std::vector<int64_t>>());
}

bool near(const Tensor& a, const Tensor& b, double tolerance) {
    const double difference = (a - b).abs().max().item<double>();
    if (difference <= tolerance)
        return true;
    qWarning("they differ by %.3g", difference);
    return false;
}

bool near(const std::vector<double>& a, const Json& b, double tolerance) {
    if (a.size() != b.size())
        return false;
    for (size_t i = 0; i < a.size(); ++i)
        if (std::abs(a[i] - b[i].get<double>()) > tolerance) {
            qWarning("%zu: %.9g against %.9g", i, a[i], b[i].get<double>());
            return false;
        }
    return true;
}

bool refused(const auto& result, const char* says) {
    return !result && result.error().code == Code::InvalidInput &&
           result.error().toString().find(says) != std::string::npos;
}

ImageSampler flowSampler(ImageSamplerKind kind, int64_t steps, double noiseLevel, double shift = 1, bool noiseAtLastStep = false) {
    FlowSamplerOptions options;
    options.kind = kind;
    options.steps = steps;
    options.noiseLevel = noiseLevel;
    options.shift = shift;
    options.noiseAtLastStep = noiseAtLastStep;
    return must(ImageSampler::flow(options));
}

std::vector<uint64_t> streams(uint64_t n, uint64_t first = 0) {
    std::vector<uint64_t> out;
    for (uint64_t i = 0; i < n; ++i)
        out.push_back(first + i);
    return out;
}

/// E[noise - x0 | x] when x0 ~ N(m, s^2): what a perfect network predicts.
Predict exactVelocity(double m, double s) {
    return [m, s](const Tensor& x, const Tensor& level) {
        const auto t = level.view({-1, 1, 1, 1}).to(torch::kFloat64);
        const auto variance = (1 - t).square() * s * s + t.square();
        return ((x.to(torch::kFloat64) - (1 - t) * m) * (t - (1 - t) * s * s) / variance - m).to(torch::kFloat32);
    };
}

/// A network small enough to differentiate through, but one whose rows go through a convolution.
struct Net {
    torch::nn::Conv2d first{nullptr}, second{nullptr};
    Net() {
        torch::manual_seed(3);
        first = torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 8, 3).padding(1));
        second = torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 3, 3).padding(1));
    }
    Tensor operator()(const Tensor& x, const Tensor& level) {
        return second(torch::silu(first(x) + level.view({-1, 1, 1, 1})));
    }
};

} // namespace

class TestImageSampler : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { torch::set_num_threads(1); }

    // --- schedules ---------------------------------------------------------------------------------------------------

    void alphaBarsAreStableDiffusions() {
        const auto bars = alphaBars();
        QCOMPARE(bars.size(), size_t{1000});
        QVERIFY(std::abs(bars.front() - 0.99915) < 5e-6);
        QVERIFY(std::abs(bars.back() - 0.00466) < 5e-6);
        const Json golden = must(readJsonFile(kGolden + "schedules.json"));
        QCOMPARE(golden["alpha_bars"].size(), size_t{2});
        for (const Json& entry : golden["alpha_bars"]) {
            const auto table = alphaBars(must(betaScheduleOf(entry["schedule"].get<std::string>())), 1000, entry["beta_start"],
                                         entry["beta_end"]);
            std::vector<double> found;
            for (const Json& t : entry["timesteps"])
                found.push_back(table[t.get<size_t>()]);
            QVERIFY(near(found, entry["alpha_bars"], 1e-6));
        }
    }

    void timestepsAreDiffusers() {
        const Json golden = must(readJsonFile(kGolden + "schedules.json"));
        for (const Json& entry : golden["timesteps"]) {
            const auto spacing = must(timestepSpacingOf(entry["spacing"].get<std::string>()));
            const auto found = spacedTimesteps(1000, entry["steps"], spacing, entry["offset"]);
            // One step of linspace is 0 there, where an image has no noise; nobody samples so.
            QVERIFY2(found == entry["timesteps"].get<std::vector<int64_t>>(), dumpJson(entry).c_str());
        }
    }

    void sigmasAreDiffusers() {
        const Json golden = must(readJsonFile(kGolden + "schedules.json"));
        QCOMPARE(golden["sigmas"].size(), size_t{14});
        for (const Json& entry : golden["sigmas"]) {
            const int64_t steps = entry["steps"];
            const auto found = entry["form"] == "exponential" ? flowSigmasExponential(steps, entry["mu"])
                               : entry["form"] == "trained"   ? flowSigmasTrained(steps, entry["shift"])
                                                              : flowSigmas(steps, entry["shift"]);
            QVERIFY2(near(found, entry["sigmas"], 1e-6), dumpJson(entry).c_str());
        }
        QCOMPARE(fluxMu(256), 0.5);
        QCOMPARE(fluxMu(4096), 1.15);
        QVERIFY(std::abs(exponentialSigma(0.3, std::log(3.0)) - shiftedSigma(0.3, 3)) < 1e-15);
    }

    void trainingLevelsFollowTheirDensity() {
        const auto normal = must(timeDensityOf("logit_normal", 0.5, 2));
        const auto uniform = must(timeDensityOf("uniform"));
        const int n = 20000;
        double logits = 0, squares = 0, mean = 0, below = 0, timesteps = 0;
        for (int i = 0; i < n; ++i) {
            const double t = normal.draw(9, static_cast<uint64_t>(i));
            QVERIFY(t > 0 && t < 1);
            QCOMPARE(normal.draw(9, static_cast<uint64_t>(i)), t);
            const double logit = std::log(t / (1 - t));
            logits += logit / n;
            squares += logit * logit / n;
            const double u = uniform.draw(9, static_cast<uint64_t>(i));
            mean += u / n;
            below += (u < 0.25 ? 1.0 : 0.0) / n;
            timesteps += static_cast<double>(drawTimestep(1000, 9, static_cast<uint64_t>(i))) / n;
        }
        QVERIFY(std::abs(logits - 0.5) < 0.06);
        QVERIFY(std::abs(std::sqrt(squares - logits * logits) - 2) < 0.06);
        QVERIFY(std::abs(mean - 0.5) < 0.01 && std::abs(below - 0.25) < 0.015);
        QVERIFY(std::abs(timesteps - 499.5) < 10);
        QVERIFY(std::abs(uniform.draw(9, 1, 3) - shiftedSigma(uniform.draw(9, 1), 3)) < 1e-12);
    }

    void noiseIsNormalAndOfItsStreamAlone() {
        const auto noise = streamNoise({3, 31, 31}, 5, streams(20), 2);
        QVERIFY(std::abs(noise.mean().item<double>()) < 0.015);
        QVERIFY(std::abs(noise.var().item<double>() - 1) < 0.02);
        QVERIFY(std::abs(noise.pow(4).mean().item<double>() - 3) < 0.15);
        // Neighbouring numbers, images, steps and seeds have nothing to do with each other.
        const auto correlation = [&](const Tensor& a, const Tensor& b) { return std::abs((a * b).mean().item<double>()); };
        QVERIFY(correlation(noise[0].flatten().slice(0, 1), noise[0].flatten().slice(0, 0, -1)) < 0.06);
        QVERIFY(correlation(noise[0], noise[1]) < 0.06);
        QVERIFY(correlation(noise, streamNoise({3, 31, 31}, 5, streams(20), 3)) < 0.015);
        QVERIFY(correlation(noise, streamNoise({3, 31, 31}, 6, streams(20), 2)) < 0.015);
        QVERIFY(torch::equal(streamNoise({3, 31, 31}, 5, {7}, 2)[0], noise[7]));
    }

    // --- steps against other programs --------------------------------------------------------------------------------

    void ddimStepsAreDiffusers() {
        const Json golden = must(readJsonFile(kGolden + "ddim.json"));
        int withLogp = 0;
        for (const Json& entry : golden["cases"]) {
            DdimOptions options;
            options.steps = entry["steps"];
            options.eta = entry["eta"];
            options.finalAlphaOne = entry["set_alpha_to_one"];
            options.prediction = entry["prediction_type"] == "epsilon" ? DiscretePrediction::Epsilon : DiscretePrediction::V;
            const auto sampler = must(ImageSampler::ddim(options));
            const int64_t i = entry["index"];
            QCOMPARE(sampler.plan(i).level, entry["timestep"].get<double>());
            const auto x = tensorOf(entry["x"], golden["shape"]), prediction = tensorOf(entry["prediction"], golden["shape"]);
            const auto step = sampler.step(i, x, prediction, tensorOf(entry["noise"], golden["shape"]));
            // x0 is up to 15 times the state at the noisiest levels, and diffusers goes through it in fp32.
            QVERIFY2(near(step.next, tensorOf(entry["next"], golden["shape"]), 1e-5), dumpJson(entry).c_str());
            QVERIFY(near(step.x0hat / 15, tensorOf(entry["x0"], golden["shape"]) / 15, 1e-5));
            if (entry.contains("logp")) {
                ++withLogp;
                const auto logp = stepLogProb(tensorOf(entry["next"], golden["shape"]), step.mean, step.std);
                QVERIFY(near(logp, torch::tensor(entry["logp"].get<std::vector<float>>()), 1e-4));
            }
        }
        QCOMPARE(withLogp, 3);
    }

    void flowStepsAreDiffusersAndTheReleasedFormulas() {
        const Json golden = must(readJsonFile(kGolden + "flow.json"));
        for (const Json& entry : golden["euler"]) {
            const auto sampler = flowSampler(ImageSamplerKind::FlowOde, entry["steps"], 0, entry["shift"]);
            const auto step = sampler.step(entry["index"].get<int64_t>(), tensorOf(entry["x"], golden["shape"]),
                                           tensorOf(entry["prediction"], golden["shape"]));
            QVERIFY2(near(step.next, tensorOf(entry["next"], golden["shape"]), 1e-6), dumpJson(entry).c_str());
        }
        QCOMPARE(golden["cases"].size(), size_t{28});
        for (const Json& entry : golden["cases"]) {
            const auto kind = must(imageSamplerOf(entry["sampler"].get<std::string>()));
            QCOMPARE(defaultNoiseLevel(kind), entry["noise_level"].get<double>());
            const auto sampler = flowSampler(kind, entry["steps"], entry["noise_level"], entry["shift"], true);
            const auto step = sampler.step(entry["index"].get<int64_t>(), tensorOf(entry["x"], golden["shape"]),
                                           tensorOf(entry["prediction"], golden["shape"]), tensorOf(entry["noise"], golden["shape"]));
            const auto next = tensorOf(entry["next"], golden["shape"]);
            QVERIFY2(near(step.mean, tensorOf(entry["mean"], golden["shape"]), 1e-5), dumpJson(entry).c_str());
            QVERIFY(near(step.std, torch::full({2}, entry["std"].get<double>()), 5e-6)); // their sigmas are fp32
            QVERIFY(near(step.next, next, 1e-5));
            QVERIFY(near(stepLogProb(next, step.mean, step.std), torch::tensor(entry["logp"].get<std::vector<float>>()), 1e-5));
        }
    }

    // --- steps against closed forms ----------------------------------------------------------------------------------

    void twoQuietDdimStepsWithTheTrueNoiseFindTheImage() {
        DdimOptions options;
        options.steps = 2;
        options.finalAlphaOne = true;
        options.offset = 0;
        for (const auto prediction : {DiscretePrediction::Epsilon, DiscretePrediction::V}) {
            options.prediction = prediction;
            const auto sampler = must(ImageSampler::ddim(options));
            const auto x0 = streamNoise({3, 8, 8}, 1, streams(2), 0), noise = streamNoise({3, 8, 8}, 1, streams(2), 1);
            const auto bar = [&](int64_t i) { return options.alphaBars[static_cast<size_t>(sampler.plan(i).level)]; };
            auto x = std::sqrt(bar(0)) * x0 + std::sqrt(1 - bar(0)) * noise;
            for (int64_t i = 0; i < 2; ++i) {
                const auto v = std::sqrt(bar(i)) * noise - std::sqrt(1 - bar(i)) * x0;
                const auto step = sampler.step(i, x, prediction == DiscretePrediction::V ? v : noise);
                QVERIFY(near(step.x0hat, x0, 1e-5));
                QVERIFY(torch::equal(step.next, step.mean));
                x = step.next;
            }
            QVERIFY(near(x, x0, 1e-5));
        }
    }

    void aPerfectNetworkGivesTheDistributionItWasMadeFor_data() {
        QTest::addColumn<QString>("sampler");
        QTest::addColumn<double>("noise");
        QTest::newRow("ode") << "flow_ode" << 0.0;
        QTest::newRow("flow_sde") << "flow_sde" << 0.7;
        QTest::newRow("dance_sde") << "dance_sde" << 0.3;
        // Its noise does not shrink with the step: exact only when little, or when the network's guess has no spread.
        QTest::newRow("cps") << "cps" << 0.1;
    }
    void aPerfectNetworkGivesTheDistributionItWasMadeFor() {
        QFETCH(QString, sampler);
        QFETCH(double, noise);
        constexpr double m = 1.5, s = 0.6;
        ImageSamplingOptions options;
        options.streams = streams(24);
        const auto drawn = must(sampleImages(flowSampler(must(imageSamplerOf(sampler.toStdString())), 1000, noise),
                                             exactVelocity(m, s), {1, 32, 32}, options));
        const double mean = drawn.images.mean().item<double>(), variance = drawn.images.var().item<double>();
        QVERIFY2(std::abs(mean - m) < 0.02 * m, qPrintable(QString::number(mean)));
        QVERIFY2(std::abs(variance - s * s) < 0.02 * s * s, qPrintable(QString::number(variance)));
    }

    void noiseLevelZeroIsTheOdeBitForBit() {
        Net net;
        ImageSamplingOptions options;
        options.streams = streams(3);
        const auto draw = [&](ImageSamplerKind kind, double noise) {
            return must(sampleImages(flowSampler(kind, 8, noise, 1.7), [&](const Tensor& x, const Tensor& t) { return net(x, t); },
                                     {3, 8, 8}, options)).images;
        };
        const auto ode = draw(ImageSamplerKind::FlowOde, 0);
        for (const auto kind : {ImageSamplerKind::FlowSde, ImageSamplerKind::Cps, ImageSamplerKind::DanceSde}) {
            QVERIFY(torch::equal(draw(kind, 0), ode));
            QVERIFY(!torch::equal(draw(kind, defaultNoiseLevel(kind)), ode));
        }
        // Euler written by hand.
        torch::NoGradGuard noGrad;
        auto x = streamNoise({3, 8, 8}, options.seed, options.streams, kInitialNoise);
        const auto sigmas = flowSigmas(8, 1.7);
        for (size_t i = 0; i < 8; ++i)
            x = x + net(x, torch::full({3}, sigmas[i])) * static_cast<float>(sigmas[i + 1] - sigmas[i]);
        QVERIFY(torch::equal(x, ode));
    }

    void theLastStepIsQuietUnlessAskedAndAWindowLimitsTheRest() {
        QVERIFY(flowSampler(ImageSamplerKind::FlowSde, 4, 0.7).noisySteps() == (std::vector<int64_t>{0, 1, 2}));
        QVERIFY(flowSampler(ImageSamplerKind::FlowSde, 4, 0.7, 1, true).noisySteps() == (std::vector<int64_t>{0, 1, 2, 3}));
        QVERIFY(flowSampler(ImageSamplerKind::Cps, 4, 0.8, 1, true).noisySteps() == (std::vector<int64_t>{0, 1, 2}));
        QVERIFY(flowSampler(ImageSamplerKind::FlowOde, 4, 0.7).noisySteps().empty());
        FlowSamplerOptions options;
        options.kind = ImageSamplerKind::FlowSde;
        options.noiseLevel = 0.7;
        options.windowStart = 2;
        options.windowSize = 3;
        const auto sampler = must(ImageSampler::flow(options));
        QVERIFY(sampler.noisySteps() == (std::vector<int64_t>{2, 3, 4}));
        const auto ode = flowSampler(ImageSamplerKind::FlowOde, 8, 0);
        QVERIFY(sampler.plan(5).onX == 1 && sampler.plan(5).onPrediction == ode.plan(5).onPrediction);
        // The last step lands on the guessed image.
        const auto x = streamNoise({3, 4, 4}, 1, streams(1), 0), v = streamNoise({3, 4, 4}, 1, streams(1), 1);
        const auto last = sampler.step(7, x, v);
        QVERIFY(near(last.next, last.x0hat, 1e-6));
    }

    // --- log-probabilities -------------------------------------------------------------------------------------------

    void theGradientOfALogProbIsTheClosedForm() {
        const auto sampler = flowSampler(ImageSamplerKind::FlowSde, 8, 0.7);
        const auto x = streamNoise({3, 4, 4}, 1, streams(2), 0), noise = streamNoise({3, 4, 4}, 1, streams(2), 1);
        const auto v = streamNoise({3, 4, 4}, 1, streams(2), 2).set_requires_grad(true);
        const int64_t i = 3;
        const auto next = sampler.step(i, x, v, noise).next.detach();
        for (const auto convention : {LogProbConvention::Mean, LogProbConvention::Sum}) {
            const auto logp = [&](const Tensor& prediction) {
                const auto step = sampler.step(i, x, prediction);
                return stepLogProb(next, step.mean, step.std, convention);
            };
            const auto gradient = torch::autograd::grad({logp(v).sum()}, {v})[0];
            const double std = sampler.plan(i).std, elements = convention == LogProbConvention::Mean ? 48.0 : 1.0;
            const auto closed = (next - sampler.step(i, x, v.detach()).mean) / (std * std) * sampler.plan(i).onPrediction / elements;
            QVERIFY(near(gradient, closed, 1e-5 * closed.abs().max().item<double>()));
            // And by differences: move one element.
            torch::NoGradGuard noGrad;
            for (const int64_t element : {0, 17, 47}) {
                const double h = 0.05; // the log-probability is a parabola in v: a wide difference is exact
                auto up = v.clone(), down = v.clone();
                up.view({2, 48})[1][element] += h;
                down.view({2, 48})[1][element] -= h;
                const double slope = (logp(up)[1] - logp(down)[1]).item<double>() / (2 * h);
                const double expected = gradient.view({2, 48})[1][element].item<double>();
                QVERIFY2(std::abs(slope - expected) < 2e-3 * gradient.abs().max().item<double>(),
                         qPrintable(QString("%1 against %2").arg(slope).arg(expected)));
            }
        }
    }

    void sumIsMeanTimesTheNumberOfElements() {
        const auto x = streamNoise({3, 4, 4}, 1, streams(2), 0), mean = torch::zeros_like(x);
        const auto std = torch::tensor({0.5F, 2.0F});
        const auto sum = stepLogProb(x, mean, std, LogProbConvention::Sum);
        QVERIFY(near(sum, stepLogProb(x, mean, std) * 48, 1e-3));
        const auto byHand = (-x.square() / (2 * std.square().view({2, 1, 1, 1})) - std.view({2, 1, 1, 1}).log() -
                             0.5 * std::log(2 * M_PI)).flatten(1).sum(1);
        QVERIFY(near(sum, byHand, 1e-3));
        QVERIFY(conventionsOf(LogProbConvention::Sum)["step_logp"].get<std::string>().rfind("sum", 0) == 0);
        QVERIFY(conventionsOf(must(logProbConventionOf("mean")))["log_ratio"].get<std::string>().find("(mean") != std::string::npos);
    }

    void theRatioOfTheFirstUpdateIsExactlyOne_data() {
        QTest::addColumn<QString>("sampler");
        for (const char* name : {"flow_sde", "cps", "dance_sde", "ddim"})
            QTest::newRow(name) << name;
    }
    void theRatioOfTheFirstUpdateIsExactlyOne() {
        QFETCH(QString, sampler);
        const auto kind = must(imageSamplerOf(sampler.toStdString()));
        DdimOptions ddim;
        ddim.steps = 6;
        ddim.eta = 1;
        const auto policy = kind == ImageSamplerKind::Ddim ? must(ImageSampler::ddim(ddim))
                                                           : flowSampler(kind, 6, defaultNoiseLevel(kind));
        Net net;
        // With guidance, as images are drawn.
        const auto predict = guided([&](const Tensor& x, const Tensor& t, const Tensor& c) { return net(x, t / 1000) + c; },
                                    torch::full({4, 1, 1, 1}, 0.1), torch::zeros({4, 1, 1, 1}), 2);
        ImageSamplingOptions options;
        options.streams = streams(4);
        options.record = true;
        const auto drawn = must(sampleImages(policy, predict, {3, 8, 8}, options));
        QCOMPARE(drawn.trajectory.size(), size_t{6});
        QVERIFY(torch::equal(drawn.trajectory.back().next, drawn.images));
        size_t compared = 0;
        for (const Transition& transition : drawn.trajectory) {
            if (!transition.logp.defined())
                continue;
            ++compared;
            const auto step = policy.step(transition.i, transition.x, predict(transition.x, policy.levels(transition.i, transition.x)));
            QVERIFY(step.mean.requires_grad());
            const auto logp = stepLogProb(transition.next, step.mean, step.std, options.convention);
            QVERIFY(torch::equal(torch::exp(logp - transition.logp), torch::ones({4})));
        }
        QCOMPARE(compared, policy.noisySteps().size());
        QVERIFY(compared >= 5);
    }

    void imagesAtDifferentStepsShareABatch() {
        const auto sampler = flowSampler(ImageSamplerKind::FlowSde, 8, 0.7);
        const auto x = streamNoise({3, 4, 4}, 1, streams(3), 0), v = streamNoise({3, 4, 4}, 1, streams(3), 1);
        const auto noise = streamNoise({3, 4, 4}, 1, streams(3), 2);
        const std::vector<int64_t> steps{6, 0, 7};
        const auto mixed = sampler.step(steps, x, v, noise);
        const auto levels = sampler.levels(steps, x);
        for (int64_t k = 0; k < 3; ++k) {
            const int64_t i = steps[static_cast<size_t>(k)];
            const auto alone = sampler.step(i, x.slice(0, k, k + 1), v.slice(0, k, k + 1), noise.slice(0, k, k + 1));
            QVERIFY(torch::equal(mixed.next[k], alone.next[0]));
            QVERIFY(torch::equal(mixed.mean[k], alone.mean[0]));
            QVERIFY(torch::equal(mixed.std[k], alone.std[0]));
            QCOMPARE(levels[k].item<float>(), static_cast<float>(sampler.plan(i).level));
        }
        QVERIFY(!sampler.step(steps, x, v).next.defined());
    }

    // --- whole images ------------------------------------------------------------------------------------------------

    void anImageDoesNotDependOnWhatIsBesideIt() {
        const auto sampler = flowSampler(ImageSamplerKind::FlowSde, 8, 0.7);
        const auto draw = [&](std::vector<uint64_t> of) {
            ImageSamplingOptions options;
            options.seed = 11;
            options.streams = std::move(of);
            return must(sampleImages(sampler, exactVelocity(0.2, 0.5), {3, 8, 8}, options)).images;
        };
        const auto all = draw({5, 6, 7, 8});
        QVERIFY(torch::equal(draw({7})[0], all[2]));
        QVERIFY(torch::equal(draw({8, 5}), torch::stack({all[3], all[0]})));
        QVERIFY(!torch::equal(all[0], all[1]));
    }

    void aGroupMayShareItsFirstNoise() {
        ImageSamplingOptions options;
        options.streams = {1, 2};
        options.initialStreams = {9, 9};
        options.record = true;
        const auto drawn = must(sampleImages(flowSampler(ImageSamplerKind::DanceSde, 4, 0.3), exactVelocity(0, 1), {1, 4, 4}, options));
        QVERIFY(torch::equal(drawn.trajectory[0].x[0], drawn.trajectory[0].x[1]));
        QVERIFY(!torch::equal(drawn.images[0], drawn.images[1]));
        ImageSamplingOptions given;
        given.streams = {1, 2};
        given.initial = drawn.trajectory[0].x;
        QVERIFY(torch::equal(must(sampleImages(flowSampler(ImageSamplerKind::DanceSde, 4, 0.3), exactVelocity(0, 1), {1, 4, 4}, given)).images,
                             drawn.images));
    }

    void guidanceExtrapolatesFromTheEmptyPrompt() {
        int rows = 0;
        const ConditionedPredict net = [&](const Tensor& x, const Tensor& level, const Tensor& condition) {
            rows += static_cast<int>(x.size(0));
            return x * level.view({-1, 1, 1, 1}) + condition.view({-1, 1, 1, 1});
        };
        const auto x = torch::ones({2, 1, 1, 1}), level = torch::full({2}, 0.5);
        const auto condition = torch::tensor({3.0F, 5.0F}), null = torch::tensor({1.0F, 1.0F});
        const auto value = [&](double w) {
            rows = 0;
            return guided(net, condition, null, w)(x, level).flatten();
        };
        QVERIFY(torch::equal(value(2), torch::tensor({5.5F, 9.5F}))); // 1.5 + 2 (3.5 - 1.5), 1.5 + 2 (5.5 - 1.5)
        QCOMPARE(rows, 4);
        QVERIFY(torch::equal(value(1), torch::tensor({3.5F, 5.5F})));
        QCOMPARE(rows, 2); // w = 1 costs half
        QVERIFY(torch::equal(value(0), torch::tensor({1.5F, 1.5F})));
        QCOMPARE(rows, 2);
    }

    void theHookSeesEveryStepAndMayChangeOrStopIt() {
        const auto sampler = flowSampler(ImageSamplerKind::FlowSde, 5, 0.7);
        ImageSamplingOptions options;
        options.streams = streams(2);
        std::vector<int64_t> seen;
        const auto plain = must(sampleImages(sampler, exactVelocity(0, 1), {1, 4, 4}, options, [&](StepView& view) {
            seen.push_back(view.i);
            return view.of == 5 && torch::equal(view.next, view.step.next) && view.x.sizes() == view.next.sizes();
        }));
        QVERIFY(seen == (std::vector<int64_t>{0, 1, 2, 3, 4}));
        // Both go on from the first one's state, as a particle filter would.
        const auto steered = must(sampleImages(sampler, exactVelocity(0, 1), {1, 4, 4}, options, [](StepView& view) {
            if (view.i == 3)
                view.next = view.next.index_select(0, torch::tensor({0, 0}));
            return true;
        }));
        QVERIFY(torch::equal(steered.images[0], plain.images[0]));
        QVERIFY(torch::equal(steered.images[1], plain.images[0]));
        const auto stopped = sampleImages(sampler, exactVelocity(0, 1), {1, 4, 4}, options, [](StepView& view) { return view.i < 2; });
        QVERIFY(!stopped && stopped.error().code == Code::Cancelled);
    }

    void gradientsReachTheNetworkOnlyWhenAskedFor() {
        Net net;
        ImageSamplingOptions options;
        options.streams = streams(1);
        const Predict predict = [&](const Tensor& x, const Tensor& t) { return net(x, t); };
        const auto sampler = flowSampler(ImageSamplerKind::FlowOde, 3, 0);
        QVERIFY(!must(sampleImages(sampler, predict, {3, 8, 8}, options)).images.requires_grad());
        options.gradients = true;
        const auto images = must(sampleImages(sampler, predict, {3, 8, 8}, options)).images;
        const auto gradient = torch::autograd::grad({images.sum()}, {net.first->weight})[0];
        QVERIFY(gradient.abs().max().item<double>() > 0);
    }

    void refusesWhatCannotBeSampled() {
        FlowSamplerOptions flow;
        flow.kind = ImageSamplerKind::Ddim;
        QVERIFY(refused(ImageSampler::flow(flow), "ddim"));
        flow.kind = ImageSamplerKind::FlowSde;
        flow.noiseLevel = -1;
        QVERIFY(refused(ImageSampler::flow(flow), "noise level"));
        flow.noiseLevel = std::nan("");
        QVERIFY(refused(ImageSampler::flow(flow), "noise level"));
        flow.kind = ImageSamplerKind::Cps;
        flow.noiseLevel = 1.5;
        QVERIFY(refused(ImageSampler::flow(flow), "at most 1"));
        flow.noiseLevel = 0.8;
        flow.steps = 0;
        QVERIFY(refused(ImageSampler::flow(flow), "steps"));
        flow.sigmas = {1, 0.5, 0.6, 0};
        QVERIFY(refused(ImageSampler::flow(flow), "fall"));
        flow.sigmas = {1, 0.5};
        QVERIFY(refused(ImageSampler::flow(flow), "fall"));
        DdimOptions ddim;
        ddim.steps = 1001;
        QVERIFY(refused(ImageSampler::ddim(ddim), "1000"));
        ddim.steps = 10;
        ddim.eta = 2;
        QVERIFY(refused(ImageSampler::ddim(ddim), "eta"));
        QVERIFY(refused(imageSamplerOf("euler_a"), "euler_a"));
        QVERIFY(refused(timeDensityOf("logit_normal", 0, 0), "deviation"));
        QVERIFY(refused(betaScheduleOf("cosine"), "cosine"));
        ImageSamplingOptions options;
        options.streams = streams(1);
        const auto broken = sampleImages(flowSampler(ImageSamplerKind::FlowOde, 3, 0),
                                         [](const Tensor& x, const Tensor&) { return x / 0; }, {1, 2, 2}, options);
        QVERIFY(!broken && broken.error().code == Code::Diverged);
    }
};

QTEST_GUILESS_MAIN(TestImageSampler)
#include "tst_image_sampler.moc"

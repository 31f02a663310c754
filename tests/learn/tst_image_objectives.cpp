// SPDX-License-Identifier: Apache-2.0
// Objectives of image preference learning: closed forms, finite differences, and the released formulas
// (tests/golden/make_image_losses.py).

#include <cmath>

#include <torch/torch.h>

#include <QtTest>

#include "core/base/json.h"
#include "core/learn/images/objectives/diffusion_dpo.h"
#include "core/learn/images/objectives/diffusion_nft.h"
#include "core/learn/images/objectives/flow_grpo.h"
#include "core/learn/images/objectives/image_groups.h"

using namespace pl;
using namespace pl::learn;

namespace {

void flatten(const Json& value, std::vector<double>& numbers, std::vector<int64_t>& shape, size_t depth = 0) {
    if (!value.is_array()) {
        numbers.push_back(value.get<double>());
        return;
    }
    if (shape.size() <= depth)
        shape.push_back(static_cast<int64_t>(value.size()));
    for (const Json& item : value)
        flatten(item, numbers, shape, depth + 1);
}

torch::Tensor tensorOf(const Json& value) {
    std::vector<double> numbers;
    std::vector<int64_t> shape;
    flatten(value, numbers, shape);
    return torch::tensor(numbers, torch::kFloat64).view(shape);
}

/// Largest difference relative to the largest value.
bool near(const torch::Tensor& a, const torch::Tensor& b, double tolerance = 1e-10) {
    const double scale = std::max(1.0, b.abs().max().item<double>());
    const double worst = (a - b).abs().max().item<double>() / scale;
    if (a.sizes() == b.sizes() && worst <= tolerance)
        return true;
    qWarning("worst difference %.3g", worst);
    return false;
}

torch::Tensor vec(const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat64);
}

torch::Tensor gradientOf(const torch::Tensor& loss, const torch::Tensor& of) {
    return torch::autograd::grad({loss}, {of})[0];
}

/// Central differences of f at x, elementwise.
template<class F>
torch::Tensor differences(F f, const torch::Tensor& x, double h = 1e-6) {
    auto out = torch::zeros_like(x).flatten();
    const auto flat = x.flatten();
    for (int64_t i = 0; i < flat.size(0); ++i) {
        auto up = flat.clone(), down = flat.clone();
        up[i] += h;
        down[i] -= h;
        out[i] = (f(up.view_as(x)) - f(down.view_as(x))).template item<double>() / (2 * h);
    }
    return out.view_as(x);
}

DenoisingErrors errorsOf(const Json& e) {
    return {tensorOf(e["chosen"]), tensorOf(e["rejected"]), tensorOf(e["ref_chosen"]), tensorOf(e["ref_rejected"])};
}

} // namespace

class TestImageObjectives : public QObject {
    Q_OBJECT

    Json m_golden;

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        auto json = readJsonFile(PAIRLAB_SOURCE_DIR "/tests/golden/image_losses/losses.json");
        QVERIFY(json);
        m_golden = *json;
    }

    // --- Diffusion-DPO ---------------------------------------------------------------------------------------------

    void dpoIsTheReleasedFormula() {
        QCOMPARE(m_golden["dpo"].size(), size_t{2});
        for (const Json& c : m_golden["dpo"]) {
            const auto target = tensorOf(c["target"]), ref = tensorOf(c["ref"]);
            const int64_t n = target.size(0) / 2;
            for (const char* name : {"sigmoid", "hinge", "ipo"}) {
                const auto pred = tensorOf(c["pred"]).requires_grad_(true);
                const auto error = denoisingError(pred, target), refError = denoisingError(ref, target);
                const DenoisingErrors e{error.narrow(0, 0, n), error.narrow(0, n, n), refError.narrow(0, 0, n),
                                        refError.narrow(0, n, n)};
                const DiffusionDpoOptions options{.loss = *diffusionPairLossOf(name), .beta = c["beta"].get<double>()};
                const auto loss = diffusionDpo(e, options);
                QVERIFY(near(e.chosen, tensorOf(c["errors"]["chosen"])));
                QVERIFY(near(diffusionMargin(e, options.beta), tensorOf(c["inside_term"])));
                QVERIFY(near(loss, tensorOf(c["loss"][name])));
                QVERIFY(near(gradientOf(loss.mean(), pred), tensorOf(c["gradient"][name])));
            }
        }
        QVERIFY(!diffusionPairLossOf("kto"));
    }

    void atTheReferenceTheLossIsLn2AndTheGradientAQuarterBeta() {
        const auto chosen = vec({0.3, 1.2}).requires_grad_(true), rejected = vec({0.5, 0.1}).requires_grad_(true);
        const DenoisingErrors e{chosen, rejected, chosen.detach(), rejected.detach()};
        const auto loss = diffusionDpo(e, {.beta = 2000});
        QVERIFY(near(loss, vec({std::log(2.0), std::log(2.0)})));
        QVERIFY(near(gradientOf(loss.sum(), chosen), vec({500, 500})));
        QVERIFY(near(gradientOf(diffusionDpo(e, {.beta = 2000}).sum(), rejected), vec({-500, -500})));
    }

    void exchangedSidesNegateTheMargin() {
        const auto e = errorsOf(m_golden["dpo"][0]["errors"]);
        const DenoisingErrors turned{e.rejected, e.chosen, e.refRejected, e.refChosen};
        QVERIFY(near(diffusionMargin(turned, 7), -diffusionMargin(e, 7)));
    }

    void anIdenticalPairHasNoGradient() {
        const auto pred = torch::randn({1, 2, 4, 4}, torch::kFloat64).requires_grad_(true);
        const auto target = torch::randn({1, 2, 4, 4}, torch::kFloat64);
        const auto error = denoisingError(pred, target), ref = denoisingError(pred.detach() + 0.1, target);
        const auto gradient = gradientOf(diffusionDpo({error, error, ref, ref}, {.beta = 100}).mean(), pred);
        QVERIFY(gradient.abs().max().item<double>() < 1e-12);
    }

    void theLossIsAMeanOfLogarithmsNotALogarithmOfAMean() {
        // Released code once averaged the margins first (huggingface/diffusers#6702).
        const auto e = errorsOf(m_golden["dpo"][1]["errors"]);
        const auto mean = diffusionDpo(e, {.beta = 40}).mean().item<double>();
        const auto wrong = -torch::log_sigmoid(diffusionMargin(e, 40).mean()).item<double>();
        QVERIFY(std::abs(mean - wrong) > 0.01);
    }

    void aTieIsHalfOfEachDirection() {
        const auto e = errorsOf(m_golden["dpo"][0]["errors"]);
        const DenoisingErrors turned{e.rejected, e.chosen, e.refRejected, e.refChosen};
        for (const auto loss : {DiffusionPairLoss::Sigmoid, DiffusionPairLoss::Hinge, DiffusionPairLoss::Ipo}) {
            const DiffusionDpoOptions o{.loss = loss, .beta = 5, .winnerAnchor = 0.5};
            const auto half = torch::full({3}, 0.5, torch::kFloat64);
            QVERIFY(near(diffusionDpo(e, o, half), 0.5 * (diffusionDpo(e, o) + diffusionDpo(turned, o))));
            QVERIFY(near(diffusionDpo(e, o, torch::ones({3}, torch::kFloat64)), diffusionDpo(e, o)));
        }
    }

    void theAnchorActsOnlyWhereTheWinnerGotWorse() {
        const DenoisingErrors e{vec({0.3, 0.1}), vec({0.4, 0.4}), vec({0.2, 0.2}), vec({0.4, 0.4})};
        const auto added = diffusionDpo(e, {.beta = 10, .winnerAnchor = 2}) - diffusionDpo(e, {.beta = 10});
        QVERIFY(near(added, vec({2 * 10 * 0.1, 0})));
    }

    void gradientsAreThoseOfFiniteDifferences() {
        const auto e = errorsOf(m_golden["dpo"][0]["errors"]);
        for (const auto loss : {DiffusionPairLoss::Sigmoid, DiffusionPairLoss::Hinge, DiffusionPairLoss::Ipo}) {
            const DiffusionDpoOptions o{.loss = loss, .beta = 5, .winnerAnchor = 0.3};
            const auto soft = vec({1, 0.5, 0.8});
            const auto at = e.chosen.clone().requires_grad_(true);
            const auto f = [&](const torch::Tensor& chosen) {
                return diffusionDpo({chosen, e.rejected, e.refChosen, e.refRejected}, o, soft).mean();
            };
            QVERIFY(near(gradientOf(f(at), at), differences(f, e.chosen), 1e-7));
        }
    }

    void theControlSeesOnlyWinners() {
        const auto e = errorsOf(m_golden["dpo"][0]["errors"]);
        QVERIFY(near(winnerSft(e), e.chosen));
        QVERIFY(near(winnerSft(e, vec({1, 0.5, 0})),
                     torch::stack({e.chosen[0], 0.5 * (e.chosen[1] + e.rejected[1]), e.rejected[2]})));
    }

    // --- DiffusionNFT ----------------------------------------------------------------------------------------------

    static NftBatch nftBatch(const Json& c, const torch::Tensor& velocity) {
        return {velocity,
                tensorOf(c["old"]),
                tensorOf(c["ref"]),
                tensorOf(c["xt"]),
                tensorOf(c["x0"]),
                tensorOf(c["t"]),
                optimalityProbability(tensorOf(c["advantages"]), c["adv_max"].get<double>())};
    }

    void nftIsTheReleasedFormula() {
        QCOMPARE(m_golden["nft"].size(), size_t{2});
        for (const Json& c : m_golden["nft"]) {
            const auto v = tensorOf(c["v"]).requires_grad_(true);
            const auto batch = nftBatch(c, v);
            const auto out = diffusionNft(batch, {c["beta"].get<double>(), c["adv_max"].get<double>(),
                                                  c["kl_weight"].get<double>()});
            QVERIFY(near(batch.probability, tensorOf(c["r"])));
            QVERIFY(near(out.policy, tensorOf(c["policy_loss"])));
            QVERIFY(near(out.kl, tensorOf(c["kl"])));
            QVERIFY(near(out.oldKl, tensorOf(c["old_kl"])));
            QVERIFY(near(out.loss, tensorOf(c["total"])));
            QVERIFY(near(gradientOf(out.loss.mean(), v), tensorOf(c["gradient"])));
        }
    }

    void nftHasNoGradientForAnAverageImageAtTheOldPolicy() {
        const Json& c = m_golden["nft"][0];
        const auto v = tensorOf(c["old"]).requires_grad_(true);
        auto batch = nftBatch(c, v);
        batch.probability = torch::full({4}, 0.5, torch::kFloat64);
        const auto gradient = gradientOf(diffusionNft(batch, {.beta = 1, .klWeight = 0}).loss.sum(), v);
        QVERIFY(gradient.abs().max().item<double>() < 1e-12);
    }

    void nftOfCertainlyGoodImagesIsNormalisedFlowMatching() {
        const Json& c = m_golden["nft"][0];
        const auto v = tensorOf(c["v"]).requires_grad_(true);
        auto batch = nftBatch(c, v);
        batch.probability = torch::ones({4}, torch::kFloat64);
        const auto gradient = gradientOf(diffusionNft(batch, {.beta = 1, .advantageMax = 5, .klWeight = 0}).loss.sum(), v);
        // x0 - x0hat = t (v - v*), so the plain form is t^2 |v - v*|^2 over the detached t |v - v*|_1.
        const auto t = batch.level.view({-1, 1, 1, 1});
        const auto target = (batch.noised - batch.image) / t;
        const auto scale = (t * (v.detach() - target)).abs().flatten(1).mean(1);
        const auto sft = 5 * (t * (v - target)).square().flatten(1).mean(1) / scale;
        QVERIFY(near(gradient, gradientOf(sft.sum(), v)));
    }

    // --- Flow-GRPO -------------------------------------------------------------------------------------------------

    void stepDensityAndKlAreTheReleasedFormulas() {
        for (const Json& c : m_golden["sde"])
            for (const Json& s : c["steps"]) {
                const auto deviation = torch::full({2}, s["std"].get<double>(), torch::kFloat64);
                const auto mean = tensorOf(s["mean"]), next = tensorOf(s["next"]);
                QVERIFY(near(stepLogProbability(next, mean, deviation), tensorOf(s["log_prob"])));
                // The golden mean is linear in v: its reference follows from the recorded coefficient.
                const double sigma = c["sigmas"][s["i"].get<size_t>()].get<double>();
                const double dt = c["sigmas"][s["i"].get<size_t>() + 1].get<double>() - sigma;
                const double std = s["std"].get<double>() / std::sqrt(-dt);
                const double perV = (1 + std * std * (1 - sigma) / (2 * sigma)) * dt;
                const auto refMean = mean + perV * (tensorOf(s["ref"]) - tensorOf(s["v"]));
                QVERIFY(near(stepKl(mean, refMean, deviation), tensorOf(s["kl"]), 1e-8));
                // d log p / d v = (x' - mean) / std^2 d mean / d v, a mean over the elements
                const auto at = mean.clone().requires_grad_(true);
                const auto gradient = gradientOf(stepLogProbability(next, at, deviation).sum(), at) * perV;
                QVERIFY(near(gradient, tensorOf(s["gradient"]), 1e-8));
                QVERIFY(near(gradientOf(stepLogProbability(next, at, deviation).sum(), at),
                             (next - mean) / std::pow(s["std"].get<double>(), 2) / 32.0, 1e-9));
            }
    }

    void clippedRatiosAreTheReleasedFormula() {
        for (const Json& c : m_golden["ratio"]) {
            const auto now = tensorOf(c["new"]).requires_grad_(true);
            const auto out = clippedStepLoss(now, tensorOf(c["old"]), tensorOf(c["advantages"]), c["clip_range"].get<double>());
            QVERIFY(near(out.ratio, tensorOf(c["ratio"])));
            QVERIFY(near(out.loss, tensorOf(c["loss"])));
            QVERIFY(near(gradientOf(out.loss.mean(), now), tensorOf(c["gradient"])));
            QVERIFY(std::abs(out.approxKl.mean().item<double>() - c["approx_kl"].get<double>()) < 1e-12);
            QCOMPARE(out.clippedHigh.mean().item<float>(), c["clipfrac_gt_one"].get<float>());
            QCOMPARE(out.clippedLow.mean().item<float>(), c["clipfrac_lt_one"].get<float>());
        }
    }

    void theRatioIsOneForTheSameNumbers() {
        const auto logps = torch::randn({64});
        QVERIFY(torch::equal(clippedStepLoss(logps, logps.clone(), torch::ones({64}), 1e-4).ratio, torch::ones({64})));
    }

    // --- groups ----------------------------------------------------------------------------------------------------

    void advantagesAreTheReleasedFormulaButForDroppedGroups() {
        for (const Json& c : m_golden["advantages"]) {
            const auto rewards = tensorOf(c["rewards"]);
            const auto out = imageAdvantages(rewards, 4, c["global_std"].get<bool>());
            QVERIFY(near(out.advantages, tensorOf(c["advantages"]), 1e-9));
            QVERIFY(out.advantages.view({-1, 4}).mean(1).abs().max().item<double>() < 1e-12);
            QVERIFY(std::abs(out.zeroStdRatio - c["zero_std_ratio"].get<double>()) < 1e-12);
            const auto kept = out.kept.view({-1, 4});
            QVERIFY(kept[0].all().item<bool>() && !kept[1].any().item<bool>() && kept[2].all().item<bool>());
        }
        const auto extreme = imageAdvantages(vec({0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0}), 4, true, 2);
        QCOMPARE(extreme.advantages.max().item<double>(), 2.0);
    }

    void winRatesSumToHalfTheGroup() {
        const Json& c = m_golden["win_rates"][0];
        const auto scores = tensorOf(c["scores"]);
        QVERIFY(near(winRatesFromScores(scores, 5), tensorOf(c["win_rates"])));
        const auto two = torch::randn({12}, torch::kFloat64);
        for (const auto& rates : {winRatesFromScores(two, 6), winRatesFromScores(two, 6, 0.5), softWinRates(two, 6)})
            QVERIFY(near(rates.view({2, 6}).sum(1), vec({3, 3})));
        QVERIFY(near(softWinRates(two, 6), softWinRates(two + 17, 6)));
        QVERIFY(near(winRatesFromScores(two, 6, 100), torch::full({12}, 0.5, torch::kFloat64)));
    }

    void aRankingBecomesWinRates() {
        QVERIFY(winRatesFromRanks({1, 2, 3, 4}) == std::vector<double>({1, 2.0 / 3, 1.0 / 3, 0}));
        QVERIFY(winRatesFromRanks({1, 1, 3}) == std::vector<double>({0.75, 0.75, 0}));
        QVERIFY(winRatesFromRanks({3, 3, 3}) == std::vector<double>({0.5, 0.5, 0.5}));
        // The same as from scores that order them so.
        QVERIFY(near(vec(winRatesFromRanks({2, 1, 4, 2})), winRatesFromScores(vec({-2, -1, -4, -2}), 4)));
    }

    void plackettLuceOfTwoIsBradleyTerry() {
        const auto scores = vec({0.3, 1.1});
        const double expected = std::log1p(std::exp(-(0.3 - 1.1)));
        QVERIFY(std::abs(plackettLuce(scores, {1, 2}).item<double>() - expected) < 1e-12);
    }

    void plackettLuceIsAProductOfChoices() {
        const auto s = vec({0.2, -0.4, 1.3});
        // Ranking 2, 0, 1: the best of all, then the better of the rest; a mean over the two choices.
        const double first = std::log(std::exp(0.2) + std::exp(-0.4) + std::exp(1.3)) - 1.3;
        const double second = std::log(std::exp(0.2) + std::exp(-0.4)) - 0.2;
        QVERIFY(std::abs(plackettLuce(s, {2, 3, 1}).item<double>() - (first + second) / 2) < 1e-12);
        const auto at = s.clone().requires_grad_(true);
        const auto f = [](const torch::Tensor& x) { return plackettLuce(x, {1, 1, 3}); };
        QVERIFY(near(gradientOf(f(at), at), differences(f, s), 1e-7));
        QVERIFY(gradientOf(f(at), at)[2].item<double>() > 0); // pushed down
    }
};

QTEST_GUILESS_MAIN(TestImageObjectives)
#include "tst_image_objectives.moc"

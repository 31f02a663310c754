// SPDX-License-Identifier: Apache-2.0
// Losses against losses_golden.json, TRL's own numbers and finite differences.

#include <torch/torch.h>

#include <QtTest>

#include <cmath>

#include "core/base/json.h"
#include "core/learn/objectives/group_losses.h"
#include "core/learn/objectives/pair_losses.h"
#include "core/learn/objectives/reward_losses.h"

using namespace pl;
using namespace pl::learn;

namespace {

Json golden(const std::string& file) {
    auto json = readJsonFile(std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/" + file);
    if (!json)
        qFatal("%s", json.error().toString().c_str());
    return *json;
}

torch::Tensor doubles(const Json& values) {
    if (!values.empty() && values[0].is_array()) {
        std::vector<torch::Tensor> rows;
        for (const auto& row : values)
            rows.push_back(doubles(row));
        return torch::stack(rows);
    }
    std::vector<double> out;
    for (const auto& value : values)
        out.push_back(*numberOf(value, "golden"));
    return torch::tensor(out, torch::kFloat64);
}

PairLogps pairsOf(const Json& rows) {
    const auto get = [&](const char* key) {
        Json values = Json::array();
        for (const auto& row : rows)
            values.push_back(row[key]);
        return doubles(values);
    };
    PairLogps out{get("c"), get("r"), get("rc"), get("rr"), get("nc"), get("nr")};
    out.chosenSum.requires_grad_(true);
    out.rejectedSum.requires_grad_(true);
    return out;
}

double worst(const torch::Tensor& a, const torch::Tensor& b) {
    return (a - b).abs().max().item<double>();
}

PairLoss named(const char* name) {
    auto loss = findPairLoss(name);
    if (!loss)
        qFatal("%s", loss.error().toString().c_str());
    return *loss;
}

} // namespace

class TestObjectives : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void pairLossesEqualTheGoldenValues_data() {
        QTest::addColumn<QString>("key");
        QTest::addColumn<QString>("loss");
        QTest::addColumn<double>("smoothing");
        QTest::addColumn<bool>("normalised");
        const auto row = [](const char* key, const char* loss, double smoothing = 0, bool normalised = true) {
            QTest::newRow(key) << QString(key) << QString(loss) << smoothing << normalised;
        };
        row("sigmoid", "sigmoid");
        row("cdpo", "sigmoid", 0.1);
        row("robust", "robust", 0.1);
        row("hinge", "hinge");
        row("ipo_norm", "ipo");
        row("ipo_sum", "ipo", 0, false);
        row("sigmoid_norm", "sigmoid_norm");
        row("exo_pair", "exo_pair", 1e-3);
        row("nca_pair", "nca_pair");
        row("bco_pair", "bco_pair");
        row("sppo_hard", "sppo_hard");
        row("apo_zero", "apo_zero");
        row("apo_down", "apo_down");
        row("discopop", "discopop");
        row("aot", "aot");
        row("aot_unpaired", "aot_unpaired");
    }
    void pairLossesEqualTheGoldenValues() {
        QFETCH(QString, key);
        QFETCH(QString, loss);
        QFETCH(double, smoothing);
        QFETCH(bool, normalised);
        const auto all = golden("losses_golden.json");
        const auto& expected = all["paired_losses"][key.toStdString()];
        auto logps = pairsOf(all["pairs"]);
        PairLossOptions options;
        options.beta = all["beta"].get<double>();
        options.labelSmoothing = smoothing;
        options.ipoNormalised = normalised;
        const auto values = pairLoss(named(loss.toUtf8()), logps, options);
        const auto perPair = doubles(expected.contains("per_pair") ? expected["per_pair"] : expected["per_rank"]);
        QVERIFY2(worst(values.detach(), perPair) < 2e-8, "per pair");
        QVERIFY(std::abs(values.mean().item<double>() - expected["mean"].get<double>()) < 2e-8);
        if (!expected.contains("dL_dchosen"))
            return;
        values.sum().backward();
        QVERIFY2(worst(logps.chosenSum.grad(), doubles(expected["dL_dchosen"])) < 2e-6, "gradient of chosen");
        QVERIFY2(worst(logps.rejectedSum.grad(), doubles(expected["dL_drejected"])) < 2e-6, "gradient of rejected");
    }

    void everyRegisteredLossEqualsTrl() {
        const auto trl = golden("trl/dpo.json");
        std::set<std::string> seen;
        for (const auto& item : trl["from_logps"]["cases"]) {
            const auto& options = item["options"];
            if (options["loss_type"].size() != 1)
                continue;
            const std::string name = options["loss_type"][0];
            // What our registry leaves to the trainer or does not offer.
            if (!findPairLoss(name) || options.contains("f_divergence_type") || options.contains("ld_alpha") ||
                options.contains("use_weighting") || options.contains("loss_weights") ||
                item["name"] == "sigmoid_label_smoothing") // TRL 1 ignores it there; ours is checked below
                continue;
            auto logps = pairsOf(trl["from_logps"]["pairs"]);
            PairLossOptions o;
            o.beta = options.value("beta", trl["beta"].get<double>());
            o.labelSmoothing = options.value("label_smoothing", 0.0);
            if (options.contains("discopop_tau"))
                o.discopopTau = options["discopop_tau"];
            const auto loss = pairLoss(named(name.c_str()), logps, o).mean();
            const std::string what = item["name"].get<std::string>();
            QVERIFY2(std::abs(loss.item<double>() - item["loss"].get<double>()) < 1e-6, what.c_str());
            loss.backward();
            QVERIFY2(worst(logps.chosenSum.grad(), doubles(item["dL_dchosen"])) < 1e-6, what.c_str());
            QVERIFY2(worst(logps.rejectedSum.grad(), doubles(item["dL_drejected"])) < 1e-6, what.c_str());
            seen.insert(name);
        }
        for (const auto& loss : pairLosses())
            QVERIFY2(seen.count(loss.name), ("no TRL fixture covers " + loss.name).c_str());
        for (const auto& item : trl["from_logps"]["label_smoothing_via_aot"]) {
            PairLossOptions o;
            o.labelSmoothing = item["label_smoothing"];
            QVERIFY(worst(pairLoss(named("sigmoid"), pairsOf(trl["from_logps"]["pairs"]), o).detach(), doubles(item["per_pair"])) < 1e-6);
        }
    }

    void gradientsEqualFiniteDifferences() {
        const double h = 1e-6;
        for (const auto& loss : pairLosses()) {
            PairLossOptions o;
            o.beta = 0.3;
            o.labelSmoothing = 0.1;
            o.margin = loss.takesMargin ? torch::tensor({0.2, 0.0, 0.4}, torch::kFloat64) : torch::Tensor();
            const auto soft = loss.acrossPairs ? torch::Tensor() : torch::tensor({1.0, 0.5, 0.8}, torch::kFloat64);
            const auto all = golden("losses_golden.json");
            auto logps = pairsOf(all["pairs"]);
            pairLoss(loss, logps, o, soft).sum().backward();
            for (int64_t i = 0; i < 3; ++i) {
                torch::NoGradGuard noGrad;
                auto up = logps, down = logps;
                up.chosenSum = logps.chosenSum.clone();
                down.chosenSum = logps.chosenSum.clone();
                up.chosenSum[i] += h;
                down.chosenSum[i] -= h;
                const double slope = (pairLoss(loss, up, o, soft).sum() - pairLoss(loss, down, o, soft).sum()).item<double>() / (2 * h);
                QVERIFY2(std::abs(slope - logps.chosenSum.grad()[i].item<double>()) < 1e-5, loss.name.c_str());
            }
        }
    }

    void firstStepLossIsLnTwo() {
        const auto zeros = torch::zeros({4}, torch::kFloat64);
        const auto some = torch::tensor({-3.0, -40.0, -7.0, -1.0}, torch::kFloat64);
        const auto loss = pairLoss(named("sigmoid"), {some, some * 2, some, some * 2, some, some}, {});
        QVERIFY(worst(loss, zeros + std::log(2.0)) < 1e-12);
    }

    void softLabelsMixBothDirectionsAndATieHasNoPullAtTheReference() {
        auto logps = pairsOf(golden("losses_golden.json")["pairs"]);
        const auto half = torch::full({3}, 0.5, torch::kFloat64);
        const auto a = pairLoss(named("sigmoid"), logps, {}, half);
        const auto b = pairLoss(named("sigmoid"), logps.swapped(), {}, half);
        QVERIFY(worst(a, b) < 1e-12);
        const auto at = torch::tensor({-5.0}, torch::kFloat64).requires_grad_(true);
        PairLogps equal{at, at.detach() - 1, at.detach(), at.detach() - 1, at.detach().abs(), at.detach().abs()};
        pairLoss(named("sigmoid"), equal, {}, torch::full({1}, 0.5, torch::kFloat64)).sum().backward();
        QVERIFY(at.grad().abs().item<double>() < 1e-12);
    }

    void extremeLogRatiosStayFinite() {
        for (const auto& loss : pairLosses()) {
            if (loss.name == "discopop") // its e^-z overflows by definition
                continue;
            auto c = torch::tensor({1e4, -1e4}, torch::kFloat32).requires_grad_(true);
            const auto zero = torch::zeros({2});
            PairLossOptions o;
            o.labelSmoothing = 0.1;
            const auto value = pairLoss(loss, {c, -c.detach(), zero, zero, zero + 5, zero + 5}, o).sum();
            value.backward();
            QVERIFY2(std::isfinite(value.item<double>()) && c.grad().isfinite().all().item<bool>(), loss.name.c_str());
        }
    }

    void refusesWhatALossCannotTake() {
        QVERIFY(!findPairLoss("dpo"));
        QVERIFY(QString::fromStdString(findPairLoss("dpo").error().hint).contains("sigmoid"));
        PairLossOptions o;
        QVERIFY(!checkPairLoss(named("exo_pair"), o, false, false));
        QVERIFY(!checkPairLoss(named("aot"), o, true, false));
        QVERIFY(!checkPairLoss(named("ipo"), o, false, true));
        QVERIFY(checkPairLoss(named("sigmoid"), o, true, true));
        o.beta = 0;
        QVERIFY(!checkPairLoss(named("sigmoid"), o, false, false));
    }

    void rewardLossEqualsTheGoldenValuesAndTrl() {
        const auto rm = golden("losses_golden.json")["rm"];
        const auto c = doubles(rm["chosen"]), r = doubles(rm["rejected"]), m = doubles(rm["margin"]);
        QVERIFY(std::abs(bradleyTerry(c, r).mean().item<double>() - rm["bt"].get<double>()) < 1e-8);
        QVERIFY(std::abs(bradleyTerry(c, r, {}, m).mean().item<double>() - rm["bt_margin"].get<double>()) < 1e-8);
        QVERIFY(std::abs(rewardCentering(c, r).mean().item<double>() - rm["center_term_mean"].get<double>()) < 1e-8);
        const auto trl = golden("trl/reward.json")["from_scores"];
        for (const auto& item : trl["cases"]) {
            auto chosen = doubles(trl["chosen"]).requires_grad_(true), rejected = doubles(trl["rejected"]).requires_grad_(true);
            auto loss = bradleyTerry(chosen, rejected, {}, item["margin"].get<bool>() ? doubles(trl["margin"]) : torch::Tensor()).mean();
            if (!item["center_rewards_coefficient"].is_null())
                loss = loss + item["center_rewards_coefficient"].get<double>() * rewardCentering(chosen, rejected).mean();
            QVERIFY(std::abs(loss.item<double>() - item["loss"].get<double>()) < 1e-6);
            loss.backward();
            QVERIFY(worst(chosen.grad(), doubles(item["dL_dchosen"])) < 1e-6);
            QVERIFY(worst(rejected.grad(), doubles(item["dL_drejected"])) < 1e-6);
        }
        // A tie pulls the scores together.
        auto high = torch::tensor({2.0}, torch::kFloat64).requires_grad_(true);
        bradleyTerry(high, torch::zeros({1}, torch::kFloat64), torch::tensor({0.5}, torch::kFloat64)).sum().backward();
        QVERIFY(high.grad().item<double>() > 0);
    }

    void groupLossEqualsTheGoldenValuesAndTrl() {
        const auto g = golden("losses_golden.json")["grpo"];
        const auto mask = doubles(g["mask"]), rewards = doubles(g["rewards"]);
        const auto advantages = groupAdvantages(rewards, g["num_generations"], RewardScale::Group);
        QVERIFY(worst(advantages, doubles(g["advantages"])) < 1e-8);
        const GroupLossOptions options{g["epsilon_low"], g["epsilon_high"], g["beta"]};
        const auto trl = golden("trl/grpo.json")["golden"];
        for (const char* name : {"grpo", "bnpo", "dr_grpo", "dapo"}) {
            auto logps = doubles(g["new"]).requires_grad_(true);
            const auto token = groupTokenLoss(logps, doubles(g["old"]), doubles(g["ref"]), advantages, mask, options);
            const auto loss = aggregateGroupLoss(token.loss, mask, *groupAggregationOf(name),
                                                 {4, mask.sum().item<double>(), g["max_completion_length"]});
            QVERIFY2(std::abs(loss.item<double>() - g["loss"][name].get<double>()) < 1e-8, name);
            loss.backward();
            bool found = false;
            for (const auto& item : trl["cases"])
                if (item["loss_type"] == name && item["options"].value("importance_sampling_level", "token") == "token") {
                    const auto expected = doubles(item["dL_dnew"]);
                    QVERIFY2(worst(logps.grad() * mask, expected * mask) < 1e-6, name);
                    found = true;
                    break;
                }
            QVERIFY2(found, name);
            QVERIFY(std::abs((token.kl * mask).sum().item<double>() / mask.sum().item<double>() -
                             g["kl_k3_token_mean"].get<double>()) < 1e-8);
            QVERIFY(std::abs(token.clippedLow.sum().item<double>() / mask.sum().item<double>() -
                             g["clip_ratio/low_mean"].get<double>()) < 1e-8);
        }
    }

    void groupAdvantagesEqualTrl() {
        for (const auto& item : golden("trl/grpo.json")["advantages"]) {
            if (item["rewards"].size() != 1 || item["reward_weights"] != Json::array({1.0}) ||
                item.value("multi_objective_aggregation", "sum_then_normalize") != "sum_then_normalize")
                continue;
            auto rewards = doubles(item["rewards"][0]);
            // TRL's weighted sum treats a reward of no function as 0 in older versions: rows without a score are ours.
            if (rewards.isnan().any().item<bool>())
                continue;
            const auto scale = rewardScaleOf(item["scale_rewards"].get<std::string>());
            QVERIFY(scale);
            const auto ours = groupAdvantages(rewards, item["num_generations"], *scale);
            QVERIFY2(worst(ours, doubles(item["advantages"])) < 1e-5, item["name"].get<std::string>().c_str());
        }
    }

    void splittingAGroupBatchDoesNotChangeTheLoss() {
        const auto g = golden("losses_golden.json")["grpo"];
        const auto mask = doubles(g["mask"]), advantages = doubles(g["advantages"]);
        const GroupTotals totals{4, mask.sum().item<double>(), 4};
        for (const auto kind : {GroupAggregation::Grpo, GroupAggregation::DrGrpo, GroupAggregation::Dapo}) {
            const auto part = [&](int64_t from, int64_t n) {
                const auto cut = [&](const torch::Tensor& t) { return t.narrow(0, from, n); };
                const auto token = groupTokenLoss(cut(doubles(g["new"])), cut(doubles(g["old"])), cut(doubles(g["ref"])),
                                                  cut(advantages), cut(mask), {0.2, 0.28, 0.04});
                return aggregateGroupLoss(token.loss, cut(mask), kind, totals).item<double>();
            };
            QVERIFY(std::abs(part(0, 4) - (part(0, 1) + part(1, 3))) < 1e-12);
        }
    }

    void maskedTokensAndUnscoredRowsDoNoHarm() {
        const auto mask = torch::tensor({{1.0, 0.0}, {1.0, 1.0}}, torch::kFloat64);
        auto logps = torch::tensor({{-1.0, 500.0}, {-2.0, -1.0}}, torch::kFloat64).requires_grad_(true);
        const auto old = torch::tensor({{-1.0, -500.0}, {-2.0, -1.0}}, torch::kFloat64);
        const auto ref = torch::tensor({{-1.0, 9000.0}, {-2.0, -1.0}}, torch::kFloat64);
        const auto token = groupTokenLoss(logps, old, ref, torch::tensor({1.0, -1.0}, torch::kFloat64), mask, {0.2, 0.2, 0.1});
        token.loss.sum().backward();
        QVERIFY(token.loss.isfinite().all().item<bool>());
        QVERIFY(logps.grad().isfinite().all().item<bool>());
        QCOMPARE(logps.grad()[0][1].item<double>(), 0.0);
        const auto nan = std::nan("");
        const auto a = groupAdvantages(torch::tensor({1.0, nan, 3.0, 2.0, 2.0, 2.0}, torch::kFloat64), 3, RewardScale::Group);
        QVERIFY(a.isfinite().all().item<bool>());
        QCOMPARE(a[1].item<double>(), 0.0);
        QVERIFY(std::abs(a[2].item<double>() - 1 / (std::sqrt(2.0) + 1e-4)) < 1e-12);
        QCOMPARE(a[4].item<double>(), 0.0);
    }
};

QTEST_GUILESS_MAIN(TestObjectives)
#include "tst_objectives.moc"

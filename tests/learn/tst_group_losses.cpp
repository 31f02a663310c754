// SPDX-License-Identifier: Apache-2.0
// The group loss through a model: TRL's losses, metrics and gradients of every parameter, and what must not
// change them.

#include <torch/torch.h>

#include <QtTest>

#include "core/base/json.h"
#include "core/learn/models/decoder.h"
#include "core/learn/objectives/group_losses.h"
#include "core/learn/training/batches.h"

using namespace pl;
using namespace pl::learn;

namespace {

const std::string kGolden = PAIRLAB_SOURCE_DIR "/tests/golden/";

template<class T>
T must(Result<T> result) {
    if (!result)
        qFatal("%s", result.error().toString().c_str());
    return std::move(*result);
}

torch::Tensor matrix(const Json& rows) {
    std::vector<torch::Tensor> out;
    for (const auto& row : rows)
        out.push_back(torch::tensor(row.get<std::vector<float>>()));
    return torch::stack(out);
}

bool near(double a, double b, double tolerance) {
    if (std::abs(a - b) <= tolerance)
        return true;
    qWarning("%.9g against %.9g", a, b);
    return false;
}

/// TRL's batch of two prompts with four completions each.
struct Batch {
    Json json = must(readJsonFile(kGolden + "trl/grpo.json"))["from_model"];
    std::vector<TokenizedRow> rows;
    torch::Tensor old = matrix(json["old_token_logps"]), reference = matrix(json["ref_token_logps"]);
    torch::Tensor advantages = torch::tensor(json["advantages"].get<std::vector<float>>());
    double tokens = 0;

    Batch() {
        for (size_t i = 0; i < json["completions"].size(); ++i) {
            TokenizedRow row;
            row.ids = json["prompts"][json["group"][i].get<size_t>()].get<std::vector<int64_t>>();
            row.start = row.length();
            for (const int64_t id : json["completions"][i])
                row.ids.push_back(id);
            tokens += static_cast<double>(row.completionLength());
            rows.push_back(std::move(row));
        }
    }
};

struct Step {
    double loss = 0, kl = 0, low = 0, high = 0, entropy = 0;
};

/// One update's gradients from the rows, in the given micro-batches.
Step accumulate(Decoder& model, const Batch& batch, GroupAggregation aggregation,
                const GroupLossOptions& options, const std::vector<std::vector<size_t>>& micros,
                bool recorded = true) {
    model->zero_grad();
    GroupTotals totals;
    totals.maxCompletionLength = batch.json["max_completion_length"];
    for (const auto& micro : micros)
        for (const size_t i : micro) {
            totals.rows += 1;
            totals.tokens += static_cast<double>(batch.rows[i].completionLength());
        }
    Step out;
    for (const auto& micro : micros) {
        std::vector<const TokenizedRow*> rows;
        std::vector<int64_t> at;
        for (const size_t i : micro) {
            rows.push_back(&batch.rows[i]);
            at.push_back(static_cast<int64_t>(i));
        }
        const auto index = torch::tensor(at, torch::kInt64);
        const auto made = rowBatch(rows, torch::kCPU);
        const auto now = completionLogps(model, made.tokens, made.starts, true);
        const auto cut = [&](const torch::Tensor& t) {
            return t.index_select(0, index).narrow(1, 0, now.logps.size(1));
        };
        const auto token = groupTokenLoss(now.logps, recorded ? cut(batch.old) : now.logps.detach(),
                                          options.klBeta != 0 ? cut(batch.reference) : torch::Tensor(),
                                          batch.advantages.index_select(0, index), now.mask, options);
        const auto loss = aggregateGroupLoss(token.loss, now.mask, aggregation, totals);
        loss.backward();
        out.loss += loss.item<double>();
        if (token.kl.defined())
            out.kl += (token.kl * now.mask).sum().item<double>() / totals.tokens;
        out.low += token.clippedLow.sum().item<double>() / totals.tokens;
        out.high += token.clippedHigh.sum().item<double>() / totals.tokens;
        out.entropy += now.entropy.sum().item<double>() / totals.tokens;
    }
    return out;
}

double gradientNorm(Decoder& model) {
    double sum = 0;
    for (const auto& p : model->parameters())
        sum += p.grad().to(torch::kFloat64).square().sum().item<double>();
    return std::sqrt(sum);
}

std::map<std::string, torch::Tensor> gradients(Decoder& model) {
    std::map<std::string, torch::Tensor> out;
    for (const auto& item : model->named_parameters())
        out[item.key()] = item.value().grad().clone();
    return out;
}

double worst(const std::map<std::string, torch::Tensor>& a, const std::map<std::string, torch::Tensor>& b) {
    double out = 0;
    for (const auto& [name, tensor] : a)
        out = std::max(out, (tensor - b.at(name)).abs().max().item<double>());
    return out;
}

const std::vector<std::vector<size_t>> kWhole = {{0, 1, 2, 3, 4, 5, 6, 7}};

} // namespace

class TestGroupLosses : public QObject {
    Q_OBJECT
private:
    Batch m_batch;
    Decoder m_policy{nullptr};

    static GroupLossOptions optionsOf(const Json& item) {
        return {item.value("epsilon_low", 0.2), item.value("epsilon_high", 0.2), item.value("beta", 0.0)};
    }

private Q_SLOTS:
    void initTestCase() { m_policy = must(loadModel(kGolden + "trl/policy", torch::kCPU)).model; }

    void lossMetricsAndGradientNormsEqualTrl() {
        int compared = 0;
        for (const auto& item : m_batch.json["cases"]) {
            const auto aggregation = groupAggregationOf(item["loss_type"].get<std::string>());
            const Json& given = item["options"];
            if (!aggregation || given.contains("delta") || given.value("use_bias_correction_kl", false) ||
                given.contains("importance_sampling_level"))
                continue;
            const auto step = accumulate(m_policy, m_batch, *aggregation, optionsOf(item), kWhole);
            const auto name = item["name"].get<std::string>();
            QVERIFY2(near(step.loss, item["loss"], 1e-5), name.c_str());
            QVERIFY2(near(gradientNorm(m_policy), item["grad_norm_total"], 1e-4), name.c_str());
            for (const auto& parameter : m_policy->named_parameters())
                QVERIFY2(near(parameter.value().grad().norm().item<double>(),
                              item["grad_norms"][parameter.key()], 1e-4),
                         (name + " " + parameter.key()).c_str());
            const Json& metrics = item["metrics"];
            QVERIFY2(near(step.entropy, metrics["entropy"], 1e-4), name.c_str());
            QVERIFY2(near(step.low, metrics["clip_ratio/low_mean"], 1e-6), name.c_str());
            QVERIFY2(near(step.high, metrics["clip_ratio/high_mean"], 1e-6), name.c_str());
            if (metrics.contains("kl"))
                QVERIFY2(near(step.kl, metrics["kl"], 1e-5), name.c_str());
            ++compared;
        }
        QVERIFY(compared >= 9);
    }

    void everyGradientEqualsTrl() {
        const auto golden = must(readSafetensors(kGolden + "trl/grpo_grads.safetensors"));
        for (const auto& [name, aggregation, beta] :
             {std::tuple{"grpo_beta=0.04", GroupAggregation::Grpo, 0.04},
              std::tuple{"dapo", GroupAggregation::Dapo, 0.0}}) {
            accumulate(m_policy, m_batch, aggregation, {0.2, 0.2, beta}, kWhole);
            for (const auto& parameter : m_policy->named_parameters()) {
                const auto& expected = golden.at(std::string(name) + ".grad." + parameter.key());
                const double difference = (parameter.value().grad() - expected).abs().max().item<double>();
                QVERIFY2(difference < 1e-5, (std::string(name) + " " + parameter.key()).c_str());
            }
        }
    }

    void accumulationOverMicroBatchesEqualsTrl() {
        for (const auto& item : m_batch.json["accumulated"]) {
            const auto step =
                accumulate(m_policy, m_batch, must(groupAggregationOf(item["loss_type"].get<std::string>())),
                           optionsOf(item), item["micro_batches"].get<std::vector<std::vector<size_t>>>());
            const auto name = item["loss_type"].get<std::string>();
            QVERIFY2(near(step.loss, item["loss_sum"], 1e-5), name.c_str());
            QVERIFY2(near(gradientNorm(m_policy), item["grad_norm_total"], 1e-4), name.c_str());
        }
    }

    void firstUpdateHasRatioOneAndStillAGradient() {
        const Json& item = m_batch.json["first_update_without_old"];
        const auto step = accumulate(m_policy, m_batch, GroupAggregation::Dapo, {}, kWhole, false);
        QVERIFY(near(step.loss, item["loss"], 1e-5));
        QVERIFY(near(gradientNorm(m_policy), item["grad_norm_total"], 1e-4));
    }

    void splitAndOrderOfRowsDoNotChangeTheGradient() {
        const std::vector<std::vector<std::vector<size_t>>> splits = {
            {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}},
            {{0, 1, 2, 3, 4, 5, 6}, {7}},
            {{7, 3, 1}, {0, 2}, {6, 5, 4}}};
        for (const auto aggregation :
             {GroupAggregation::Grpo, GroupAggregation::DrGrpo, GroupAggregation::Dapo}) {
            const auto whole = accumulate(m_policy, m_batch, aggregation, {0.2, 0.2, 0.04}, kWhole);
            const auto expected = gradients(m_policy);
            for (const auto& split : splits) {
                const auto step = accumulate(m_policy, m_batch, aggregation, {0.2, 0.2, 0.04}, split);
                QVERIFY(near(step.loss, whole.loss, 1e-5));
                QVERIFY(near(step.kl, whole.kl, 1e-5));
                QVERIFY(worst(expected, gradients(m_policy)) < 1e-5);
            }
        }
    }

    void splitIsExactInDoublePrecision() {
        torch::manual_seed(3);
        const auto options = torch::dtype(torch::kFloat64);
        const auto now = torch::randn({6, 5}, options) - 2, old = now + 0.3 * torch::randn({6, 5}, options),
                   ref = now + 0.3 * torch::randn({6, 5}, options), a = torch::randn({6}, options);
        const auto mask = (torch::arange(5).unsqueeze(0) < torch::tensor({5, 1, 3, 2, 4, 5}).unsqueeze(1))
                              .to(torch::kFloat64);
        const GroupTotals totals{6, mask.sum().item<double>(), 9};
        const auto gradient = [&](GroupAggregation aggregation,
                                  const std::vector<std::pair<int64_t, int64_t>>& parts) {
            const auto leaf = now.clone().requires_grad_();
            for (const auto& [from, to] : parts) {
                const auto cut = [&, from = from, to = to](const torch::Tensor& t) {
                    return t.slice(0, from, to);
                };
                const auto token =
                    groupTokenLoss(cut(leaf), cut(old), cut(ref), cut(a), cut(mask), {0.2, 0.28, 0.1});
                aggregateGroupLoss(token.loss, cut(mask), aggregation, totals).backward();
            }
            return leaf.grad();
        };
        for (const auto aggregation :
             {GroupAggregation::Grpo, GroupAggregation::DrGrpo, GroupAggregation::Dapo})
            QVERIFY((gradient(aggregation, {{0, 6}}) - gradient(aggregation, {{0, 1}, {1, 5}, {5, 6}}))
                        .abs()
                        .max()
                        .item<double>() < 1e-12);
    }

    void gradientEqualsFiniteDifferences() {
        torch::manual_seed(5);
        const auto options = torch::dtype(torch::kFloat64);
        const auto now = torch::randn({4, 3}, options) - 2, old = now + 0.2 * torch::randn({4, 3}, options),
                   ref = now + 0.2 * torch::randn({4, 3}, options),
                   a = torch::tensor({1.0, -1.0, 0.5, -0.3}, options);
        const auto mask =
            torch::tensor({{1.0, 1.0, 1.0}, {1.0, 0.0, 0.0}, {1.0, 1.0, 0.0}, {1.0, 1.0, 1.0}}, options);
        const GroupTotals totals{4, 9, 3};
        for (const auto aggregation : {GroupAggregation::Grpo, GroupAggregation::Bnpo,
                                       GroupAggregation::DrGrpo, GroupAggregation::Dapo}) {
            const auto value = [&](const torch::Tensor& x) {
                return aggregateGroupLoss(groupTokenLoss(x, old, ref, a, mask, {0.2, 0.28, 0.1}).loss, mask,
                                          aggregation, totals);
            };
            const auto leaf = now.clone().requires_grad_();
            value(leaf).backward();
            for (int64_t i = 0; i < 12; ++i) {
                const auto step = torch::zeros({12}, options);
                step[i] = 1e-6;
                const double slope =
                    ((value(now + step.view({4, 3})) - value(now - step.view({4, 3}))) / 2e-6).item<double>();
                QVERIFY(near(leaf.grad().view({-1})[i].item<double>(), slope, 1e-7));
            }
        }
    }
};

QTEST_GUILESS_MAIN(TestGroupLosses)
#include "tst_group_losses.moc"

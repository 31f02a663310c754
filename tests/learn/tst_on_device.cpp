// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// The code that runs where tensors are not the processor's. On a machine with a GPU PAIRLAB_TEST_DEVICE=cuda compares that one with the
// processor; without, a stand-in device is taken (standin_device.h), which knows besides how often the host waited for it.
#include <QtTest>

#include <torch/torch.h>

#include "core/base/memory_estimate.h"
#include "core/learn/host/device_memory.h"
#include "core/learn/models/attention.h"
#include "core/learn/models/device_graph.h"
#include "core/learn/objectives/group_losses.h"
#include "core/learn/objectives/pair_losses.h"
#include "core/learn/objectives/reward_losses.h"
#include "core/learn/sampling/sampler.h"
#include "core/learn/training/batches.h"
#include "core/learn/training/optimizer.h"
#include "tests/learn/models.h"
#include "tests/learn/standin_device.h"

using namespace pl;
using namespace pl::learn;

namespace {

constexpr const char* kNames[] = {"gpt2",           "gpt2_options", "gpt2_unscaled", "llama3", "llama_linear", "smollm", "mistral",
                                  "mistral_window", "qwen2",        "qwen2_window",  "qwen3",  "qwen3_options"};
constexpr RowLayout kPadded{}, kPacked{.packed = true};

TokenizedRow row(uint64_t seed, int64_t prompt, uint64_t answerSeed, int64_t answer) {
    TokenizedRow out;
    for (const auto& [from, n] : {std::pair(seed, prompt), std::pair(answerSeed, answer)}) {
        auto generator = at::detail::createCPUGenerator(from);
        const auto ids = torch::randint(3, 61, {n}, generator, torch::kInt64);
        out.ids.insert(out.ids.end(), ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + n);
    }
    out.start = prompt;
    return out;
}

/// Four pairs, chosen ones first: prompts of 11, 1, 17 and 5 ids.
std::vector<TokenizedRow> pairs() {
    return {row(1, 11, 20, 7), row(2, 1, 21, 5), row(3, 17, 22, 20), row(4, 5, 23, 2),
            row(1, 11, 24, 1), row(2, 1, 25, 9), row(3, 17, 26, 6),  row(4, 5, 27, 4)};
}

RowBatch batchOf(const std::vector<TokenizedRow>& rows, const torch::Device& device, RowLayout layout) {
    std::vector<const TokenizedRow*> pointers;
    for (const auto& one : rows)
        pointers.push_back(&one);
    return rowBatch(pointers, device, layout);
}

/// Largest difference as a share of the largest entry; both read by the host.
double relative(const torch::Tensor& a, const torch::Tensor& b) {
    return difference(a.cpu(), b.cpu()) / std::max(1e-3, b.cpu().abs().max().item<double>());
}

NamedParameters parametersOf(const Decoder& model) {
    NamedParameters out;
    for (const auto& item : model->named_parameters())
        if (item.value().requires_grad())
            out.emplace_back(item.key(), item.value());
    return out;
}

PairLogps pairLogps(const CompletionLogps& logps, const torch::Tensor& reference) {
    const auto sums = logps.sums(), counts = logps.counts();
    const int64_t n = sums.size(0) / 2;
    return {sums.narrow(0, 0, n),      sums.narrow(0, n, n),   reference.narrow(0, 0, n),
            reference.narrow(0, n, n), counts.narrow(0, 0, n), counts.narrow(0, n, n)};
}

} // namespace

class TestOnDevice : public QObject {
    Q_OBJECT
    torch::Device m_device = standin::kDevice;
    bool m_real = false;

    /// cuBLAS and the processor add up in different orders.
    double bound() const { return m_real ? 1e-4 : 1e-5; }
    static void everyCase() { rowsOf(kNames); }
    LoadedModel on(const std::string& name, const torch::Device& device, bool head = false) {
        return must(loadModel(kFamilies + name, device, head, 5));
    }
    void settle() { standin::readings = 0; }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        if (const auto name = qEnvironmentVariable("PAIRLAB_TEST_DEVICE"); !name.isEmpty()) {
            m_device = must(parseDevice(name.toStdString()));
            m_real = true;
        }
    }

    /// What the other tests rely on.
    void theStandInRefusesWhatAGpuRefuses() {
        const auto there = torch::arange(6, torch::kFloat32).to(standin::kDevice), here = torch::ones({6});
        QVERIFY(torch::equal((there * 2).cpu(), torch::arange(6, torch::kFloat32) * 2));
        QVERIFY_THROWS_EXCEPTION(c10::Error, there + here);
        QVERIFY_THROWS_EXCEPTION(c10::Error, there.index_select(0, torch::tensor({1, 2}, torch::kInt64)));
        QVERIFY_THROWS_EXCEPTION(c10::Error, torch::cat({there, here}));
        settle();
        const auto more = there.add(1).mul(torch::tensor(3.0)); // a single number may be the host's
        QCOMPARE(standin::readings.load(), int64_t{0});
        QCOMPARE(more.sum().item<double>(), 63.0);
        QCOMPARE(standin::readings.load(), int64_t{1});
        (void)more.cpu();
        QCOMPARE(standin::readings.load(), int64_t{2});
    }

    void logProbabilitiesAndGradientsAreTheProcessors_data() { everyCase(); }
    void logProbabilitiesAndGradientsAreTheProcessors() {
        QFETCH(QString, name);
        auto here = on(name.toStdString(), torch::kCPU).model, there = on(name.toStdString(), m_device).model;
        for (const auto& layout : {kPadded, kPacked})
            for (const bool again : {false, true}) {
                std::vector<CompletionLogps> logps;
                for (auto* model : {&here, &there}) {
                    (*model)->recomputeLayers(again);
                    for (auto& parameter : (*model)->parameters())
                        parameter.mutable_grad() = torch::Tensor();
                    logps.push_back(completionLogps(*model, batchOf(pairs(), (*model)->device(), layout), true, 0.8));
                    logps.back().sums().sum().backward();
                }
                QCOMPARE(logps[1].logps.device().type(), m_device.type());
                QVERIFY(torch::equal(logps[1].mask.cpu(), logps[0].mask));
                QVERIFY2(difference(logps[1].logps.cpu(), logps[0].logps) < bound(), qPrintable(QString::number(difference(logps[1].logps.cpu(), logps[0].logps))));
                QVERIFY(difference(logps[1].entropy.cpu(), logps[0].entropy) < bound());
                const auto expected = parametersOf(here), got = parametersOf(there);
                for (size_t i = 0; i < expected.size(); ++i)
                    QVERIFY2(relative(got[i].second.grad(), expected[i].second.grad()) < bound(), expected[i].first.c_str());
            }
    }

    void scoresAreTheProcessors_data() { everyCase(); }
    void scoresAreTheProcessors() {
        QFETCH(QString, name);
        auto here = on(name.toStdString(), torch::kCPU, true).model, there = on(name.toStdString(), m_device, true).model;
        for (RowLayout layout : {kPadded, kPacked}) {
            layout.lastTokens = true;
            const auto a = scores(here, batchOf(pairs(), torch::kCPU, layout)), b = scores(there, batchOf(pairs(), m_device, layout));
            QVERIFY(relative(b, a) < bound());
        }
    }

    /// Five updates of every pair loss, with an adapter and without: the host reads nothing until it asks, and the weights are those
    /// of a processor that reads after every step.
    void updatesNeedNoReading_data() {
        QTest::addColumn<QString>("loss");
        QTest::addColumn<bool>("adapter");
        QTest::addColumn<bool>("packed");
        for (const auto& loss : pairLosses())
            QTest::addRow("%s", loss.name.c_str()) << QString::fromStdString(loss.name) << false << false;
        QTest::newRow("sigmoid, adapter") << "sigmoid" << true << false;
        QTest::newRow("sigmoid, packed") << "sigmoid" << false << true;
    }
    void updatesNeedNoReading() {
        QFETCH(QString, loss);
        QFETCH(bool, adapter);
        QFETCH(bool, packed);
        const auto kind = must(findPairLoss(loss.toStdString()));
        PairLossOptions options;
        options.labelSmoothing = kind.needsSmoothing ? 0.1 : 0;
        const auto train = [&](const torch::Device& device, bool waits) {
            auto model = on("llama3", device).model;
            auto parameters = parametersOf(model);
            if (adapter) {
                AdapterOptions low;
                low.rank = 3;
                low.targets = "*";
                parameters = must(Adapters::attach(*model, model->adaptable(), low, 4)).parameters();
            }
            AdamW optimizer(parameters, {0.9, 0.99, 1e-8, 0.01});
            const auto reference = torch::linspace(-40, -20, 8).to(device);
            std::vector<torch::Tensor> losses;
            torch::Tensor bad;
            settle();
            for (int step = 0; step < 5; ++step) {
                optimizer.zeroGrad();
                const auto batch = batchOf(pairs(), device, packed ? kPacked : kPadded);
                const auto logps = completionLogps(model, batch, true);
                const auto value = pairLoss(kind, pairLogps(logps, reference), options).mean();
                value.backward();
                losses.push_back(value.detach());
                if (waits) {
                    optimizer.clipGradients(0.5);
                    optimizer.step(1e-3);
                    continue;
                }
                const auto norm = optimizer.clipGradientsOnDevice(0.5);
                bad = torch::isfinite(norm + value.detach()).logical_not().to(torch::kFloat32);
                optimizer.step(1e-3, bad);
            }
            if (!waits && !m_real)
                QTest::qVerify(standin::readings == 0, "readings == 0", qPrintable(QString::number(standin::readings)), __FILE__, __LINE__);
            std::vector<torch::Tensor> out = {torch::stack(losses).cpu()};
            for (const auto& [name, parameter] : parameters)
                out.push_back(parameter.detach().cpu());
            return out;
        };
        const auto expected = train(torch::kCPU, true), got = train(m_device, false);
        QVERIFY((expected[0].diff() != 0).all().item<bool>()); // something is learnt
        for (size_t i = 0; i < expected.size(); ++i)
            QVERIFY2(relative(got[i], expected[i]) < 10 * bound(), qPrintable(QString("%1: %2").arg(i).arg(relative(got[i], expected[i]))));
    }

    /// Neither weights nor moments take what is not finite, and the next step goes on from there.
    void aSkippedStepChangesNothing() {
        for (const auto& device : {torch::Device(torch::kCPU), m_device}) {
            const auto make = [&] { return torch::arange(1, 7, torch::kFloat32).view({2, 3}).to(device).requires_grad_(); };
            auto p = make(), q = make();
            AdamW skipped({{"p", p}}, {}), plain({{"q", q}}, {});
            const auto one = torch::ones({}).to(device), zero = torch::zeros({}).to(device);
            const auto gradient = torch::linspace(-1, 1, 6).view({2, 3}).to(device);
            p.mutable_grad() = gradient * NAN;
            skipped.step(0.1, one);
            QVERIFY(torch::equal(p.detach().cpu(), make().detach().cpu()));
            for (auto& [name, tensor] : skipped.state())
                if (name != "step")
                    QVERIFY2(tensor.abs().max().item<double>() == 0, name.c_str());
            q.mutable_grad() = torch::Tensor();
            plain.step(0.1); // counts too
            p.mutable_grad() = gradient.clone();
            q.mutable_grad() = gradient.clone();
            skipped.step(0.1, zero);
            plain.step(0.1);
            QVERIFY(torch::equal(p.detach().cpu(), q.detach().cpu()));
            QVERIFY(!torch::equal(p.detach().cpu(), make().detach().cpu()));
        }
    }

    void clippingIsTheSame_data() {
        QTest::addColumn<double>("most");
        QTest::newRow("clips") << 0.5;
        QTest::newRow("does not") << 50.0;
        QTest::newRow("off") << 0.0;
    }
    void clippingIsTheSame() {
        QFETCH(double, most);
        const auto gradient = torch::linspace(-1, 2, 6).view({2, 3});
        auto p = torch::zeros({2, 3}).requires_grad_(), q = torch::zeros({2, 3}).to(m_device).requires_grad_();
        AdamW a({{"p", p}}, {}), b({{"q", q}}, {});
        QCOMPARE(b.clipGradientsOnDevice(most).cpu().item<double>(), 0.0); // no gradients yet
        p.mutable_grad() = gradient.clone();
        q.mutable_grad() = gradient.to(m_device).clone();
        const double norm = a.clipGradients(most);
        QVERIFY(std::abs(b.clipGradientsOnDevice(most).item<double>() - norm) < 1e-5);
        QVERIFY(difference(q.grad().cpu(), p.grad()) < 1e-6);
        QCOMPARE(torch::equal(p.grad(), gradient), most != 0.5);
    }

    void groupAndRewardLossesNeedNoReading() {
        auto generator = at::detail::createCPUGenerator(3);
        const auto now = torch::randn({8, 6}, generator), old = now + 0.1 * torch::randn({8, 6}, generator);
        const auto reference = torch::randn({8, 6}, generator), advantages = torch::randn({8}, generator);
        const auto mask = (torch::rand({8, 6}, generator) > 0.3).to(torch::kFloat32);
        for (const auto how : {GroupAggregation::Grpo, GroupAggregation::Bnpo, GroupAggregation::DrGrpo, GroupAggregation::Dapo}) {
            std::vector<torch::Tensor> values, gradients;
            for (const auto& device : {torch::Device(torch::kCPU), m_device}) {
                auto leaf = now.to(device).detach().clone().requires_grad_();
                const auto o = old.to(device), r = reference.to(device), a = advantages.to(device), m = mask.to(device);
                settle();
                const auto token = groupTokenLoss(leaf, o, r, a, m, {0.2, 0.2, 0.05});
                const auto loss = aggregateGroupLoss(token.loss, m, how, {8, 30, 6});
                loss.backward();
                if (!m_real)
                    QCOMPARE(standin::readings.load(), int64_t{0});
                values.push_back(loss.detach().cpu());
                gradients.push_back(leaf.grad().cpu());
            }
            QVERIFY(relative(values[1], values[0]) < bound());
            QVERIFY(relative(gradients[1], gradients[0]) < bound());
        }
    }

    /// Greedily the same ids; drawn, too: the host draws the numbers. One reading a token.
    void samplingIsTheProcessors_data() { everyCase(); }
    void samplingIsTheProcessors() {
        QFETCH(QString, name);
        auto here = on(name.toStdString(), torch::kCPU).model, there = on(name.toStdString(), m_device).model;
        const std::vector<std::vector<int64_t>> prompts = {{5, 9, 3}, {5, 9, 3}, {17}, {8, 8, 30, 31, 12}, {5, 9, 3}};
        for (const double temperature : {0.0, 0.9}) {
            SamplingOptions options;
            options.temperature = temperature;
            options.maxNewTokens = 8;
            options.batchSize = 3;
            const auto a = must(sampleBatch(here, prompts, options)), b = must(sampleBatch(there, prompts, options));
            for (size_t i = 0; i < prompts.size(); ++i) {
                QCOMPARE(b[i].ids, a[i].ids);
                for (size_t t = 0; t < a[i].logps.size(); ++t)
                    QVERIFY(std::abs(a[i].logps[t] - b[i].logps[t]) < 10 * bound());
            }
        }
        if (m_real)
            return;
        SamplingOptions options;
        options.maxNewTokens = 8;
        settle();
        (void)must(sampleBatch(there, {prompts[0], prompts[3]}, options));
        QVERIFY2(standin::readings <= 8, qPrintable(QString::number(standin::readings)));
    }

#ifdef PL_STANDIN_GRAPHS
    /// As CUDA's: not on the stream that everything uses, nothing is done before the replay, and nobody waits for the device meanwhile.
    void theStandInRecordsAsAGpuDoes() {
        std::string why;
        QVERIFY(!DeviceGraph::make(torch::kCPU, nullptr, why));
        QCOMPARE(why, std::string("there are none for cpu"));
        QVERIFY_THROWS_EXCEPTION(c10::Error, at::create_graph_impl(standin::kType)->capture_begin());
        const auto x = torch::arange(3, torch::kFloat32).to(standin::kDevice);
        torch::Tensor y;
        const auto graph = DeviceGraph::make(standin::kDevice, nullptr, why);
        QVERIFY(graph);
        graph->record([&] {
            y = (x + 1) * 2;
            x.add_(1);
        });
        QVERIFY(std::isnan(y[0].item<float>()));
        QVERIFY(torch::equal(x.cpu(), torch::arange(3, torch::kFloat32)));
        x.fill_(4);
        graph->replay();
        graph->replay();
        QVERIFY(torch::equal(y.cpu(), torch::full({3}, 12.0F)));
        QVERIFY(torch::equal(x.cpu(), torch::full({3}, 6.0F)));
        const auto waiting = DeviceGraph::make(standin::kDevice, graph.get(), why);
        QVERIFY_THROWS_EXCEPTION(c10::Error, waiting->record([&] { (void)x.sum().item<float>(); }));
        QVERIFY_THROWS_EXCEPTION(c10::Error, waiting->record([&] { (void)(x + torch::ones({3}).to(standin::kDevice)); }));
        QVERIFY_THROWS_EXCEPTION(c10::Error, waiting->replay());
        QCOMPARE(x.sum().item<float>(), 18.0F);
    }
#endif

    /// Rows come and go, answers cross several widths: what is replayed gives the same ids, and log-probabilities to the last bits of a sum.
    void replayedStepsAreThePlainOnes_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<bool>("half");
        QTest::addColumn<bool>("adapter");
        for (const char* name : kNames)
            QTest::newRow(name) << QString(name) << false << false;
        QTest::newRow("llama3, bf16") << "llama3" << true << false;
        QTest::newRow("llama3, adapter") << "llama3" << false << true;
        QTest::newRow("gpt2, bf16, adapter") << "gpt2" << true << true;
    }
    void replayedStepsAreThePlainOnes() {
        QFETCH(QString, name);
        QFETCH(bool, half);
        QFETCH(bool, adapter);
        auto model = on(name.toStdString(), m_device).model;
        model->setPrecision(half ? Precision::Bf16 : Precision::Fp32);
        std::optional<Adapters> adapters;
        if (adapter) {
            AdapterOptions low;
            low.rank = 3;
            low.targets = "*";
            adapters = must(Adapters::attach(*model, model->adaptable(), low, 4));
        }
        forgetReplayRefusals();
        const std::vector<std::vector<int64_t>> prompts = {{5, 9, 3}, {5, 9, 3}, {17}, {8, 8, 30, 31, 12}, {5, 9, 3}, {21, 2}, {6}};
        for (const double temperature : {0.0, 0.9}) {
            std::array<ReplayReport, 2> reports;
            std::array<std::vector<Sampled>, 2> sampled;
            for (const bool replay : {false, true}) {
                SamplingOptions options;
                options.temperature = temperature;
                options.maxNewTokens = 12;
                options.batchSize = 5;
                options.stopIds = {3, 9, 11, 40, 41, 42};
                options.replay = {replay, 4, 1, &reports[replay]};
                settle();
                sampled[replay] = must(sampleBatch(model, prompts, options));
                if (!m_real)
                    QVERIFY2(standin::readings <= reports[replay].steps + reports[replay].recorded + static_cast<int64_t>(prompts.size()),
                             qPrintable(QString::number(standin::readings)));
            }
            for (size_t i = 0; i < prompts.size(); ++i) {
                QCOMPARE(sampled[1][i].ids, sampled[0][i].ids);
                for (size_t t = 0; t < sampled[0][i].logps.size(); ++t)
                    QVERIFY(std::abs(sampled[1][i].logps[t] - sampled[0][i].logps[t]) < (half ? 2e-2 : bound()));
            }
            QCOMPARE(reports[0].replayed, int64_t{0});
            QCOMPARE(reports[1].steps, reports[0].steps);
#ifdef PL_STANDIN_GRAPHS
            QCOMPARE(reports[1].refusal, std::string());
            QVERIFY2(reports[1].recorded > 1 && 3 * reports[1].replayed > reports[1].steps,
                     qPrintable(QString("%1 of %2 steps, %3 shapes").arg(reports[1].replayed).arg(reports[1].steps).arg(reports[1].recorded)));
#endif
        }
    }

#ifdef PL_STANDIN_GRAPHS
    /// What a device gets wrong is found before a token of it is used, and said.
    void whatIsNotProvenIsNotReplayed() {
        auto model = on("llama3", standin::kDevice).model;
        SamplingOptions options;
        options.maxNewTokens = 12;
        const std::vector<std::vector<int64_t>> prompts = {{5, 9, 3}, {17}};
        options.replay.on = false;
        const auto expected = must(sampleBatch(model, prompts, options));
        for (const auto fault : {standin::Fault::Forgets, standin::Fault::Drifts}) {
            forgetReplayRefusals();
            ReplayReport report, later;
            options.replay = {true, 4, 1, &report};
            standin::fault = fault;
            const auto got = must(sampleBatch(model, prompts, options));
            standin::fault = standin::Fault::None;
            for (size_t i = 0; i < prompts.size(); ++i)
                QCOMPARE(got[i].ids, expected[i].ids);
            QCOMPARE(report.replayed, int64_t{0});
            QVERIFY2(report.refusal.starts_with("a replayed step gave logits that are off by"), report.refusal.c_str());
            // Nobody tries again.
            options.replay.report = &later;
            const int64_t recordings = standin::recordings;
            (void)must(sampleBatch(model, prompts, options));
            QCOMPARE(standin::recordings.load(), recordings);
            QCOMPARE(later.refusal, report.refusal);
            QVERIFY(later.text().find(report.refusal) != std::string::npos);
        }
        forgetReplayRefusals();
    }
#endif

#ifdef PL_STANDIN_STATISTICS
    /// What is said before a run, but for the program's own, against the most that tensors take at one time in two steps. (Of attention the stand-in
    /// makes whole matrices, which a GPU does not: they are small here.)
    void theEstimateIsTheAllocatorsPeak_data() {
        QTest::addColumn<int>("method");
        QTest::addColumn<int>("kvHeads");
        QTest::addColumn<int>("adapterRank");
        QTest::addColumn<bool>("half");
        QTest::addColumn<bool>("recompute");
        QTest::addColumn<int>("hidden");
        QTest::addColumn<int>("layers");
        QTest::addColumn<int>("vocab");
        const auto row = [](const char* name, TrainMethod method, int kvHeads, int rank, bool half, bool recompute, int hidden = 256, int layers = 4,
                            int vocab = 2048) {
            QTest::newRow(name) << static_cast<int>(method) << kvHeads << rank << half << recompute << hidden << layers << vocab;
        };
        row("DPO", TrainMethod::Dpo, 4, 0, false, false);
        row("DPO, shared keys", TrainMethod::Dpo, 2, 0, false, false);
        row("DPO, layers computed again", TrainMethod::Dpo, 4, 0, false, true);
        row("DPO, adapter", TrainMethod::Dpo, 4, 8, false, false);
        row("DPO, bf16", TrainMethod::Dpo, 4, 0, true, false);
        row("DPO, bf16, layers computed again", TrainMethod::Dpo, 4, 0, true, true);
        row("reward model", TrainMethod::RewardModel, 4, 0, false, false);
        row("reward model, adapter, layers computed again", TrainMethod::RewardModel, 4, 8, false, true);
        row("DPO, narrow and deep", TrainMethod::Dpo, 4, 0, false, false, 128, 12);
        row("DPO, narrow and deep, layers computed again", TrainMethod::Dpo, 4, 0, false, true, 128, 12);
        row("DPO, wide and shallow", TrainMethod::Dpo, 4, 0, false, false, 512, 2);
        row("SFT, many words", TrainMethod::Sft, 4, 0, false, false, 256, 4, 20000);
    }
    void theEstimateIsTheAllocatorsPeak() {
        QFETCH(int, method);
        QFETCH(int, kvHeads);
        QFETCH(int, adapterRank);
        QFETCH(bool, half);
        QFETCH(bool, recompute);
        QFETCH(int, hidden);
        QFETCH(int, layers);
        QFETCH(int, vocab);
        constexpr int64_t kPairs = 10, kTime = 40;
        ModelConfig config;
        config.vocabSize = vocab;
        config.hiddenSize = hidden;
        config.layers = layers;
        config.heads = 4;
        config.kvHeads = kvHeads;
        config.headDim = hidden / 4;
        config.intermediateSize = hidden * 43 / 16;
        config.maxPositions = 64;
        MemoryPlan plan;
        plan.method = static_cast<TrainMethod>(method);
        plan.adapterRank = adapterRank;
        plan.positions = 2 * kPairs * kTime;
        plan = plan.on("cuda:0");
        plan.half = half;
        plan.recompute = recompute;
        plan.longest = kTime;
        config.rewardHead = plan.method == TrainMethod::RewardModel;
        const auto estimate = estimateMemory(config, plan);
        const double said = estimate.total() - estimate.program;

        std::vector<TokenizedRow> rows(2 * kPairs);
        for (size_t i = 0; i < rows.size(); ++i) {
            for (int64_t t = 0; t < kTime; ++t)
                rows[i].ids.push_back((static_cast<int64_t>(i) * 31 + t * 7) % config.vocabSize);
            rows[i].start = kTime / 2;
        }
        const auto before = standin::memory.current.load();
        Decoder model(config);
        model->initialise(3);
        model->to(m_device);
        model->setPrecision(half ? Precision::Bf16 : Precision::Fp32);
        model->recomputeLayers(recompute);
        auto parameters = parametersOf(model);
        if (adapterRank > 0) {
            AdapterOptions low;
            low.rank = adapterRank;
            low.targets = "*";
            parameters = must(Adapters::attach(*model, model->adaptable(), low, 4)).parameters();
        }
        AdamW optimizer(parameters, {});
        auto layout = kPadded;
        layout.lastTokens = config.rewardHead;
        const auto reference = torch::linspace(-300, -200, 2 * kPairs).to(m_device);
        at::getDeviceAllocator(m_device.type())->resetPeakStats(0);
        for (int step = 0; step < 2; ++step) {
            optimizer.zeroGrad();
            const auto batch = batchOf(rows, m_device, layout);
            if (config.rewardHead) {
                const auto all = scores(model, batch);
                torch::softplus(all.narrow(0, kPairs, kPairs) - all.narrow(0, 0, kPairs)).mean().backward();
            } else if (plan.method == TrainMethod::Sft) {
                (-completionLogps(model, batch).sums().sum()).backward();
            } else {
                pairLoss(must(findPairLoss("sigmoid")), pairLogps(completionLogps(model, batch), reference), {}).mean().backward();
            }
            (void)optimizer.clipGradientsOnDevice(1);
            optimizer.step(1e-3);
        }
        const double took = static_cast<double>(peakMemory(m_device)) - static_cast<double>(before);
        qInfo("said %.1f MB, took %.1f MB: %.3f", said / 1e6, took / 1e6, said / took);
        QVERIFY2(std::abs(said / took - 1) < 0.1, qPrintable(QString::number(said / took)));
    }

    void theDevicesMemoryIsTheAllocators() {
        const auto held = torch::empty({1000, 1000}, standin::kDevice);
        standin::memory.resetPeakStats(0);
        standin::memory.cached = 12345 * 512; // which a tensor can have
        const auto before = deviceMemory(standin::kDevice);
        const uint64_t peak = peakMemory(standin::kDevice);
        QCOMPARE(peak, static_cast<uint64_t>(standin::memory.current));
        QCOMPARE(before.total - before.free, peak);
        releaseCache(standin::kDevice);
        QCOMPARE(standin::memory.cached.load(), int64_t{0});
        QCOMPARE(deviceMemory(standin::kDevice).free, before.free);
        (void)torch::empty({1 << 20}, standin::kDevice);
        QCOMPARE(peakMemory(standin::kDevice) - peak, uint64_t{4} << 20);
        QCOMPARE(deviceMemory(standin::kDevice).free, before.free);
        const auto processor = deviceMemory(torch::kCPU);
        QVERIFY(peakMemory(torch::kCPU) > 0 && processor.free > 0 && processor.free <= processor.total);
    }
#endif

    void bf16IsTheProcessors() {
        auto here = on("llama3", torch::kCPU).model, there = on("llama3", m_device).model;
        for (auto* model : {&here, &there})
            (*model)->setPrecision(Precision::Bf16);
        const auto a = completionLogps(here, batchOf(pairs(), torch::kCPU, kPadded)), b = completionLogps(there, batchOf(pairs(), m_device, kPadded));
        a.sums().sum().backward();
        b.sums().sum().backward();
        QVERIFY(difference(b.logps.cpu(), a.logps) < 2e-2);
        const auto expected = parametersOf(here), got = parametersOf(there);
        for (size_t i = 0; i < expected.size(); ++i)
            QVERIFY2(relative(got[i].second.grad(), expected[i].second.grad()) < 5e-2, expected[i].first.c_str());
    }
};

QTEST_GUILESS_MAIN(TestOnDevice)
#include "tst_on_device.moc"

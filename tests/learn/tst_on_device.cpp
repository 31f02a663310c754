// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// The code that runs where tensors are not the processor's. On a machine with a GPU PAIRLAB_TEST_DEVICE=cuda compares that one with the
// processor; without, a stand-in device is taken (standin_device.h), which knows besides how often the host waited for it.
#include <QtTest>

#include <torch/torch.h>

#include "core/learn/models/attention.h"
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

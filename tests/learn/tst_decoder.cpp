// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <torch/torch.h>

#include "core/base/json.h"
#include "core/learn/models/decoder.h"
#include "core/learn/models/kernels.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

class TestDecoder : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void equalsTransformers_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"base", "gqa", "headdim"})
            QTest::newRow(name) << name;
    }
    /// Logits, loss and every gradient.
    void equalsTransformers() {
        QFETCH(QString, name);
        const Expected expected(kGolden + name.toStdString());
        auto loaded = open(name.toStdString());
        auto& model = loaded.model;
        const auto mask = expected.tensors.at("attention_mask");
        const auto logits = model->head(model->hidden(expected.batch)) * mask.unsqueeze(2);
        QVERIFY(difference(logits, expected.tensors.at("logits")) < 1e-4);

        const auto starts = torch::ones({4}, torch::kInt64);
        const auto result = completionLogps(model, expected.batch, starts);
        QVERIFY(difference(result.logps, expected.tensors.at("token_logps")) < 1e-4);
        QCOMPARE(result.mask.sum().item<double>(), mask.slice(1, 1).sum().item<double>());
        const auto loss = -result.logps.sum() / result.mask.sum();
        QVERIFY(std::abs(loss.item<double>() - expected.json["loss"].get<double>()) < 1e-4);
        loss.backward();
        for (const auto& item : model->named_parameters()) {
            const double d = difference(item.value().grad(), expected.tensors.at("grad." + item.key()));
            QVERIFY2(d < 1e-4, qPrintable(QString::fromStdString(item.key()) + QString(" %1").arg(d)));
        }

        const auto promptLengths = torch::tensor(expected.json["prompt_lengths"].get<std::vector<int64_t>>(), torch::kInt64);
        const auto completion = completionLogps(model, expected.batch, promptLengths);
        const double completionLoss = (-completion.logps.sum() / completion.mask.sum()).item<double>();
        QVERIFY(std::abs(completionLoss - expected.json["completion_loss"].get<double>()) < 1e-4);
    }

    void rewardModelEqualsTransformers() {
        const Expected expected(kGolden + "reward");
        auto loaded = open("reward");
        const auto scores = loaded.model->scores(expected.batch);
        QVERIFY(difference(scores, expected.tensors.at("scores")) < 1e-4);
        const auto loss = -torch::log_sigmoid(scores.narrow(0, 0, 2) - scores.narrow(0, 2, 2)).mean();
        QVERIFY(std::abs(loss.item<double>() - expected.json["bradley_terry_loss"].get<double>()) < 1e-4);
        loss.backward();
        for (const auto& item : loaded.model->named_parameters())
            QVERIFY2(difference(item.value().grad(), expected.tensors.at("grad." + item.key())) < 1e-4, item.key().c_str());
    }

    void olderSpellingOfTheConfigIsTheSame() {
        const auto a = ModelConfig::fromJson(readJsonFile(kGolden + "headdim/config.json").value(), "config.json");
        const auto b = ModelConfig::fromJson(readJsonFile(kGolden + "headdim/config_v4.json").value(), "config_v4.json");
        QVERIFY(a && b);
        QCOMPARE(a->ropeTheta, 50000.0);
        QCOMPARE(b->ropeTheta, 50000.0);
        QCOMPARE(a->headDim, b->headDim);
    }

    void paddingAndItsIdsChangeNothing() {
        Decoder model(tiny());
        model->initialise(3);
        torch::NoGradGuard noGrad;
        const auto ids = torch::randint(0, 50, {2, 9}, torch::kInt64);
        const auto lengths = torch::tensor({9, 5}, torch::kInt64);
        const auto starts = torch::tensor({2, 3}, torch::kInt64);
        const auto plain = completionLogps(model, {ids, lengths}, starts);
        auto wide = torch::cat({ids, torch::full({2, 4}, 7, torch::kInt64)}, 1);
        wide[1].slice(0, 5).fill_(49);
        const auto padded = completionLogps(model, {wide, lengths}, starts);
        QVERIFY(difference(plain.logps, padded.logps) < 1e-5);
        QVERIFY(torch::equal(plain.mask, padded.mask));
        QVERIFY(torch::equal(plain.counts(), torch::tensor({7.0f, 2.0f})));
    }

    void batchOrderChangesNothing() {
        Decoder model(tiny());
        model->initialise(4);
        torch::NoGradGuard noGrad;
        const auto ids = torch::randint(0, 50, {3, 8}, torch::kInt64);
        const auto lengths = torch::tensor({8, 4, 6}, torch::kInt64), starts = torch::tensor({1, 2, 3}, torch::kInt64);
        const auto order = torch::tensor({2, 0, 1}, torch::kInt64);
        const auto a = completionLogps(model, {ids, lengths}, starts).sums();
        const auto b = completionLogps(model, {ids.index_select(0, order), lengths.index_select(0, order)},
                                       starts.index_select(0, order)).sums();
        QVERIFY(difference(a.index_select(0, order), b) < 1e-5);
    }

    void cachedDecodingEqualsTheWholePass() {
        auto loaded = open("gqa");
        auto& model = loaded.model;
        torch::NoGradGuard noGrad;
        const auto ids = torch::randint(3, 97, {3, 14}, torch::kInt64);
        const auto prompts = torch::tensor({4, 9, 6}, torch::kInt64); // ragged
        auto cache = model->makeCache(3, 20);
        auto hidden = model->prefill({ids.narrow(1, 0, 9), prompts}, cache);
        for (int64_t step = 0; step < 5; ++step) {
            const auto whole = model->hidden({ids, prompts});
            for (int64_t row = 0; row < 3; ++row) {
                const int64_t position = prompts[row].item<int64_t>() + step - 1;
                QVERIFY(difference(hidden[row], whole[row][position]) < 1e-4);
            }
            hidden = model->decodeStep(ids.gather(1, (prompts + step).unsqueeze(1)).squeeze(1), cache);
            if (step == 2) { // rows keep their own past when others leave
                cache.selectRows({0, 1, 2});
            }
        }
        QCOMPARE(cache.lengths, (std::vector<int64_t>{9, 14, 11}));
    }

    void temperatureAndEntropyFollowTheFormula() {
        Decoder model(tiny());
        model->initialise(5);
        for (auto& p : model->parameters())
            p.data().mul_(8);
        torch::NoGradGuard noGrad;
        const auto ids = torch::randint(0, 50, {2, 6}, torch::kInt64);
        const TokenBatch batch{ids, torch::tensor({6, 4}, torch::kInt64)};
        const auto result = completionLogps(model, batch, torch::tensor({3, 1}, torch::kInt64), true, 0.7);
        const auto all = torch::log_softmax(model->head(model->hidden(batch)) / 0.7, -1);
        const auto entropy = -(all.exp() * all).sum(-1);
        QVERIFY(difference(result.logps[0][1], all[0][3][ids[0][4].item<int64_t>()]) < 1e-5);
        QVERIFY(difference(result.entropy[1][2], entropy[1][2]) < 1e-5);
        QCOMPARE(result.entropy[1].slice(0, 3).sum().item<double>(), 0.0);
    }

    /// The fused operations against the same formula in ATen (double takes the other path) and finite differences.
    void fusedOperationsHaveTheRightGradients() {
        const auto check = [](const auto& f, std::vector<torch::Tensor> inputs) {
            std::vector<torch::Tensor> wide;
            for (auto& input : inputs) {
                input.set_requires_grad(true);
                wide.push_back(input.detach().to(torch::kFloat64).set_requires_grad(true));
            }
            const auto a = f(inputs), b = f(wide);
            QVERIFY(difference(a, b) < 1e-5);
            const auto seed = torch::randn(a.sizes());
            a.backward(seed);
            b.backward(seed.to(b.scalar_type()));
            for (size_t i = 0; i < inputs.size(); ++i) {
                QVERIFY(difference(inputs[i].grad(), wide[i].grad()) < 1e-5);
                auto flat = wide[i].detach().clone();
                const int64_t at = flat.numel() / 2;
                const double h = 1e-3;
                auto args = wide;
                const auto probe = [&](double step) {
                    auto moved = flat.clone();
                    moved.view({-1})[at] += step;
                    args[i] = moved;
                    torch::NoGradGuard noGrad;
                    return (f(args).to(torch::kFloat64) * seed).sum().template item<double>();
                };
                const double slope = (probe(h) - probe(-h)) / (2 * h);
                QVERIFY(std::abs(slope - wide[i].grad().view({-1})[at].template item<double>()) < 1e-3);
            }
        };
        torch::manual_seed(1);
        check([](const std::vector<torch::Tensor>& x) { return kernels::rmsNorm(x[0], x[1], 1e-5); },
              {torch::randn({150, 37}), torch::randn({37})});
        const auto angle = torch::rand({5, 4});
        check([&](const std::vector<torch::Tensor>& x) { return kernels::rotate(x[0], angle.cos(), angle.sin(), false); },
              {torch::randn({2, 5, 3, 8})});
        const auto targets = torch::randint(0, 40, {33}, torch::kInt64);
        check([&](const std::vector<torch::Tensor>& x) { return kernels::targetLogps(x[0], x[1], targets, 1.3, nullptr); },
              {torch::randn({33, 6}), torch::randn({40, 6})});
    }

    void flopsAreCountedByHand() {
        auto c = tiny();
        // one token, length 1: 2 * (q, o: 2*16*16; k, v: 2*16*8; mlp: 3*16*24) a layer, attention 4*16, head 2*16*50
        const double layer = 2 * (512 + 256 + 1152) + 64;
        QCOMPARE(c.forwardFlops(1, 1, 1), 2 * layer + 1600);
        Decoder model(c);
        int64_t count = 0;
        for (const auto& p : model->parameters())
            count += p.numel();
        QCOMPARE(c.parameterCount(), count);
    }

    void initialisationDependsOnlyOnTheSeed() {
        Decoder a(tiny()), b(tiny()), c(tiny());
        a->initialise(7);
        torch::randn({100});
        b->initialise(7);
        c->initialise(8);
        const auto pa = a->parameters(), pb = b->parameters(), pc = c->parameters();
        for (size_t i = 0; i < pa.size(); ++i)
            QVERIFY(torch::equal(pa[i], pb[i]));
        QVERIFY(!torch::equal(pa[0], pc[0]));
    }
};

QTEST_GUILESS_MAIN(TestDecoder)
#include "tst_decoder.moc"

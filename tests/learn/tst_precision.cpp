// SPDX-License-Identifier: Apache-2.0
// Products in bf16 beside fp32 weights: exact where bf16 is, near fp32 elsewhere, and nothing else changes.
#include <QTemporaryDir>
#include <QtTest>

#include <torch/torch.h>

#include "core/base/os/files.h"
#include "core/learn/host/precision_proof.h"
#include "core/learn/models/kernels.h"
#include "core/learn/training/optimizer.h"
#include "core/learn/training/reference_cache.h"
#include "core/learn/training/text_data.h"
#include "tests/learn/models.h"

using namespace pl;
using namespace pl::learn;

namespace {

constexpr const char* kNames[] = {"gpt2",           "gpt2_options", "gpt2_unscaled", "llama3", "llama_linear", "smollm", "mistral",
                                  "mistral_window", "qwen2",        "qwen2_window",  "qwen3",  "qwen3_options"};
constexpr RowLayout kPadded{}, kPacked{.packed = true}, kScored{.packed = true, .lastTokens = true};
/// Of a gradient: the length of what differs from fp32, as a share of the whole's. bf16 has 8 bits, so that a rounding is up to 1 / 256; the
/// golden models' weights are large, and their softmaxes make more of it (0.011 to 0.064).
constexpr double kGradientBound = 0.1;
/// Of scores, in the same way.
constexpr double kScoreBound = 0.05;
/// Of log-probabilities, in the same way; and of a single one while decoding, as a share of the largest logit.
constexpr double kLogpBound = 0.03;

torch::Tensor whole(at::IntArrayRef sizes, int64_t most, uint64_t seed) {
    auto generator = at::detail::createCPUGenerator(seed);
    return torch::randint(-most, most + 1, sizes, generator, torch::kFloat32);
}

std::vector<TokenizedRow> someRows() {
    std::vector<TokenizedRow> out;
    for (const auto& [prompt, answer, seed] : {std::tuple{11, 7, 1}, {1, 5, 2}, {11, 20, 1}, {17, 9, 3}}) {
        TokenizedRow row;
        for (int i = 0; i < prompt + answer; ++i)
            row.ids.push_back(3 + (i < prompt ? 7 * i * seed + seed : 11 * i + 5 * answer) % 58);
        row.start = prompt;
        out.push_back(std::move(row));
    }
    return out;
}
RowBatch batchOf(const std::vector<TokenizedRow>& rows, const RowLayout& layout) {
    std::vector<const TokenizedRow*> pointers;
    for (const auto& one : rows)
        pointers.push_back(&one);
    return rowBatch(pointers, torch::kCPU, layout);
}

/// All gradients in one row; what has none is left out. They are taken off the parameters.
torch::Tensor gradientOf(const NamedParameters& parameters) {
    std::vector<torch::Tensor> parts;
    for (const auto& [name, parameter] : parameters) {
        auto shared = parameter;
        if (parameter.grad().defined()) {
            parts.push_back(parameter.grad().flatten().clone());
            shared.mutable_grad() = torch::Tensor();
        }
    }
    return torch::cat(parts);
}
NamedParameters parametersOf(const Decoder& model) {
    NamedParameters out;
    for (const auto& item : model->named_parameters())
        out.emplace_back(item.key(), item.value());
    return out;
}
double distance(const torch::Tensor& a, const torch::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
}

double largestLogit(Decoder& model) {
    torch::NoGradGuard noGrad;
    return model->head(model->hidden(batchOf(someRows(), kPadded).tokens)).abs().max().item<double>();
}

torch::Tensor lossOf(const CompletionLogps& logps) {
    const auto weights = torch::arange(logps.logps.numel(), torch::kFloat32).view(logps.logps.sizes()).remainder(7) - 2.5;
    return -(logps.logps * weights).sum() / logps.mask.sum();
}

std::string program(const QTemporaryDir& dir, const std::string& text) {
    const std::string path = dir.filePath(QStringLiteral("worker")).toStdString();
    if (!os::writeFileAtomic(path, "#!/bin/sh\n" + text))
        qFatal("no program");
    QFile::setPermissions(QString::fromStdString(path), QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
    return path;
}

} // namespace

class TestPrecision : public QObject {
    Q_OBJECT
    static void everyCase() { rowsOf(kNames); }

private Q_SLOTS:
    void initTestCase() { torch::set_num_threads(1); }

    /// Whole numbers up to 256 are what they are in bf16, so nothing is rounded.
    void productsOfSmallWholeNumbersAreExact_data() {
        QTest::addColumn<bool>("transposed");
        QTest::newRow("rows are outputs") << false;
        QTest::newRow("rows are inputs") << true;
    }
    void productsOfSmallWholeNumbersAreExact() {
        QFETCH(bool, transposed);
        const auto g = whole({2, 5, 7}, 2, 3);
        const auto run = [&](bool half) {
            const auto x = whole({2, 5, 16}, 3, 1).requires_grad_(), w = (transposed ? whole({16, 7}, 2, 2) : whole({7, 16}, 2, 2)).requires_grad_();
            HalfCopy copy;
            const auto y = half ? halfLinear(halfInput(x), w, copy, transposed) : at::linear(x, transposed ? w.t() : w);
            y.backward(g);
            return std::vector<torch::Tensor>{y.detach(), x.grad(), w.grad()};
        };
        const auto ours = run(true), exact = run(false);
        for (size_t i = 0; i < exact.size(); ++i) {
            QCOMPARE(ours[i].scalar_type(), torch::kFloat32);
            QVERIFY2(torch::equal(ours[i], exact[i]), qPrintable(QString::number(i)));
        }
    }

    /// 1 and 512 times 2^-9: whoever adds in bf16 stays at 1.
    void sumsAreInFp32() {
        auto x = torch::full({1, 513}, 0x1p-9);
        x[0][0] = 1;
        HalfCopy copy;
        QCOMPARE(halfLinear(halfInput(x), torch::ones({1, 513}), copy).item<float>(), 2.0f);
        QCOMPARE(halfLinear(halfInput(x.expand({64, 513})), torch::ones({64, 513}), copy)[7][9].item<float>(), 2.0f); // a large product
    }

    /// The logits are exact, so is what is made of them in fp32; gradients are rounded once.
    void theHeadIsExactWhereLogitsAre() {
        const auto targets = torch::tensor({0, 3, 30, 17, 2, 2}, torch::kInt64);
        const auto run = [&](bool half) {
            const auto h = (whole({6, 8}, 3, 1) / 4).requires_grad_(), w = whole({31, 8}, 3, 2).requires_grad_();
            torch::Tensor entropy;
            HalfCopy copy;
            const auto logps = kernels::targetLogps(h, w, targets, 0.7, &entropy, half ? copy.of(w) : torch::Tensor());
            logps.backward(whole({6}, 3, 4));
            torch::NoGradGuard noGrad;
            if (!torch::equal(kernels::targetLogps(h, w, targets, 0.7, nullptr, half ? copy.of(w) : torch::Tensor()), logps))
                qFatal("another result without a gradient");
            return std::vector<torch::Tensor>{logps.detach(), entropy, h.grad(), w.grad()};
        };
        const auto ours = run(true), exact = run(false);
        QVERIFY(torch::equal(ours[0], exact[0]) && torch::equal(ours[1], exact[1]));
        for (const size_t i : {2, 3}) {
            QCOMPARE(ours[i].scalar_type(), torch::kFloat32);
            QVERIFY(!torch::equal(ours[i], exact[i]));
            QVERIFY2(distance(ours[i], exact[i]) < 0x1p-7, qPrintable(QString::number(distance(ours[i], exact[i]))));
        }
    }

    void aWeightIsCastOnceAStep() {
        const auto weight = torch::randn({4, 4}).requires_grad_();
        AdamW optimizer({{"w", weight}}, {});
        HalfCopy copy;
        const void* first = copy.of(weight).const_data_ptr();
        QCOMPARE(copy.of(weight).const_data_ptr(), first);
        weight.mutable_grad() = torch::ones_like(weight);
        const auto before = copy.of(weight); // holds on to its memory, which nobody else gets
        optimizer.step(0.5);
        QVERIFY(torch::equal(copy.of(weight), weight.detach().to(torch::kBFloat16)));
        QVERIFY(!torch::equal(copy.of(weight), before));
        const void* second = copy.of(weight).const_data_ptr();
        QCOMPARE(copy.of(weight).const_data_ptr(), second);
    }

    /// bf16 has no number between 1 and 1 - 2^-8: weights of its own would stay where they are for ever.
    void updatesTooSmallForBf16MoveTheMaster() {
        const auto weight = torch::ones({1, 4}).requires_grad_();
        AdamW optimizer({{"w", weight}}, {});
        HalfCopy copy;
        const auto step = [&] {
            optimizer.zeroGrad();
            halfLinear(halfInput(torch::ones({1, 4})), weight, copy).sum().backward();
            optimizer.step(1e-4);
        };
        step();
        QVERIFY(weight.max().item<float>() < 1 && weight.min().item<float>() > 0.9998f);
        QVERIFY(torch::equal(copy.of(weight), torch::ones({1, 4}, torch::kBFloat16)));
        auto own = torch::ones({1, 4}, torch::kBFloat16); // the same updates without a master
        for (int i = 0; i < 60; ++i) {
            step();
            own.sub_(1e-4);
        }
        QVERIFY(weight.max().item<float>() < 0.9945f);
        QVERIFY(copy.of(weight).max().item<float>() < 0.9961f);
        QVERIFY(torch::equal(own, torch::ones({1, 4}, torch::kBFloat16)));
    }

    void logProbabilitiesAndGradientsAreNearFp32_data() { everyCase(); }
    void logProbabilitiesAndGradientsAreNearFp32() {
        QFETCH(QString, name);
        auto model = openFolder(kFamilies + name.toStdString()).model;
        const auto run = [&](Precision precision, const RowLayout& layout, torch::Tensor& gradient) {
            model->setPrecision(precision);
            const auto logps = completionLogps(model, batchOf(someRows(), layout), false, 0.8);
            lossOf(logps).backward();
            gradient = gradientOf(parametersOf(model));
            return logps.logps.detach();
        };
        torch::Tensor exact, half, again, padded;
        const auto expected = run(Precision::Fp32, kPacked, exact), logps = run(Precision::Bf16, kPacked, half);
        qInfo("%s: log-probabilities differ by %.4f, gradients by %.4f", qPrintable(name), distance(logps, expected), distance(half, exact));
        QVERIFY(difference(logps, expected) > 1e-5); // the switch does switch
        QVERIFY(distance(logps, expected) < kLogpBound);
        QVERIFY(distance(half, exact) < kGradientBound);
        QVERIFY(distance(run(Precision::Bf16, kPadded, padded), expected) < kLogpBound);
        QVERIFY(distance(padded, exact) < kGradientBound);
        // Layers computed again are the same to the bit, and back in fp32 nothing is left of it.
        model->recomputeLayers(true);
        QVERIFY(torch::equal(run(Precision::Bf16, kPacked, again), logps) && torch::equal(again, half));
        model->recomputeLayers(false);
        QVERIFY(torch::equal(run(Precision::Fp32, kPacked, again), expected) && torch::equal(again, exact));
    }

    void scoresAreNearFp32_data() { everyCase(); }
    void scoresAreNearFp32() {
        QFETCH(QString, name);
        auto model = must(loadModel(kFamilies + name.toStdString(), torch::kCPU, true, 5)).model;
        const auto run = [&](Precision precision, torch::Tensor& gradient) {
            model->setPrecision(precision);
            const auto values = scores(model, batchOf(someRows(), kScored));
            (values * (torch::arange(4, torch::kFloat32) - 1.2)).sum().backward();
            gradient = gradientOf(parametersOf(model));
            return values.detach();
        };
        torch::Tensor exact, half;
        const auto expected = run(Precision::Fp32, exact), values = run(Precision::Bf16, half);
        QVERIFY(!torch::equal(values, expected));
        QVERIFY2(distance(values, expected) < kScoreBound, qPrintable(QString::number(distance(values, expected))));
        QVERIFY2(distance(half, exact) < kGradientBound, qPrintable(QString::number(distance(half, exact))));
    }

    void adaptersAreNearFp32_data() {
        const char* names[] = {"llama3", "qwen3", "gpt2"};
        rowsOf(names);
    }
    void adaptersAreNearFp32() {
        QFETCH(QString, name);
        auto model = openFolder(kFamilies + name.toStdString()).model;
        AdapterOptions options;
        options.rank = 3;
        options.targets = "*";
        const auto adapters = must(Adapters::attach(*model, model->adaptable(), options, 4));
        {
            torch::NoGradGuard noGrad;
            torch::manual_seed(2);
            for (auto& [key, parameter] : adapters.parameters())
                parameter.add_(0.1 * torch::randn_like(parameter));
        }
        const auto run = [&](Precision precision, torch::Tensor& gradient) {
            model->setPrecision(precision);
            const auto logps = completionLogps(model, batchOf(someRows(), kPacked));
            lossOf(logps).backward();
            gradient = gradientOf(adapters.parameters());
            return logps.logps.detach();
        };
        torch::Tensor exact, half;
        const auto expected = run(Precision::Fp32, exact), logps = run(Precision::Bf16, half);
        QVERIFY(difference(logps, expected) > 1e-5 && distance(logps, expected) < kLogpBound);
        QVERIFY2(distance(half, exact) < kGradientBound, qPrintable(QString::number(distance(half, exact))));
        const auto off = adapters.off(); // the reference reads the same copies of the weights
        torch::NoGradGuard noGrad;
        const auto without = completionLogps(model, batchOf(someRows(), kPacked)).logps;
        auto plain = openFolder(kFamilies + name.toStdString()).model;
        plain->setPrecision(Precision::Bf16);
        QVERIFY(torch::equal(without, completionLogps(plain, batchOf(someRows(), kPacked)).logps));
    }

    /// What is decoded token by token is the whole pass within rounding, and the sampler's head is the trainer's.
    void decodingIsNearTheWholePass_data() { everyCase(); }
    void decodingIsNearTheWholePass() {
        QFETCH(QString, name);
        auto model = openFolder(kFamilies + name.toStdString()).model;
        model->setPrecision(Precision::Bf16);
        torch::NoGradGuard noGrad;
        const auto ids = (torch::arange(24, torch::kInt64).view({2, 12}) * 7) % 58 + 3;
        const auto full = torch::log_softmax(model->head(model->hidden(TokenBatch{ids, torch::tensor({12, 12}, torch::kInt64)})), -1);
        auto cache = model->makeCache(2, 16);
        auto step = model->prefill({ids.narrow(1, 0, 7), torch::tensor({7, 7}, torch::kInt64)}, cache);
        for (int64_t t = 7; t < 12; ++t)
            step = model->decodeStep(ids.select(1, t).contiguous(), cache);
        QVERIFY(difference(torch::log_softmax(model->head(step), -1), full.select(1, 11)) < kLogpBound * largestLogit(model));
        // Of the same hidden states both ways to the head say the same.
        const auto rows = torch::randn({5, model->config().hiddenSize});
        const auto targets = torch::tensor({3, 4, 5, 6, 7}, torch::kInt64);
        const auto picked = torch::log_softmax(model->head(rows), -1).gather(1, targets.unsqueeze(1)).squeeze(1);
        QVERIFY(difference(kernels::targetLogps(rows, model->headWeight(), targets, 1, nullptr, model->headHalf()), picked) < 1e-5);
    }

    void aReferenceOfAnotherPrecisionIsAnother() {
        std::vector<TokenizedPair> pairs(1);
        pairs[0].chosen = pairs[0].rejected = {{1, 2, 3}, 1};
        QVERIFY(referenceKey("m", pairs, kPacked, Precision::Bf16) != referenceKey("m", pairs, kPacked));
        QCOMPARE(referenceKey("m", pairs, kPacked, Precision::Fp32), referenceKey("m", pairs, kPacked));
        QVERIFY(precisionOf("bf16").value() == Precision::Bf16 && precisionOf("fp32").value() == Precision::Fp32);
        QVERIFY(QString::fromStdString(precisionOf("fp16").error().message).contains("fp16"));
    }

    void aDeviceIsTriedInThisProcess() {
        const auto proof = measureBf16("cpu");
        QVERIFY(proof.failure.empty());
        QVERIFY2(proof.right, proof.text().c_str()); // libtorch falls back to fp32 where there are no instructions
        QVERIFY(proof.error > 0.1 && proof.ratio > 0);
        QVERIFY(measureBf16("cuda:77").failure.find("cuda:77") != std::string::npos);
    }

    void aChildThatDiesProvesNothing_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<bool>("proven");
        QTest::addColumn<QString>("says");
        const QString good = QStringLiteral(R"({"device":"cpu","right":true,"error":0.5,"ratio":2.0,"instructions":"avx512_bf16","failure":""})");
        const auto said = [&](const QString& from, const QString& to) { return QString("echo '" + QString(good).replace(from, to) + "'"); };
        QTest::newRow("good") << "echo 'a driver has something to say'\n" + said("cpu", "cpu") << true << "avx512_bf16, 2.00 times";
        QTest::newRow("asked about the device") << "[ \"$1 $2 $3\" = 'precision --device cpu' ] && " + said("cpu", "cpu") << true << "proven on cpu";
        QTest::newRow("illegal instruction") << "kill -ILL $$" << false << "signal 4";
        QTest::newRow("fault after the answer") << said("cpu", "cpu") + "\nkill -SEGV $$" << false << "signal 11";
        QTest::newRow("exit code") << "exit 70" << false << "exit code 70";
        QTest::newRow("wrong results") << said("true", "false") << false << "wrong";
        QTest::newRow("not worth it") << said("2.0", "0.4") << false << "0.40 times";
        QTest::newRow("not a number") << said("\"ratio\":2.0", "\"ratio\":\"NaN\"") << false << "not proven";
        QTest::newRow("nothing") << ":" << false << "the answer of the child";
        QTest::newRow("no JSON") << "echo yes" << false << "the answer of the child";
        QTest::newRow("half an answer") << said("\"ratio\":2.0,", "") << false << "incomplete";
        QTest::newRow("a reason") << said("\"failure\":\"\"", "\"failure\":\"no such device\"") << false << "no such device";
    }
    void aChildThatDiesProvesNothing() {
        QFETCH(QString, text);
        QFETCH(bool, proven);
        QFETCH(QString, says);
        QTemporaryDir dir;
        const auto proof = proveBf16(program(dir, text.toStdString()), "cpu");
        QVERIFY2(proof.proven() == proven, proof.text().c_str());
        QVERIFY2(QString::fromStdString(proof.text()).contains(says), proof.text().c_str());
        QVERIFY(QString::fromStdString(proof.text()).startsWith(proven ? "proven" : "not proven"));
    }

    void aWorkerThatIsNotThereProvesNothing() {
        const auto proof = proveBf16("/nowhere/worker", "cpu");
        QVERIFY(!proof.proven() && proof.text().find("/nowhere/worker") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestPrecision)
#include "tst_precision.moc"

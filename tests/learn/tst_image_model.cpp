// SPDX-License-Identifier: Apache-2.0
// The image generator: its config and folder as untrusted input, its mathematics, its count of work.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/image_model_shapes.h"
#include "core/learn/images/image_model.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/models/flops.h"
#include "tests/plugins/tiny_run.h"

using namespace pl;
using namespace pl::learn;
using tiny::must;

namespace {

ImageModelConfig small() {
    ImageModelConfig c;
    c.size = 8;
    c.slots = {5, 4, 3};
    c.textSize = 6;
    c.width = 8;
    c.deepWidth = 16;
    c.embedding = 10;
    c.heads = 2;
    c.depth = 1;
    return c;
}

/// Nothing is 0, so everything has a gradient.
ImageModel stirred(const ImageModelConfig& config, uint64_t seed = 3) {
    ImageModel model(config);
    model->initialise(seed);
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    for (auto& parameter : model->parameters())
        parameter.add_(torch::randn(parameter.sizes(), generator) * 0.1);
    return model;
}

struct Inputs {
    torch::Tensor x, times, ids;
};
Inputs inputs(const ImageModelConfig& config, int64_t n) {
    auto generator = at::detail::createCPUGenerator(5);
    Inputs out;
    out.x = torch::randn({n, 3, config.size, config.size}, generator);
    out.times = torch::rand({n}, generator);
    out.ids = torch::empty({n, static_cast<int64_t>(config.slots.size())}, torch::kInt64);
    for (int64_t i = 0; i < n; ++i)
        for (size_t s = 0; s < config.slots.size(); ++s)
            out.ids[i][static_cast<int64_t>(s)] = (i + static_cast<int64_t>(s)) % config.slots[s];
    return out;
}

torch::Tensor predict(ImageModel& model, const Inputs& in) {
    return model->predict(in.x, in.times, model->encode(in.ids));
}

} // namespace

class TestImageModel : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

private Q_SLOTS:
    void initTestCase() { torch::set_num_threads(1); }

    void configSurvivesTheRoundTripAndRefusesTheRest_data() {
        QTest::addColumn<QString>("key");
        QTest::addColumn<QString>("value");
        QTest::newRow("another model") << "/model_type" << "\"llama\"";
        QTest::newRow("no number") << "/image_size" << "\"32\"";
        QTest::newRow("odd size") << "/image_size" << "30";
        QTest::newRow("huge size") << "/image_size" << "100000";
        QTest::newRow("no slots") << "/text_encoder/slots" << "[]";
        QTest::newRow("negative slot") << "/text_encoder/slots" << "[5,-1]";
        QTest::newRow("fractional slot") << "/text_encoder/slots" << "[5,2.5]";
        QTest::newRow("another encoder") << "/text_encoder/type" << "\"clip\"";
        QTest::newRow("width of no groups") << "/denoiser/width" << "12";
        QTest::newRow("zero width") << "/denoiser/deep_width" << "0";
        QTest::newRow("heads that do not divide") << "/denoiser/heads" << "3";
        QTest::newRow("too deep") << "/denoiser/depth" << "9999";
        QTest::newRow("another decoder") << "/decoder" << "{\"type\":\"vae\"}";
        QTest::newRow("nothing") << "/denoiser" << "null";
    }
    void configSurvivesTheRoundTripAndRefusesTheRest() {
        QFETCH(QString, key);
        QFETCH(QString, value);
        auto json = small().toJson();
        QCOMPARE(must(ImageModelConfig::fromJson(json, "config")).toJson(), json);
        json[Json::json_pointer(key.toStdString())] = Json::parse(value.toStdString());
        const auto refused = ImageModelConfig::fromJson(json, "config of a test");
        QVERIFY(!refused);
        QVERIFY2(refused.error().toString().find("config of a test") != std::string::npos, refused.error().toString().c_str());
    }

    /// What the desk checks folders by is what the networks are made of.
    void shapesKnownWithoutTheNetworkAreTheNetworks() {
        const auto same = [](const torch::nn::Module& module, const Json& config) {
            const auto shapes = must(imageModelShapes(config, "config"));
            std::map<std::string, std::vector<int64_t>> own;
            for (const auto& item : module.named_parameters())
                own[item.key()] = item.value().sizes().vec();
            return own == shapes;
        };
        auto config = small();
        for (const int64_t depth : {0, 1, 3}) {
            config.depth = depth;
            config.size = 8 * (depth + 1);
            QVERIFY(same(*ImageModel(config), config.toJson()));
        }
        config.prediction = Prediction::Epsilon;
        QVERIFY(same(*ImageModel(config), config.toJson()));
        auto reward = ImageRewardConfig::forScenes(16);
        QVERIFY(same(*ImageReward(reward), reward.toJson()));
        const auto onGenerator = ImageRewardConfig::onGenerator(small());
        QVERIFY(same(*ImageReward(onGenerator), onGenerator.toJson()));
        reward.channels = {5};
        reward.hidden = 7;
        QVERIFY(same(*ImageReward(reward), reward.toJson()));
        QVERIFY(!imageModelShapes({{"model_type", "pairlab_image_other"}}, "config"));
    }

    void folderComesBackBitForBit() {
        auto model = stirred(small());
        must(saveImageModel(model, path("whole")));
        auto back = must(loadImageModel(path("whole"), torch::kCPU));
        const auto in = inputs(small(), 2);
        torch::NoGradGuard noGrad;
        QVERIFY(torch::equal(predict(model, in), predict(back.model, in)));
        QVERIFY(!back.hash.empty());
        for (const auto& item : back.model->named_parameters())
            QVERIFY2(item.key().starts_with("text_encoder.") || item.key().starts_with("denoiser."), item.key().c_str());
        // 16-bit files are read.
        auto tensors = must(readSafetensors(path("whole") + "/model.safetensors"));
        for (auto& [name, tensor] : tensors)
            tensor = tensor.to(torch::kFloat16);
        must(writeSafetensors(path("whole") + "/model.safetensors", tensors));
        back = must(loadImageModel(path("whole"), torch::kCPU));
        QVERIFY(torch::allclose(predict(model, in), predict(back.model, in), 1e-2, 1e-2));
    }

    void damagedFoldersAreRefusedByName() {
        auto model = stirred(small());
        const auto dir = path("damaged");
        must(saveImageModel(model, dir));
        const auto whole = must(readSafetensors(dir + "/model.safetensors"));
        const auto refusal = [&](const std::function<void(TensorMap&)>& damage) {
            auto tensors = whole;
            damage(tensors);
            must(writeSafetensors(dir + "/model.safetensors", tensors));
            const auto loaded = loadImageModel(dir, torch::kCPU);
            return loaded ? std::string() : loaded.error().toString();
        };
        QVERIFY(refusal([](TensorMap&) {}).empty());
        const std::string name = "denoiser.down.weight";
        QVERIFY(refusal([&](TensorMap& t) { t.erase(name); }).find(name) != std::string::npos);
        QVERIFY(refusal([&](TensorMap& t) { t[name] = torch::zeros({3, 3}); }).find(name) != std::string::npos);
        QVERIFY(refusal([&](TensorMap& t) { t[name] = t[name].to(torch::kInt64); }).find("I64") != std::string::npos);
        QVERIFY(refusal([&](TensorMap& t) { t["denoiser.extra"] = torch::zeros({1}); }).find("denoiser.extra") != std::string::npos);
        QVERIFY(refusal([&](TensorMap& t) { t[name] = t[name].clone().fill_(NAN); }).find("not finite") != std::string::npos);
        // A config that asks for far more than the file holds costs nothing.
        auto json = must(readJsonFile(dir + "/config.json"));
        json["denoiser"]["width"] = 1024;
        json["denoiser"]["deep_width"] = 2048;
        json["denoiser"]["depth"] = 32;
        tiny::writeFile(dir + "/config.json", dumpJson(json));
        QVERIFY(!loadImageModel(dir, torch::kCPU));
        tiny::writeFile(dir + "/config.json", "{");
        QVERIFY(!loadImageModel(dir, torch::kCPU));
        must(os::removeTree(dir + "/model.safetensors"));
        QVERIFY(!loadImageModel(dir, torch::kCPU));
    }

    void seedsGiveTheSameWeightsAndTheOutputBeginsAtZero() {
        ImageModel a(small()), b(small()), c(small());
        a->initialise(1);
        b->initialise(1);
        c->initialise(2);
        const auto differ = [](ImageModel& x, ImageModel& y) {
            bool out = false;
            for (size_t i = 0; i < x->parameters().size(); ++i)
                out |= !torch::equal(x->parameters()[i], y->parameters()[i]);
            return out;
        };
        QVERIFY(!differ(a, b));
        QVERIFY(differ(a, c));
        QCOMPARE(predict(a, inputs(small(), 2)).abs().max().item<double>(), 0.0);
    }

    void rowsDoNotDependOnEachOther() {
        torch::NoGradGuard noGrad;
        for (const auto precision : {false, true}) {
            auto config = small();
            config.size = 16;
            auto model = stirred(config);
            const auto in = inputs(config, 8);
            const Bfloat16Scope scope(precision);
            const auto together = predict(model, in);
            for (int64_t i = 0; i < 8; ++i) {
                const auto alone = predict(model, {in.x.narrow(0, i, 1), in.times.narrow(0, i, 1), in.ids.narrow(0, i, 1)});
                QVERIFY((alone[0] - together[i]).abs().max().item<double>() < (precision ? 5e-2 : 1e-5));
            }
            QVERIFY((together[0] - together[1]).abs().max().item<double>() > 1e-2);
        }
    }

    void captionTimeAndAbsenceOfACaptionMatter() {
        torch::NoGradGuard noGrad;
        auto model = stirred(small());
        auto in = inputs(small(), 1);
        const auto usual = predict(model, in);
        in.ids = model->nullIds(1);
        QVERIFY((predict(model, in) - usual).abs().max().item<double>() > 1e-3);
        in = inputs(small(), 1);
        for (int64_t slot = 0; slot < 3; ++slot) {
            auto other = in;
            other.ids = in.ids.clone();
            other.ids[0][slot] = 0;
            const bool same = torch::equal(other.ids, in.ids);
            QVERIFY(same || (predict(model, other) - usual).abs().max().item<double>() > 1e-4);
        }
        in.times = in.times * 0.5;
        QVERIFY((predict(model, in) - usual).abs().max().item<double>() > 1e-4);
        // A discrete model is told its timestep's number, a flow a thousandth of it.
        auto config = small();
        config.prediction = Prediction::Epsilon;
        auto discrete = stirred(config);
        in = inputs(small(), 1);
        in.times.fill_(0.25);
        const auto flow = predict(model, in);
        in.times.fill_(250);
        QVERIFY(torch::allclose(flow, predict(discrete, in), 1e-4, 1e-5));
    }

    void gradientsAreThoseOfFiniteDifferences() {
        auto model = stirred(small());
        model->to(torch::kFloat64);
        auto in = inputs(small(), 2);
        in.x = in.x.to(torch::kFloat64).requires_grad_();
        in.times = in.times.to(torch::kFloat64) * 1e-3; // slow sines: their differences are to be small
        auto generator = at::detail::createCPUGenerator(9);
        const auto weights = torch::randn({2, 3, 8, 8}, generator, torch::kFloat64);
        const auto value = [&] { return (predict(model, in) * weights).sum(); };
        value().backward();
        std::vector<std::pair<std::string, torch::Tensor>> checked = {{"x", in.x}};
        for (const auto& item : model->named_parameters())
            checked.emplace_back(item.key(), item.value());
        torch::NoGradGuard noGrad;
        for (auto& [name, tensor] : checked) {
            auto flat = tensor.detach().view(-1);
            const auto gradient = tensor.grad().view(-1);
            double largest = 0;
            for (int64_t k = 0; k < 3; ++k) {
                const int64_t at = (k * 7919 + 13) % flat.numel();
                const double h = 1e-5, before = flat[at].item<double>();
                flat[at] = before + h;
                const double up = value().item<double>();
                flat[at] = before - h;
                const double down = value().item<double>();
                flat[at] = before;
                const double found = gradient[at].item<double>(), expected = (up - down) / (2 * h);
                largest = std::max(largest, std::abs(expected));
                QVERIFY2(std::abs(found - expected) < 1e-5 * std::max(1.0, std::abs(expected)),
                         qPrintable(QString("%1[%2]: %3 against %4").arg(name.c_str()).arg(at).arg(found).arg(expected)));
            }
            QVERIFY2(largest > 0 || name.find("slots") != std::string::npos, name.c_str());
        }
    }

    void workIsCountedByShape() {
        auto config = small();
        config.size = 32;
        auto model = stirred(config);
        const auto in = inputs(config, 3);
        takeFlops();
        const auto out = predict(model, in);
        const double forward = takeFlops();
        QCOMPARE(forward, 3 * config.forwardFlops());
        out.sum().backward();
        QCOMPARE(takeFlops(), 2 * forward);
        // From the weights themselves: each is used once at every position.
        double macs = 0;
        for (const auto& item : model->named_parameters()) {
            const auto& name = item.key();
            if (item.value().dim() < 2 || name.starts_with("text_encoder") || name.ends_with("places"))
                continue;
            const bool deep = name.find("deep") != std::string::npos || name.find("attention") != std::string::npos ||
                              name.find(".up.") != std::string::npos || name.find(".down.") != std::string::npos;
            double positions = deep ? 64 : 256;
            if (name.find("embedding") != std::string::npos || name.find("time") != std::string::npos ||
                name.find("caption") != std::string::npos)
                positions = 1;
            if (name.find(".text.") != std::string::npos)
                positions = 3;
            macs += positions * static_cast<double>(item.value().numel());
        }
        macs += 2 * 64 * (64 + 3) * 16; // scores and their sums
        QCOMPARE(config.forwardFlops(), 2 * macs);
        {
            torch::NoGradGuard noGrad;
            predict(model, in);
        }
        QCOMPARE(takeFlops(), forward);
    }

    void sixteenBitsAreUsedInTheScopeOnly() {
        auto model = stirred(small());
        const auto in = inputs(small(), 2);
        torch::NoGradGuard noGrad;
        const auto before = predict(model, in);
        {
            const Bfloat16Scope scope(true);
            const auto inside = predict(model, in);
            QCOMPARE(inside.scalar_type(), torch::kFloat32);
            QVERIFY(!torch::equal(inside, before));
            QVERIFY((inside - before).abs().max().item<double>() < 0.05 * before.abs().max().item<double>());
            const Bfloat16Scope off(false);
        }
        QVERIFY(torch::equal(predict(model, in), before));
        // Weights that changed are seen by the next scope.
        torch::Tensor first;
        {
            const Bfloat16Scope scope(true);
            first = predict(model, in);
        }
        for (auto& parameter : model->parameters())
            parameter.mul_(1.5);
        const Bfloat16Scope scope(true);
        QVERIFY((predict(model, in) - first).abs().max().item<double>() > 1e-2);
    }
};

QTEST_GUILESS_MAIN(TestImageModel)
#include "tst_image_model.moc"

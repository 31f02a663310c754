// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters: against PEFT, against the network without them, and through a checkpoint.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/images/image_model.h"
#include "core/learn/models/flops.h"
#include "core/learn/models/low_rank.h"
#include "core/learn/training/checkpoint.h"
#include "tests/plugins/tiny_run.h"

using namespace pl;
using namespace pl::learn;
using tiny::must;

namespace {

constexpr const char* kTargets = "attention*.image, attention*.text, attention*.output, conv1, conv2";

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
void stir(const std::vector<torch::Tensor>& tensors, uint64_t seed) {
    torch::NoGradGuard noGrad;
    auto generator = at::detail::createCPUGenerator(seed);
    for (auto tensor : tensors)
        tensor.add_(torch::randn(tensor.sizes(), generator).to(tensor.dtype()) * 0.1);
}
ImageModel stirred(torch::Dtype type = torch::kFloat32) {
    ImageModel model(small());
    model->initialise(3);
    stir(model->parameters(), 3);
    model->to(type);
    return model;
}
Adapters attached(ImageModel& model, const std::string& targets = kTargets, int64_t rank = 2, uint64_t seed = 1) {
    return must(Adapters::attach(*model, model->adaptable(), {rank, 3.0, targets}, seed));
}
std::vector<torch::Tensor> tensorsOf(const Adapters& adapters) {
    std::vector<torch::Tensor> out;
    for (const auto& [name, tensor] : adapters.parameters())
        out.push_back(tensor);
    return out;
}

torch::Tensor predict(ImageModel& model, int64_t n = 2) {
    auto generator = at::detail::createCPUGenerator(5);
    const auto type = model->parameters()[1].scalar_type();
    const auto x = torch::randn({n, 3, 8, 8}, generator).to(type);
    const auto times = (torch::rand({n}, generator) * 1e-3).to(type); // slow sines: their differences are to be small
    const auto ids = torch::tensor({1, 2, 0, 4, 0, 1}, torch::kInt64).view({2, 3}).narrow(0, 0, n);
    return model->predict(x, times, model->encode(ids));
}

bool sameBytes(const torch::Tensor& a, const torch::Tensor& b) {
    return a.sizes() == b.sizes() &&
           std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.numel() * a.element_size()) == 0;
}

/// The layers of tests/golden/make_peft.py.
struct Peft : torch::nn::Module {
    std::vector<AdaptableLayer> layers;
    std::map<std::string, torch::Tensor> biases;

    explicit Peft(const TensorMap& expected) {
        for (const char* name : {"linear", "conv", "point"}) {
            const std::string from = std::string("base.") + name;
            const auto child = register_module(name, std::make_shared<torch::nn::Module>());
            layers.push_back({name, child->register_parameter("weight", expected.at(from + ".weight").clone()),
                              std::make_shared<LowRank>()});
            biases[name] = child->register_parameter("bias", expected.at(from + ".bias").clone());
        }
    }
    torch::Tensor call(size_t i, const torch::Tensor& x) {
        const auto& layer = layers[i];
        const auto& bias = biases.at(layer.name);
        if (layer.name == "linear")
            return adaptedLinear(x, layer.weight, bias, *layer.update);
        const int64_t side = layer.weight.size(2);
        return adaptedConv2d(x, layer.weight, bias, side == 3 ? 2 : 1, side / 2, *layer.update);
    }
};

} // namespace

class TestLowRank : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    const std::string m_golden = std::string(PAIRLAB_SOURCE_DIR) + "/tests/golden/peft/";

private Q_SLOTS:
    void initTestCase() { torch::set_num_threads(1); }

    // --- against PEFT ---------------------------------------------------------------------------------------------------

    void linearMapsAndConvolutionsAreThoseOfPeft() {
        torch::NoGradGuard noGrad;
        const auto expected = must(readSafetensors(m_golden + "expected.safetensors"));
        Peft net(expected);
        auto adapters = must(Adapters::attach(net, net.layers, {3, 5, "linear, conv, point"}, 1));
        const auto first = must(readJsonFile(m_golden + "expected.json"))["largest_a_at_first"];
        for (const auto& layer : net.layers) {
            const double bound = 1 / std::sqrt(static_cast<double>(layer.weight[0].numel()));
            const double mine = layer.update->a.abs().max().item<double>(), its = first[layer.name].get<double>();
            QVERIFY(mine <= bound && mine > 0.6 * bound && its <= bound && its > 0.6 * bound);
            QCOMPARE(layer.update->b.abs().max().item<double>(), 0.0);
        }
        must(adapters.load(m_golden + "adapter"));
        const auto merged = adapters.merged();
        for (size_t i = 0; i < net.layers.size(); ++i) {
            const auto name = net.layers[i].name;
            const auto& x = expected.at(name + ".x");
            QVERIFY2(torch::allclose(net.call(i, x), expected.at(name + ".y"), 1e-6, 1e-6), name.c_str());
            QVERIFY2(torch::allclose(merged.at(name + ".weight"), expected.at(name + ".merged"), 1e-6, 1e-6), name.c_str());
            QVERIFY(!torch::allclose(net.call(i, x), expected.at(name + ".off"), 1e-2, 1e-2));
            const auto off = adapters.off();
            QVERIFY2(torch::allclose(net.call(i, x), expected.at(name + ".off"), 1e-6, 1e-6), name.c_str());
        }
    }

    void whatIsWrittenHasPeftsNamesAndShapes() {
        const auto expected = must(readSafetensors(m_golden + "expected.safetensors"));
        Peft net(expected);
        auto adapters = must(Adapters::attach(net, net.layers, {3, 5, "linear, conv, point"}, 1));
        must(adapters.load(m_golden + "adapter"));
        must(adapters.save(path("again"), {"start", "abc"}));
        QVERIFY(tiny::sameWeights(path("again") + "/adapter_model.safetensors", m_golden + "adapter/adapter_model.safetensors"));
        const auto mine = must(readJsonFile(path("again") + "/adapter_config.json")),
                   its = must(readJsonFile(m_golden + "adapter/adapter_config.json"));
        for (const auto& [key, value] : mine.items()) {
            QVERIFY2(its.contains(key), key.c_str());
            if (key == "target_modules")
                QCOMPARE(value.get<std::set<std::string>>(), its[key].get<std::set<std::string>>());
            else if (key != "base_model_name_or_path" && key != "revision")
                QVERIFY2(value == its[key], key.c_str());
        }
        QCOMPARE(mine["base_model_name_or_path"], Json("start"));
    }

    // --- against the network without them ----------------------------------------------------------------------------------

    void atFirstAndWhenOffTheNetworkIsTheOneItWas() {
        torch::NoGradGuard noGrad;
        for (const bool sixteen : {false, true}) {
            auto model = stirred();
            const auto say = [&] {
                const Bfloat16Scope scope(sixteen); // holds copies of weights while it lives
                return predict(model);
            };
            const auto before = say();
            auto adapters = attached(model);
            QVERIFY(sameBytes(say(), before));
            stir(tensorsOf(adapters), 8);
            QVERIFY((say() - before).abs().max().item<double>() > 1e-2);
            {
                const auto off = adapters.off();
                QVERIFY(sameBytes(say(), before));
                {
                    const auto again = adapters.off();
                    QVERIFY(sameBytes(say(), before));
                }
                QVERIFY(sameBytes(say(), before)); // the inner scope did not switch them on
            }
            QVERIFY(!sameBytes(say(), before));
        }
    }

    void onlyTheNamedLayersGetOne() {
        auto model = stirred();
        const auto adapters = attached(model);
        std::set<std::string> names;
        for (const auto& layer : adapters.layers())
            names.insert(layer.name);
        std::set<std::string> wanted;
        for (const char* block : {"falling0", "falling1", "deep0", "deep1", "rising0", "rising1"})
            for (const char* conv : {"conv1", "conv2"})
                wanted.insert(std::string("denoiser.") + block + "." + conv);
        for (const char* part : {"image", "text", "output"})
            wanted.insert(std::string("denoiser.attention0.") + part);
        QVERIFY(names == wanted); // and not denoiser.output
        predict(model).sum().backward();
        for (const auto& item : model->named_parameters())
            QVERIFY2(!item.value().grad().defined() && !item.value().requires_grad(), item.key().c_str());
        for (const auto& [name, tensor] : adapters.parameters())
            QVERIFY2(tensor.grad().defined(), name.c_str());
        auto all = stirred();
        QCOMPARE(attached(all, "*").layers().size(), all->adaptable().size());
        QCOMPARE(attached(all, "denoiser.time1,deep0.conv1").layers().size(), size_t{2});
    }

    void impossibleAdaptersAreRefused() {
        auto model = stirred();
        const auto refusal = [&](int64_t rank, const char* targets) {
            const auto out = Adapters::attach(*model, model->adaptable(), {rank, 1.0, targets}, 1);
            return out ? std::string() : out.error().toString();
        };
        QVERIFY(refusal(0, "conv1").find("rank") != std::string::npos);
        QVERIFY(refusal(2, "conv1, q_proj").find("'q_proj'") != std::string::npos);
        QVERIFY(refusal(2, "onv1").find("'onv1'") != std::string::npos);
        QVERIFY(refusal(2, " , ").find("no layer is named") != std::string::npos);
        QVERIFY(refusal(2, "norm1").find("denoiser.falling0.conv1") != std::string::npos); // says which there are
        for (const auto& parameter : model->parameters())
            QVERIFY(parameter.requires_grad());
    }

    void gradientsAreThoseOfFiniteDifferences() {
        auto model = stirred(torch::kFloat64);
        auto adapters = attached(model);
        stir(tensorsOf(adapters), 8);
        auto generator = at::detail::createCPUGenerator(9);
        const auto weights = torch::randn({2, 3, 8, 8}, generator, torch::kFloat64);
        const auto value = [&] { return (predict(model) * weights).sum(); };
        value().backward();
        torch::NoGradGuard noGrad;
        for (const auto& [name, tensor] : adapters.parameters()) {
            auto flat = tensor.detach().view(-1);
            const auto gradient = tensor.grad().view(-1);
            double largest = 0;
            for (int64_t k = 0; k < 4; ++k) {
                const int64_t at = (k * 7919 + 13) % flat.numel();
                const double h = 1e-5, before = flat[at].item<double>();
                flat[at] = before + h;
                const double up = value().item<double>();
                flat[at] = before - h;
                const double down = value().item<double>();
                flat[at] = before;
                const double found = gradient[at].item<double>(), wanted = (up - down) / (2 * h);
                largest = std::max(largest, std::abs(wanted));
                QVERIFY2(std::abs(found - wanted) < 1e-5 * std::max(1.0, std::abs(wanted)),
                         qPrintable(QString("%1[%2]: %3 against %4").arg(name.c_str()).arg(at).arg(found).arg(wanted)));
            }
            QVERIFY2(largest > 0, name.c_str());
        }
    }

    void mergedWeightsAreTheSameNetwork() {
        torch::NoGradGuard noGrad;
        for (const auto type : {torch::kFloat64, torch::kFloat32}) {
            auto model = stirred(type), plain = stirred(type);
            auto adapters = attached(model);
            stir(tensorsOf(adapters), 8);
            const auto before = predict(plain), wanted = predict(model);
            const auto merged = adapters.merged();
            auto named = plain->named_parameters();
            for (const auto& [name, weight] : merged)
                named[name].copy_(weight);
            const double largest = wanted.abs().max().item<double>();
            QVERIFY((predict(plain) - wanted).abs().max().item<double>() < 1e-6 * largest);
            QVERIFY((predict(plain) - before).abs().max().item<double>() > 1e-2);
            // And back.
            for (const auto& layer : adapters.layers()) {
                const auto& update = *layer.update;
                named[layer.name + ".weight"].sub_(
                    (update.b.flatten(1).matmul(update.a.flatten(1)) * update.scale).view(layer.weight.sizes()));
                QVERIFY(torch::allclose(named[layer.name + ".weight"], layer.weight, 1e-6, 1e-6));
            }
        }
    }

    void theirWorkIsCounted() {
        auto model = stirred();
        takeFlops();
        predict(model).sum().backward();
        const double whole = takeFlops(), forward = 2 * small().forwardFlops();
        QCOMPARE(whole, 3 * forward);
        attached(model, "attention0.image, down", 2);
        // Half the size is 4 x 4, a quarter 2 x 2; a multiply-add is 2.
        const double image = 2 * 4 * 2 * (2 * (16 + 3 * 16)), down = 2 * 4 * 2 * (2 * (9 * 8 + 16));
        const auto out = predict(model);
        QCOMPARE(takeFlops(), forward + image + down);
        out.sum().backward(); // of the frozen layers only what their inputs get
        QCOMPARE(takeFlops(), forward + 2 * (image + down));
    }

    // --- through files ------------------------------------------------------------------------------------------------------

    void aCheckpointIsAnOrdinaryModelAndContinuesExactly() {
        const auto bundle = path("bundle");
        must(os::makeDirs(bundle + "/checkpoints"));
        // Three steps, the checkpoint after two of them; `from`: continue from it.
        const auto train = [&](bool resume, int64_t steps, bool save) {
            auto model = stirred();
            auto adapters = attached(model);
            const auto trained = trainable(model, adapters, {"start", "abc"});
            AdamW optimizer(trained.parameters, {});
            Ema ema(trained.parameters, 0.9);
            TrainState state;
            if (resume)
                state = must(resumeNewest(bundle, trained, optimizer, "", &ema)).value();
            while (state.step < steps) {
                ++state.step;
                optimizer.zeroGrad();
                (predict(model) - static_cast<double>(state.step)).square().mean().backward();
                optimizer.step(0.01);
                ema.update(state.step);
            }
            if (save)
                must(saveCheckpoint(bundle, trained, optimizer, state, false, &ema));
            const Averaged averaged(&ema);
            torch::NoGradGuard noGrad;
            auto out = adapters.merged();
            out["prediction"] = predict(model);
            return out;
        };
        const auto two = train(false, 2, true), whole = train(false, 3, false), continued = train(true, 3, false);
        QVERIFY(!torch::equal(two.at("prediction"), whole.at("prediction")));
        for (const auto& [name, tensor] : whole)
            QVERIFY2(sameBytes(tensor, continued.at(name)), name.c_str());

        const auto dir = bundle + "/" + checkpointName(2);
        auto merged = must(loadImageModel(dir, torch::kCPU)); // what every other program sees
        torch::NoGradGuard noGrad;
        QVERIFY((predict(merged.model) - two.at("prediction")).abs().max().item<double>() <
                1e-6 * two.at("prediction").abs().max().item<double>());
        const auto base = stirred();
        for (const auto& item : base->named_parameters()) {
            const auto at = two.find(item.key());
            QVERIFY(sameBytes(merged.model->named_parameters()[item.key()], at == two.end() ? item.value() : at->second));
        }
        for (const auto& [name, info] : must(readSafetensorsHeader(dir + "/trainer/optimizer.safetensors")))
            QVERIFY2(name.find("lora_") != std::string::npos || name == "step" || name == "rng.cpu", name.c_str());
        // The adapter by itself, on the model below.
        auto model = stirred();
        auto adapters = attached(model);
        must(adapters.load(dir + "/" + kAdapterFolder));
        QVERIFY(sameBytes(predict(model), two.at("prediction")));
    }

    void damagedAdaptersAreRefused() {
        auto model = stirred();
        auto adapters = attached(model);
        const auto dir = path("adapter"), config = dir + "/adapter_config.json", file = dir + "/adapter_model.safetensors";
        must(adapters.save(dir, {"start", "abc"}));
        must(adapters.load(dir));
        const auto whole = must(readSafetensors(file));
        const auto json = must(readJsonFile(config));
        const auto name = whole.begin()->first;
        const auto refusal = [&](const std::function<void(TensorMap&, Json&)>& damage) {
            auto tensors = whole;
            auto changed = json;
            damage(tensors, changed);
            must(writeSafetensors(file, tensors));
            tiny::writeFile(config, dumpJson(changed));
            const auto out = adapters.load(dir);
            return out ? std::string() : out.error().toString();
        };
        const auto has = [&](const char* word, const std::function<void(TensorMap&, Json&)>& damage) {
            const auto said = refusal(damage);
            const bool found = said.find(word) != std::string::npos;
            if (!found)
                qWarning("%s: %s", word, said.c_str());
            return found;
        };
        QVERIFY(has("lora_A", [&](TensorMap& t, Json&) { t.erase(name); }));
        QVERIFY(has("lora_A", [&](TensorMap& t, Json&) { t[name] = torch::zeros({1, 1}); }));
        QVERIFY(has("finite", [&](TensorMap& t, Json&) { t[name] = torch::full_like(t[name], NAN); }));
        QVERIFY(has("finite", [&](TensorMap& t, Json&) { t[name] = t[name].to(torch::kInt64); }));
        QVERIFY(has("same layers", [&](TensorMap& t, Json&) { t["base_model.model.more"] = torch::zeros({1}); }));
        QVERIFY(has("rank 7", [](TensorMap&, Json& j) { j["r"] = 7; }));
        QVERIFY(has("IA3", [](TensorMap&, Json& j) { j["peft_type"] = "IA3"; }));
        QVERIFY(has("use_dora", [](TensorMap&, Json& j) { j["use_dora"] = true; }));
        QVERIFY(has("not a JSON object", [](TensorMap&, Json& j) { j = Json::array(); }));
        QVERIFY(refusal([](TensorMap&, Json&) {}).empty());
    }
};

QTEST_GUILESS_MAIN(TestLowRank)
#include "tst_low_rank.moc"

// SPDX-License-Identifier: Apache-2.0
// ctest: label=unit timeout=300
// Training of image generators: its loss against the closed form, that it falls, that a killed run continues to the bit, and what
// it says of data it cannot use.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/image.h"
#include "core/learn/images/image_model.h"
#include "core/rules/scene.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

std::string makeGenerator(const std::string& dir, bool flow = true) {
    learn::ImageModelConfig c;
    c.prediction = flow ? learn::Prediction::Flow : learn::Prediction::Epsilon;
    c.size = 16;
    for (int i = 0; i < rules::kSlots; ++i)
        c.slots.push_back(rules::slotSize(static_cast<rules::Slot>(i)));
    c.textSize = 8;
    c.width = 8;
    c.deepWidth = 16;
    c.embedding = 16;
    c.heads = 2;
    c.depth = 1;
    learn::ImageModel model(c);
    model->initialise(5);
    must(learn::saveImageModel(model, dir));
    return dir;
}

Json parameters(const Json& more = Json::object()) {
    Json out = {{"source", "scenes"}, {"steps", 6}, {"batch_size", 6}, {"micro_batch", 4}, {"log_every", 2}, {"save_every", 2},
                {"eval_every", 3}, {"obedience_images", 4}, {"sample_steps", 2}, {"learning_rate", 0.003}};
    out.update(more);
    return out;
}

std::map<std::string, double> withoutSpeed(std::map<std::string, double> metrics) {
    std::erase_if(metrics, [](const auto& item) { return item.first.ends_with("images_per_second"); });
    return metrics;
}

} // namespace

class TestImageSft : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    std::string bundle(const std::string& name, const Json& more = Json::object(), const std::map<std::string, std::string>& files = {},
                       const std::string& model = "flow") {
        return makeBundle(path(name), "image_sft", {modelSpec("policy", path(model))}, parameters(more), files, 42).dir();
    }
    /// The images of some drawings in data/images/, with their captions.
    std::vector<Json> drawings(const std::string& dir, int n) {
        std::vector<Json> rows;
        must(os::makeDirs(dir + "/data/images"));
        for (int i = 0; i < n; ++i) {
            const auto caption = rules::drawCaption(static_cast<uint64_t>(i));
            const auto bytes = must(encodePng(rules::renderScene(rules::drawScene(caption, 7), 32))); // to be made smaller
            const auto ref = imageRef(sha256Hex(bytes), "png");
            writeFile(dir + "/data/" + ref, bytes);
            rows.push_back({{"prompt", rules::captionText(caption)}, {"completion", ref}, {"modality", "image"}});
        }
        return rows;
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeGenerator(path("flow"));
        makeGenerator(path("epsilon"), false);
    }

    /// The untrained network says 0, so the loss is the mean square of its target: 1 of noise, and 1 plus that of the pixels of a
    /// velocity.
    void lossIsTheClosedFormAtAZeroPrediction_data() {
        QTest::addColumn<QString>("model");
        QTest::newRow("flow") << "flow";
        QTest::newRow("epsilon") << "epsilon";
    }
    void lossIsTheClosedFormAtAZeroPrediction() {
        QFETCH(QString, model);
        const auto dir = bundle("closed-" + model.toStdString(),
                                {{"steps", 1}, {"batch_size", 64}, {"learning_rate", 1e-9}, {"obedience_images", 0}}, {}, model.toStdString());
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        double expected = 1;
        if (model == "flow") {
            double squares = 0;
            for (uint64_t i = 0; i < 256; ++i) { // the held-out drawings
                const uint64_t key = mix64(hashSeed(42, "image_sft/dev scenes") + i);
                const auto image = rules::renderScene(rules::drawScene(rules::drawCaption(key), mix64(key)), 16);
                for (const uint8_t byte : image.rgb)
                    squares += std::pow(byte / 127.5 - 1, 2);
            }
            expected += squares / (256.0 * 16 * 16 * 3);
        }
        const double found = metric(dir, "eval_loss").at(0);
        QVERIFY2(std::abs(found - expected) < 0.01, qPrintable(QString("%1 against %2").arg(found).arg(expected))); // 196,608 draws
        QVERIFY(std::abs(metric(dir, "loss").at(1) - expected) < 0.1);
    }

    void lossFallsAndTheAverageIsKept_data() { lossIsTheClosedFormAtAZeroPrediction_data(); }
    void lossFallsAndTheAverageIsKept() {
        QFETCH(QString, model);
        const auto dir = bundle("falls-" + model.toStdString(),
                                {{"steps", 120}, {"batch_size", 16}, {"learning_rate", 0.01}, {"eval_every", 60}, {"log_every", 20},
                                 {"save_every", 60}, {"from_scratch", true}}, {}, model.toStdString());
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto loss = metric(dir, "eval_loss");
        QVERIFY2(loss.at(120) < 0.6 * loss.at(0), qPrintable(QString("%1 after %2").arg(loss.at(120)).arg(loss.at(0))));
        QCOMPARE(metric(dir, "num_images").at(120), 120.0 * 16);
        QVERIFY(metric(dir, "total_flos").at(120) > 0);
        // Obedience is there, beside what true drawings reach.
        for (const char* name : {"count", "colour", "shape", "background", "all"})
            QVERIFY(metric(dir, std::string("ceiling/") + name).count(0));
        QVERIFY(metric(dir, "eval_obedience/all").count(120));
        // The checkpoint is a model of the average; the optimizer's own weights lie beside it.
        const auto checkpoint = dir + "/" + newestCheckpoint(dir);
        must(learn::loadImageModel(checkpoint, torch::kCPU));
        QVERIFY(!sameWeights(checkpoint + "/model.safetensors", checkpoint + "/trainer/weights.safetensors"));
        // Samples are images of the model's size, named by their hash.
        size_t seen = 0;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kSample) {
                const auto bytes = must(os::readFile(dir + "/" + event.body["image"].get<std::string>()));
                QCOMPARE(sha256Hex(bytes), event.body["sha256"].get<std::string>());
                QCOMPARE(must(decodePng(bytes, "sample")).width, 16);
                ++seen;
            }
        QCOMPARE(seen, size_t{24}); // 8 prompts at steps 0, 60 and 120
    }

    void microBatchesDoNotChangeTheRun() {
        const auto whole = bundle("one", {{"micro_batch", 64}}), parts = bundle("parts", {{"micro_batch", 1}});
        QCOMPARE(runPlugin(whole).status, static_cast<int>(PL_OK));
        QCOMPARE(runPlugin(parts).status, static_cast<int>(PL_OK));
        for (const char* name : {"loss", "eval_loss", "grad_norm"}) {
            const auto a = metric(whole, name), b = metric(parts, name);
            QVERIFY(!a.empty());
            for (const auto& [step, value] : a)
                QVERIFY2(std::abs(value - b.at(step)) < 1e-4 * std::max(1.0, std::abs(value)), name);
        }
    }

    void killedRunEndsAsTheUninterruptedOne_data() {
        QTest::addColumn<QString>("precision");
        QTest::addColumn<bool>("files");
        QTest::newRow("scenes") << "float32" << false;
        QTest::newRow("scenes in 16 bits") << "bfloat16" << false;
        QTest::newRow("files") << "float32" << true;
    }
    void killedRunEndsAsTheUninterruptedOne() {
        QFETCH(QString, precision);
        QFETCH(bool, files);
        const Json more = {{"precision", precision.toStdString()}, {"source", files ? "data" : "scenes"}};
        std::string dirs[2];
        for (int i = 0; i < 2; ++i) {
            dirs[i] = bundle((i ? "cut-" : "whole-") + std::string(QTest::currentDataTag()), more);
            if (files)
                writeFile(dirs[i] + "/data/train.jsonl", jsonLines(drawings(dirs[i], 8)));
            const auto out = runPlugin(dirs[i]);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
        }
        QVERIFY(sameBits(withoutSpeed(allMetrics(dirs[0])), withoutSpeed(allMetrics(dirs[1])))); // deterministic to begin with
        must(os::removeTree(dirs[1] + "/checkpoints/step-000006"));
        torch::manual_seed(999);
        const auto out = runPlugin(dirs[1]);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(sameBits(withoutSpeed(allMetrics(dirs[0])), withoutSpeed(allMetrics(dirs[1]))));
        for (const char* file : {"model.safetensors", "trainer/weights.safetensors"})
            QVERIFY(sameWeights(dirs[0] + "/checkpoints/step-000006/" + file, dirs[1] + "/checkpoints/step-000006/" + file));
    }

    void pairsGiveTheirChosenImages() {
        const auto dir = bundle("pairs", {{"source", "data"}}), rows = bundle("rows", {{"source", "data"}});
        auto images = drawings(dir, 6);
        drawings(rows, 6);
        std::vector<Json> pairs, chosen;
        for (size_t i = 0; i < 3; ++i) {
            pairs.push_back({{"id", std::to_string(i)}, {"prompt", images[i]["prompt"]}, {"chosen", images[i]["completion"]},
                             {"rejected", images[i + 3]["completion"]}, {"modality", "image"}});
            chosen.push_back(images[i]);
        }
        writeFile(dir + "/data/train.jsonl", jsonLines(pairs));
        writeFile(rows + "/data/train.jsonl", jsonLines(chosen));
        for (const auto& each : {dir, rows}) {
            const auto out = runPlugin(each);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
        }
        QVERIFY(sameBits(metricsOf(dir), metricsOf(rows)));
    }

    void refusesWhatItCannotTrainOn() {
        const auto message = [&](const std::string& name, const std::string& train) {
            const auto dir = bundle(name, {{"source", "data"}});
            drawings(dir, 1);
            if (!train.empty())
                writeFile(dir + "/data/train.jsonl", train);
            const auto out = runPlugin(dir);
            return out.status == PL_OK ? std::string() : out.message;
        };
        QVERIFY(message("nothing", "").find("train.jsonl") != std::string::npos);
        QVERIFY(message("text", jsonLines({{{"prompt", "a"}, {"completion", "b"}}})).find("row 1 has no image") != std::string::npos);
        const Json gone = {{"prompt", "a"}, {"completion", imageRef(std::string(64, 'a'), "png")}, {"modality", "image"}};
        QVERIFY(message("gone", jsonLines({gone})).find(std::string(64, 'a')) != std::string::npos);
        // A file that is not what its name says.
        const auto dir = bundle("exchanged", {{"source", "data"}});
        const auto rows = drawings(dir, 1);
        writeFile(dir + "/data/train.jsonl", jsonLines(rows));
        writeFile(dir + "/data/" + rows[0]["completion"].get<std::string>(), "something else");
        QVERIFY(runPlugin(dir).message.find("not those its name was made from") != std::string::npos);
        // A text model is no generator.
        makeModel(path("text"));
        const auto wrong = bundle("wrong", Json::object(), {}, "text");
        QVERIFY(runPlugin(wrong).message.find("llama") != std::string::npos);
    }

private:
    static std::map<std::string, double> metricsOf(const std::string& dir) { return withoutSpeed(allMetrics(dir)); }
};

QTEST_GUILESS_MAIN(TestImageSft)
#include "tst_image_sft.moc"

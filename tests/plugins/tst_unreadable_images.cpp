// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=240
// JPEG, WebP and PNG side by side, and torn files among them: what learns from images leaves those out and says so.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/image_file.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/image_store.h"
#include "tests/plugins/tiny_images.h"

using namespace tiny;

class TestUnreadableImages : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    static std::string fixture(const std::string& name) {
        return must(os::readFile(PAIRLAB_SOURCE_DIR "/tests/golden/images/" + name));
    }
    static std::string put(ImageFiles& files, const std::string& bytes, const char* extension) {
        const auto ref = imageRef(sha256Hex(bytes), extension);
        files.bytes[ref] = bytes;
        return ref;
    }
    static Json pair(int number, const std::string& chosen, const std::string& rejected) {
        return {{"id", "p" + std::to_string(number)},
                {"prompt", rules::captionText(rules::drawCaption(static_cast<uint64_t>(number)))},
                {"chosen", chosen},
                {"rejected", rejected},
                {"modality", "image"}};
    }
    static std::vector<std::string> alerts(const std::string& dir) {
        std::vector<std::string> out;
        for (const auto& event : must(readEvents(dir + "/events.jsonl")))
            if (event.type == event::kAlert && event.body["name"] == "unreadable_images")
                out.push_back(event.body["text"].get<std::string>());
        return out;
    }

    struct Rows {
        ImageFiles files;
        std::string jpeg, turned, progressive, webp, png, tornPng, tornJpeg;
        std::vector<Json> sound, torn, dev, rankings, soundRankings;
        Rows() {
            jpeg = put(files, fixture("baseline.jpg"), "jpg");
            turned = put(files, fixture("orientation6.jpg"), "jpg");
            progressive = put(files, fixture("progressive.jpg"), "jpg");
            webp = put(files, fixture("lossy.webp"), "webp");
            png = put(files, fixture("iccp_alpha.png"), "png");
            tornPng = put(files, fixture("rgb.png").substr(0, 200), "png");
            tornJpeg = put(files, fixture("grey.jpg").substr(0, 300), "jpg");
            sound = {pair(1, jpeg, webp), pair(2, png, turned), pair(3, progressive, png), pair(4, webp, turned)};
            torn = {pair(5, tornPng, jpeg), pair(6, webp, tornPng), pair(7, tornJpeg, tornPng)};
            dev = {pair(8, jpeg, turned), pair(9, webp, png)};
            const auto ranking = [](const std::vector<std::string>& images, const std::vector<int>& ranks) {
                return Json{{"id", "r"}, {"prompt", "a red circle"}, {"images", images}, {"ranks", ranks}, {"split", "train"}};
            };
            rankings = {ranking({jpeg, tornPng, webp}, {3, 2, 1}), ranking({tornJpeg, png}, {1, 2})};
            soundRankings = {ranking({jpeg, webp}, {3, 1})};
        }
    };

    struct Kind {
        std::string plugin;
        Json parameters;
        bool rankings = false;
    };
    static std::vector<Kind> kinds() {
        const Json watch = {{"eval_prompts", 2}, {"sampling_steps", 2}};
        auto dpo = watch, grpo = watch;
        dpo.update({{"steps", 3}, {"batch_size", 3}, {"eval_every", 3}, {"save_every", 3}, {"log_every", 1}});
        grpo.update({{"steps", 2}, {"num_iterations", 1}, {"prompts_per_step", 2}, {"rollout_steps", 2}, {"eval_every", 2},
                     {"rewards", Json::array({{{"type", "rankings"}}})}});
        return {{"image_sft", {{"source", "data"}, {"steps", 3}, {"batch_size", 3}, {"log_every", 1}, {"obedience_images", 1},
                               {"sample_steps", 2}, {"eval_every", 3}}},
                {"image_reward_model", {{"steps", 3}, {"batch_size", 3}, {"log_every", 1}}, true},
                {"image_dpo", dpo, true},
                {"image_grpo", grpo, true}};
    }
    static std::map<std::string, double> metricsOf(const std::string& dir) {
        auto out = allMetrics(dir);
        std::erase_if(out, [](const auto& item) { return item.first.ends_with("_per_second"); });
        return out;
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeImageModel(path("start"));
    }

    void theStoreReadsWhatTheDecoderReads() {
        const Rows rows;
        const auto bundle = imageBundle(path("store"), "image_dpo", {modelSpec("policy", path("start"))}, Json::object(), {}, rows.files);
        learn::ImageStore store(12);
        for (const auto& ref : {rows.jpeg, rows.turned, rows.webp, rows.png}) {
            const auto index = must(store.addReadable(bundle.dataPath(""), ref));
            QVERIFY(index.has_value());
            QVERIFY(store.image(*index) == resized(must(decodeImage(rows.files.bytes.at(ref), ref)), 12, 12));
        }
        QVERIFY(!must(store.addReadable(bundle.dataPath(""), rows.tornPng)));
        QVERIFY(!must(store.addReadable(bundle.dataPath(""), rows.tornPng)));
        QCOMPARE(store.unreadable().size(), size_t{1}); // said once
        QCOMPARE(store.size(), size_t{4});
        const auto failed = store.add(bundle.dataPath(""), rows.tornPng);
        QVERIFY(!failed && failed.error().message.find(rows.tornPng + " is not a whole PNG file") == 0);
    }

    void tornFilesAreLeftOutAndSaid_data() {
        QTest::addColumn<int>("kind");
        for (int i = 0; i < int(kinds().size()); ++i)
            QTest::newRow(kinds()[size_t(i)].plugin.c_str()) << i;
    }
    void tornFilesAreLeftOutAndSaid() {
        QFETCH(int, kind);
        const Kind k = kinds()[size_t(kind)];
        const Rows rows;
        auto all = rows.torn;
        all.insert(all.begin() + 1, rows.sound.begin(), rows.sound.end());
        std::map<std::string, std::string> torn{{"train.jsonl", jsonLines(all)}, {"dev.jsonl", jsonLines(rows.dev)}};
        auto left = rows.sound;
        if (!k.rankings) // image_sft reads the chosen sides alone
            left.push_back(rows.torn[1]);
        std::map<std::string, std::string> sound{{"train.jsonl", jsonLines(left)}, {"dev.jsonl", jsonLines(rows.dev)}};
        if (k.rankings) {
            torn["rankings.jsonl"] = jsonLines(rows.rankings);
            sound["rankings.jsonl"] = jsonLines(rows.soundRankings);
        }
        for (const bool whole : {false, true}) {
            const auto dir = path(k.plugin + (whole ? "-sound" : "-torn"));
            imageBundle(dir, k.plugin, {modelSpec("policy", path("start"))}, k.parameters, whole ? sound : torn, rows.files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const auto said = alerts(dir);
            QCOMPARE(said.size(), whole ? size_t{0} : size_t{1});
            if (whole)
                continue;
            const auto first = fmt::format("2 images cannot be read; the first: {} is not a whole PNG file: chunk IDAT", rows.tornPng);
            QVERIFY2(said[0].find(first) == 0, said[0].c_str());
            QVERIFY2(said[0].find(k.rankings ? "4 rows are left out" : "2 rows are left out") != std::string::npos, said[0].c_str());
            QCOMPARE(said[0].find("and 1 ranking is shortened") != std::string::npos, k.rankings);
        }
        // As if the rows had never been there.
        const auto a = metricsOf(path(k.plugin + "-torn")), b = metricsOf(path(k.plugin + "-sound"));
        QVERIFY(a.size() > 5);
        QVERIFY(sameBits(a, b));
    }

    void nothingLeftEndsTheRun() {
        const Rows rows;
        for (const Kind& k : kinds()) {
            const auto dir = path(k.plugin + "-none");
            imageBundle(dir, k.plugin, {modelSpec("policy", path("start"))}, k.parameters, {{"train.jsonl", jsonLines(rows.torn)}}, rows.files);
            const auto out = runPlugin(dir);
            if (k.plugin == "image_sft") { // the second row's chosen side can be read
                QVERIFY2(out.status == PL_OK, out.message.c_str());
                continue;
            }
            QVERIFY(out.status != PL_OK);
            QVERIFY2(out.message.find("2 images cannot be read; the first: " + rows.tornPng) != std::string::npos, out.message.c_str());
        }
        const auto dir = path("sft-none");
        imageBundle(dir, "image_sft", {modelSpec("policy", path("start"))}, kinds()[0].parameters,
                    {{"train.jsonl", jsonLines({rows.torn[0], rows.torn[2]})}}, rows.files);
        const auto out = runPlugin(dir);
        QVERIFY(out.status != PL_OK && out.message.find("no image to train on: 2 images cannot be read") != std::string::npos);
    }

    void measuringLeavesThemOut() {
        const Rows rows;
        const auto trained = path("image_reward_model-sound");
        const auto judge = trained + "/" + newestCheckpoint(trained);
        auto all = rows.torn;
        all.insert(all.begin() + 1, rows.sound.begin(), rows.sound.end());
        const auto value = [](const std::string& dir, const char* name) { return metric(dir, name).begin()->second; };
        for (const bool whole : {false, true}) {
            const auto dir = path(whole ? "measured-sound" : "measured-torn");
            imageBundle(dir, "evaluate", {modelSpec("policy", judge)}, {{"mode", "reward_accuracy"}},
                        {{"pairs.jsonl", jsonLines(whole ? rows.sound : all)}}, rows.files);
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            QCOMPARE(alerts(dir).size(), whole ? size_t{0} : size_t{1});
            QCOMPARE(value(dir, "eval_accuracy_n"), 4.0);
        }
        QCOMPARE(value(path("measured-torn"), "eval_margin"), value(path("measured-sound"), "eval_margin"));
        imageBundle(path("measured-none"), "evaluate", {modelSpec("policy", judge)}, {{"mode", "reward_accuracy"}},
                    {{"pairs.jsonl", jsonLines(rows.torn)}}, rows.files);
        const auto out = runPlugin(path("measured-none"));
        QVERIFY2(out.status != PL_OK && out.message.find("no pair is left to be ranked: 2 images") != std::string::npos, out.message.c_str());
    }
};

QTEST_APPLESS_MAIN(TestUnreadableImages)
#include "tst_unreadable_images.moc"

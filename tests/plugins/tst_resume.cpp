// SPDX-License-Identifier: Apache-2.0
// A run that was killed or stopped and continued equals the uninterrupted one, bit for bit.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "tests/plugins/tiny_run.h"

using namespace tiny;

class TestResume : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    Bundle bundle(const std::string& name, const std::string& plugin, bool adapters = false) {
        Json parameters = {{"steps", 10}, {"batch_size", 6}, {"log_every", 4}, {"save_every", 3}, {"eval_every", 4},
                           {"micro_batch_tokens", 200}, {"learning_rate", 0.003}};
        if (adapters)
            parameters.update({{"adapter_rank", 3}, {"adapter_targets", "q_proj, v_proj, down_proj"}, {"adapter_rslora", true}});
        std::map<std::string, std::string> files = {{"train.jsonl", plantedPairs(20, 1)}, {"dev.jsonl", plantedPairs(8, 2)}};
        if (plugin == "sft") {
            std::vector<Json> rows;
            for (int i = 0; i < 20; ++i)
                rows.push_back({{"prompt", std::string(1 + i % 5, 'q')}, {"completion", std::string(1 + i % 7, 'a' + i)}});
            files = {{"train.jsonl", jsonLines(rows)}, {"dev.jsonl", jsonLines({rows[0], rows[5]})}};
        }
        return makeBundle(path(name), plugin, {modelSpec("policy", path("model"))}, parameters, files, 42);
    }
    static std::string weights(const std::string& dir) { return dir + "/checkpoints/step-000010/model.safetensors"; }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    void killedRunEndsAsTheUninterruptedOne_data() {
        QTest::addColumn<QString>("plugin");
        QTest::addColumn<bool>("adapters");
        for (const char* plugin : {"sft", "reward_model", "dpo"}) {
            QTest::newRow(plugin) << plugin << false;
            QTest::newRow(qPrintable(QString(plugin) + " with adapters")) << plugin << true;
        }
    }
    void killedRunEndsAsTheUninterruptedOne() {
        QFETCH(QString, plugin);
        QFETCH(bool, adapters);
        const auto id = plugin.toStdString(), suffix = id + (adapters ? "-adapters" : "");
        const auto whole = bundle("whole-" + suffix, id, adapters).dir(), cut = bundle("cut-" + suffix, id, adapters).dir();
        auto out = runPlugin(whole);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        out = runPlugin(cut);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(sameBits(allMetrics(whole), allMetrics(cut))); // deterministic to begin with
        // What a kill between steps 9 and 10 leaves: the checkpoint of step 9, and one that was being written.
        QVERIFY(os::exists(cut + "/checkpoints/step-000009/DONE"));
        must(os::removeTree(cut + "/checkpoints/step-000010"));
        must(os::makeDirs(cut + "/checkpoints/step-000010.partial"));
        // Resume also from further back.
        for (const bool further : {false, true}) {
            if (further)
                for (const auto& [step, name] : completeCheckpoints(cut))
                    if (step > 8)
                        must(os::removeTree(cut + "/checkpoints/" + os::baseName(name)));
            const auto from = completeCheckpoints(cut).empty() ? 0 : completeCheckpoints(cut).back().first;
            torch::manual_seed(999); // the process's own generator must not matter
            out = runPlugin(cut);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            int64_t rewound = -1;
            for (const auto& event : must(readEvents(cut + "/events.jsonl")))
                if (event.type == event::kRewind)
                    rewound = event.body["to_step"];
            QCOMPARE(rewound, from);
            QVERIFY(sameBits(allMetrics(whole), allMetrics(cut)));
            QVERIFY(sameWeights(weights(whole), weights(cut)));
            const std::string adapter = "/checkpoints/step-000010/adapter/adapter_model.safetensors";
            QCOMPARE(os::exists(whole + adapter), adapters);
            if (adapters)
                QVERIFY(sameWeights(whole + adapter, cut + adapter));
            QVERIFY(!os::exists(cut + "/checkpoints/step-000010.partial"));
        }
    }

    void stoppedRunContinues() {
        const auto whole = bundle("whole", "dpo").dir(), stopped = bundle("stopped", "dpo").dir();
        QCOMPARE(runPlugin(whole).status, static_cast<int>(PL_OK));
        must(sendControl(stopped, "stop"));
        const auto out = runPlugin(stopped, [](learn::Job& job) {
            job.startControlThread();
            for (int i = 0; i < 100 && !job.mustLeave(); ++i)
                QTest::qWait(20);
        });
        QCOMPARE(out.status, static_cast<int>(PL_STOPPED));
        QVERIFY(metric(stopped, "loss").empty());
        QCOMPARE(runPlugin(stopped).status, static_cast<int>(PL_OK));
        QVERIFY(sameWeights(weights(whole), weights(stopped)));
    }

    void damagedNewestCheckpointIsPassedOver() {
        const auto whole = bundle("whole2", "reward_model").dir(), cut = bundle("damaged", "reward_model").dir();
        QCOMPARE(runPlugin(whole).status, static_cast<int>(PL_OK));
        QCOMPARE(runPlugin(cut).status, static_cast<int>(PL_OK));
        std::fstream file(weights(cut), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-3, std::ios::end);
        file.put('\x55');
        file.close();
        const auto out = runPlugin(cut);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(sameWeights(weights(whole), weights(cut)));
    }

    void anotherRunsCheckpointIsRefused() {
        const auto dir = bundle("other", "reward_model").dir();
        QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
        auto spec = must(readJsonFile(dir + "/run.json"));
        spec["seed"] = 43;
        writeFile(dir + "/run.json", dumpJson(spec));
        const auto out = runPlugin(dir);
        QVERIFY(out.status != PL_OK);
        QVERIFY(QString::fromStdString(out.message).contains("other parameters"));
    }
};

QTEST_GUILESS_MAIN(TestResume)
#include "tst_resume.moc"

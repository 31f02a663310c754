// SPDX-License-Identifier: Apache-2.0

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/learn/objectives/pair_losses.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

class TestDpo : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    Json quick(int steps, const Json& more = Json::object()) const {
        Json out = {{"steps", steps}, {"batch_size", 8}, {"learning_rate", 0.003}, {"log_every", 1}};
        out.update(more);
        return out;
    }
    Bundle bundle(const std::string& name, const Json& parameters) {
        return makeBundle(path(name), "dpo", {modelSpec("policy", path("model"))}, parameters,
                          {{"train.jsonl", plantedPairs(48, 3)}, {"dev.jsonl", plantedPairs(24, 4)}});
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
    }

    void manifestOffersExactlyTheRegisteredLosses() {
        const auto manifest = must(Manifest::load(pluginDir("dpo")));
        std::vector<std::string> names;
        for (const auto& loss : learn::pairLosses())
            names.push_back(loss.name);
        auto offered = manifest.parameter("loss")->values;
        std::sort(offered.begin(), offered.end());
        QCOMPARE(offered, names);
    }

    void firstStepLossIsLnTwo_data() {
        QTest::addColumn<QString>("reference");
        QTest::newRow("live") << "live";
        QTest::newRow("cached") << "cached";
        QTest::newRow("as_met") << "as_met";
    }
    void firstStepLossIsLnTwo() {
        QFETCH(QString, reference);
        const auto dir = bundle("ln2-" + reference.toStdString(),
                                quick(2, {{"reference", reference.toStdString()}, {"micro_batch_tokens", 100}})).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < 1e-5);
        QVERIFY(std::abs(metric(dir, "rewards/margins").at(1)) < 1e-5);
        QVERIFY(std::abs(metric(dir, "eval_loss").at(0) - std::log(2.0)) < 1e-5);
    }

    void everyKindOfReferenceTrainsAlike() {
        const auto live = path("ln2-live");
        for (const auto& other : {path("ln2-cached"), path("ln2-as_met")})
            for (const char* name : {"loss", "rewards/margins", "logps/chosen", "logps/rejected", "grad_norm", "entropy"})
                QVERIFY2(std::abs(metric(live, name).at(2) - metric(other, name).at(2)) <
                             2e-4 * std::max(1.0, std::abs(metric(live, name).at(2))),
                         name);
    }

    void learnsThePlantedPreferenceForEveryLoss_data() {
        QTest::addColumn<QString>("loss");
        for (const auto& loss : learn::pairLosses())
            if (loss.name != "discopop" && loss.name != "apo_down") // their first pull is not towards the margin
                QTest::newRow(loss.name.c_str()) << QString::fromStdString(loss.name);
    }
    void learnsThePlantedPreferenceForEveryLoss() {
        QFETCH(QString, loss);
        const auto name = loss.toStdString();
        const auto dir = bundle("loss-" + name, quick(16, {{"loss", name}, {"label_smoothing", name == "exo_pair" ? 0.001 : 0.0},
                                                           {"eval_every", 16}})).dir();
        const auto out = runPlugin(dir);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const double accuracy = metric(dir, "eval_rewards/accuracies").at(16);
        QVERIFY2(accuracy > 0.8, std::to_string(accuracy).c_str());
        QVERIFY(metric(dir, "eval_rewards/margins").at(16) > 0);
        QCOMPARE(metric(dir, "eval_rewards/accuracies_n").at(16), 24.0);
    }

    void poisonedCacheIsRefused() {
        const auto dir = bundle("poison", quick(2, {{"reference", "cached"}})).dir();
        QCOMPARE(runPlugin(dir).status, static_cast<int>(PL_OK));
        const auto cache = dir + "/cache/reference-train";
        auto tensors = must(learn::readSafetensors(cache + ".safetensors"));
        tensors.at("chosen").add_(1);
        must(learn::writeSafetensors(cache + ".safetensors", tensors));
        auto out = runPlugin(dir);
        QVERIFY(out.status != PL_OK);
        QVERIFY2(QString::fromStdString(out.message).contains("reference-train"), out.message.c_str());
        // The cache of another model is refused by its key.
        auto json = must(readJsonFile(cache + ".json"));
        json["key"] = std::string(64, '0');
        writeFile(cache + ".json", dumpJson(json));
        out = runPlugin(dir);
        QVERIFY(out.status != PL_OK);
        QVERIFY2(QString::fromStdString(out.message).contains("another model"), out.message.c_str());
    }

    void aSeparateReferenceChangesTheFirstLoss() {
        makeModel(path("reference"), 99);
        for (const char* reference : {"live", "cached", "as_met"}) {
            const auto dir = path(std::string("two-") + reference);
            makeBundle(dir, "dpo", {modelSpec("policy", path("model")), modelSpec("reference", path("reference"))},
                       quick(1, {{"reference", reference}}), {{"train.jsonl", plantedPairs(8, 3)}});
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) > 1e-3);
        }
        for (const char* other : {"two-cached", "two-as_met"})
            QVERIFY(std::abs(metric(path("two-live"), "loss").at(1) - metric(path(other), "loss").at(1)) < 1e-5);
    }

    void microBatchesDoNotChangeTheRun() {
        std::map<std::string, double> first;
        for (const int budget : {1 << 20, 80}) {
            const auto dir = bundle("split-" + std::to_string(budget),
                                    quick(3, {{"micro_batch_tokens", budget}, {"sft_weight", 0.3}, {"reference", "live"}})).dir();
            const auto out = runPlugin(dir);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
            const auto metrics = allMetrics(dir);
            if (first.empty())
                first = metrics;
            else
                for (const auto& [name, value] : first)
                    // accuracies: a count over rewards that are 0 at the first step; total_flos: padding is work too
                    if (name.find("accurac") == std::string::npos && name.find("total_flos") == std::string::npos)
                        QVERIFY2(std::abs(value - metrics.at(name)) < 1e-3 * std::max(1.0, std::abs(value)), name.c_str());
        }
    }

    void rowWeightsAndSoftLabelsCount() {
        // A pair of weight 0 with the opposite label changes nothing.
        const auto row = [](const char* id, const char* chosen, const char* rejected, double weight, double soft) {
            return Json{{"id", id}, {"prompt", "x"}, {"chosen", chosen}, {"rejected", rejected}, {"weight", weight}, {"soft_label", soft}};
        };
        const auto final = [&](const std::string& name, const std::vector<Json>& rows, bool useWeights) {
            const auto dir = path("weights-" + name);
            makeBundle(dir, "dpo", {modelSpec("policy", path("model"))},
                       quick(10, {{"batch_size", rows.size()}, {"use_weights", useWeights}}),
                       {{"train.jsonl", jsonLines(rows)}, {"dev.jsonl", jsonLines({row("d", "yes", "no", 1, 1)})}});
            const auto out = runPlugin(dir);
            if (out.status != PL_OK)
                qFatal("%s", out.message.c_str());
            return metric(dir, "eval_rewards/margins").at(10);
        };
        const auto yes = row("a", "yes", "no", 1, 1), silent = row("b", "no", "yes", 1e-9, 1), loud = row("b", "no", "yes", 1, 1);
        const auto tie = row("c", "yes", "no", 1, 0.5);
        const double one = final("one", {yes, silent}, true);
        QVERIFY(one > 0.2);
        QVERIFY(std::abs(final("opposed", {yes, loud}, true)) < 0.1);
        QVERIFY(std::abs(final("ignored", {yes, silent}, false)) < 0.1);
        QVERIFY(std::abs(final("tie", {tie, tie}, true)) < 0.02);
    }
};

QTEST_GUILESS_MAIN(TestDpo)
#include "tst_dpo.moc"

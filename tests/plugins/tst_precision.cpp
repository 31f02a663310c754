// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// Whole runs in bf16 beside the same runs in fp32: near in loss and gradient, exact where the policy meets itself, resumed to the bit,
// and refused where it is not proven.

#include <torch/torch.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/os/process.h"
#include "core/learn/objectives/pair_losses.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

/// Of the first step's loss and gradient norm: bf16 has 8 bits, so a rounding is up to 1 / 256. Losses are of the size of 1.
constexpr double kLossBound = 0.02, kNormBound = 0.03;

std::string completions(int n) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({{"prompt", std::string(static_cast<size_t>(1 + i % 7), 'q')},
                        {"completion", std::string(static_cast<size_t>(1 + 3 * i % 11), static_cast<char>('a' + i))}});
    return jsonLines(rows);
}

std::string questions(int n) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i)
        rows.push_back({{"id", "q" + std::to_string(i)}, {"prompt", std::string(static_cast<size_t>(1 + i % 5), static_cast<char>('a' + i))},
                        {"split", "train"}});
    return jsonLines(rows);
}

} // namespace

class TestPrecision : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }

    std::string bundle(const std::string& plugin, const std::string& name, const Json& more) {
        Json parameters = {{"steps", 3}, {"learning_rate", 0.003}, {"log_every", 1}, {"micro_batch_tokens", 150}, {"warmup", 0.0}};
        std::map<std::string, std::string> files;
        if (plugin == "grpo") {
            parameters.update({{"rewards", Json::array({{{"type", "rule"}, {"taste", "concise"}, {"weight", 0.1}},
                                                        {{"type", "length"}, {"target", 2}, {"scale", 16}}})},
                               {"num_generations", 4},
                               {"prompts_per_step", 3},
                               {"max_new_tokens", 16}});
            files["prompts.jsonl"] = questions(9);
        } else {
            parameters["batch_size"] = 8;
            files["train.jsonl"] = plugin == "sft" ? completions(24) : plantedPairs(24, 1);
            files["dev.jsonl"] = plugin == "sft" ? completions(6) : plantedPairs(9, 2);
        }
        parameters.update(more);
        return makeBundle(path(name), plugin, {modelSpec("policy", path("model"))}, parameters, files).dir();
    }
    std::string train(const std::string& plugin, const std::string& name, const Json& more) {
        const auto dir = bundle(plugin, name, more);
        const auto out = runPlugin(dir);
        if (out.status != PL_OK)
            qFatal("%s", out.message.c_str());
        return dir;
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
        makeModel(path("other"), 8);
    }

    void lossAndGradientAreNearFp32_data() {
        QTest::addColumn<QString>("plugin");
        QTest::addColumn<QString>("loss");
        QTest::addColumn<int>("rank");
        QTest::newRow("sft") << "sft" << "" << 0;
        QTest::newRow("sft adapters") << "sft" << "" << 4;
        QTest::newRow("reward_model") << "reward_model" << "" << 0;
        QTest::newRow("reward_model adapters") << "reward_model" << "" << 4;
        for (const auto& loss : learn::pairLosses())
            QTest::newRow(("dpo " + loss.name).c_str()) << "dpo" << QString::fromStdString(loss.name) << 0;
        QTest::newRow("dpo adapters") << "dpo" << "sigmoid" << 4;
    }
    void lossAndGradientAreNearFp32() {
        QFETCH(QString, plugin);
        QFETCH(QString, loss);
        QFETCH(int, rank);
        const std::string id = plugin.toStdString(), tag = id + loss.toStdString() + std::to_string(rank);
        Json more{{"adapter_rank", rank}, {"max_grad_norm", 0.0}};
        if (!loss.isEmpty())
            more["loss"] = loss.toStdString();
        if (loss == QStringLiteral("exo_pair"))
            more["label_smoothing"] = 0.01; // not defined without
        Json half = more;
        half["precision"] = "bf16";
        const auto exact = train(id, tag + "-fp32", more), rounded = train(id, tag + "-bf16", half);
        const double a = metric(exact, "loss").at(1), b = metric(rounded, "loss").at(1);
        const double g = metric(exact, "grad_norm").at(1), h = metric(rounded, "grad_norm").at(1);
        qInfo("loss %.6f and %.6f, gradient %.5f and %.5f", a, b, g, h);
        QVERIFY2(std::abs(a - b) <= kLossBound * std::max(1.0, std::abs(a)), qPrintable(QString("%1 and %2").arg(a).arg(b)));
        QVERIFY2(std::abs(g - h) <= kNormBound * g, qPrintable(QString("%1 and %2").arg(g).arg(h)));
        QVERIFY(g > 1e-4 && g != h); // there is one, and the switch does switch
        QVERIFY(!sameWeights(exact + "/checkpoints/step-000003/model.safetensors", rounded + "/checkpoints/step-000003/model.safetensors"));
        // fp32 is what there is without being asked.
        more["precision"] = "fp32";
        QVERIFY(sameBits(allMetrics(train(id, tag + "-said", more)), allMetrics(exact)));
        // What is saved are the masters, which bf16 could not hold.
        const auto saved = must(learn::readSafetensors(rounded + "/checkpoints/step-000003/model.safetensors"));
        for (const auto& [name, tensor] : saved)
            QVERIFY2(tensor.scalar_type() == torch::kFloat32 &&
                         (tensor.dim() < 2 || !torch::equal(tensor, tensor.to(torch::kBFloat16).to(torch::kFloat32))),
                     name.c_str());
    }

    /// Every reference computes as the policy does: before the first step their difference is exactly 0.
    void thePolicyBeginsAsItsReference_data() {
        QTest::addColumn<QString>("reference");
        QTest::addColumn<int>("rank");
        for (const char* reference : {"live", "cached", "as_met"})
            for (const int rank : {0, 4})
                QTest::addRow("%s%s", reference, rank ? " adapters" : "") << reference << rank;
    }
    void thePolicyBeginsAsItsReference() {
        QFETCH(QString, reference);
        QFETCH(int, rank);
        const auto dir = train("dpo", "zero-" + reference.toStdString() + std::to_string(rank),
                               {{"precision", "bf16"}, {"reference", reference.toStdString()}, {"adapter_rank", rank}, {"steps", 1}});
        // Micro-batches of the reference need not be the policy's; in equal ones every bit is equal.
        const double margin = metric(dir, "rewards/margins").at(1);
        QVERIFY2(std::abs(margin) < (reference == "live" ? 1e-12 : 1e-3), qPrintable(QString::number(margin)));
        QVERIFY(std::abs(metric(dir, "loss").at(1) - std::log(2.0)) < (reference == "live" ? 1e-6 : 1e-3));
    }

    /// With a clip range of 0 any ratio but 1 is clipped, and the reference of the first update is the policy.
    void theFirstUpdatesRatioIsOne_data() {
        QTest::addColumn<QString>("old");
        QTest::addColumn<int>("rank");
        QTest::newRow("sampler") << "sampler" << 0;
        QTest::newRow("recompute") << "recompute" << 0;
        QTest::newRow("adapters") << "sampler" << 4;
    }
    void theFirstUpdatesRatioIsOne() {
        QFETCH(QString, old);
        QFETCH(int, rank);
        const auto dir = train("grpo", "ratio-" + old.toStdString() + std::to_string(rank),
                               {{"precision", "bf16"}, {"old_logps", old.toStdString()}, {"adapter_rank", rank}, {"epsilon_low", 0.0},
                                {"epsilon_high", 0.0}, {"num_iterations", 2}, {"steps", 4}, {"beta", 0.05}, {"learning_rate", 0.01}});
        const auto clipped = metric(dir, "clip_ratio/region_mean");
        QCOMPARE(clipped.at(1), 0.0);
        QVERIFY(clipped.at(2) > 0); // of the same answers, by weights that have moved
        QCOMPARE(clipped.at(3), 0.0);
        QVERIFY(clipped.at(4) > 0);
        QCOMPARE(metric(dir, "kl").at(1), 0.0);
        // How far decoding was from the first pass is said all the same, and is no alarm.
        const auto worst = metric(dir, "sampling/sampling_logp_difference/max");
        QCOMPARE(worst.size(), size_t{2});
        qInfo("decoding differs by up to %.3g", worst.at(1));
        QVERIFY(worst.at(1) > 0 && worst.at(1) < 0.25);
        QCOMPARE(count(dir, event::kAlert), size_t{0});
    }

    /// The group's first update against fp32 on the same recorded answers.
    void groupsLearnAlmostTheSame() {
        const auto wrote = train("grpo", "wrote", {{"record_answers", true}, {"steps", 1}});
        const auto answers = must(os::readFile(wrote + "/samples/rollouts.jsonl"));
        std::map<std::string, std::string> dirs;
        for (const char* precision : {"fp32", "bf16"}) {
            dirs[precision] = bundle("grpo", std::string("learns-") + precision,
                                     {{"answers", "recorded"}, {"rewards", Json::array()}, {"steps", 1}, {"precision", precision},
                                      {"max_grad_norm", 0.0}});
            writeFile(dirs[precision] + "/data/rollouts.jsonl", answers);
            const auto out = runPlugin(dirs[precision]);
            QVERIFY2(out.status == PL_OK, out.message.c_str());
        }
        const auto value = [&](const char* precision, const char* name) { return metric(dirs[precision], name).at(1); };
        QVERIFY2(std::abs(value("fp32", "loss") - value("bf16", "loss")) <= kLossBound, qPrintable(QString::number(value("bf16", "loss"))));
        const double g = value("fp32", "grad_norm"), h = value("bf16", "grad_norm");
        QVERIFY2(g > 1e-4 && g != h && std::abs(g - h) <= kNormBound * g, qPrintable(QString("%1 and %2").arg(g).arg(h)));
        QCOMPARE(value("fp32", "reward"), value("bf16", "reward"));
    }

    void resumedRunsAreTheSameToTheBit_data() {
        QTest::addColumn<QString>("plugin");
        QTest::addColumn<int>("rank");
        for (const char* plugin : {"sft", "reward_model", "dpo", "grpo"})
            QTest::newRow(plugin) << plugin << 0;
        QTest::newRow("dpo adapters") << "dpo" << 3;
    }
    void resumedRunsAreTheSameToTheBit() {
        QFETCH(QString, plugin);
        QFETCH(int, rank);
        const std::string id = plugin.toStdString(), tag = id + std::to_string(rank);
        Json more{{"precision", "bf16"}, {"steps", 6}, {"save_every", 3}, {"eval_every", 100}, {"adapter_rank", rank}};
        if (id == "grpo")
            more["num_iterations"] = 2; // step 3 is the first of a group's two updates
        const auto wholeRun = train(id, "whole-" + tag, more), cut = train(id, "cut-" + tag, more);
        must(os::removeTree(cut + "/checkpoints/step-000006"));
        for (const auto& [step, name] : completeCheckpoints(cut))
            if (step > 3)
                must(os::removeTree(cut + "/checkpoints/" + os::baseName(name)));
        QVERIFY(!completeCheckpoints(cut).empty() && completeCheckpoints(cut).back().first == 3);
        const auto out = runPlugin(cut);
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        QVERIFY(sameBits(allMetrics(wholeRun), allMetrics(cut)));
        QVERIFY(sameWeights(wholeRun + "/checkpoints/step-000006/model.safetensors", cut + "/checkpoints/step-000006/model.safetensors"));
    }

    /// By the worker itself: oneDNN, held to AVX2, has no bf16 products worth their while, and the run ends before its model is looked at.
    void theWorkerRefusesWhatItCannotProve() {
        const auto run = [&](const std::string& dir, bool held) {
            os::SpawnOptions spawn;
            spawn.arguments = {PAIRLAB_BUILD_DIR "/bin/pairlab-worker", "run", dir};
            spawn.environment = {{"OMP_WAIT_POLICY", "passive"}, {"XDG_RUNTIME_DIR", path("runtime")}};
            if (held)
                spawn.environment["ONEDNN_MAX_CPU_ISA"] = "AVX2";
            spawn.outputFile = dir + "/worker.log";
            auto process = must(os::Process::spawn(spawn));
            const auto status = must(process.wait(120000));
            return status && !status->signalled ? status->code : -1;
        };
        const auto ending = [&](const std::string& dir) { return must(readEvents(dir + "/events.jsonl")).back().body; };
        must(os::makeDirs(path("runtime")));
        const auto dir = bundle("sft", "held", {{"precision", "bf16"}, {"steps", 1}});
        QCOMPARE(run(dir, true), exitCodeOf(Code::Unsupported));
        const std::string reason = ending(dir)["reason"];
        QVERIFY2(reason.find("precision is bf16, which is not proven on cpu") != std::string::npos &&
                     reason.find("Set precision to fp32") != std::string::npos,
                 reason.c_str());
        QCOMPARE(count(dir, event::kMetrics) + count(dir, event::kProgress), size_t{0});
        const auto plain = bundle("sft", "held-fp32", {{"precision", "fp32"}, {"steps", 1}});
        QCOMPARE(run(plain, true), 0);
        // Free to use what there is, it trains, or says why not.
        const auto open = bundle("sft", "open", {{"precision", "bf16"}, {"steps", 1}});
        const int code = run(open, false);
        bool said = false;
        for (const auto& event : must(readEvents(open + "/events.jsonl")))
            said = said || (event.type == event::kLog && event.body.value("text", "").starts_with("precision bf16: proven on cpu"));
        QVERIFY2(code == 0 ? said : code == exitCodeOf(Code::Unsupported), ending(open).value("reason", "").c_str());
    }
};

QTEST_GUILESS_MAIN(TestPrecision)
#include "tst_precision.moc"

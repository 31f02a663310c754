// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=900
// What training takes of memory is what was said before it started, within a fifth: a model of 20 M parameters with the starter's
// tokenizer, each method for two steps, and larger steps with layers kept and computed again.
#include <QTemporaryDir>
#include <QTest>

#include "core/base/events.h"
#include "core/base/memory_estimate.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

const std::string kStarter = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model";

/// The starter's config made wider and deeper, with weights from a small generator.
void writeModel(const std::string& dir) {
    QVERIFY(os::makeDirs(dir).has_value());
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
        if (os::exists(kStarter + "/" + file))
            QVERIFY(os::copyFile(kStarter + "/" + file, dir + "/" + file).has_value());
    auto config = readJsonFile(kStarter + "/config.json");
    QVERIFY(config.has_value());
    config->update({{"hidden_size", 448}, {"num_hidden_layers", 8}, {"num_attention_heads", 7}, {"num_key_value_heads", 7},
                    {"intermediate_size", 1216}});
    config->erase("head_dim");
    QVERIFY(os::writeFileAtomic(dir + "/config.json", dumpJson(*config)).has_value());
    const auto model = ModelConfig::fromJson(*config, "config.json");
    QVERIFY2(model.has_value(), model ? "" : model.error().toString().c_str());
    Json header = Json::object();
    std::string data;
    uint32_t state = 1;
    for (const auto& [name, shape] : model->tensorShapes()) {
        int64_t count = 1;
        for (const int64_t side : shape)
            count *= side;
        const size_t begin = data.size();
        for (int64_t i = 0; i < count; ++i) {
            state = state * 1664525u + 1013904223u;
            const float value = shape.size() < 2 ? 1.0f : 0.04f * (static_cast<float>(state >> 8) / 16777216.0f - 0.5f);
            data.append(reinterpret_cast<const char*>(&value), sizeof value);
        }
        header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
    }
    std::string head = dumpJson(header);
    head.resize((head.size() + 7) / 8 * 8, ' ');
    std::string file(8, '\0');
    for (size_t i = 0; i < 8; ++i)
        file[i] = static_cast<char>(static_cast<uint64_t>(head.size()) >> (8 * i));
    QVERIFY(os::writeFileAtomic(dir + "/model.safetensors", file + head + data).has_value());
}

} // namespace

class TestMemory : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    double m_kept = 0; ///< what the same run takes with all layers kept
    std::string project() const { return m_dir.filePath(QStringLiteral("p")).toStdString(); }

private Q_SLOTS:
    void initTestCase() {
        qputenv("PAIRLAB_RESOURCES", QByteArray(PAIRLAB_SOURCE_DIR) + "/resources");
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        QCOMPARE(cli({"new", project(), "--starter"}).code, 0);
        const std::string model = m_dir.filePath(QStringLiteral("wide")).toStdString();
        writeModel(model);
        QCOMPARE(cli({"models", "add", project(), model}).code, 0);
        cliJson({"label", project(), "--simulate", kTaste, "--count", "200", "--seed", "1", "--split", "train", "--json"});
    }

    void whatWasSaidIsWhatItTakes_data() {
        QTest::addColumn<QString>("plugin");
        QTest::addColumn<int>("method");
        QTest::addColumn<int>("positions"); // 0: as it is usual
        QTest::addColumn<QString>("checkpointing");
        QTest::addColumn<bool>("packed");
        QTest::addColumn<bool>("half");
        const int dpo = static_cast<int>(TrainMethod::Dpo);
        QTest::newRow("reward model") << "reward_model" << static_cast<int>(TrainMethod::RewardModel) << 0 << "auto" << true << false;
        QTest::newRow("dpo") << "dpo" << dpo << 0 << "auto" << true << false;
        QTest::newRow("grpo") << "grpo" << static_cast<int>(TrainMethod::Grpo) << 0 << "auto" << true << false;
        QTest::newRow("dpo padded") << "dpo" << dpo << 0 << "auto" << false << false;
        QTest::newRow("dpo of large steps") << "dpo" << dpo << 4096 << "off" << true << false;
        QTest::newRow("dpo of large steps, layers computed again") << "dpo" << dpo << 4096 << "on" << true << false;
        if (cli({"doctor"}).out.find("precision bf16 proven on cpu") != std::string::npos)
            QTest::newRow("dpo of large steps in bf16") << "dpo" << dpo << 4096 << "auto" << true << true;
    }
    void whatWasSaidIsWhatItTakes() {
        QFETCH(QString, plugin);
        QFETCH(int, method);
        QFETCH(int, positions);
        QFETCH(QString, checkpointing);
        QFETCH(bool, packed);
        QFETCH(bool, half);
        std::vector<std::string> more{"--model", "wide", "--set", "steps=2", "--threads", "1", "--set",
                                      "activation_checkpointing=" + checkpointing.toStdString(), "--set", packed ? "packing=on" : "packing=off"};
        if (half)
            more.insert(more.end(), {"--set", "precision=bf16"});
        if (positions > 0)
            more.insert(more.end(), {"--set", "batch_size=100", "--set", "micro_batch_tokens=" + std::to_string(positions)});
        if (plugin == QStringLiteral("grpo"))
            more.insert(more.end(), {"--reward", std::string("rule:") + kTaste});
        const Json t = trainRun(project(), plugin.toStdString(), 1, more);
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const auto events = readEvents(t.value("dir", std::string()) + "/events.jsonl");
        QVERIFY(events.has_value() && !events->empty() && events->back().type == event::kRunEnd);
        const double peak = number(events->back().body, "peak_memory");
        const auto config = readModelConfig(project() + "/models/wide");
        QVERIFY2(config.has_value(), config ? "" : config.error().toString().c_str());
        MemoryPlan plan = MemoryPlan::usual(static_cast<TrainMethod>(method));
        plan.longest = 160;
        plan.packed = packed;
        plan.half = half;
        if (positions > 0)
            plan.positions = positions;
        plan = decided(*config, plan, checkpointingOf(checkpointing.toStdString()), static_cast<double>(os::totalMemory()));
        const double said = estimateMemory(*config, plan).total();
        qInfo("%s: said %.0f MB, took %.0f MB: %.3f", qPrintable(plugin), said / 1e6, peak / 1e6, said / peak);
        QVERIFY2(std::abs(said / peak - 1) < 0.2, qPrintable(QStringLiteral("said %1, took %2").arg(said).arg(peak)));
        if (checkpointing == QStringLiteral("off"))
            m_kept = peak;
        if (checkpointing == QStringLiteral("on")) { // falls by what was said it would fall
            plan.recompute = false;
            const double fall = estimateMemory(*config, plan).total() - said;
            QVERIFY2(m_kept - peak > 0.7 * fall, qPrintable(QStringLiteral("fell by %1 of %2").arg(m_kept - peak).arg(fall)));
        }
    }
};

QTEST_GUILESS_MAIN(TestMemory)
#include "tst_memory.moc"

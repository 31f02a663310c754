// SPDX-License-Identifier: Apache-2.0
// The end tokens of a model's folder: generation_config.json (untrusted) and config.json.
#include <QTemporaryDir>
#include <QtTest>

#include "core/base/json.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"

using namespace pl;

namespace {

/// A model of 128 300 ids whose config.json names `eos`.
Json config(const Json& eos) {
    return {{"model_type", "llama"}, {"vocab_size", 128300}, {"hidden_size", 16}, {"num_hidden_layers", 1}, {"num_attention_heads", 2},
            {"num_key_value_heads", 2}, {"intermediate_size", 24}, {"max_position_embeddings", 64}, {"rms_norm_eps", 1e-6},
            {"tie_word_embeddings", true}, {"eos_token_id", eos}};
}

} // namespace

class TestStopTokens : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;

    Result<std::vector<int64_t>> read(const Json& config, const std::string& generation) {
        const std::string dir = m_dir.path().toStdString(), file = dir + "/generation_config.json";
        (void)os::removeTree(file);
        if (!os::writeFileAtomic(dir + "/config.json", dumpJson(config)) || (!generation.empty() && !os::writeFileAtomic(file, generation)))
            qFatal("no file");
        return stopTokenIds(dir);
    }

private Q_SLOTS:
    void everyEndTokenOfTheFolderCounts_data() {
        QTest::addColumn<QString>("eos");
        QTest::addColumn<QString>("generation");
        QTest::addColumn<QList<int>>("stops");
        QTest::newRow("Llama 3") << "128009" << R"({"eos_token_id": [128001, 128008, 128009], "temperature": 0.6})"
                                 << QList<int>{128001, 128008, 128009};
        QTest::newRow("Qwen") << "2045" << R"({"eos_token_id": [2045, 2043]})" << QList<int>{2043, 2045};
        QTest::newRow("a number") << "2" << R"({"eos_token_id": 7})" << QList<int>{2, 7};
        QTest::newRow("a list in config.json alone") << "[3, 2]" << "" << QList<int>{2, 3};
        QTest::newRow("null") << "null" << R"({"eos_token_id": null})" << QList<int>{};
        QTest::newRow("not named") << "5" << "{}" << QList<int>{5};
        QTest::newRow("one twice") << "5" << R"({"eos_token_id": [5, 5]})" << QList<int>{5};
    }
    void everyEndTokenOfTheFolderCounts() {
        QFETCH(QString, eos);
        QFETCH(QString, generation);
        QFETCH(QList<int>, stops);
        const auto found = read(config(parseJson(eos.toStdString(), "a test").value()), generation.toStdString());
        QVERIFY2(found.has_value(), found ? "" : found.error().toString().c_str());
        QCOMPARE(*found, std::vector<int64_t>(stops.begin(), stops.end()));
    }

    void refuses_data() {
        QTest::addColumn<QString>("generation");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* name, const QString& text, const char* says) { QTest::newRow(name) << text << QString(says); };
        row("beyond the vocabulary", R"({"eos_token_id": [2, 128300]})", "128300 is not a token id below 128300");
        row("negative", R"({"eos_token_id": -1})", "-1 is not a token id");
        row("a fraction", R"({"eos_token_id": 2.5})", "2.5 is not a token id");
        row("a text", R"({"eos_token_id": "</s>"})", "is not a token id");
        row("a list in a list", R"({"eos_token_id": [[2]]})", "is not a token id");
        row("an object", R"({"eos_token_id": {"id": 2}})", "is not a token id");
        row("true", R"({"eos_token_id": true})", "is not a token id");
        row("null in a list", R"({"eos_token_id": [2, null]})", "is not a token id");
        row("above 2^63", R"({"eos_token_id": 18446744073709551615})", "is not a token id");
        row("a list", "[2]", "not a JSON object");
        row("cut off", R"({"eos_token_id": [2)", "generation_config.json");
        row("empty", " ", "generation_config.json");
        row("not UTF-8", QString::fromLatin1("{\"a\": \"\x01\"}"), "generation_config.json");
        row("nested", QString(100, '[') + QString(100, ']'), "generation_config.json");
        QString many = "{\"eos_token_id\": [";
        for (int i = 0; i < 300; ++i)
            many += QString::number(i) + (i < 299 ? "," : "]}");
        row("hundreds", many, "lists 300 tokens");
    }
    void refuses() {
        QFETCH(QString, generation);
        QFETCH(QString, says);
        const auto found = read(config(2), generation.toStdString());
        QVERIFY(!found.has_value());
        const auto message = QString::fromStdString(found.error().message);
        QVERIFY2(message.contains(says), qPrintable(message));
        QVERIFY2(message.contains("generation_config.json"), qPrintable(message));
    }

    void aLinkOutOfTheFolderIsRefused() {
        QVERIFY(read(config(2), "").has_value());
        QTemporaryDir other;
        QVERIFY(os::writeFileAtomic(other.filePath("x.json").toStdString(), R"({"eos_token_id": 3})").has_value());
        QVERIFY(QFile::link(other.filePath("x.json"), m_dir.filePath("generation_config.json")));
        const auto found = stopTokenIds(m_dir.path().toStdString());
        QVERIFY(!found.has_value());
        QVERIFY(found.error().code == Code::Unsupported);
        QVERIFY(QFile::remove(m_dir.filePath("generation_config.json")));
    }
};

QTEST_GUILESS_MAIN(TestStopTokens)
#include "tst_stop_tokens.moc"

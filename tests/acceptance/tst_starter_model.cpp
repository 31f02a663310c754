// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=900
// What the shipped starter model promises: its card, its samples, its arithmetic, and the first steps of its rebuild.
#include <QCryptographicHash>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestStarterModel : public QObject {
    Q_OBJECT

    const std::string m_folder = PAIRLAB_SOURCE_DIR "/resources/starter/";
    QTemporaryDir m_dir, m_runtime;

    static Ran run(std::vector<std::string> command, int timeoutMs = 600000) {
        os::SpawnOptions spawn;
        spawn.arguments = std::move(command);
        auto output = os::runToEnd(spawn, timeoutMs);
        if (!output)
            return {-1, output.error().toString()};
        return {output->status.signalled ? -output->status.code : output->status.code, output->text};
    }
    std::string scratch(const char* name) const { return m_dir.path().toStdString() + "/" + name; }
    static QString sha256(const std::string& path) {
        QFile file(QString::fromStdString(path));
        QCryptographicHash hash(QCryptographicHash::Sha256);
        if (!file.open(QIODevice::ReadOnly) || !hash.addData(&file))
            return path.c_str();
        return hash.result().toHex();
    }
    Json card() const {
        auto text = os::readFile(m_folder + "model/card.json");
        auto json = text ? parseJson(*text, "card.json") : parseJson("{}", "");
        return json ? *json : Json::object();
    }
    /// Prompt rows of one kind and split, in the file's order.
    std::vector<Json> prompts(const std::string& id) const {
        std::vector<Json> rows;
        auto text = os::readFile(m_folder + "prompts.jsonl");
        for (const auto& line : QByteArray::fromStdString(text.value_or("")).trimmed().split('\n'))
            if (auto row = parseJson(line.toStdString(), "prompt"); row && row->at("id").get<std::string>().starts_with(id))
                rows.push_back(*row);
        return rows;
    }
    /// One sample at temperature 1 of each prompt: the worker's rows in the prompts' order.
    std::vector<Json> samples(const std::vector<Json>& rows, const std::string& seed) {
        QFile file(QString::fromStdString(scratch("p.jsonl")));
        if (!file.open(QIODevice::WriteOnly | QIODevice::Truncate))
            return {};
        for (const auto& row : rows)
            file.write(QByteArray::fromStdString(dumpJson(Json{{"prompt", row["prompt"]}}) + "\n"));
        file.close();
        const Ran ran = run({program("pairlab-worker"), "sample", m_folder + "model", "--prompts", scratch("p.jsonl"),
                             "--temperature", "1", "--seed", seed, "--max-new-tokens", "160"});
        std::vector<Json> out;
        for (const auto& line : QByteArray::fromStdString(ran.out).split('\n'))
            if (line.startsWith('{'))
                if (auto row = parseJson(line.toStdString(), "sample"))
                    out.push_back(*row);
        if (out.size() != rows.size())
            qWarning("%s", ran.out.substr(0, 2000).c_str());
        return out;
    }

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); }

    void theCardNamesTheShippedFiles() {
        const Json c = card();
        QVERIFY(c.contains("files"));
        QCOMPARE(c["files"].size(), size_t{4});
        for (const auto& [name, hash] : c["files"].items())
            QCOMPARE(sha256(m_folder + "model/" + name), QString::fromStdString(hash.get<std::string>()));
        const double parameters = numberOf(c["parameters"], "parameters").value_or(0);
        QVERIFY(parameters >= 1.0e6 && parameters <= 1.5e6);
        QVERIFY(numberOf(c["tokens"], "tokens").value_or(1e9) <= 20e6);
    }

    /// 200 test prompts at temperature 1: at least 95 % parse by the corpus grammar and end with the end token.
    void samplesParse() {
        const auto rows = prompts("chat-test");
        QCOMPARE(rows.size(), size_t{200});
        const auto out = samples(rows, "1");
        QCOMPARE(out.size(), size_t{200});
        QFile file(QString::fromStdString(scratch("answers.jsonl")));
        QVERIFY(file.open(QIODevice::WriteOnly));
        for (size_t i = 0; i < out.size(); ++i) // a cut sample gets a tail that no grammar has
            file.write(QByteArray::fromStdString(
                dumpJson(Json{{"prompt", rows[i]["prompt"]},
                              {"completion", out[i]["text"].get<std::string>() + (out[i]["finished"].get<bool>() ? "" : "\x01")}}) +
                "\n"));
        file.close();
        const Ran ran = run({"python3", "-B", m_folder + "grammar.py", scratch("answers.jsonl")});
        const auto result = parseJson(ran.out, "grammar.py");
        QVERIFY2(result, ran.out.c_str());
        qInfo("%s", ran.out.c_str());
        QCOMPARE((*result)["rows"].get<int>(), 200);
        QVERIFY2((*result)["parsed"].get<int>() >= 190, ran.out.c_str());
    }

    /// Arithmetic chains: neither hopeless nor solved, so that a trainer with a verifier has something to find.
    void arithmeticIsHalfSolved() {
        const auto rows = prompts("arithmetic-test");
        QCOMPARE(rows.size(), size_t{400});
        const auto out = samples(rows, "1");
        QCOMPARE(out.size(), size_t{400});
        int right = 0;
        for (size_t i = 0; i < out.size(); ++i) {
            const auto answer = QString::fromStdString(rows[i]["verifier"]["answer"].get<std::string>());
            right += QString::fromStdString(out[i]["text"].get<std::string>()).endsWith("The answer is " + answer + ".");
        }
        qInfo("arithmetic: %d of 400", right);
        QVERIFY2(right >= 120 && right <= 240, qPrintable(QString::number(right)));
    }

    /// The command that rebuilds the model makes the card's corpus and the shipped tokenizer, and its first 100 steps have the
    /// card's losses (1e-3: processors add in different orders).
    void theRebuildStartsAsTheCardSays() {
        const Json c = card();
        const Ran ran = run({m_folder + "rebuild", "--work", scratch("work"), "--build", PAIRLAB_BUILD_DIR, "--stop-at", "100"});
        QVERIFY2(ran.code == 0, ran.out.c_str());
        QCOMPARE(sha256(scratch("work/corpus.jsonl")), QString::fromStdString(c["corpus"]["sha256"].get<std::string>()));
        QCOMPARE(sha256(scratch("work/shape/tokenizer.json")), QString::fromStdString(c["files"]["tokenizer.json"].get<std::string>()));
        std::string last = QString::fromStdString(ran.out).trimmed().section('\n', -1).toStdString();
        auto losses = parseJson(last, "losses");
        QVERIFY2(losses, ran.out.c_str());
        QCOMPARE(c["first_losses"].size(), size_t{11});
        for (const auto& [step, expected] : c["first_losses"].items()) {
            const double found = losses->contains(step) ? numberOf((*losses)[step], "loss").value_or(NAN) : NAN;
            QVERIFY2(std::abs(found - expected.get<double>()) <= 1e-3, ran.out.c_str());
        }
        QVERIFY(QDir(QString::fromStdString(scratch("work/run/checkpoints"))).entryList({"step-*"}, QDir::Dirs).size() >= 1);
    }
};

QTEST_GUILESS_MAIN(TestStarterModel)
#include "tst_starter_model.moc"

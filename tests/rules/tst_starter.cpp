// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <QCryptographicHash>
#include <QProcess>
#include <QStandardPaths>
#include <QTemporaryDir>

#include "core/base/json.h"

using namespace pl;

/// The scripts of the starter project: what they promise about the corpus, the prompts and the tokenizer.
class TestStarter : public QObject {
    Q_OBJECT

    const QString m_folder = QStringLiteral(PAIRLAB_SOURCE_DIR "/resources/starter/");
    QTemporaryDir m_scratch;

    int python(const QStringList& arguments, QByteArray* out = nullptr) {
        QProcess process;
        process.setWorkingDirectory(m_scratch.path());
        auto environment = QProcessEnvironment::systemEnvironment();
        environment.insert("PYTHONDONTWRITEBYTECODE", "1");
        process.setProcessEnvironment(environment);
        process.start("python3", arguments);
        if (!process.waitForFinished(60000))
            return -1;
        if (out)
            *out = process.readAllStandardOutput();
        const auto errors = process.readAllStandardError();
        if (!errors.isEmpty())
            qInfo().noquote() << errors.left(2000);
        return process.exitCode();
    }
    QByteArray bytes(const QString& path) {
        QFile file(path);
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }
    QString scratch(const char* name) { return m_scratch.filePath(name); }

private Q_SLOTS:
    void initTestCase() {
        if (QStandardPaths::findExecutable("python3").isEmpty())
            QFAIL("no python3 here: the starter's scripts cannot be checked; install python3");
        QCOMPARE(python({m_folder + "make_corpus.py", "--out", scratch("corpus.jsonl"), "--rows", "1000", "--prompts-out",
                         scratch("prompts.jsonl"), "--check"}),
                 0); // --check: every row parses by the grammar
    }

    void theSameSeedMakesTheSameBytes() {
        QCOMPARE(python({m_folder + "make_corpus.py", "--out", scratch("again.jsonl"), "--rows", "1000"}), 0);
        QCOMPARE(bytes(scratch("again.jsonl")), bytes(scratch("corpus.jsonl")));
        QCOMPARE(python({m_folder + "make_corpus.py", "--out", scratch("other.jsonl"), "--rows", "1000", "--seed", "2"}), 0);
        QVERIFY(bytes(scratch("other.jsonl")) != bytes(scratch("corpus.jsonl")));
    }

    void theShippedPromptsAreTheScripts() {
        QVERIFY(!bytes(scratch("prompts.jsonl")).isEmpty());
        QCOMPARE(bytes(scratch("prompts.jsonl")), bytes(m_folder + "prompts.jsonl"));
    }

    void splitsAreLargeDisjointAndHeldOut() {
        QHash<QString, int> count;
        QSet<QByteArray> seen, heldOut;
        for (const auto& line : bytes(m_folder + "prompts.jsonl").trimmed().split('\n')) {
            const auto row = parseJson(std::string_view(line.data(), line.size()), "prompt");
            QVERIFY(row);
            const auto prompt = QByteArray::fromStdString((*row)["prompt"].get<std::string>());
            QVERIFY2(!seen.contains(prompt), prompt.constData());
            seen.insert(prompt);
            const auto split = QString::fromStdString((*row)["split"].get<std::string>());
            ++count[split + "/" + QString::fromStdString((*row)["kind"].get<std::string>())];
            if (split != "train")
                heldOut.insert(prompt);
        }
        QCOMPARE(count["train/chat"], 400);
        QCOMPARE(count["dev/chat"], 100);
        QCOMPARE(count["test/chat"], 200);
        QVERIFY(count["test/verify"] >= 400 && count["train/verify"] >= 300);
        for (const auto& line : bytes(scratch("corpus.jsonl")).trimmed().split('\n')) {
            const auto row = parseJson(std::string_view(line.data(), line.size()), "row");
            QVERIFY(!heldOut.contains(QByteArray::fromStdString((*row)["prompt"].get<std::string>())));
        }
    }

    void theShippedPairsDiffer() {
        int rows = 0;
        for (const auto& line : bytes(m_folder + "pairs.jsonl").trimmed().split('\n')) {
            const auto row = parseJson(std::string_view(line.data(), line.size()), "pair");
            QVERIFY(row);
            const Json& both = row->at("candidates");
            QCOMPARE(both.size(), size_t{2});
            QVERIFY2(both[0]["content"] != both[1]["content"], line.constData());
            ++rows;
        }
        QCOMPARE(rows, 500);
    }

    void theGrammarRefusesOtherText() {
        const std::string dinner = "Suggest a dinner with rice.", sum = "What is 7 + 5 - 3?";
        struct Case {
            std::string name, prompt, completion;
            bool accepted;
        };
        const std::vector<Case> cases{
            {"a written answer", dinner, "Sure. Try a bowl of rice with garlic. Add garlic and lemon.", true},
            {"a list", dinner, "- Try a bowl of rice with garlic.\n- Add garlic and lemon.\nDone.", true},
            {"salad", dinner, "Try rice bowl garlic a of with. Add lemon.", false},
            {"cut short", dinner, "Try a bowl of rice with garlic. Add garlic and", false},
            {"no tip", dinner, "Try a bowl of rice with garlic.", false},
            {"repeated", dinner, "Try a bowl of rice with garlic. Add garlic and lemon. Add garlic and lemon.", false},
            {"wrong order", dinner, "Add garlic and lemon. Try a bowl of rice with garlic.", false},
            {"another topic", dinner, "Use fresh water for coffee. Stir it in circles.", false},
            {"unknown slot", dinner, "Try a bowl of bricks with garlic. Add garlic and lemon.", false},
            {"another slot", dinner, "Try a bowl of beans with garlic. Add garlic and lemon.", false},
            {"list mixed with prose", dinner, "Try a bowl of rice with garlic.\n- Add garlic and lemon.", false},
            {"empty", dinner, "", false},
            {"sum", sum, "So 7 + 5 = 12. Then 12 - 3 = 9. The answer is 9.", true},
            {"form, not result", sum, "The answer is 8.", true},
            {"no end", sum, "So 7 + 5 = 12. Then 12 - 3", false},
        };
        Json input = Json::array();
        for (const auto& one : cases)
            input.push_back({one.prompt, one.completion});
        QByteArray out;
        QCOMPARE(python({"-c",
                         "import json, sys; sys.path.insert(0, sys.argv[1]); import grammar; "
                         "print(json.dumps([grammar.parse(p, c, strict=True) == 'ok' for p, c in json.loads(sys.argv[2])]))",
                         m_folder, QString::fromStdString(input.dump())},
                        &out),
                 0);
        const auto accepted = Json::parse(out.toStdString());
        for (size_t i = 0; i < cases.size(); ++i)
            QVERIFY2(accepted[i] == cases[i].accepted, cases[i].name.c_str());
    }

    void theTokenizerTrainerIsDeterministic() {
        for (const char* out : {"one", "two"})
            QCOMPARE(python({m_folder + "train_tokenizer.py", "--corpus", scratch("corpus.jsonl"), "--out", scratch(out),
                             "--vocab", "700"}),
                     0);
        const auto text = bytes(scratch("one") + "/tokenizer.json");
        QCOMPARE(text, bytes(scratch("two") + "/tokenizer.json"));
        const auto json = parseJson(std::string_view(text.data(), text.size()), "tokenizer.json");
        QVERIFY(json);
        QCOMPARE((*json)["model"]["vocab"].size(), size_t{700});
        QCOMPARE((*json)["model"]["merges"].size(), size_t{700 - 259});
        QCOMPARE((*json)["model"]["vocab"]["<|im_end|>"].get<int>(), 2);
    }
};

QTEST_GUILESS_MAIN(TestStarter)
#include "tst_starter.moc"

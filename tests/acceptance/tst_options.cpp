// SPDX-License-Identifier: Apache-2.0
// ctest: processors=1 timeout=240
// Values no option can have: refused by name, with what it may be, before anything is opened, started or counted.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestOptions : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    std::string m_project;

    static QString words(const std::vector<std::string>& arguments) {
        QStringList list;
        for (const std::string& each : arguments)
            list.append(QString::fromStdString(each));
        return list.join(' ');
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        m_project = m_dir.path().toStdString() + "/p";
        QCOMPARE(cli({"new", m_project, "--starter"}).code, 0);
    }

    void outsideIsRefused() {
        const std::vector<std::string> wholes{"-1", "-9223372036854775808", "99999999999999999999", "1.5", "1e3", "nan", "x", "", "7 "};
        const auto with = [](std::vector<std::string> list, const std::vector<std::string>& more) {
            list.insert(list.end(), more.begin(), more.end());
            return list;
        };
        const struct {
            std::vector<std::string> verb;
            const char* option;
            std::vector<std::string> bad;
            const char* good;
        } table[] = {
            {{"generate", "P"}, "--seed", wholes, "0"},
            {{"generate", "P"}, "--n", with(wholes, {"0", "1025"}), "2"},
            {{"generate", "P"}, "--limit", with(wholes, {"100000001"}), "0"},
            {{"generate", "P"}, "--device", {"gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1000", "CPU", ""}, "cuda:1"},
            {{"generate", "P"}, "--split", {"tests", "", "-1", "Train"}, "all"},
            {{"train", "P", "--plugin", "dpo"}, "--seed", wholes, "9223372036854775807"},
            {{"train", "P", "--plugin", "dpo"}, "--threads", with(wholes, {"1025"}), "0"},
            {{"train", "P", "--plugin", "grpo"}, "--limit", wholes, "5"},
            {{"train", "P", "--plugin", "dpo"}, "--device", {"gpu"}, "cpu"},
            {{"evaluate", "P", "--model", "start"}, "--seed", wholes, "3"},
            {{"evaluate", "P", "--model", "start"}, "--limit", wholes, "3"},
            {{"evaluate", "P", "--model", "start"}, "--device", {"cuda:-1"}, "cpu"},
            {{"evaluate", "P", "--model", "start"}, "--split", {"all", "tset", ""}, "test"},
            {{"label", "P", "--simulate", "concise"}, "--count", with(wholes, {"0"}), "1"},
            {{"label", "P", "--simulate", "concise"}, "--seed", wholes, "1"},
            {{"label", "P", "--simulate", "concise"}, "--flip", {"-0.01", "1.01", "nan", "inf", "-inf", "x", "", "5%"}, "0.5"},
            {{"label", "P", "--simulate", "concise"}, "--split", {"tset", ""}, "test"},
            {{"queue", "P"}, "--limit", with(wholes, {"0", "1000001"}), "1"},
            {{"import", "P", "FILE"}, "--split", {"all", "tset", ""}, "dev"},
            {{"demo", "--out", "P"}, "--seed", with(wholes, {"9223372036854775807"}), nullptr},
            {{"demo", "--out", "P"}, "--labels", with(wholes, {"49", "100001"}), nullptr},
            {{"demo", "--out", "P"}, "--device", {"gpu"}, nullptr},
        };
        const std::string nowhere = m_dir.path().toStdString() + "/nowhere";
        int cases = 0;
        for (const auto& row : table) {
            std::vector<std::string> verb = row.verb;
            std::replace(verb.begin(), verb.end(), std::string("P"), nowhere);
            for (const std::string& value : row.bad) {
                const auto arguments = with(verb, {std::string(row.option) + "=" + value});
                const Ran ran = cli(arguments);
                const QString said = QString::fromStdString(ran.out);
                QVERIFY2(ran.code == 2 && said.contains(row.option) && said.count('\n') <= 3,
                         qPrintable(words(arguments) + ": " + QString::number(ran.code) + " " + said));
                QVERIFY(!os::exists(nowhere));
                ++cases;
            }
            if (!row.good)
                continue;
            const Ran ran = cli(with(verb, {row.option, row.good})); // gets as far as the project that is not there
            QVERIFY2(ran.code != 2 && ran.code != 0 && ran.out.find("nowhere") != std::string::npos,
                     qPrintable(words(verb) + " " + row.option + " " + row.good + ": " + QString::fromStdString(ran.out)));
        }
        qInfo("%d values refused", cases);
    }

    void whatFitsIsSaidOfEveryDeviceAndOfOneThatIsNotHere() {
        const std::string model = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model", list = m_dir.path().toStdString() + "/devices.json";
        QVERIFY(os::writeFileAtomic(list, R"({"devices": [{"name": "cpu", "title": "this machine", "total": 1000000000, "free": 1},)"
                                       R"( {"name": "cuda:0", "title": "Large", "total": 90000000000, "free": 1}, {"name": "cuda:1", "title": "Small", "total": 1000000, "free": 1}]})").has_value());
        qputenv("PAIRLAB_DEVICES", QByteArray::fromStdString(list));
        const Ran several = cli({"models", "show", model, "--json"});
        QCOMPARE(several.code, 0);
        const Json fits = Json::parse(several.out)["fits"];
        QCOMPARE(fits.size(), size_t{4 * 2 * 3});
        for (const Json& row : fits)
            QCOMPARE(row["fit"] == Json("no"), row["device"] == Json("cuda:1"));
        const Ran table = cli({"models", "show", model});
        for (const char* part : {"needs  cpu     cuda:0  cuda:1", "cuda:0: Large, 90.0 GB"})
            QVERIFY2(table.out.find(part) != std::string::npos, table.out.c_str());
        const Ran one = cli({"models", "show", model, "--memory", "24G", "--json"}); // whatever is here
        const Json asked = Json::parse(one.out)["fits"];
        QCOMPARE(asked.size(), size_t{8});
        QVERIFY(asked[0]["memory"] == Json(int64_t{24} << 30));
        QVERIFY(asked[0]["device"].is_null());
        QVERIFY(cli({"models", "show", model, "--memory", "24G"}).out.find("of 25.8 GB, in fp32") != std::string::npos);
        QCOMPARE(cli({"models", "show", model, "--memory", "lots"}).code, 10);
        qunsetenv("PAIRLAB_DEVICES");
    }

    void outsideParametersAreRefusedBeforeARunExists() {
        QCOMPARE(number(cliJson({"label", m_project, "--simulate", kTaste, "--count", "5", "--split", "train", "--json"}), "labelled"),
                 5.0);
        const std::vector<std::vector<std::string>> table{
            {"train", "P", "--plugin", "dpo", "--set", "steps=-1"},
            {"train", "P", "--plugin", "dpo", "--set", "steps=1.5"},
            {"train", "P", "--plugin", "dpo", "--set", "steps=99999999999999999999"},
            {"train", "P", "--plugin", "dpo", "--set", "beta=-0.1"},
            {"train", "P", "--plugin", "dpo", "--set", "beta=nan"},
            {"train", "P", "--plugin", "dpo", "--set", "learning_rate=inf"},
            {"train", "P", "--plugin", "dpo", "--set", "label_control=maybe"},
            {"train", "P", "--plugin", "dpo", "--set", "no_such=1"},
            {"train", "P", "--plugin", "dpo", "--set", "beta"},
            {"train", "P", "--plugin", "dpo", "--model", "run:-1"},
            {"train", "P", "--plugin", "dpo", "--dataset", "-1"},
            {"train", "P", "--plugin", "no_such"},
            {"train", "P", "--plugin", "grpo", "--reward", "rule:concise*nan"},
            {"train", "P", "--plugin", "grpo", "--reward", "rule:nobody"},
            {"train", "P", "--plugin", "grpo", "--reward", "length:-5"},
            {"train", "P", "--plugin", "grpo", "--reward", "length:"},
            {"train", "P", "--plugin", "grpo"},
            {"train", "P", "--plugin", "grpo", "--set", "rewards=[{\"type\": \"reward_model\"}]"},
            {"train", "P", "--plugin", "dpo", "--device", "cuda"},
            {"train", "P", "--plugin", "dpo", "--device", "cuda:7"},
            {"generate", "P", "--device", "cuda"},
            {"evaluate", "P", "--model", "start", "--judge", "concise", "--device", "cuda"},
            {"generate", "P", "--set", "temperature=-1"},
            {"generate", "P", "--set", "max_new_tokens=0"},
            {"generate", "P", "--set", "top_p=1.5"},
            {"generate", "P", "--model", "run:1@-5"},
            {"evaluate", "P", "--model", "start", "--judge", "concise", "--split", "test", "--set", "temperature=-1"},
            {"evaluate", "P", "--model", "start", "--judge", "nobody", "--split", "test"},
            {"evaluate", "P", "--model", "start", "--split", "test"},
        };
        const std::string list = m_dir.path().toStdString() + "/cpu.json"; // whatever this machine has
        QVERIFY(os::writeFileAtomic(list, R"({"devices": [{"name": "cpu", "title": "this machine", "total": 1000000000, "free": 1}]})").has_value());
        qputenv("PAIRLAB_DEVICES", QByteArray::fromStdString(list));
        const auto counts = [&] {
            const Json stats = cliJson({"stats", m_project, "--json"});
            return std::pair(number(stats, "runs"), number(stats, "test_openings"));
        };
        for (std::vector<std::string> arguments : table) {
            arguments[1] = m_project;
            const Ran ran = cli(arguments);
            QVERIFY2(ran.code == 10 && ran.out.find("pairlab-cli: ") == 0, qPrintable(words(arguments) + ": " + QString::number(ran.code) +
                                                                                  " " + QString::fromStdString(ran.out)));
            QVERIFY2(counts() == std::pair(0.0, 0.0), qPrintable(words(arguments)));
        }
        QVERIFY(cli({"runs", m_project, "--json"}).out.find("[]") == 0);
        // What to do about it is said in words of the command line.
        const Ran reward = cli({"train", m_project, "--plugin", "grpo"}), device = cli({"train", m_project, "--plugin", "dpo", "--device", "cuda"});
        QVERIFY2(reward.out.find("has no reward") != std::string::npos && reward.out.find("--reward run:ID, rule:TASTE, verifier or length:TOKENS") != std::string::npos,
                 reward.out.c_str());
        QVERIFY2(device.out.find("there is no device cuda here. `pairlab-worker devices` finds cpu.") != std::string::npos, device.out.c_str());
        const Ran mapping = cli({"import", m_project, list, "--map", "{"});
        QVERIFY2(mapping.code == 10 && mapping.out.find("the mapping") != std::string::npos && mapping.out.find(R"({"prompt": "question", "chosen")") != std::string::npos &&
                     mapping.out.find("--columns") != std::string::npos,
                 mapping.out.c_str());
        qunsetenv("PAIRLAB_DEVICES");
    }

    /// An option that would do nothing is refused with the reason, before the project is opened.
    void importOptionsThatDoNothingAreRefused() {
        const std::string base = m_dir.path().toStdString(), file = base + "/in.jsonl", prompts = base + "/prompts.txt", folder = base + "/pictures";
        QVERIFY(os::writeFileAtomic(file, R"({"prompt": "Q", "chosen": "yes", "rejected": "no"})" "\n").has_value());
        QVERIFY(os::writeFileAtomic(prompts, "What is a lake?\n").has_value());
        QVERIFY(os::makeDirs(folder).has_value());
        const struct {
            std::vector<std::string> more;
            const char* says;
            int code;
        } table[] = {
            {{file, "--layout", "{prompt}_{seed}"}, "in.jsonl is no folder", 2},
            {{folder, "--layout", "{prompt}_{seed}", "--format", "trl"}, "--layout does nothing with --format trl", 2},
            {{file, "--implicit", "--format", "prompts"}, "--implicit does nothing with --format prompts", 2},
            {{file, "--implicit", "--map", "{}"}, "--implicit does nothing with --map", 2},
            {{folder, "--implicit"}, "is a folder", 2},
            {{file, "--images", folder, "--format", "hh"}, "--images does nothing with --format hh", 2},
            {{folder, "--images", folder}, "the folder of images itself", 2},
            {{file, "--columns", "--dry-run"}, "--dry-run does nothing with --columns", 2},
            {{file, "--columns", "--save-map", "x"}, "--save-map does nothing with --columns", 2},
            {{file, "--pair", file, file}, "a file does nothing with --pair", 2},
            {{"--pair", file, file, "--format", "auto"}, "--format does nothing with --pair", 2},
            {{file, "--batches"}, "a file does nothing with --batches", 2},
            {{"--revert", "1", "--dry-run"}, "--dry-run does nothing with --revert", 2},
            {{"--revert", "0"}, "no whole number from 1", 2},
            // What the file is, only its rows say.
            {{prompts, "--implicit"}, "Leave --implicit out", 10},
            {{file, "--images", folder}, "Leave --images out", 10},
        };
        for (const auto& row : table) {
            std::vector<std::string> arguments{"import", m_project};
            arguments.insert(arguments.end(), row.more.begin(), row.more.end());
            const Ran ran = cli(arguments);
            QVERIFY2(ran.code == row.code && ran.out.find(row.says) != std::string::npos,
                     qPrintable(words(arguments) + ": " + QString::number(ran.code) + " " + QString::fromStdString(ran.out)));
        }
        QVERIFY(cliJson({"import", m_project, "--batches", "--json"})["batches"].empty());
    }

    void anImportIsListedAndTakenBack() {
        const std::string file = m_dir.path().toStdString() + "/three.csv";
        QVERIFY(os::writeFileAtomic(file, "prompt;chosen;rejected\nQ1;yes, well;no\nQ2;a;b\nQ3;c;d\n").has_value());
        QCOMPARE(cli({"import", m_project, "--batches"}).out, std::string("Nothing was imported.\n"));
        const Ran none = cli({"import", m_project, "--revert", "1"});
        QVERIFY2(none.code == 10 && none.out.find("there is no import 1") != std::string::npos, none.out.c_str());
        const Json before = cliJson({"stats", m_project, "--json"}), report = cliJson({"import", m_project, file, "--json"});
        QCOMPARE(number(report, "votes"), 3.0);
        QVERIFY2(report.value("note", std::string()).find("semicolons") != std::string::npos, dumpJson(report).c_str());
        const Json list = cliJson({"import", m_project, "--batches", "--json"})["batches"];
        QCOMPARE(list.size(), size_t{1});
        QCOMPARE(list[0].value("source", std::string()), std::string("three.csv"));
        QCOMPARE(list[0].value("reverted_ms", -1), 0);
        const std::string batch = std::to_string(list[0]["batch"].get<int64_t>());
        const Ran table = cli({"import", m_project, "--batches"});
        QVERIFY2(table.out.find("three.csv (trl): 3 prompts, 3 pairs, 3 votes\n") != std::string::npos, table.out.c_str());
        const Ran gone = cli({"import", m_project, "--revert", batch});
        QVERIFY2(gone.code == 0 && gone.out.find("is taken back: 3 votes, 3 pairs and 3 prompts are gone") != std::string::npos, gone.out.c_str());
        const Json after = cliJson({"stats", m_project, "--json"});
        for (const char* key : {"prompts", "pairs", "current"})
            QCOMPARE(number(after, key), number(before, key));
        QVERIFY(cli({"import", m_project, "--batches"}).out.find("taken back") != std::string::npos);
        const Ran again = cli({"import", m_project, "--revert", batch});
        QVERIFY2(again.code == 10 && again.out.find("taken back already") != std::string::npos, again.out.c_str());
    }
};

QTEST_GUILESS_MAIN(TestOptions)
#include "tst_options.moc"

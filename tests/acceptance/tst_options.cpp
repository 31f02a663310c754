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
            {"generate", "P", "--set", "temperature=-1"},
            {"generate", "P", "--set", "max_new_tokens=0"},
            {"generate", "P", "--set", "top_p=1.5"},
            {"generate", "P", "--model", "run:1@-5"},
            {"evaluate", "P", "--model", "start", "--judge", "concise", "--split", "test", "--set", "temperature=-1"},
            {"evaluate", "P", "--model", "start", "--judge", "nobody", "--split", "test"},
            {"evaluate", "P", "--model", "start", "--split", "test"},
        };
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
    }
};

QTEST_GUILESS_MAIN(TestOptions)
#include "tst_options.moc"

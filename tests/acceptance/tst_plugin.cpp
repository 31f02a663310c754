// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=600
// A plugin made by `plugins new` builds, passes its test and trains.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestPlugin : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void aNewPluginBuildsTestsAndTrains() {
        QTemporaryDir dir, runtime;
        qputenv("XDG_RUNTIME_DIR", runtime.path().toLocal8Bit());
        const std::string base = dir.path().toStdString(), plugin = base + "/my_reward", p = base + "/p";
        Ran ran = cli({"plugins", "new", "my_reward", "--in", base});
        QVERIFY2(ran.code == 0, ran.out.c_str());
        QVERIFY(cli({"plugins", "new", "my_reward", "--in", base}).code != 0); // never over an existing one
        QVERIFY(cli({"plugins", "new", "No Good", "--in", base}).code == 10);
        ran = cli({"plugins", "new", "dpo", "--in", base}); // it would hide the plugin of that name
        QVERIFY2(ran.code == 10 && ran.out.find("dpo") != std::string::npos, ran.out.c_str());
        for (const auto& words : {std::vector<std::string>{"bogus"}, {"plugins", "bogus"}}) {
            ran = cli(words);
            QVERIFY2(ran.code == 2 && ran.out.find("no verb '") != std::string::npos, ran.out.c_str());
        }
        ran = cli({"plugins", "rebuild", plugin});
        QVERIFY2(ran.code == 0, ran.out.c_str());
        qputenv("PAIRLAB_PLUGIN_PATH", QByteArray::fromStdString(plugin + "/build"));
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        QCOMPARE(cli({"label", p, "--simulate", "concise", "--count", "200", "--split", "train"}).code, 0);
        QCOMPARE(cli({"label", p, "--simulate", "concise", "--count", "60", "--split", "dev"}).code, 0);
        const Json trained = cliJson({"train", p, "--plugin", "my_reward", "--wait", "--json"});
        QCOMPARE(trained.value("status", ""), std::string("finished"));
        // Its features hold the length, which is what this taste looks at.
        QVERIFY2(trained["metrics"].value("eval_accuracy", 0.0) > 0.65, dumpJson(trained).c_str());
    }
};

QTEST_GUILESS_MAIN(TestPlugin)
#include "tst_plugin.moc"

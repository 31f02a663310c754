// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=900
// GRPO with a verifier: right answers to arithmetic prompts nobody trained on rise by 15 points.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

class TestVerifier : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit()); }

    void grpoRaisesArithmetic() {
        const std::string p = m_dir.path().toStdString() + "/p";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        Json t = cliJson({"train", p, "--plugin", "grpo", "--reward", "verifier", "--kind", "verify", "--set", "steps=60", "--set",
                          "prompts_per_step=16", "--seed", "1", "--wait", "--json"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        // Both models answer the same 400 test prompts with the same sampler and seeds.
        Json e = cliJson({"evaluate", p, "--model", "run:" + t["run"].get<std::string>(), "--against", "start", "--judge",
                          "verifier", "--split", "test", "--seed", "1", "--wait", "--json"});
        auto number = [&](const char* key) {
            return e.contains("result") && e["result"].contains(key) ? numberOf(e["result"][key], key).value_or(NAN) : NAN;
        };
        const double before = number("accuracy_arithmetic_against"), after = number("accuracy_arithmetic");
        qInfo("arithmetic %.3f -> %.3f, n %.0f; sort %.3f -> %.3f, copy %.3f -> %.3f", before, after,
              number("accuracy_arithmetic_n"), number("accuracy_sort_against"), number("accuracy_sort"),
              number("accuracy_copy_against"), number("accuracy_copy"));
        QVERIFY2(number("accuracy_arithmetic_n") >= 400, dumpJson(e).c_str());
        QVERIFY2(after - before >= 0.15, dumpJson(e).c_str());
    }
};

QTEST_GUILESS_MAIN(TestVerifier)
#include "tst_verifier.moc"

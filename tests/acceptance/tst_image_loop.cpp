// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=3000
// Diffusion-DPO on 200 labels of a visible taste. The bounds of win rate and obedience are the issue's; those of labels turned
// round and of the lesson say that the effect is there.
#include <QTemporaryDir>
#include <QTest>

#include "tests/acceptance/image_loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestImageLoop : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;

    std::string project(const std::string& name) const { return m_dir.filePath(QString::fromStdString(name)).toStdString(); }
    std::string project(int seed) const { return project(std::to_string(seed)); }

    static void seeds() {
        QTest::addColumn<int>("seed");
        for (int seed : {1, 2, 3})
            QTest::newRow(qPrintable(QString::number(seed))) << seed;
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("PAIRLAB_RESOURCES", QByteArray(PAIRLAB_SOURCE_DIR) + "/resources");
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        for (int seed : {1, 2, 3})
            prepare(project(seed), seed);
    }

    void dpoWinsAgainstTheStartAndStillObeys_data() { seeds(); }
    void dpoWinsAgainstTheStartAndStillObeys() {
        QFETCH(int, seed);
        const Json t = trainOnPictures(project(seed), "image_dpo", seed);
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json r = against(project(seed), t, seed, 400);
        qInfo("seed %d, %s: win rate %.3f [%.3f, %.3f], n %.0f; gold %+.2f sd; obedience fell by %.1f (colour), %.1f (background) points",
              seed, t.value("checkpoint", "").c_str(), number(r, "eval_win_rate"), number(r, "eval_win_rate_low"),
              number(r, "eval_win_rate_high"), number(r, "eval_win_rate_n"), number(r, "gold_delta_sd"), fall(r, "colour"),
              fall(r, "background"));
        QVERIFY2(number(r, "eval_win_rate_low") >= 0.60, dumpJson(r).c_str());
        QVERIFY2(fall(r, "colour") < 5 && fall(r, "background") < 5, dumpJson(r).c_str());
    }

    void labelsTurnedRoundMoveItTheOtherWay() {
        const std::string p = project("inverse");
        prepare(p, 1, std::string("inverse:") + kVisibleTaste);
        const Json t = trainOnPictures(p, "image_dpo", 1, {"--set", "steps=60"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json r = against(p, t, 1, 150);
        qInfo("turned round: win rate %.3f [%.3f, %.3f]", number(r, "eval_win_rate"), number(r, "eval_win_rate_low"),
              number(r, "eval_win_rate_high"));
        QVERIFY2(number(r, "eval_win_rate_high") < 0.5, dumpJson(r).c_str());
    }

    void theLessonShowsWhatOverOptimisingIs() {
        const Json t = trainOnPictures(project(1), "image_dpo", 1, {"--set", "preset=over_optimise", "--set", "steps=80"});
        QCOMPARE(t.value("status", ""), std::string("finished"));
        const Json m = t.value("metrics", Json::object());
        const Json r = against(project(1), t, 1, 150);
        qInfo("lesson: held-out accuracy %.2f, w_diff %+.3f, l_diff %+.3f; gold %+.2f sd; obedience fell by %.1f points (background)",
              number(m, "eval_rewards/accuracies"), number(m, "eval_w_diff"), number(m, "eval_l_diff"), number(r, "gold_delta_sd"),
              fall(r, "background"));
        // What the proxy says is good, what was asked for is lost, and the plots that show it have the figures.
        QVERIFY2(number(m, "eval_rewards/accuracies") > 0.55, dumpJson(m).c_str());
        QVERIFY2(number(m, "eval_w_diff") > 0.02 && number(m, "eval_l_diff") > number(m, "eval_w_diff"), dumpJson(m).c_str());
        QVERIFY2(std::max(fall(r, "background"), fall(r, "colour")) > 5, dumpJson(r).c_str());
        QVERIFY2(number(m, "eval_obedience_fall") > 0.05, dumpJson(m).c_str());
    }
};

QTEST_GUILESS_MAIN(TestImageLoop)
#include "tst_image_loop.moc"

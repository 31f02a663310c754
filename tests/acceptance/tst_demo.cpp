// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=2 timeout=900
// The demo, whole, as a person without a display runs it: its report, its figures and what it cost.
#include <QDir>
#include <QTemporaryDir>
#include <QTest>
#ifdef QT_GUI_LIB
#include <QImage>
#endif

#include <set>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/os/lock.h"
#include "tests/acceptance/loop.h"

using namespace pl;
using namespace pl::acceptance;

class TestDemo : public QObject {
    Q_OBJECT

    QTemporaryDir m_dir, m_runtime;
    Json m_summary = Json::object();

    std::string out(const char* name = "") const { return m_dir.path().toStdString() + "/demo/" + name; }
    double figure(const char* part, const char* key) const {
        return m_summary.contains(part) ? number(m_summary[part], key) : NAN;
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        const Ran ran = cli({"demo", "--out", out(), "--seed", "1"});
        QVERIFY2(ran.code == 0, ran.out.c_str());
        const auto json = readJsonFile(out("summary.json"));
        QVERIFY2(json, json ? "" : json.error().toString().c_str());
        m_summary = *json;
        qInfo("%s", dumpJson(m_summary).c_str());
    }

    void theFiguresHold() {
        QVERIFY(figure("reward_model", "eval_accuracy") >= 0.85);
        QVERIFY(figure("reward_model", "n") >= 300);
        QVERIFY(figure("dpo", "win_rate_low") >= 0.60);
        QVERIFY(figure("dpo", "win_rate") >= figure("dpo", "win_rate_low"));
        QCOMPARE(figure("dpo", "n"), 200.0);
        QVERIFY(figure("grpo", "gold_delta_sd") >= 0.5);
        QVERIFY(number(m_summary, "next_pairs") > 0);
        QVERIFY(number(m_summary, "labels") >= 300);
    }

    void theWholeCostsAtMostNineTeraflopByCount() {
        const Json flops = m_summary.value("flops", Json::object());
        double sum = 0;
        for (const char* stage :
             {"generate", "reward_model", "dpo", "dpo evaluate", "grpo", "grpo evaluate", "next pairs"}) {
            const double here = number(flops, stage);
            qInfo("%s: %.3f TFLOP", stage, here * 1e-12);
            QVERIFY2(here > 1e9,
                     stage); // each runs a million-parameter model over at least hundreds of tokens
            sum += here;
        }
        const double total = number(flops, "total");
        QVERIFY(std::abs(total - sum) <= 1e-9 * total);
        QVERIFY2(total <= 9e12, qPrintable(QString::number(total)));
        // DPO alone: over 300 pairs, three epochs, both sides, some dozen tokens, 3 x 2 operations a
        // parameter.
        QVERIFY2(number(flops, "dpo") > 0.05e12, qPrintable(QString::number(number(flops, "dpo"))));
    }

    void everyStageIsTimed() {
        QVERIFY(m_summary["seconds"].size() >= 8);
        for (const Json& seconds : m_summary["seconds"])
            QVERIFY(seconds.get<double>() > 0);
    }

    void theReportSaysTheSame() {
        const auto text = os::readFile(out("summary.md"));
        QVERIFY(text);
        const auto page = QString::fromStdString(*text);
        QVERIFY(page.contains(QString::number(figure("dpo", "win_rate"), 'f', 3)));
        QVERIFY(page.contains(QString::number(number(m_summary["flops"], "total") * 1e-12, 'f', 3)));
        QVERIFY(page.contains("a rule, not a person"));
    }

    void samplesAreShownBeforeAndAfter() {
        const auto text = os::readFile(out("samples.md"));
        QVERIFY(text);
        const auto parts = QString::fromStdString(*text).split("\n## ");
        QVERIFY(parts.size() > 10);
        int changed = 0;
        for (const auto& part : parts.mid(1)) {
            const auto blocks = part.split("```"); // prompt, before, "After:", after, rest
            QVERIFY2(blocks.size() == 5, qPrintable(part));
            const auto before = blocks[1].mid(4).trimmed(), after = blocks[3].mid(4).trimmed();
            QVERIFY2(!before.isEmpty() && !after.isEmpty(), qPrintable(part));
            changed += before != after;
        }
        QVERIFY(changed > (parts.size() - 1) / 2);
    }

#ifdef QT_GUI_LIB
    void theChartsAreNotBlank() {
        const auto files = QDir(QString::fromStdString(out())).entryInfoList({"*.png"});
        QVERIFY2(files.size() >= 4, qPrintable(QString::number(files.size())));
        for (const auto& file : files) {
            const QImage image(file.filePath());
            QVERIFY2(image.width() >= 400 && image.height() >= 200, qPrintable(file.fileName()));
            std::set<QRgb> colours;
            qint64 drawn = 0;
            const QRgb ground = image.pixel(1, 1);
            for (int y = 0; y < image.height(); ++y)
                for (int x = 0; x < image.width(); ++x) {
                    const QRgb here = image.pixel(x, y);
                    drawn += here != ground;
                    if (colours.size() < 64)
                        colours.insert(here);
                }
            QVERIFY2(colours.size() >= 16, qPrintable(file.fileName()));
            QVERIFY2(drawn * 200 > qint64(image.width()) * image.height(), qPrintable(file.fileName()));
        }
    }
#endif

    void aStoppedDemoStopsItsRun() {
        const std::string dir = m_dir.path().toStdString() + "/stopped";
        os::SpawnOptions spawn;
        spawn.arguments = {program("pairlab-cli"), "demo", "--out", dir, "--seed", "1"};
        spawn.outputFile = dir + ".log";
        auto process = os::Process::spawn(spawn);
        QVERIFY(process);
        std::string bundle;
        const auto working = [&] {
            const auto runs = os::listDir(dir + "/project/runs");
            if (!runs || runs->empty())
                return false;
            bundle = dir + "/project/runs/" + runs->front();
            const auto events = readEvents(bundle + "/events.jsonl");
            return events && !events->empty() && os::FileLock::isHeld(bundle + "/lock");
        };
        QTRY_VERIFY_WITH_TIMEOUT(working(), 60000);
        QVERIFY(process->signal(SIGTERM));
        const auto status = process->wait(120000);
        QVERIFY(status && *status);
        QCOMPARE((*status)->code, 3);
        QVERIFY2(!os::FileLock::isHeld(bundle + "/lock"), "the worker lives on");
        const RunEnding ending = inspectRun(bundle);
        QVERIFY2(ending.state == RunState::Stopped, ending.reason.c_str());
        const std::string log = os::readFile(dir + ".log").value_or("");
        QVERIFY2(log.find("stopped in run 0001") != std::string::npos && log.find(dir) != std::string::npos, log.c_str());
    }

    void itNeverWritesOverAnotherReport() {
        const Ran again = cli({"demo", "--out", out()});
        QVERIFY(again.code != 0);
        QVERIFY2(QString::fromStdString(again.out).contains("holds a demo already"), again.out.c_str());
    }
};

QTEST_GUILESS_MAIN(TestDemo)
#include "tst_demo.moc"

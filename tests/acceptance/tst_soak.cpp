// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=900
// Two minutes of labelling in the window with a training run beside it: no vote lost, no stall of the window, flat memory.
// tests/benchmark/soak makes it longer (PAIRLAB_SOAK_MINUTES).
#include <QScopeGuard>
#include <QTemporaryDir>
#include <QTest>

#include <cmath>
#include <set>

#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

constexpr int kPaceMs = 180; ///< a vote every so often: five a second, about the fastest of people
/// Linux counts what a program's memory holds in pages that may come and go by themselves.
constexpr double kDriftMb = 50;

struct Watched {
    double seconds = 0, worstMs = 0, worstWithWaitingMs = 0;
    int stalls = -1;
    double residentMb = 0;
};

std::vector<Watched> watched(const std::string& text) {
    std::vector<Watched> out;
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
        Watched w;
        long long kb = 0;
        if (std::sscanf(text.substr(at, end - at).c_str(), "watch %lf s, stalls %d, worst %lf ms (%lf ms with waiting), resident %lld kB",
                        &w.seconds, &w.stalls, &w.worstMs, &w.worstWithWaitingMs, &kb) == 5) {
            w.residentMb = static_cast<double>(kb) / 1024;
            out.push_back(w);
        }
    }
    return out;
}

} // namespace

class TestSoak : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void labellingBesideTrainingLosesNothingAndNeverStalls() {
        const double minutes = std::max(0.2, qEnvironmentVariableIsSet("PAIRLAB_SOAK_MINUTES") ? qEnvironmentVariable("PAIRLAB_SOAK_MINUTES").toDouble() : 2.0);
        const int seconds = static_cast<int>(60 * minutes);
        QTemporaryDir dir;
        const std::string root = dir.path().toStdString(), p = root + "/p", output = root + "/output";
        QCOMPARE(cli({"new", p, "--starter"}).code, 0);
        // Enough pairs that nobody has judged, from a file as another tool writes it.
        const int wanted = seconds * 1000 / kPaceMs + 200;
        std::string tasks = "[";
        for (int i = 0; i < wanted; ++i)
            tasks += Json{{"id", i + 1},
                          {"data", {{"prompt", "Request " + std::to_string(i)},
                                    {"answer1", "The first answer to " + std::to_string(i) + ": " + std::string(static_cast<size_t>(100 + i % 700), 'x')},
                                    {"answer2", "Another one, " + std::to_string(i)}}},
                          {"annotations", Json::array()}}.dump() + (i + 1 < wanted ? ",\n" : "]\n");
        QVERIFY(os::writeFileAtomic(root + "/tasks.json", tasks));
        const Ran imported = cli({"import", p, root + "/tasks.json", "--format", "label_studio", "--split", "train"});
        QVERIFY2(imported.code == 0, imported.out.c_str());
        QCOMPARE(cli({"label", p, "--simulate", "concise", "--count", "60", "--split", "train"}).code, 0);
        const Json before = cliJson({"stats", p, "--json"});
        // Goes on without us; the window finds it, reads its events and shows it in the strip.
        const Ran started = cli({"train", p, "--plugin", "dpo", "--set", "steps=1000000", "--set", "log_every=1", "--threads", "1"});
        QVERIFY2(started.code == 0, started.out.c_str());
        const auto killed = qScopeGuard([&] { cli({"run", "kill", p, "1"}); }); // whatever fails below

        os::SpawnOptions spawn;
        spawn.arguments = {program("pairlab"), p, "--config", root + "/pairlab.ini", "--press", "SDFJKL_HN",
                           "--press-pace", std::to_string(kPaceMs), "--press-for", std::to_string(seconds)};
        spawn.environment = {{"QT_QPA_PLATFORM", "offscreen"}, {"PAIRLAB_PRESS_KEYS", "1"}};
        spawn.outputFile = output;
        auto window = os::Process::spawn(spawn);
        QVERIFY(window);
        const auto ended = window->wait(1000 * seconds + 120'000);
        const std::string text = os::readFile(output).value_or("");
        QVERIFY2(ended && *ended && (*ended)->code == 0 && !(*ended)->signalled, text.substr(text.size() - std::min<size_t>(text.size(), 2000)).c_str());

        std::set<long long> voted;
        size_t acknowledged = 0;
        for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
            long long number = 0, comparison = 0;
            if (std::sscanf(text.substr(at, end - at).c_str(), "ack %lld comparison %lld", &number, &comparison) == 2) {
                voted.insert(comparison);
                ++acknowledged;
            }
        }
        QCOMPARE(voted.size(), acknowledged);
        const auto lines = watched(text);
        QVERIFY2(lines.size() >= 2, text.c_str());
        const Watched last = lines.back();
        // The first ten seconds fill caches: from then on memory stays.
        const double drift = last.residentMb - lines.front().residentMb;
        qInfo("%.0f s, %zu votes, %d stalls, worst %.0f ms (%.0f ms with waiting for a processor), memory %.0f MB, %+.0f MB since the first look",
              last.seconds, acknowledged, last.stalls, last.worstMs, last.worstWithWaitingMs, last.residentMb, drift);
        const Json after = cliJson({"stats", p, "--json"});
        QCOMPARE(after.value("judgements", int64_t{0}) - before.value("judgements", int64_t{0}), static_cast<int64_t>(acknowledged));
        QCOMPARE(cli({"check", p}).code, 0);
        // A third of the pace is asked for, so that a busy machine passes and a window that hangs does not.
        QVERIFY2(acknowledged >= static_cast<size_t>(seconds * 1000 / kPaceMs / 3), qPrintable(QString::number(acknowledged)));
        std::string stalls;
        for (size_t at = 0; (at = text.find("\nstall ", at)) != std::string::npos; ++at)
            stalls += text.substr(at, text.find('\n', at + 1) - at);
        QVERIFY2(last.stalls == 0, stalls.c_str());
        QVERIFY2(drift < kDriftMb, qPrintable(QString::number(drift)));
        // The run did learn meanwhile, and the window took its events over.
        const Ran runs = cli({"runs", p, "--json"});
        QVERIFY2(runs.code == 0 && runs.out.find("\"running\"") != std::string::npos, runs.out.c_str());
        QCOMPARE(cli({"run", "stop", p, "1"}).code, 0);
    }
};

QTEST_GUILESS_MAIN(TestSoak)
#include "tst_soak.moc"

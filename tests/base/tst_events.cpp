// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "core/base/events.h"
#include "tests/base/check.h"

using namespace pl;

namespace {
void append(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::app | std::ios::binary) << bytes;
}
} // namespace

class TestEvents : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readsWhatItWrites() {
        TempDir dir;
        auto writer = EventWriter::open(dir.path());
        PL_GOOD(writer);
        PL_GOOD((*writer)->write(event::kRunStart, {{"pid", 5}}));
        PL_GOOD((*writer)->metrics(3, 0.5, 1000, {{"loss", 0.25}, {"bad", std::nan("")},
                                                  {"up", std::numeric_limits<double>::infinity()}}));
        PL_GOOD((*writer)->sync());
        const auto events = readEvents(dir.path("events.jsonl"));
        PL_GOOD(events);
        QCOMPARE(events->size(), size_t(2));
        QCOMPARE((*events)[0].seq, uint64_t(1));
        QCOMPARE((*events)[1].seq, uint64_t(2));
        QCOMPARE((*events)[0].type, std::string("run.start"));
        QVERIFY((*events)[0].t > 0);
        const Json& values = (*events)[1].body["values"];
        QCOMPARE(values["bad"].get<std::string>(), std::string("NaN"));
        QVERIFY(std::isnan(*numberOf(values["bad"], "x")));
        QCOMPARE(values["up"].get<std::string>(), std::string("Infinity"));
        PL_REFUSED((*writer)->write("log", Json::array()), "not an object");
    }

    void continuesTheNumbersAndClosesATornLine() {
        TempDir dir;
        {
            auto writer = EventWriter::open(dir.path());
            PL_GOOD((*writer)->write("log", {{"text", "a"}}));
            PL_GOOD((*writer)->write("log", {{"text", "b"}}));
        }
        append(dir.path("events.jsonl"), "{\"seq\":3,\"t\":1,\"type\":\"lo");
        auto writer = EventWriter::open(dir.path());
        PL_GOOD(writer);
        PL_GOOD((*writer)->write("log", {{"text", "c"}}));
        EventReader reader(dir.path("events.jsonl"));
        const auto events = reader.poll();
        PL_GOOD(events);
        QCOMPARE(events->size(), size_t(3));
        QCOMPARE((*events)[2].seq, uint64_t(3));
        QCOMPARE((*events)[2].body["text"].get<std::string>(), std::string("c"));
        QCOMPARE(reader.skippedLines(), uint64_t(1));
    }

    void ranksHaveFilesOfTheirOwn() {
        TempDir dir;
        auto writer = EventWriter::open(dir.path(), 2);
        PL_GOOD((*writer)->write("log", {{"text", "x"}}));
        QCOMPARE(readEvents(dir.path("events.2.jsonl"))->size(), size_t(1));
        PL_REFUSED(readEvents(dir.path("events.jsonl")), "events.jsonl");
    }

    void longTextsGoToSamples() {
        TempDir dir;
        auto writer = EventWriter::open(dir.path());
        const std::string text(200000, 'x');
        const std::string half = std::string(70000, 'y') + "\xc3";
        PL_GOOD((*writer)->write("sample", {{"prompt", "short"}, {"response", text}, {"prompt_id", "p1"}}));
        PL_GOOD((*writer)->write("sample", {{"../../evil key", half}}));
        Json list = Json::array();
        for (int i = 0; i < 20000; ++i)
            list.push_back(i);
        PL_GOOD((*writer)->write("quantiles", {{"values", list}}));
        const std::string file = dir.read("events.jsonl");
        for (size_t begin = 0; begin < file.size();) {
            const size_t end = file.find('\n', begin);
            QVERIFY(end - begin < kMaxEventLine);
            begin = end + 1;
        }
        const auto events = readEvents(dir.path("events.jsonl"));
        QCOMPARE(events->size(), size_t(3));
        QCOMPARE((*events)[0].body["prompt"].get<std::string>(), std::string("short"));
        QVERIFY(!(*events)[0].body.contains("response"));
        QCOMPARE(*eventText(dir.path(), (*events)[0].body, "response"), text);
        QCOMPARE(*eventText(dir.path(), (*events)[0].body, "prompt"), std::string("short"));
        QCOMPARE(*eventText(dir.path(), (*events)[0].body, "none"), std::string());
        QCOMPARE(*eventText(dir.path(), (*events)[1].body, "../../evil key"), half);
        QCOMPARE(*eventText(dir.path(), (*events)[2].body, "values"), dumpJson(list));
        QCOMPARE(os::listDir(dir.path("samples"))->size(), size_t(3));
    }

    void aReferenceMayNotLeaveSamples() {
        TempDir dir;
        dir.write("secret", "x");
        for (const char* path : {"../secret", "/etc/passwd", "samples/../secret", "secret", ""})
            PL_REFUSED(eventText(dir.path(), {{"text_file", path}}, "text"), "outside samples");
    }

    void skipsAndCountsBadLines_data() {
        QTest::addColumn<QByteArray>("line");
        QTest::addColumn<int>("skipped");
        QTest::newRow("garbage") << QByteArray("\x01\x02\xff") << 1;
        QTest::newRow("no seq") << QByteArray(R"({"type":"log"})") << 1;
        QTest::newRow("no type") << QByteArray(R"({"seq":1})") << 1;
        QTest::newRow("negative seq") << QByteArray(R"({"seq":-1,"type":"log"})") << 1;
        QTest::newRow("fractional seq") << QByteArray(R"({"seq":1.5,"type":"log"})") << 1;
        QTest::newRow("seq as text") << QByteArray(R"({"seq":"1","type":"log"})") << 1;
        QTest::newRow("type as number") << QByteArray(R"({"seq":1,"type":7})") << 1;
        QTest::newRow("a list") << QByteArray("[1,2]") << 1;
        QTest::newRow("null") << QByteArray("null") << 1;
        QTest::newRow("duplicate keys") << QByteArray(R"({"seq":1,"seq":2,"type":"log"})") << 1;
        QTest::newRow("bomb") << QByteArray(5000, '[') << 1;
        QTest::newRow("NUL") << QByteArray("{}\0", 3) << 1;
        QTest::newRow("half a line") << QByteArray("{\"seq\":1,\"type\":\"lo") << 1;
        QTest::newRow("17 MiB without an end") << QByteArray(17 << 20, 'x') << 1;
        QTest::newRow("two MiB") << QByteArray(2 << 20, 'x') << 1;
        QTest::newRow("blank") << QByteArray("  ") << 0;
        QTest::newRow("carriage return") << QByteArray("\r") << 0;
    }
    void skipsAndCountsBadLines() {
        QFETCH(QByteArray, line);
        QFETCH(int, skipped);
        TempDir dir;
        append(dir.path("e"), "{\"seq\":1,\"type\":\"log\"}\n" + line.toStdString() +
                                  "\n{\"seq\":2,\"type\":\"never.heard.of\",\"t\":\"late\"}\r\n");
        EventReader reader(dir.path("e"));
        const auto events = reader.poll();
        PL_GOOD(events);
        QCOMPARE(events->size(), size_t(2));
        QCOMPARE((*events)[1].type, std::string("never.heard.of"));
        QCOMPARE((*events)[1].t, int64_t(0));
        QCOMPARE(reader.skippedLines(), uint64_t(skipped));
    }

    void followsAGrowingFileAtEveryByte() {
        TempDir dir;
        EventReader reader(dir.path("e"));
        QVERIFY(reader.poll()->empty());
        const std::string line = "{\"seq\":1,\"type\":\"log\"}\n";
        size_t seen = 0;
        for (int round = 0; round < 3; ++round)
            for (size_t i = 0; i < line.size(); ++i) {
                append(dir.path("e"), line.substr(i, 1));
                const size_t got = reader.poll()->size();
                QCOMPARE(got, size_t(i + 1 == line.size() ? 1 : 0));
                seen += got;
            }
        QCOMPARE(seen, size_t(3));
        QCOMPARE(reader.offset(), uint64_t(3 * line.size()));
        EventReader later(dir.path("e"), line.size());
        QCOMPARE(later.poll(1)->size(), size_t(1));
        QCOMPARE(later.poll(1)->size(), size_t(1));
        QCOMPARE(later.poll(1)->size(), size_t(0));
    }

    void severalThreadsWriteWholeLines() {
        TempDir dir;
        auto writer = EventWriter::open(dir.path());
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i)
                    (void)(*writer)->write("log", {{"text", std::string(300, 'z')}});
            });
        for (auto& thread : threads)
            thread.join();
        const auto events = readEvents(dir.path("events.jsonl"));
        QCOMPARE(events->size(), size_t(800));
        for (size_t i = 0; i < events->size(); ++i)
            QCOMPARE((*events)[i].seq, uint64_t(i + 1));
    }
};

QTEST_GUILESS_MAIN(TestEvents)
#include "tst_events.moc"

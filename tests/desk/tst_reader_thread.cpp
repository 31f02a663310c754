// SPDX-License-Identifier: Apache-2.0
// Reading beside the votes: an export of a whole project lets every vote through, and holds what was there when it began.
#include <filesystem>
#include <future>
#include <set>

#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/export_any.h"
#include "core/desk/store/erase.h"
#include "core/desk/store/reader_thread.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;
namespace fs = std::filesystem;

namespace {

/// Only so that a test that waits for ever ends.
constexpr auto kForEver = std::chrono::seconds(60);

template<class T>
bool comes(std::future<T>& future) {
    return future.wait_for(kForEver) == std::future_status::ready;
}

/// A project on its thread. Every third pair is left without a vote.
struct Beside : Desk {
    std::string out = temp.path().toStdString() + "/out.jsonl";
    std::optional<StoreThread> store;
    std::optional<ReaderThread> reader;
    std::vector<LabelItem> open;
    explicit Beside(int prompts) : Desk(prompts) {
        int i = 0;
        for (const LabelItem& item : next(static_cast<size_t>(prompts)))
            if (i++ % 3)
                must(vote(item, i % 2 ? Winner::A : Winner::B));
            else
                open.push_back(item);
        store.emplace(std::move(*project));
        project.reset();
        reader.emplace(*store);
    }
    std::future<Result<Ack>> voteLater() {
        const LabelItem item = open.back();
        open.pop_back();
        return store->call([shown = item.presentation](Project& p) {
            JudgementInput in;
            in.winner = Winner::A;
            return p.presentAndJudge(shown, in);
        });
    }
    std::multiset<std::string> lines(const std::string& path) {
        std::multiset<std::string> all;
        must(forEachJsonLine(path, [&](const Json& row, size_t) -> Status {
            all.insert(row.dump());
            return {};
        }));
        return all;
    }
    std::vector<std::string> copies() {
        std::vector<std::string> all;
        for (const auto& each : fs::directory_iterator(dir() + "/cache"))
            if (each.path().filename().string().starts_with("reading-"))
                all.push_back(each.path().string());
        return all;
    }
};

} // namespace

class TestReaderThread : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void votesGoOnWhileAnExportIsHeld_data() {
        QTest::addColumn<QString>("format");
        for (const char* format : {"votes", "aggregate", "trl", "hh", "label_studio", "trl_prompt_only"})
            QTest::newRow(format) << format;
    }
    void votesGoOnWhileAnExportIsHeld() {
        QFETCH(QString, format);
        Beside desk(300);
        ExportChoice choice;
        choice.format = format.toStdString();
        choice.out = desk.out;
        // As it is now, by the same exporter with nobody waiting.
        ExportChoice plain = choice;
        plain.out = desk.out + ".before";
        const auto before = desk.store->call([plain](Project& p) { return exportAs(p, plain); }).get();
        OK(before);
        const auto counters = desk.store->call([](Project& p) { return p.counters(); }).get();

        std::promise<void> begun, released;
        std::promise<Result<ExportDone>> ended;
        auto hasBegun = begun.get_future(), mayGoOn = released.get_future();
        auto done = ended.get_future();
        exportBeside(
            *desk.reader, choice, [&](Result<ExportDone> report) { ended.set_value(std::move(report)); },
            [&] {
                begun.set_value();
                mayGoOn.wait_for(kForEver); // the export stands here, with what goes in settled
            });
        QVERIFY(comes(hasBegun));
        for (int i = 0; i < 3; ++i) {
            auto vote = desk.voteLater();
            QVERIFY(comes(vote)); // acknowledged, and the export has not ended
            OK(vote.get());
        }
        QVERIFY(done.wait_for(std::chrono::seconds(0)) != std::future_status::ready);
        released.set_value();
        QVERIFY(comes(done));
        const auto report = done.get();
        OK(report);
        QCOMPARE(report->summary, before->summary);
        QVERIFY(report->notes == before->notes);
        if (choice.format == "label_studio")
            QCOMPARE(must(os::readFile(desk.out)), must(os::readFile(plain.out)));
        else
            QVERIFY(desk.lines(desk.out) == desk.lines(plain.out));
        // The next one has them.
        QCOMPARE(desk.store->call([](Project& p) { return p.counters(); }).get().current, counters.current + 3);
        if (choice.format != "trl_prompt_only") {
            std::promise<Result<ExportDone>> second;
            auto next = second.get_future();
            exportBeside(*desk.reader, choice, [&](Result<ExportDone> again) { second.set_value(std::move(again)); });
            QVERIFY(comes(next));
            OK(next.get());
            QVERIFY(must(os::readFile(desk.out)) != must(os::readFile(plain.out)));
        }
        desk.reader.reset();
        QVERIFY(desk.copies().empty());
        OK(desk.store->close());
    }

    void oneCopyServesUntilSomethingIsWritten() {
        Beside desk(30);
        std::vector<int64_t> seen;
        std::vector<std::string> folders;
        const auto look = [&] {
            std::promise<void> promise;
            auto looked = promise.get_future();
            desk.reader->read([&](Result<Project*> p) {
                seen.push_back(must(std::move(p))->counters().current);
                folders.push_back(desk.copies().size() == 1 ? desk.copies()[0] : "");
                promise.set_value();
            });
            QVERIFY(comes(looked));
        };
        look();
        look();
        QCOMPARE(folders[0], folders[1]);
        OK(desk.voteLater().get());
        look();
        QVERIFY(!folders[2].empty() && folders[2] != folders[0]);
        QCOMPARE(seen, (std::vector<int64_t>{20, 20, 21}));
        // What is written to a copy is nobody's.
        std::promise<void> promise;
        auto wrote = promise.get_future();
        desk.reader->read([&](Result<Project*> p) {
            must(must(std::move(p))->freezeDataset({}));
            promise.set_value();
        });
        QVERIFY(comes(wrote));
        QCOMPARE(desk.store->call([](Project& p) { return p.counters().datasets; }).get(), int64_t{0});
        QVERIFY(must(desk.store->call([](Project& p) { return p.check(); }).get()).ok());
    }

    void nothingIsWrittenIntoTheProject() {
        Beside desk(6);
        for (const char* place : {"/p/new/votes.jsonl", "/p/cache/votes.jsonl", "/p"}) {
            ExportChoice choice;
            choice.format = "votes";
            choice.out = desk.temp.path().toStdString() + place;
            std::promise<Result<ExportDone>> promise;
            auto done = promise.get_future();
            exportBeside(*desk.reader, choice, [&](Result<ExportDone> report) { promise.set_value(std::move(report)); });
            QVERIFY(comes(done));
            const auto refused = done.get();
            QVERIFY(!refused && refused.error().code == Code::InvalidInput);
        }
        QVERIFY(!os::exists(desk.dir() + "/new"));
    }

    /// What is erased would live on in an export that began before: it waits until that is written. A copy that nobody reads goes with it.
    void erasingWaitsForAnExport() {
        Beside desk(9);
        std::promise<void> begun, released, ended;
        auto hasBegun = begun.get_future(), mayGoOn = released.get_future(), over = ended.get_future();
        desk.reader->read([&](Result<Project*> p) {
            must(std::move(p));
            begun.set_value();
            mayGoOn.wait_for(kForEver);
            ended.set_value();
        });
        QVERIFY(comes(hasBegun));
        EraseOptions options;
        options.what = "1";
        options.why = "asked";
        options.who = "test";
        const auto erased = [&] { return desk.store->call([options](Project& p) { return erase(p, options); }).get(); };
        const auto refused = erased();
        QVERIFY(!refused && refused.error().code == Code::Busy);
        QVERIFY2(refused.error().message.find("export") != std::string::npos, refused.error().toString().c_str());
        released.set_value();
        QVERIFY(comes(over));
        Result<EraseReport> report = fail(Code::Busy, "");
        QTRY_VERIFY((report = erased()) || report.error().code != Code::Busy); // the reader gives its copy back a moment later
        OK(report);
        QVERIFY(report->left.empty());
        QVERIFY(desk.copies().empty());
        // And the next one reads what is left.
        std::promise<int64_t> promise;
        auto prompts = promise.get_future();
        desk.reader->read([&](Result<Project*> p) { promise.set_value(must(std::move(p))->counters().prompts); });
        QVERIFY(comes(prompts));
        QCOMPARE(prompts.get(), int64_t{8});
    }

    /// The media of a copy are the project's own, by a link that nothing goes through when the copy goes.
    void aCopyThatWasLeftGoesAtTheNextOpening() {
        Desk desk(2);
        const std::string image = desk.temp.path().toStdString() + "/x.png";
        OK(os::writeFileAtomic(image, pngBytes(1)));
        const std::string sha = must(desk.project->addMedia(image)), kept = desk.project->mediaPath(sha);
        const std::string left = desk.dir() + "/cache/reading-left";
        OK(os::makeDirs(left + "/datasets/x"));
        OK(os::writeFileAtomic(left + "/project.db", "words of somebody"));
        fs::create_directory_symlink(desk.dir() + "/media", left + "/media");
        OK(os::makeDirs(desk.dir() + "/cache/adapters"));
        desk.reopen();
        QVERIFY(!os::exists(left));
        QVERIFY(os::isDir(desk.dir() + "/cache/adapters"));
        QVERIFY(os::isRegularFile(kept));
        {
            auto copy = must(ReadingCopy::begin(*desk.project));
            while (!must(copy->step(*desk.project, 0))) {
            }
            OK(copy->open());
            QVERIFY(os::isRegularFile(copy->project().mediaPath(sha)));
            QVERIFY(copy->project().dir() != desk.dir());
        }
        QVERIFY(os::isRegularFile(kept));
    }

    /// Votes between the steps are in the copy; it is of the moment of its last step.
    void aCopyIsOfTheMomentOfItsLastStep() {
        Desk desk(400);
        const auto items = desk.next(400);
        auto copy = must(ReadingCopy::begin(*desk.project));
        size_t votes = 0;
        while (!must(copy->step(*desk.project, 0)))
            OK(desk.vote(items[votes++], Winner::B));
        QVERIFY(votes >= 1); // the file has more pages than a step takes
        OK(desk.vote(items[votes], Winner::A));
        OK(copy->open());
        QCOMPARE(copy->project().counters().current, static_cast<int64_t>(votes));
        QVERIFY(must(copy->project().check()).ok());
        QVERIFY(!copy->take(*desk.project));
        copy.reset();
        // A copy that is not whole goes without a trace, too.
        copy = must(ReadingCopy::begin(*desk.project));
        QVERIFY(!must(copy->step(*desk.project, 0)));
        QVERIFY(isBeingRead(desk.dir()));
        copy.reset();
        QVERIFY(!isBeingRead(desk.dir()));
        OK(desk.project->close());
    }

    /// What was asked for is done when the window closes, what was only looked at is not; and nobody copies for what nobody wants.
    void whatWasAskedForIsDoneWhenTheReaderGoes() {
        Beside desk(6);
        std::promise<void> begun, released;
        auto hasBegun = begun.get_future(), mayGoOn = released.get_future();
        desk.reader->read([&](Result<Project*>) {
            begun.set_value();
            mayGoOn.wait_for(kForEver);
        });
        QVERIFY(comes(hasBegun));
        OK(desk.voteLater().get()); // so the next one needs a copy of its own
        int exported = 0, counted = 0, unwanted = 0;
        bool readable = false;
        desk.reader->read([&](Result<Project*>) { ++unwanted; }, {}, [] { return false; });
        desk.reader->read([&](Result<Project*>) { ++counted; }, {}, [] { return true; });
        desk.reader->read([&](Result<Project*> p) {
            ++exported;
            readable = p.has_value();
        });
        std::thread going([&] { desk.reader.reset(); });
        std::this_thread::sleep_for(std::chrono::milliseconds(50)); // it waits by now
        released.set_value();
        going.join();
        QCOMPARE(exported, 1);
        QVERIFY(readable);
        QCOMPARE(unwanted, 0);
        QCOMPARE(counted, 0);
        QVERIFY(desk.copies().empty());
    }

    void whatNobodyWantsMakesNoCopy() {
        Beside desk(6);
        std::promise<void> done;
        auto is = done.get_future();
        int called = 0, made = -1;
        desk.reader->read([&](Result<Project*>) { ++called; }, {}, [] { return false; });
        desk.reader->read([&](Result<Project*>) {
            made = static_cast<int>(desk.copies().size());
            done.set_value();
        }, [&](Project&) -> Status { // before its own copy
            return desk.copies().empty() ? Status() : Status(fail(Code::Internal, "there is a copy"));
        });
        QVERIFY(comes(is));
        QCOMPARE(called, 0);
        QCOMPARE(made, 1);
    }

    void aClosedStoreIsSaidToBeClosed() {
        Beside desk(3);
        OK(desk.store->close());
        std::promise<Result<Project*>> promise;
        auto read = promise.get_future();
        desk.reader->read([&](Result<Project*> p) { promise.set_value(p); });
        QVERIFY(comes(read));
        const auto closed = read.get();
        QVERIFY(!closed && closed.error().code == Code::Cancelled);
    }
};

QTEST_GUILESS_MAIN(TestReaderThread)
#include "tst_reader_thread.moc"

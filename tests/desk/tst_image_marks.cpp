// SPDX-License-Identifier: Apache-2.0
// Marks on images: their form, what is refused, and where they go: rows, datasets, packages, erasing.
#include "core/base/hash.h"
#include "core/base/image.h"
#include "core/base/image_file.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/domain/image_marks.h"
#include "core/desk/store/erase.h"
#include "core/desk/store/impl.h"
#include "core/desk/store/raw_events.h"
#include "core/desk/store/region_checks.h"
#include "tests/desk/package_fixture.h"

using namespace fixture;

namespace {

const std::string kPrompt = "ein grüner Würfel, links";

/// A pair of images of 3 x 2 pixels.
Id withImages(Desk& desk, int n = 0) {
    NewPrompt prompt;
    prompt.content = kPrompt + (n ? " " + std::to_string(n) : "");
    prompt.split = Split::Train;
    const Id id = must(desk.project->addPrompts({prompt})).at(0);
    std::vector<NewCandidate> images(2);
    for (int k = 0; k < 2; ++k) {
        const std::string path = desk.temp.path().toStdString() + "/source.png";
        must(os::writeFileAtomic(path, pngBytes(10 * n + k + 1)));
        images[size_t(k)].prompt = id;
        images[size_t(k)].kind = CandidateKind::Image;
        images[size_t(k)].content = must(desk.project->addMedia(path));
    }
    const auto ids = must(desk.project->addCandidates(images));
    return must(desk.project->addPairs({{ids[0], ids[1]}})).at(0);
}

ImageMarks someMarks() {
    ImageMarks marks;
    marks.width = 3;
    marks.height = 2;
    putRegion(marks.regions, {2, 1, 0, 0, "artifact"});
    putRegion(marks.regions, {0, 0, 3, 2, "good"});
    toggleStruck(marks.struck, 11, 17); // Würfel: code points, though its ü has two bytes
    return marks;
}

Json payloadOf(const LabelItem& item) {
    ImageMarks words;
    toggleStruck(words.struck, 4, 10);
    return regionsPayload(someMarks(), item.a.sha, words, item.b.sha, item.prompt.content);
}

} // namespace

class TestImageMarks : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void regionsAndWordsArePutAndTakenBack() {
        std::vector<ImageRegion> regions;
        putRegion(regions, {1, 1, 0, 0, "artifact"});
        putRegion(regions, {1, 1, 1, 1, "artifact"}); // a box of one pixel is no point
        putRegion(regions, {1, 1, 0, 0, "good"});     // the same pixel again: another tag
        QCOMPARE(regions.size(), size_t{2});
        QCOMPARE(regions[0].tag, std::string("good"));
        const ImageRegion box{2, 3, 4, 5, "good"};
        QVERIFY(box.covers(2, 3) && box.covers(5, 7) && !box.covers(6, 7) && !box.covers(5, 8) && !box.covers(1, 3));
        QVERIFY(regions[0].covers(1, 1) && !regions[0].covers(2, 1));
        std::vector<std::array<int64_t, 2>> struck;
        toggleStruck(struck, 4, 10);
        toggleStruck(struck, 0, 3);
        const std::vector<std::array<int64_t, 2>> both{{0, 3}, {4, 10}};
        QVERIFY(struck == both);
        toggleStruck(struck, 2, 6); // touches both
        const std::vector<std::array<int64_t, 2>> one{{2, 6}};
        QVERIFY(struck == one);
        toggleStruck(struck, 2, 6);
        toggleStruck(struck, 5, 5);
        QVERIFY(struck.empty());
        QCOMPARE(wordsAskedFor("[not turns"), std::string("[not turns"));
        QCOMPARE(wordsAskedFor(R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])"), std::string("b"));
    }

    void aPayloadIsReadBackAndHeldToItsImages() {
        const std::string a(64, 'a'), b(64, 'b');
        ImageMarks words;
        toggleStruck(words.struck, 4, 10);
        const Json payload = regionsPayload(someMarks(), a, words, b, kPrompt);
        QCOMPARE(payload["unit"], Json("pixel"));
        QCOMPARE(payload["a"], (Json{{"sha256", a},
                                     {"size", {3, 2}},
                                     {"regions", Json::array({{{"x", 2}, {"y", 1}, {"tag", "artifact"}},
                                                              {{"x", 0}, {"y", 0}, {"width", 3}, {"height", 2}, {"tag", "good"}}})},
                                     {"struck", {{"unit", "code_point"}, {"sha256", sha256Hex(kPrompt)}, {"ranges", {{11, 17}}}}}}));
        QVERIFY(!payload["b"].contains("regions") && !payload["b"].contains("size"));
        const auto back = must(regionsOf(payload, a, b, kPrompt));
        QVERIFY(back[0] == someMarks() && back[1] == words);
        QVERIFY(regionsPayload({}, a, {}, b, kPrompt).is_null());
        QVERIFY(must(regionsOf(Json(), a, b, kPrompt))[0].empty());
        QVERIFY(must(regionsOf({{"v", 1}}, "", "", kPrompt))[0].empty());
        QVERIFY(!regionsOf({{"v", 1}, {"unit", std::string(5000, 'x')}}, "", "", kPrompt));
        QVERIFY(!regionsOf({{"v", 1}, {"note", "x"}}, "", "", kPrompt));
        QVERIFY(!regionsOf(payload, b, a, kPrompt));
        QVERIFY(!regionsOf(payload, "", b, kPrompt)); // a text
        QVERIFY(!regionsOf(payload, a, b, "another prompt, longer than that one"));
        QVERIFY(!regionsOf(Json::array(), a, b, kPrompt));
    }

    void whatIsWrongIsRefused_data() {
        QTest::addColumn<QString>("at");
        QTest::addColumn<QString>("value");
        const auto row = [](const char* name, const char* at, const char* value) { QTest::newRow(name) << at << value; };
        row("version", "/v", "2");
        row("unit", "/unit", "\"percent\"");
        row("no image named", "/a/sha256", "null");
        row("size of one", "/a/size", "[3]");
        row("no size", "/a/size", "null");
        row("size 0", "/a/size", "[3, 0]");
        row("huge size", "/a/size", "[3, 16385]");
        row("no list", "/a/regions", "{\"x\": 1}");
        row("no object", "/a/regions/0", "[1, 1]");
        row("outside", "/a/regions/0/x", "3");
        row("before it", "/a/regions/0/y", "-1");
        row("a fraction", "/a/regions/0/x", "0.5");
        row("NaN as text", "/a/regions/0/x", "\"NaN\"");
        row("past 64 bits", "/a/regions/0/x", "18446744073709551615");
        row("missing", "/a/regions/0/y", "null");
        row("too wide", "/a/regions/1/width", "4");
        row("a sum that overflows", "/a/regions/1/width", "9223372036854775807");
        row("no width", "/a/regions/1/width", "0");
        row("half a box", "/a/regions/1/height", "null");
        row("no tag", "/a/regions/1/tag", "null");
        row("empty tag", "/a/regions/1/tag", "\"\"");
        row("long tag", "/a/regions/1/tag", "\"01234567890123456789012345678901234567890\"");
        row("a line break in a tag", "/a/regions/1/tag", "\"a\\nb\"");
        row("struck unit", "/a/struck/unit", "\"byte\"");
        row("struck prompt", "/a/struck/sha256", "\"00\"");
        row("struck outside", "/a/struck/ranges/0", "[11, 25]");
        row("struck empty", "/a/struck/ranges/0", "[11, 11]");
        row("struck backwards", "/a/struck/ranges/0", "[17, 11]");
        row("struck no range", "/a/struck/ranges/0", "11");
        row("struck overlap", "/a/struck/ranges", "[[0, 5], [4, 10]]");
        row("struck no list", "/a/struck/ranges", "3");
        row("unknown", "/note", "\"x\"");
        row("unknown on an image", "/a/note", "\"x\"");
        row("unknown on a region", "/a/regions/0/note", "\"x\"");
        row("unknown on words", "/a/struck/note", "\"x\"");
        row("an image without marks", "/b", R"({"sha256": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"})");
    }
    void whatIsWrongIsRefused() {
        QFETCH(QString, at);
        QFETCH(QString, value);
        const std::string a(64, 'a'), b(64, 'b');
        Json payload = regionsPayload(someMarks(), a, {}, b, kPrompt);
        OK(regionsOf(payload, a, b, kPrompt));
        payload[Json::json_pointer(at.toStdString())] = Json::parse(value.toStdString());
        const auto read = regionsOf(payload, a, b, kPrompt);
        QVERIFY(!read);
        QVERIFY(read.error().code == Code::InvalidInput && !read.error().hint.empty());
    }

    void absurdCountsAreRefused() {
        const std::string a(64, 'a');
        Json payload = regionsPayload(someMarks(), a, {}, a, kPrompt);
        for (int i = 0; i < 998; ++i)
            payload["a"]["regions"].push_back(payload["a"]["regions"][0]);
        OK(regionsOf(payload, a, a, kPrompt));
        payload["a"]["regions"].push_back(payload["a"]["regions"][0]);
        QVERIFY(!regionsOf(payload, a, a, kPrompt));
        ImageMarks full;
        for (int i = 0; i < 1200; ++i)
            putRegion(full.regions, {i, 0, 0, 0, "good"});
        QCOMPARE(full.regions.size(), size_t{1000}); // and none of them is made here
    }

    void theStoreHoldsMarksToTheFile() {
        Desk desk;
        withImages(desk);
        const LabelItem item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::A;
        in.regions = payloadOf(item);
        in.regions["a"]["size"] = {4, 2};
        const auto refused = desk.project->presentAndJudge(item.presentation, in);
        QVERIFY(!refused && refused.error().message.find("4 x 2") != std::string::npos);
        in.regions["a"]["size"] = {3, 2};
        in.regions["a"]["sha256"] = item.b.content;
        QVERIFY(!desk.project->presentAndJudge(item.presentation, in));
        in.regions = payloadOf(item);
        OK(desk.project->presentAndJudge(item.presentation, in));
        const auto judged = must(desk.project->currentJudgement(desk.task, desk.ada, item.comparison.id));
        QVERIFY(judged && judged->regions == in.regions);
        QVERIFY(must(regionsIn(*desk.project, judged->regions, item))[0] == someMarks());
        // Of texts and of sets there is nothing to mark.
        Desk texts(1);
        const LabelItem pair = texts.next()[0];
        QVERIFY(!texts.project->presentAndJudge(pair.presentation, in));
        QVERIFY(!regionsIn(desk.project->impl(), in.regions, item, 3));
    }

    void marksOfAnotherVersionGoOnWithTheNextVoteAlone() {
        Desk desk;
        withImages(desk);
        const LabelItem item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::A;
        in.regions = {{"v", 2}, {"a", "what a later program says"}};
        QVERIFY(!desk.project->presentAndJudge(item.presentation, in));
        Project::Impl& impl = desk.project->impl();
        OK(impl.write("a vote", [&]() -> Status {
            EventDraft draft;
            draft.task = desk.task;
            draft.comparison = item.comparison.id;
            draft.annotator = desk.ada;
            draft.judgement = &in;
            PL_TRY(const Id event, impl.appendEvent(draft));
            impl.setCurrent({draft.task, draft.comparison, draft.annotator, 0}, event);
            return {};
        }));
        in.winner = Winner::B;
        Presentation again = item.presentation;
        again.repeat = true; // a hidden repeat is another vote, which says nothing of the kind
        QVERIFY(!desk.project->presentAndJudge(again, in));
        OK(desk.project->presentAndJudge(item.presentation, in));
        QCOMPARE(must(desk.project->currentJudgement(desk.task, desk.ada, item.comparison.id))->regions, in.regions);
        in.regions["a"] = "something else";
        QVERIFY(!desk.project->presentAndJudge(item.presentation, in));
        QVERIFY(must(desk.project->check()).ok());
    }

    /// Only where EXIF turns the picture does a mark lie on other sides than those that are stored.
    void sizesAreThoseOfTheUprightPicture_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<int>("width");
        QTest::addColumn<int>("height");
        QTest::newRow("as stored") << "orientation1.jpg" << 20 << 12;
        QTest::newRow("turned") << "orientation6.jpg" << 12 << 20;
        QTest::newRow("no EXIF") << "" << 3 << 2;
    }
    void sizesAreThoseOfTheUprightPicture() {
        QFETCH(QString, file);
        QFETCH(int, width);
        QFETCH(int, height);
        Desk desk;
        NewPrompt prompt;
        prompt.content = kPrompt;
        prompt.split = Split::Train;
        std::vector<NewCandidate> images(2);
        const Id id = must(desk.project->addPrompts({prompt})).at(0);
        for (int k = 0; k < 2; ++k) {
            std::string path = desk.temp.path().toStdString() + "/source.png";
            if (k == 0 && !file.isEmpty())
                path = PAIRLAB_SOURCE_DIR "/tests/golden/images/" + file.toStdString();
            else
                must(os::writeFileAtomic(path, pngBytes(k + 1)));
            images[size_t(k)].prompt = id;
            images[size_t(k)].kind = CandidateKind::Image;
            images[size_t(k)].content = must(desk.project->addMedia(path));
        }
        const auto ids = must(desk.project->addCandidates(images));
        must(desk.project->addPairs({{ids[0], ids[1]}}));
        const LabelItem item = desk.next()[0];
        const bool isA = item.a.sha == images[0].content;
        JudgementInput in;
        in.winner = Winner::A;
        const auto payload = [&](int w, int h) {
            ImageMarks marks;
            marks.width = w;
            marks.height = h;
            putRegion(marks.regions, {1, 1, 0, 0, "artifact"});
            return regionsPayload(isA ? marks : ImageMarks(), item.a.sha, isA ? ImageMarks() : marks, item.b.sha, item.prompt.content);
        };
        in.regions = payload(height, width);
        const auto refused = desk.project->presentAndJudge(item.presentation, in);
        QVERIFY(!refused);
        const std::string has = "it has " + std::to_string(width) + " x " + std::to_string(height);
        QVERIFY2(refused.error().message.find(has) != std::string::npos, refused.error().message.c_str());
        in.regions = payload(width, height);
        OK(desk.project->presentAndJudge(item.presentation, in));
    }

    void datasetsSayItByChosenAndRejectedAndRawVotesWhole() {
        Desk desk;
        withImages(desk);
        const LabelItem item = desk.next()[0];
        JudgementInput in;
        in.winner = Winner::B;
        in.regions = payloadOf(item);
        OK(desk.project->presentAndJudge(item.presentation, in));
        const auto dataset = must(desk.project->freezeDataset({}));
        std::vector<Json> rows;
        OK(forEachJsonLine(os::joinPath(dataset.dir, "train.jsonl"), [&](const Json& row, size_t) -> Status {
            rows.push_back(row["regions"]);
            return {};
        }));
        QCOMPARE(rows.size(), size_t{1});
        QCOMPARE(rows[0]["rejected"], in.regions["a"]);
        QCOMPARE(rows[0]["chosen"], in.regions["b"]);
        QVERIFY(!rows[0].contains("a"));
        OK(forEachEventRow(*desk.project, [&](const Json& row) -> Status {
            return row["regions"] == in.regions ? Status() : fail(Code::Internal, dumpJson(row["regions"]));
        }));
        // With the person their marks go, from the row of the dataset, too.
        EraseOptions erased;
        erased.kind = Erasable::Person;
        erased.what = "Ada";
        erased.why = "asked";
        OK(erase(*desk.project, erased));
        QVERIFY(must(desk.project->currentJudgement(desk.task, desk.ada, item.comparison.id))->regions.is_null());
        QVERIFY(must(os::readFile(os::joinPath(dataset.dir, "train.jsonl"))).find("regions") == std::string::npos);
        QVERIFY(must(desk.project->check()).ok());
    }

    void packagesBringThemBackAndForgedOnesAreRefused() {
        Desk desk;
        for (int i = 0; i < 4; ++i)
            withImages(desk, i);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Bo"}, 2, 0, base + "/out");
        AtWork bo(dealt[0].file, base + "/bo");
        const LabelItem item = bo.next(1)[0];
        JudgementInput in;
        in.winner = Winner::A;
        in.regions = payloadOf(item);
        OK(bo.project->presentAndJudge(item.presentation, in));
        const std::string file = bo.giveBack(base + "/bo.pairback"), good = must(os::readFile(file));
        const auto forge = [&](const std::function<void(Json&)>& change) {
            OK(os::writeFileAtomic(file, good));
            reseal(file, [&](std::vector<Json>& lines) {
                for (Json& line : lines)
                    if (line.contains("event")) {
                        change(line["event"]["details"]["regions"]);
                        redigest(lines[0], line["event"], desk);
                    }
            });
        };
        const auto before = desk.project->counters();
        const std::vector<std::function<void(Json&)>> forgeries{
            [](Json& r) { r["a"]["regions"][0]["x"] = 3; }, [](Json& r) { r["a"]["size"] = {9, 9}; },
            [](Json& r) { r["b"]["struck"]["ranges"] = {{0, 999}}; }, [](Json& r) { r["a"]["sha256"] = std::string(64, '0'); },
            [](Json& r) { r["v"] = 7; }};
        for (const auto& change : forgeries) {
            forge(change);
            const auto refused = mergeReturn(*desk.project, file);
            QVERIFY(!refused);
            QVERIFY2(refused.error().message.find("image") != std::string::npos, refused.error().toString().c_str());
            QVERIFY(desk.project->counters() == before);
        }
        forge([](Json&) {}); // the same with nothing changed is taken: what was refused was the marks
        QCOMPARE(must(mergeReturn(*desk.project, file)).fresh, int64_t{1});
        Id person = 0;
        for (const auto& each : must(desk.project->annotators()))
            person = each.name == "Bo" ? each.id : person;
        const auto mine = must(desk.project->currentJudgement(desk.task, person, desk.project->currentVotes()[0].comparison));
        QVERIFY(mine && mine->regions == in.regions);
        QVERIFY(must(desk.project->check()).ok());
    }

    /// A package holds the pixels of an image written anew: its file is another, the image is not.
    void marksOnAnImageOfAPackageAreMergedWhateverWroteItsFile() {
        Desk desk;
        NewPrompt prompt;
        prompt.content = kPrompt;
        prompt.split = Split::Train;
        const Id id = must(desk.project->addPrompts({prompt})).at(0);
        std::vector<NewCandidate> images(2);
        for (int k = 0; k < 2; ++k) {
            const std::string path = desk.temp.path().toStdString() + "/source.png";
            ImageText text;
            text.emplace_back("Software", "a camera");
            must(os::writeFileAtomic(path, must(encodePng(must(decodeImage(pngBytes(k + 1), "a picture")), text))));
            images[size_t(k)].prompt = id;
            images[size_t(k)].kind = CandidateKind::Image;
            images[size_t(k)].content = must(desk.project->addMedia(path));
        }
        const auto ids = must(desk.project->addCandidates(images));
        const Id pair = must(desk.project->addPairs({{ids[0], ids[1]}})).at(0);
        const std::string base = desk.temp.path().toStdString();
        AtWork bo(deal(*desk.project, {"Bo"}, 1, 0, base + "/out")[0].file, base + "/bo");
        const LabelItem item = bo.next(1)[0];
        QVERIFY(item.a.content != item.a.sha && item.b.content != item.b.sha);
        JudgementInput in;
        in.winner = Winner::A;
        // By the file that was sent nobody could say later what they are of.
        in.regions = regionsPayload(someMarks(), item.a.content, {}, item.b.content, item.prompt.content);
        QVERIFY(!bo.project->presentAndJudge(item.presentation, in));
        in.regions = payloadOf(item);
        OK(bo.project->presentAndJudge(item.presentation, in));
        OK(mergeReturn(*desk.project, bo.giveBack(base + "/bo.pairback")));
        const auto votes = desk.project->currentVotes();
        QCOMPARE(votes.size(), size_t{1});
        const auto merged = must(desk.project->currentJudgement(desk.task, votes[0].annotator, pair));
        QVERIFY(merged && merged->regions == in.regions);
        QVERIFY(must(regionsIn(*desk.project, merged->regions, must(desk.project->pairItem(pair))))[0] == someMarks());
        QVERIFY(must(desk.project->check()).ok());
    }

private:
    /// The digest of an event as the author of the whole chain would make it.
    static void redigest(const Json& header, Json& event, Desk& desk) {
        DigestInput in;
        const auto text = [&](const char* key) { return event.value(key, std::string()); };
        const auto number = [&](const char* key) { return event[key].get<int64_t>(); };
        in.uuid = text("uuid");
        in.kind = text("kind");
        in.task = must(desk.project->task(desk.task)).uuid;
        in.comparison = text("pair");
        in.annotator = header["person"].get<std::string>();
        in.supersedes = text("supersedes");
        in.provenance = "human";
        in.winner = text("winner");
        in.view = text("view");
        in.origin = header["origin"].get<std::string>();
        in.appVersion = text("app_version");
        in.previous = text("previous");
        in.strength = number("strength");
        in.guidelineVersion = number("guideline_version");
        in.occasion = number("occasion");
        in.firstPaintMs = number("first_paint_ms");
        in.activeMs = number("active_ms");
        in.timeMs = number("time_ms");
        in.monoNs = number("mono_ns");
        in.chainSeq = number("number");
        in.detailsSha = sha256Hex(dumpJson(event["details"]));
        event["presentation"] = nullptr;
        event["digest"] = digestOf(in);
    }
};

QTEST_GUILESS_MAIN(TestImageMarks)
#include "tst_image_marks.moc"

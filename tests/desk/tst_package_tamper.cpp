// SPDX-License-Identifier: Apache-2.0
// Returns and packages that somebody rewrote whole: every digest and the chain are right, what they say is not.
#include "core/desk/store/erase.h"
#include "tests/desk/package_fixture.h"

using namespace fixture;

namespace {

/// Changes lines of a return and gives every event but the first the digest and the chain of what it now says.
void forge(const std::string& file, const std::string& task, const std::function<void(std::vector<Json>&, std::vector<Json*>&)>& change) {
    reseal(file, [&](std::vector<Json>& lines) {
        std::vector<Json*> events;
        for (Json& line : lines)
            if (line.contains("event"))
                events.push_back(&line["event"]);
        change(lines, events);
        std::string previous;
        for (Json& line : lines) {
            if (!line.contains("event"))
                continue;
            Json& event = line["event"];
            if (previous.empty()) {
                previous = event["digest"];
                continue;
            }
            const Json number = event["presentation"], details = event.value("details", Json());
            event["previous"] = previous;
            Json words;
            for (const Json& other : lines)
                if (other.contains("presentation") && other["presentation"]["number"] == number) {
                    const Json& p = other["presentation"];
                    words = Json::array({p["a_on_left"], p["seed"], p["rule"], p["propensity"], p["stratum"], p["blind"], p["exposed"]});
                }
            sign(lines[0], event, task, details, words);
            event["presentation"] = number;
            previous = event["digest"];
        }
    });
}

} // namespace

class TestPackageTamper : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void whatDoesNotHoldTogetherIsRefused_data() {
        QTest::addColumn<QString>("how");
        QTest::addColumn<QString>("says");
        for (const auto& [how, says] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"a presentation of another pair", "its presentation is of another pair"},
                 {"a session of another person", "is another person's"},
                 {"a presentation twice", "is there twice"},
                 {"a presentation told otherwise", "is not the one that came with an earlier return"},
                 {"an edited answer of another prompt", "is not the one that came with an earlier return"},
                 {"an undo of another pair", "it moves an event of another pair"},
                 {"an event that is not there", "it names an event that is not before it"},
                 {"the manager's own origin", "claims to come from"},
                 {"a tie with a strength", "its parts do not go together"},
                 {"a vote with a reason to skip", "its parts do not go together"},
                 {"a rule that there is not", "a presentation is malformed"},
                 {"words for a stratum", "a presentation is malformed"}})
            QTest::newRow(how) << how << says;
    }
    void whatDoesNotHoldTogetherIsRefused() {
        QFETCH(QString, how);
        QFETCH(QString, says);
        Desk desk(12);
        const std::string base = desk.temp.path().toStdString(), task = must(desk.project->task(desk.task)).uuid;
        const auto dealt = deal(*desk.project, {"Ada", "Bo"}, 4, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada"), bo(dealt[1].file, base + "/bo");
        ada.vote(ada.next()[0], Winner::A);
        const std::string theirs = ada.giveBack(base + "/ada.pairback");
        OK(mergeReturn(*desk.project, theirs));
        std::string session;
        reseal(theirs, [&](std::vector<Json>& lines) {
            for (const Json& line : lines)
                if (line.contains("session"))
                    session = line["session"]["uuid"];
        });
        const auto items = bo.next(3);
        bo.vote(items[0], Winner::A, {}, "An edited answer");
        OK(mergeReturn(*desk.project, bo.giveBack(base + "/early.pairback")));
        bo.vote(items[1], Winner::B);
        bo.vote(items[2], Winner::Tie);
        OK(bo.project->undo(bo.task, bo.person));
        const std::string file = bo.giveBack(base + "/bo.pairback"), good = must(os::readFile(file));
        forge(file, task, [&](std::vector<Json>&, std::vector<Json*>&) {}); // the forger's tools are good
        QCOMPARE(must(mergeReturn(*desk.project, file, true)).fresh, int64_t{3});
        forge(file, task, [&](std::vector<Json>& lines, std::vector<Json*>& events) {
            Json& vote = *events[1];
            const auto presentation = [&](const Json& number) -> Json& {
                for (Json& line : lines)
                    if (line.contains("presentation") && line["presentation"]["number"] == number)
                        return line["presentation"];
                qFatal("no presentation");
            };
            if (how == "a presentation of another pair")
                vote["presentation"] = (*events[2])["presentation"];
            else if (how == "a session of another person") {
                for (Json& line : lines) {
                    if (line.contains("session"))
                        line["session"]["uuid"] = session;
                    for (const char* part : {"presentation", "event"})
                        if (line.contains(part) && line[part].contains("session"))
                            line[part]["session"] = session;
                }
            } else if (how == "a presentation twice") {
                for (size_t i = 0; i < lines.size(); ++i)
                    if (lines[i].contains("presentation")) {
                        const Json again = lines[i];
                        lines.insert(lines.begin() + long(i), again);
                        break;
                    }
            } else if (how == "a presentation told otherwise")
                presentation((*events[0])["presentation"])["shown_ms"] = 5;
            else if (how == "an edited answer of another prompt") {
                for (Json& line : lines)
                    if (line.contains("edited"))
                        line["edited"]["prompt"] = items[1].prompt.sha;
            } else if (how == "an undo of another pair")
                (*events[3])["target"] = vote["uuid"];
            else if (how == "an event that is not there")
                vote["supersedes"] = newUuid();
            else if (how == "the manager's own origin")
                lines[0]["origin"] = desk.project->impl().meta("origin");
            else if (how == "a tie with a strength")
                (*events[2])["strength"] = 2;
            else if (how == "a vote with a reason to skip")
                vote["skip"] = "why";
            else if (how == "a rule that there is not")
                presentation(vote["presentation"])["rule"] = "mine";
            else
                presentation(vote["presentation"])["stratum"] = "Words of mine";
        });
        const int64_t events = desk.project->counters().events;
        const auto refused = mergeReturn(*desk.project, file);
        QVERIFY(!refused && refused.error().code == Code::Corrupt);
        QVERIFY2(refused.error().message.find(says.toStdString()) != std::string::npos, refused.error().toString().c_str());
        QCOMPARE(desk.project->counters().events, events);
        OK(os::writeFileAtomic(file, good));
        QCOMPARE(must(mergeReturn(*desk.project, file)).fresh, int64_t{3});
    }

    void aDealTakesWhatWasAskedFor() {
        Desk desk(20); // every fifth prompt is of dev
        addSets(*desk.project, {4, 4});
        DealOptions o;
        o.people = {"Ada"};
        o.pairs = 4;
        o.split = Split::Dev;
        o.out = desk.temp.path().toStdString() + "/out";
        for (const std::string& prompt : promptsOf(must(dealPackages(*desk.project, o))[0].file))
            QVERIFY2(std::stoi(prompt.substr(8)) % 5 == 4, prompt.c_str());
        o.people = {"Bo"};
        o.judged = true;
        o.pairs = 5;
        QVERIFY(!dealPackages(*desk.project, o)); // there are four
        o.split.reset();
        o.kind = CandidateKind::Image;
        o.pairs = 1;
        QVERIFY(!dealPackages(*desk.project, o)); // none is of images
        o.kind.reset();
        o.people = {"Bo", "Bo"};
        const auto twice = dealPackages(*desk.project, o);
        QVERIFY(!twice && twice.error().message.find("Bo is named twice") != std::string::npos);
        EraseOptions gone;
        gone.kind = Erasable::Person;
        gone.what = "Ada";
        gone.why = "asked";
        const std::string erased = "erased " + must(erase(*desk.project, gone)).uuid.substr(0, 8);
        o.people = {erased};
        const auto nobody = dealPackages(*desk.project, o);
        QVERIFY(!nobody && nobody.error().message.find(erased + " was erased") != std::string::npos);
    }

    /// Which are everybody's does not show in the order of a file: in six deals they are not first six times, but for one time in a billion.
    void whatIsSharedDoesNotComeFirst() {
        int first = 0;
        for (int round = 0; round < 6; ++round) {
            Desk desk(12);
            const auto dealt = deal(*desk.project, {"Cy", "Di"}, 7, 3, desk.temp.path().toStdString() + "/out");
            const auto mine = promptsOf(dealt[0].file), theirs = promptsOf(dealt[1].file);
            std::vector<size_t> places;
            for (size_t i = 0; i < mine.size(); ++i)
                if (std::count(theirs.begin(), theirs.end(), mine[i]))
                    places.push_back(i);
            QCOMPARE(places.size(), size_t{3});
            first += places == (std::vector<size_t>{0, 1, 2});
        }
        QVERIFY(first < 6);
    }

    void aReturnOfNothingIsNotWritten() {
        Desk desk(4);
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 2, 0, base + "/out");
        AtWork ada(dealt[0].file, base + "/ada");
        const auto refused = writeReturn(*ada.project, base + "/ada.pairback");
        QVERIFY(!refused && refused.error().message == "the person of this package has judged nothing yet");
        QVERIFY(!os::exists(base + "/ada.pairback"));
        // A last line that counts other lines than there are is no end of this file.
        std::string bytes = must(os::readFile(dealt[0].file));
        const size_t last = bytes.rfind("{\"lines\":");
        QVERIFY(last != std::string::npos);
        Json end = Json::parse(bytes.substr(last));
        end["lines"] = end["lines"].get<int>() + 1;
        OK(os::writeFileAtomic(dealt[0].file, bytes.substr(0, last) + dumpJson(end) + "\n"));
        const auto other = openPackage(dealt[0].file, base + "/other", options());
        QVERIFY(!other && other.error().message.find("was changed after it was written") != std::string::npos);
    }

    void aPackageThatIsNotOneIsRefusedByItsLine_data() {
        QTest::addColumn<QString>("how");
        QTest::addColumn<QString>("says");
        QTest::newRow("more answers than letters") << "many" << "a set 3 to 26";
        QTest::newRow("a set of two prompts") << "prompts" << "the answers of a set are to one prompt";
        QTest::newRow("the same answer twice") << "same" << "two answers are identical";
        QTest::newRow("an image that is not there") << "image" << "the file of an image is missing";
    }
    void aPackageThatIsNotOneIsRefusedByItsLine() {
        QFETCH(QString, how);
        QFETCH(QString, says);
        Desk desk(2);
        addSets(*desk.project, {4});
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 1, 0, base + "/out", 1);
        reseal(dealt[0].file, [&](std::vector<Json>& lines) {
            Json& set = lines[2];
            if (how == "many")
                for (int i = 0; i < 23; ++i)
                    set["answers"].push_back({{"text", "more " + std::to_string(i)}});
            else if (how == "prompts")
                set["prompt_b"] = "Another prompt";
            else if (how == "same")
                set["answers"][3] = set["answers"][0];
            else
                set["answers"][3] = {{"image", std::string(64, 'a')}};
        });
        const auto refused = openPackage(dealt[0].file, base + "/ada", options());
        QVERIFY(!refused && refused.error().code == Code::Corrupt);
        QVERIFY2(refused.error().message.find("line 3") != std::string::npos && refused.error().message.find(says.toStdString()) != std::string::npos,
                 refused.error().toString().c_str());
        QVERIFY(!os::exists(base + "/ada"));
    }
};

QTEST_GUILESS_MAIN(TestPackageTamper)
#include "tst_package_tamper.moc"

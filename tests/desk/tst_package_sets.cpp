// SPDX-License-Identifier: Apache-2.0
// Sets of three answers or more in packages and returns (tst_packages has them in the any-order test and in the search for secrets).
#include <algorithm>
#include <set>

#include "tests/desk/package_fixture.h"

using namespace fixture;

class TestPackageSets : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void setsAreDealtOutByQuotaAndOverlap() {
        Desk desk(6);
        const std::string base = desk.temp.path().toStdString();
        addSets(*desk.project, {3, 4, 5, 6, 7, 8, 9, 3, 4});
        const auto dealt = deal(*desk.project, {"Ada", "Bo"}, 0, 0, base + "/out", 5, 2);
        std::map<std::string, int> seen;
        for (const auto& each : dealt) {
            QCOMPARE(each.pairs, int64_t{0});
            QCOMPARE(each.sets, int64_t{5});
            QCOMPARE(each.sharedSets, int64_t{2});
            const auto prompts = promptsOf(each.file);
            QCOMPARE(std::set<std::string>(prompts.begin(), prompts.end()).size(), size_t{5});
            for (const auto& prompt : prompts)
                ++seen[prompt];
        }
        QCOMPARE(std::count_if(seen.begin(), seen.end(), [](const auto& s) { return s.second == 2; }), 2);
        QCOMPARE(std::count_if(seen.begin(), seen.end(), [](const auto& s) { return s.second == 1; }), 6);
        // One is left; a pair of the same project is no set, and what was judged here is not dealt.
        DealOptions o;
        o.people = {"Cy"};
        o.pairs = 0;
        o.sets = 2;
        o.out = base + "/never";
        const auto refused = dealPackages(*desk.project, o);
        QVERIFY(!refused && refused.error().code == Code::InvalidInput);
        QVERIFY2(refused.error().message.find("1 of 2 sets were found for Cy: 1 are open") != std::string::npos, refused.error().toString().c_str());
        QVERIFY(!os::exists(o.out));
        for (const auto& [pairs, shared, sets, sharedSets] : {std::tuple{0, 0, 0, 0}, {-1, 0, 3, 0}, {0, 0, 1, 2}, {1, 2, 1, 0}, {0, 0, 1, -1}}) {
            o.pairs = pairs;
            o.shared = shared;
            o.sets = sets;
            o.sharedSets = sharedSets;
            QVERIFY(!dealPackages(*desk.project, o));
        }
        // The annotator's project offers every set, whole, and makes none of its own that could not be merged.
        AtWork ada(dealt[0].file, base + "/ada");
        const auto order = must(workOrder(*ada.project));
        QVERIFY(order && order->pairs == 0 && order->sets == 5);
        QCOMPARE(must(ada.project->task(ada.task)).quota, int64_t{5});
        QVERIFY(ada.next(9).empty());
        for (const auto& set : ada.sets()) {
            const size_t n = set.members.size();
            QVERIFY(n >= 3 && n <= 9);
            std::set<std::string> texts;
            for (const auto& member : set.members)
                texts.insert(member.content);
            QCOMPARE(texts.size(), n);
            ada.rank(set, orderOf(n, 0));
        }
        ImportRow row;
        row.prompt.content = "Brought along";
        for (const Status& making : {Status(makeRankings(*ada.project, {}).map([](auto) {})), Status(ada.project->makePairs({}).map([](auto) {})),
                                     Status(ada.project->importRows({"in.jsonl", std::string(64, '0'), "prompts", 0, ""}, {row}, false).map([](auto) {}))}) {
            QVERIFY(!making && making.error().code == Code::InvalidInput);
            QVERIFY2(making.error().message.find("was made of package") != std::string::npos, making.error().toString().c_str());
        }
        const auto work = must(writeReturn(*ada.project, base));
        QCOMPARE(work.ranked, int64_t{5});
        QCOMPARE(work.judged, int64_t{0});
        QCOMPARE(must(mergeReturn(*desk.project, work.file)).fresh, int64_t{5});
        // Programs that know pairs alone refuse the file by its number.
        QCOMPARE(Json::parse(must(os::readFile(dealt[0].file)).substr(0, must(os::readFile(dealt[0].file)).find('\n')))["v"].get<int>(), 2);
        reseal(dealt[1].file, [](std::vector<Json>& lines) { lines[0]["v"] = 3; });
        const auto newer = openPackage(dealt[1].file, base + "/bo", options());
        QVERIFY(!newer && newer.error().code == Code::NewerFormat);
    }

    /// What does not fit its set is refused by line, event and cause, whoever wrote its digest.
    void anOrderThatDoesNotFitIsRefused_data() {
        QTest::addColumn<QString>("ranking");
        QTest::addColumn<QString>("says");
        QTest::newRow("too few") << R"({"v":1,"ranks":[1,2,3]})" << "of 4 members has 3 ranks";
        QTest::newRow("too many") << R"({"v":1,"ranks":[1,2,3,4,5]})" << "of 4 members has 5 ranks";
        QTest::newRow("no number") << R"({"v":1,"ranks":[1,2,"3",4]})" << "whole number from 1 to 1000";
        QTest::newRow("zero") << R"({"v":1,"ranks":[1,2,0,4]})" << "whole number from 1 to 1000";
        QTest::newRow("huge") << R"({"v":1,"ranks":[1,2,18446744073709551615,4]})" << "whole number from 1 to 1000";
        QTest::newRow("no list") << R"({"v":1,"ranks":{"0":1}})" << "no list of ranks";
        QTest::newRow("unordered no list") << R"({"v":1,"ranks":[1,2,3,4],"unordered":3})" << "no list of ranks";
        QTest::newRow("another version") << R"({"v":2,"ranks":[1,2,3,4]})" << "a version that this program does not know";
        QTest::newRow("words beside it") << R"({"v":1,"ranks":[1,2,3,4],"why":"smuggled"})" << "parts that a ranking does not have";
        QTest::newRow("unordered twice") << R"({"v":1,"ranks":[1,2,4,4],"unordered":[4,4]})" << "parts that a ranking does not have";
        QTest::newRow("another winner") << R"({"v":1,"ranks":[2,1,3,4]})" << "its winner is not that of its ranking";
        QTest::newRow("a tie as a winner") << R"({"v":1,"ranks":[1,1,3,4]})" << "its winner is not that of its ranking";
        QTest::newRow("none") << QString() << "a vote on a set of 4 answers has no ranking";
        QTest::newRow("on a pair") << QStringLiteral("pair") << "of 2 members has 4 ranks";
        QTest::newRow("of a skip") << QStringLiteral("skip") << "only a vote has a ranking";
        QTest::newRow("with a strength") << QStringLiteral("strength") << "its winner is not that of its ranking";
    }
    void anOrderThatDoesNotFitIsRefused() {
        QFETCH(QString, ranking);
        QFETCH(QString, says);
        Desk desk(4);
        addSets(*desk.project, {4});
        const std::string base = desk.temp.path().toStdString();
        const auto dealt = deal(*desk.project, {"Ada"}, 1, 0, base + "/out", 1);
        AtWork ada(dealt[0].file, base + "/ada");
        const auto set = ada.sets()[0];
        const auto pair = ada.next()[0];
        ada.rank(set, Ranking{{1, 2, 3, 4}, {}});
        const std::string file = ada.giveBack(base + "/ada.pairback"), good = must(os::readFile(file));
        reseal(file, [&](std::vector<Json>& lines) {
            for (Json& line : lines) {
                if (!line.contains("event"))
                    continue;
                Json& event = line["event"];
                Json details = event["details"];
                if (ranking == u"pair")
                    event["pair"] = pair.comparison.sha;
                else if (ranking == u"skip") {
                    event["kind"] = "skip";
                    event["skip"] = "why";
                    event["winner"] = "";
                } else if (ranking == u"strength")
                    event["strength"] = 2;
                else if (ranking.isEmpty())
                    details = nullptr;
                else
                    details["ranking"] = Json::parse(ranking.toStdString());
                sign(lines[0], event, must(desk.project->task(desk.task)).uuid, details);
            }
        });
        const auto refused = mergeReturn(*desk.project, file);
        QVERIFY(!refused && refused.error().code == Code::Corrupt);
        const std::string& message = refused.error().message;
        QVERIFY2(message.find(says.toStdString()) != std::string::npos, message.c_str());
        QVERIFY2(message.find("(event 1 of Ada") != std::string::npos && message.find("line ") == 0, message.c_str());
        QVERIFY(desk.project->currentVotes().empty());
        OK(os::writeFileAtomic(file, good));
        QCOMPARE(must(mergeReturn(*desk.project, file)).fresh, int64_t{1});
    }
};

QTEST_GUILESS_MAIN(TestPackageSets)
#include "tst_package_sets.moc"

// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/os/files.h"
#include "core/desk/store/snapshot.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestSnapshot : public QObject {
    Q_OBJECT

    static constexpr int kPairs = 520;

    static void judgeAll(Desk& desk, const std::string& who, size_t most = SIZE_MAX) {
        const Id person = must(desk.project->annotator(AnnotatorKind::Human, who));
        Project::NextOptions next;
        next.task = desk.task;
        next.annotator = person;
        next.rule = QueueRule::Random;
        next.limit = std::min<size_t>(most, 10'000);
        size_t n = 0;
        for (const LabelItem& item : must(desk.project->next(next))) {
            JudgementInput vote;
            vote.winner = ++n % 3 ? Winner::A : Winner::B;
            vote.strength = 1 + static_cast<int>(n % 3);
            must(desk.project->presentAndJudge(item.presentation, vote));
        }
    }
    static std::vector<CurrentVote> sorted(std::vector<CurrentVote> votes) {
        std::sort(votes.begin(), votes.end(), [](const CurrentVote& x, const CurrentVote& y) { return x.event < y.event; });
        return votes;
    }
    static std::string file(const Desk& desk) { return desk.dir() + "/cache/votes.bin"; }
    static std::string token(const Desk& desk) {
        SQLite::Database db(desk.dir() + "/project.db", SQLite::OPEN_READWRITE);
        SQLite::Statement row(db, "SELECT value FROM meta WHERE key = 'snapshot'");
        return row.executeStep() ? row.getColumn(0).getString() : std::string();
    }
    static void open(Desk& desk) { desk.project = must(Project::open(desk.dir(), options())); }
    static void close(Desk& desk) {
        must(desk.project->close());
        desk.project.reset();
    }

private Q_SLOTS:
    void comesBackAsItWasOrNotAtAll() {
        QTemporaryDir dir;
        const std::string path = dir.path().toStdString() + "/votes.bin";
        std::vector<CurrentVote> votes(70);
        for (size_t i = 0; i < votes.size(); ++i) {
            votes[i].comparison = static_cast<Id>(i);
            votes[i].activeMs = static_cast<int32_t>(i * 31);
        }
        const std::unordered_map<Id, PairInfo> pairs{{3, {77, Split::Dev, 2, CandidateKind::Image}}, {9, {5, Split::Train, 0, CandidateKind::Text}}};
        OK(writeSnapshot(path, "token", votes, &pairs));
        const auto back = readSnapshot(path, "token");
        QVERIFY(back && back->hasPairs && back->votes == votes && back->pairs.size() == 2);
        for (const auto& [id, info] : back->pairs)
            QVERIFY(info.hash == pairs.at(id).hash && info.split == pairs.at(id).split && info.task == pairs.at(id).task && info.kind == pairs.at(id).kind);
        QVERIFY(!readSnapshot(path, "another") && !readSnapshot(path, "") && !readSnapshot(path + "x", "token"));
        const std::string whole = must(os::readFile(path));
        for (const size_t length : {size_t{0}, size_t{20}, whole.size() / 2, whole.size() - 1}) {
            OK(os::writeFileAtomic(path, whole.substr(0, length)));
            QVERIFY(!readSnapshot(path, "token"));
        }
        for (size_t at = 0; at < whole.size(); at += 37) {
            std::string damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
            OK(os::writeFileAtomic(path, damaged));
            QVERIFY2(!readSnapshot(path, "token"), qPrintable(QString::number(at)));
        }
        OK(writeSnapshot(path, "token", votes, nullptr));
        QVERIFY(!readSnapshot(path, "token")->hasPairs);
    }

    void anOpeningIsTheSameWithAndWithoutIt() {
        Desk desk(kPairs);
        must(desk.project->makePairs({}));
        judgeAll(desk, "Ada");
        judgeAll(desk, "Ben", 500);
        const auto before = sorted(desk.project->currentVotes());
        QVERIFY(before.size() > 1000);
        const Id ben = must(desk.project->annotator(AnnotatorKind::Human, "Ben"));
        Project::NextOptions next;
        next.task = desk.task;
        next.annotator = ben;
        next.limit = 7;
        const auto offered = [&] {
            std::vector<Id> ids;
            for (const LabelItem& item : must(desk.project->next(next)))
                ids.push_back(item.comparison.id);
            return ids;
        };
        const auto wanted = offered();
        QVERIFY(!wanted.empty());
        close(desk);
        QVERIFY(os::exists(file(desk)) && !token(desk).empty());
        open(desk);
        QVERIFY(sorted(desk.project->currentVotes()) == before);
        QCOMPARE(offered(), wanted);
        QVERIFY(must(desk.project->check()).ok());
        close(desk);
        std::filesystem::remove(file(desk));
        open(desk);
        QVERIFY(sorted(desk.project->currentVotes()) == before);
        QCOMPARE(offered(), wanted);
    }

    void oneOfAnotherMomentIsNotBelieved() {
        Desk desk(kPairs);
        must(desk.project->makePairs({}));
        judgeAll(desk, "Ada");
        judgeAll(desk, "Ben", 500);
        close(desk);
        const std::string old = must(os::readFile(file(desk))), oldToken = token(desk);
        open(desk);
        judgeAll(desk, "Ben", 5);
        const auto now = sorted(desk.project->currentVotes());
        close(desk);
        QVERIFY(token(desk) != oldToken);
        OK(os::writeFileAtomic(file(desk), old));
        open(desk);
        QVERIFY(sorted(desk.project->currentVotes()) == now);
        QVERIFY(must(desk.project->check()).ok());
        // While it is open, and after a crash, the database names none.
        const std::string copy = desk.temp.path().toStdString() + "/copy";
        std::filesystem::copy(desk.dir(), copy, std::filesystem::copy_options::recursive);
        SQLite::Database db(copy + "/project.db", SQLite::OPEN_READWRITE);
        SQLite::Statement row(db, "SELECT value FROM meta WHERE key = 'snapshot'");
        QVERIFY(row.executeStep() && row.getColumn(0).getString().empty());
    }

    void oneThatSaysSomethingElseIsFoundByCheck() {
        Desk desk(kPairs);
        must(desk.project->makePairs({}));
        judgeAll(desk, "Ada");
        judgeAll(desk, "Ben", 500);
        close(desk);
        auto kept = readSnapshot(file(desk), token(desk));
        QVERIFY(kept);
        kept->votes[3].winner = kept->votes[3].winner == Winner::A ? Winner::B : Winner::A;
        OK(writeSnapshot(file(desk), token(desk), kept->votes, nullptr));
        open(desk);
        QVERIFY(!must(desk.project->check()).ok());
    }
};

QTEST_GUILESS_MAIN(TestSnapshot)
#include "tst_snapshot.moc"

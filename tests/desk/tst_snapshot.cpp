// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include <SQLiteCpp/SQLiteCpp.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/store/impl.h"
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
    }

    /// Whatever was done before the program was killed: what came after the snapshot is read from the database.
    void aKilledProgramComesBackAsItWas() {
        Desk desk(kPairs);
        must(desk.project->makePairs({}));
        judgeAll(desk, "Ada");
        judgeAll(desk, "Ben", 500);
        const Id ben = must(desk.project->annotator(AnnotatorKind::Human, "Ben"));
        must(desk.project->next({desk.task, ben})); // its pairs are in memory
        close(desk);
        open(desk);
        uint64_t state = 5;
        const auto draw = [&](uint64_t below) { return (state = mix64(state + 1)) % below; };
        int followed = 0, forgotten = 0;
        for (int round = 0; round < 24; ++round) {
            for (int n = 0; n < 6; ++n) {
                const Id who = draw(2) ? ben : desk.ada;
                const auto votes = desk.project->currentVotes();
                const Id pair = votes[draw(votes.size())].comparison;
                switch (draw(7)) {
                case 0: (void)desk.project->undo(desk.task, who); break;
                case 1: (void)desk.project->redo(desk.task, who); break;
                case 2: (void)desk.project->flag(desk.task, who, pair, draw(2) ? "odd" : ""); break;
                case 3: {
                    NewPrompt prompt;
                    prompt.content = "More " + std::to_string(100 * round + n);
                    prompt.split = draw(3) ? Split::Train : Split::Dev;
                    std::vector<NewCandidate> texts(2);
                    texts[0].prompt = texts[1].prompt = must(desk.project->addPrompts({prompt}))[0];
                    texts[0].content = "x";
                    texts[1].content = "y";
                    must(desk.project->addCandidates(texts));
                    must(desk.project->makePairs({}));
                    break;
                }
                case 4:
                    if (round % 4 == 3) { // a batch that comes and goes
                        ImportRow row;
                        row.prompt.content = "Imported " + std::to_string(100 * round + n);
                        row.prompt.split = Split::Train;
                        row.chosen = "good";
                        row.rejected = "bad";
                        must(desk.project->importRows({"file", row.prompt.content, "trl", desk.task, "imported"}, {row}));
                        must(desk.project->revertImport(must(desk.project->importBatches()).front().id));
                    }
                    break;
                default: {
                    const auto items = must(desk.project->next({desk.task, who}));
                    if (!items.empty()) {
                        JudgementInput vote;
                        vote.winner = draw(2) ? Winner::A : Winner::B;
                        if (round % 5 == 4 && draw(3) == 0)
                            vote.edited = "Edited " + std::to_string(100 * round + n);
                        must(desk.project->presentAndJudge(items[0].presentation, vote));
                    }
                }
                }
            }
            // Its files as a kill leaves them, with the snapshot and without.
            const auto killed = [&](const std::string& name) {
                const std::string copy = desk.temp.path().toStdString() + "/" + name;
                std::filesystem::copy(desk.dir(), copy, std::filesystem::copy_options::recursive);
                return copy;
            };
            const std::string with = killed("with" + std::to_string(round)), without = killed("without" + std::to_string(round));
            std::filesystem::remove(without + "/cache/votes.bin");
            Project one = must(Project::open(with, options())), two = must(Project::open(without, options()));
            QVERIFY(one.wasUnclean() && two.wasUnclean());
            QVERIFY(sorted(one.currentVotes()) == sorted(two.currentVotes()));
            QVERIFY(sorted(one.currentVotes()) == sorted(desk.project->currentVotes()));
            const bool kept = one.impl().pairsLoaded;
            ++(kept ? followed : forgotten);
            QVERIFY(!two.impl().pairsLoaded);
            one.impl().loadPairs();
            two.impl().loadPairs();
            QCOMPARE(one.impl().pairs.size(), two.impl().pairs.size());
            for (const auto& [id, info] : two.impl().pairs) {
                const auto at = one.impl().pairs.find(id);
                QVERIFY(at != one.impl().pairs.end() && at->second.hash == info.hash && at->second.split == info.split &&
                        at->second.task == info.task && at->second.kind == info.kind);
            }
            if (!kept) { // a clean end writes a new one
                must(desk.project->next({desk.task, ben}));
                close(desk);
                open(desk);
                must(desk.project->next({desk.task, ben}));
            }
        }
        QVERIFY2(followed > 5 && forgotten >= 2, qPrintable(QString("%1 %2").arg(followed).arg(forgotten)));
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

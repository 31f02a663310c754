// SPDX-License-Identifier: Apache-2.0
// What statistics read, a little at a time and only what is new: always what reading everything gives.
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/desk/stats/quality.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/erase.h"
#include "core/desk/store/gold.h"
#include "core/desk/store/pair_facts.h"
#include "tests/desk/queue_fixture.h"

using namespace fixture;

class TestPairFacts : public QObject {
    Q_OBJECT

    static QString failing(const std::string& what) { return QString::fromStdString(what); }

    /// Against the queries that read everything at once.
    static QString differs(Project& project, const VoteFacts& facts) {
        if (!facts.complete)
            return "not complete";
        if (facts.votes != project.currentVotes())
            return "votes";
        const auto all = must(project.pairFacts());
        std::map<Id, const PairFact*> known;
        for (const PairFact& fact : facts.pairs) {
            if (!known.empty() && known.rbegin()->first >= fact.comparison)
                return "pairs are not sorted, or one is there twice";
            known[fact.comparison] = &fact;
        }
        for (const auto& [pair, f] : all) {
            if (!known.count(pair))
                return failing(fmt::format("pair {} is missing", pair));
            const PairFact& k = *known[pair];
            if (k.lengthA != f.lengthA || k.lengthB != f.lengthB || facts.models.at(k.modelA) != f.modelA || facts.models.at(k.modelB) != f.modelB ||
                k.prompt != f.prompt || k.a != f.a || k.b != f.b)
                return failing(fmt::format("pair {}", pair));
            const bool styled = !f.modelA.empty() && !f.modelB.empty() && f.modelA != f.modelB;
            const LabelItem item = must(project.pairItem(pair));
            if (k.styleA != (styled ? styleOf(item.a.content) : StyleCounts()) || k.styleB != (styled ? styleOf(item.b.content) : StyleCounts()))
                return failing(fmt::format("style of pair {}", pair));
        }
        std::vector<Id> tasks{0};
        for (const Task& task : must(project.tasks()))
            tasks.push_back(task.id);
        for (const Id task : tasks) {
            QualityOptions options;
            options.task = task;
            options.people = false;
            options.bootstrap = 0;
            const QualityReport report = assessQuality(facts, options);
            if (report.strata != must(project.strata(task)))
                return failing(fmt::format("strata of task {}", task));
            std::map<Id, Rate> gold;
            for (const GoldVote& vote : must(goldVotes(project, task)))
                gold[vote.annotator].add(vote.right);
            for (const PersonQuality& person : report.people)
                if (person.gold.n != gold[person.annotator].n || person.gold.successes != gold[person.annotator].successes)
                    return failing(fmt::format("gold of {}: {} of {}, not {} of {}", person.name, person.gold.successes, person.gold.n,
                                               gold[person.annotator].successes, gold[person.annotator].n));
        }
        const VoteFacts fresh = must(readVoteFacts(project));
        if (fresh.strata != facts.strata || fresh.goldShown != facts.goldShown)
            return "strata or gold of a fresh reading";
        if (assessQuality(fresh).toJson().dump() != assessQuality(facts).toJson().dump())
            return "the report of a fresh reading";
        return {};
    }

    /// `between`: after every step.
    static Status readAll(FactReader& reader, Project& project, int budgetMs, const std::function<void()>& between = {}) {
        PL_CHECK(reader.begin(project));
        reader.plan();
        for (bool done = false; !done;) {
            PL_TRY(done, reader.step(project, budgetMs));
            if (between)
                between();
        }
        reader.finish();
        return {};
    }

    struct Lab : Desk {
        Id bea = 0, other = 0;
        uint64_t state;
        int64_t made = 0;

        explicit Lab(uint64_t seed) : state(mix64(seed)) {
            bea = must(project->annotator(AnnotatorKind::Human, "Bea"));
            Task second;
            second.name = "Second";
            second.question = "Which is shorter?";
            other = must(project->addTask(second));
            for (int i = 0; i < 24; ++i)
                prompt();
            setMix(*this, {{"random", 50}, {"second", 20}, {"repeat", 15}, {"gold", 15}, {"votes", 2}});
        }
        uint64_t draw(uint64_t below) { return (state = mix64(state + 1)) % below; }
        void prompt() {
            static const char* const looks[] = {"plain", "# Head\n- one\n- two", "**bold** words, \u00e4\u00f6\u00fc \u6f22", "```\ncode\n```"};
            static const char* const models[] = {"oak", "ash", "", "yew"};
            NewPrompt fresh;
            fresh.content = "Request " + std::to_string(++made);
            fresh.split = Split::Train;
            const Id id = must(project->addPrompts({fresh}))[0];
            std::vector<NewCandidate> texts(3);
            for (size_t k = 0; k < 3; ++k) {
                texts[k].prompt = id;
                texts[k].content = std::string(looks[draw(4)]) + " " + std::to_string(made) + std::string(draw(30), 'x') + static_cast<char>('a' + k);
                texts[k].modelName = models[draw(4)];
            }
            const auto answers = must(project->addCandidates(texts));
            for (size_t k = 0; k < 3; ++k)
                must(project->addPairs({{answers[k], answers[(k + 1) % 3], "manual", 0, 0, {}}}));
        }
        Id anyPair() {
            const auto votes = project->currentVotes();
            return votes.empty() ? 0 : votes[draw(votes.size())].comparison;
        }
        /// Something that can happen to a project.
        void event() {
            const Id who = draw(2) ? ada : bea, where = draw(6) ? task : other;
            switch (draw(24)) {
            case 0: (void)project->undo(where, who); break;
            case 1: (void)project->redo(where, who); break;
            case 2:
                if (const Id pair = anyPair())
                    (void)project->flag(where, who, pair, draw(2) ? "odd" : "");
                break;
            case 3:
                if (const Id pair = anyPair()) {
                    Judgement verdict;
                    verdict.winner = draw(2) ? Winner::A : Winner::B;
                    must(adjudicate(*project, where, who, pair, draw(2), verdict, Cause::Mistake));
                }
                break;
            case 4:
            case 5:
                if (const Id pair = anyPair())
                    must(setGold(*project, task, pair, draw(2) ? Winner::A : Winner::B, GoldSource::Hand, draw(2) ? who : 0));
                break;
            case 6:
                if (const Id pair = anyPair())
                    (void)removeGold(*project, task, pair);
                break;
            case 7: prompt(); break;
            case 8: {
                ImportRow row;
                row.prompt.content = "Imported " + std::to_string(++made);
                row.prompt.split = Split::Train;
                row.chosen = "good " + std::to_string(made);
                row.rejected = "worse";
                row.chosenModel = "fir";
                row.rejectedModel = draw(2) ? "oak" : "";
                const std::string name = "file " + std::to_string(made);
                must(project->importRows({name, sha256Hex(name), "trl", task, "imported"}, {row}));
                break;
            }
            case 9:
                if (const auto batches = must(project->importBatches()); !batches.empty() && draw(3) == 0)
                    (void)project->revertImport(batches[draw(batches.size())].id);
                break;
            default: {
                Project::NextOptions o = mixedOptions(*this, who);
                o.task = where;
                const auto items = must(project->next(o));
                if (items.empty())
                    break;
                JudgementInput in;
                const uint64_t what = draw(12);
                if (what == 0) {
                    in.kind = EventKind::Skip;
                    in.skipReason = "unclear";
                } else {
                    in.winner = what < 6 ? Winner::A : what < 10 ? Winner::B : Winner::Tie;
                    if (in.winner == Winner::Tie)
                        in.tieKind = TieKind::Unspecified;
                    else if (draw(6) == 0)
                        in.edited = "Edited " + std::to_string(++made);
                }
                in.activeMs = static_cast<int64_t>(draw(40'000));
                must(project->presentAndJudge(items[0].presentation, in));
            }
            }
        }
        void eraseOne() {
            EraseOptions o;
            const auto votes = project->currentVotes();
            if (votes.empty())
                return;
            o.what = std::to_string(must(project->pairItem(votes[draw(votes.size())].comparison)).prompt.id);
            o.why = "asked for";
            o.who = "Ada";
            must(pl::desk::erase(*project, o));
        }
    };

private Q_SLOTS:
    void whateverHappensBetweenTwoReadings_data() {
        QTest::addColumn<quint64>("seed");
        for (quint64 seed = 1; seed <= 6; ++seed)
            QTest::addRow("%llu", static_cast<unsigned long long>(seed)) << seed;
    }
    void whateverHappensBetweenTwoReadings() {
        QFETCH(quint64, seed);
        Lab lab(seed);
        FactReader kept;
        int64_t again = 0;
        for (int round = 0; round < 40; ++round) {
            for (uint64_t n = lab.draw(12); n > 0; --n)
                lab.event();
            if (round % 13 == 12)
                lab.eraseOne();
            // Something happens between the steps of a reading, too: it is of the moment it began at, and the next one is right.
            if (round % 3 == 1) {
                const Status read = readAll(kept, *lab.project, 0, [&] {
                    if (lab.draw(3) == 0)
                        lab.event();
                });
                OK(read);
            } else if (round % 7 == 3) { // one that is broken off
                OK(kept.begin(*lab.project));
                kept.plan();
                must(kept.step(*lab.project, 0));
                lab.event();
            }
            OK(readAll(kept, *lab.project, round % 2 ? 0 : -1));
            again += kept.rows();
            const QString wrong = differs(*lab.project, kept.facts());
            QVERIFY2(wrong.isEmpty(), qPrintable(QString("round %1: %2").arg(round).arg(wrong)));
        }
        QVERIFY(kept.facts().strata.size() >= 3);
        QVERIFY(!kept.facts().goldShown.empty());
        QVERIFY(std::any_of(kept.facts().pairs.begin(), kept.facts().pairs.end(), [](const PairFact& f) { return f.styleA != f.styleB; }));
    }

    void aSecondReadingReadsOnlyWhatIsNew() {
        Desk desk(40);
        for (const auto& item : desk.next(30))
            OK(desk.vote(item, Winner::A));
        FactReader reader;
        OK(readAll(reader, *desk.project, -1));
        QCOMPARE(reader.rows(), int64_t{90}); // 30 pairs, votes and presentations
        QCOMPARE(reader.read(), int64_t{90});
        OK(readAll(reader, *desk.project, -1));
        QCOMPARE(reader.rows(), int64_t{0});
        QCOMPARE(reader.read(), int64_t{0});
        OK(desk.vote(desk.next(1)[0], Winner::B));
        OK(readAll(reader, *desk.project, -1));
        QCOMPARE(reader.rows(), int64_t{3});
        QCOMPARE(reader.facts().pairs.size(), size_t{31});
        OK(desk.project->undo(desk.task, desk.ada));
        OK(readAll(reader, *desk.project, -1));
        QCOMPARE(reader.rows(), int64_t{1}); // the event; the fact stays, for a redo
        QCOMPARE(reader.facts().votes.size(), size_t{30});
        OK(desk.project->redo(desk.task, desk.ada));
        OK(readAll(reader, *desk.project, -1));
        QCOMPARE(reader.rows(), int64_t{1});
        QCOMPARE(reader.facts().votes.size(), size_t{31});
    }

    /// A step reads a bounded number of rows however many there are: with no time at all, one pair.
    void aStepIsSmall() {
        Desk desk(20);
        for (const auto& item : desk.next(20))
            OK(desk.vote(item, Winner::A));
        FactReader reader;
        OK(reader.begin(*desk.project));
        reader.plan();
        QCOMPARE(must(reader.step(*desk.project, 0)), false);
        QCOMPARE(reader.read(), int64_t{1});
        QVERIFY(!reader.facts().complete);
        // By themselves the votes say something already.
        const QualityReport first = assessQuality(reader.facts());
        QVERIFY(!first.complete);
        QCOMPARE(first.votes, int64_t{20});
        QCOMPARE(first.longer.n, int64_t{0});
        QVERIFY(first.strata.empty());
    }

    void erasingWhileItReadsSaysSo() {
        Lab lab(3);
        for (int i = 0; i < 40; ++i)
            lab.event();
        FactReader reader;
        OK(readAll(reader, *lab.project, -1));
        OK(reader.begin(*lab.project));
        reader.plan();
        lab.eraseOne();
        const auto step = reader.step(*lab.project);
        QVERIFY(!step);
        QCOMPARE(step.error().code, Code::Busy);
        OK(readAll(reader, *lab.project, 0));
        QCOMPARE(differs(*lab.project, reader.facts()), QString());
    }
};

QTEST_GUILESS_MAIN(TestPairFacts)
#include "tst_pair_facts.moc"

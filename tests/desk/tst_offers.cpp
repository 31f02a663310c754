// SPDX-License-Identifier: Apache-2.0
// What a page may promise: how many prompts a job takes, and what is asked about a pair.
#include "core/desk/domain/questions.h"
#include "core/desk/runs/prompt_count.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

class TestOffers : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void promptsThatNoJobTakesAreNotCounted() {
        Desk desk;
        std::vector<NewPrompt> prompts;
        const auto add = [&](const char* kind, Split split, int n) {
            for (int i = 0; i < n; ++i) {
                NewPrompt prompt;
                prompt.content = std::string(kind) + splitName(split) + std::to_string(i);
                prompt.split = split;
                prompt.kind = kind;
                if (prompt.kind == "verify") {
                    prompt.verifierKind = "copy";
                    prompt.verifierAnswer = "x";
                }
                prompts.push_back(prompt);
            }
        };
        add("chat", Split::Train, 3);
        add("verify", Split::Train, 5);
        add("scene", Split::Train, 2);
        add("verify", Split::Dev, 4);
        add("chat", Split::Test, 6);
        OK(desk.project->addPrompts(prompts));
        const auto texts = must(usablePrompts(*desk.project, false)), images = must(usablePrompts(*desk.project, true));
        QCOMPARE(texts.train, int64_t{3});
        QCOMPARE(texts.dev, int64_t{0});
        QCOMPARE(images.train, int64_t{5}); // any text may be a caption, but for those with an answer
        QCOMPARE(images.dev, int64_t{0});
        QCOMPARE(desk.project->counters().train, int64_t{10});
    }

    void aPairOfImagesIsAskedAboutInItsWords() {
        Desk desk;
        const Task task = must(desk.project->defaultTask());
        QCOMPARE(askedOf(task, CandidateKind::Text).question, std::string("Which answer helps more?"));
        const Asked images = askedOf(task, CandidateKind::Image);
        QCOMPARE(images.question, std::string("Which image do you prefer?"));
        QVERIFY(images.guideline.find("Prefer the image that") == 0);
        // The other way round: texts in a project that began with images.
        Task other = task;
        other.question = images.question;
        QCOMPARE(askedOf(other, CandidateKind::Text).question, std::string("Which answer helps more?"));
        // What a person wrote is asked as it is, whatever the pair; and each of the two by itself.
        other.question = "Which one is kinder?";
        for (const CandidateKind kind : {CandidateKind::Text, CandidateKind::Image})
            QCOMPARE(askedOf(other, kind).question, other.question);
        QVERIFY(askedOf(other, CandidateKind::Image).guideline.find("Prefer the image that") == 0);
    }
};

QTEST_GUILESS_MAIN(TestOffers)
#include "tst_offers.moc"

// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include "core/base/records.h"
#include "core/rules/verifier.h"

using namespace pl;
using namespace pl::rules;

class TestVerifier : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void judges_data() {
        QTest::addColumn<QString>("kind");
        QTest::addColumn<QString>("answer");
        QTest::addColumn<QString>("response");
        QTest::addColumn<bool>("correct");
        QTest::newRow("bare number") << "arithmetic" << "9" << "9" << true;
        QTest::newRow("sentence") << "arithmetic" << "9" << "The answer is 9." << true;
        QTest::newRow("chain") << "arithmetic" << "9" << "So 7 + 5 = 12. Then 12 - 3 = 9. The answer is 9." << true;
        QTest::newRow("chain without words") << "arithmetic" << "9" << "7 + 5 = 12. 12 - 3 = 9" << true;
        QTest::newRow("wrong end") << "arithmetic" << "9" << "So 7 + 5 = 12. Then 12 - 3 = 9. The answer is 8." << false;
        QTest::newRow("right only on the way") << "arithmetic" << "12" << "So 7 + 5 = 12. Then 12 - 3 = 9." << false;
        QTest::newRow("remark after the answer") << "arithmetic" << "9" << "The answer is 9. I used 2 steps." << true;
        QTest::newRow("last answer counts") << "arithmetic" << "9" << "The answer is 9. No, the answer is 7." << false;
        QTest::newRow("part of a number") << "arithmetic" << "9" << "The answer is 19." << false;
        QTest::newRow("decimal is another number") << "arithmetic" << "9" << "9.5" << false;
        QTest::newRow("trailing zero") << "arithmetic" << "9" << "9.0" << true;
        QTest::newRow("minus is no sign") << "arithmetic" << "3" << "12 - 3" << true;
        QTest::newRow("minus between digits") << "arithmetic" << "3" << "12-3" << true;
        QTest::newRow("negative") << "arithmetic" << "-3" << "The answer is -3." << true;
        QTest::newRow("not negative") << "arithmetic" << "-3" << "The answer is 3." << false;
        QTest::newRow("thousands") << "arithmetic" << "1234" << "The answer is 1,234." << true;
        QTest::newRow("no number") << "arithmetic" << "9" << "nine" << false;
        QTest::newRow("empty") << "arithmetic" << "9" << "" << false;
        QTest::newRow("answer is nothing") << "arithmetic" << "9" << "9. The answer is" << false;
        QTest::newRow("bad key") << "arithmetic" << "" << "9" << false;
        QTest::newRow("digits without end") << "arithmetic" << "9" << QString(5000, '9') << false;
        QTest::newRow("sorted") << "sort" << "3 9 14" << "The answer is 3, 9, 14." << true;
        QTest::newRow("sorted with working") << "sort" << "3 9 14" << "First 3. Then 9. Last 14. The answer is 3, 9, 14." << true;
        QTest::newRow("sorted after colon") << "sort" << "3 9 14" << "Sorted: 3 9 14" << true;
        QTest::newRow("sorted bare") << "sort" << "3 9 14" << "3, 9 and 14" << true;
        QTest::newRow("unsorted") << "sort" << "3 9 14" << "The answer is 3, 14, 9." << false;
        QTest::newRow("one missing") << "sort" << "3 9 14" << "The answer is 3, 9." << false;
        QTest::newRow("one too many") << "sort" << "3 9 14" << "The answer is 3, 9, 14, 15." << false;
        QTest::newRow("words") << "sort" << "apple fig pear" << "The answer is Apple, fig, pear." << true;
        QTest::newRow("copy") << "copy" << "key sun" << "First key. Last sun. The answer is key, sun." << true;
        QTest::newRow("copy quoted") << "copy" << "key sun" << "\"key\", \"sun\"" << true;
        QTest::newRow("copy wrong order") << "copy" << "key sun" << "The answer is sun, key." << false;
        QTest::newRow("copy nothing") << "copy" << "key sun" << "The answer is ." << false;
    }
    void judges() {
        QFETCH(QString, kind);
        QFETCH(QString, answer);
        QFETCH(QString, response);
        const auto verdict = verify(*verifierByName(kind.toStdString()), answer.toStdString(), response.toStdString());
        QTEST(verdict.correct, "correct");
        QCOMPARE(verdict.score == 1.0, verdict.correct);
    }

    void scoresPartOfASequence() {
        const auto verdict = verify(VerifierKind::Sort, "1 2 3 4", "The answer is 1, 2, 4, 3.");
        QVERIFY(!verdict.correct);
        QCOMPARE(verdict.score, 0.5);
        QCOMPARE(verdict.found, std::string("1 2 4 3"));
        QCOMPARE(verify(VerifierKind::Sort, "1", "1 2").score, 0.5);
    }

    void refusesAnUnknownKind() {
        QVERIFY(!verifierByName("regex"));
        QVERIFY(verifierByName("regex").error().hint.find("arithmetic") != std::string::npos);
    }

    void everyStarterPromptHasACheckableAnswer() {
        const auto prompts = readPrompts(PAIRLAB_SOURCE_DIR "/resources/starter/prompts.jsonl");
        QVERIFY2(prompts, prompts ? "" : prompts.error().toString().c_str());
        size_t checked = 0;
        for (const auto& prompt : *prompts) {
            if (prompt.verifierKind.empty())
                continue;
            const auto kind = verifierByName(prompt.verifierKind);
            QVERIFY(kind);
            QVERIFY(verify(*kind, prompt.verifierAnswer, "The answer is " + prompt.verifierAnswer + ".").correct);
            QVERIFY(!verify(*kind, prompt.verifierAnswer, prompt.prompt.substr(0, 8)).correct);
            QVERIFY(!verify(*kind, prompt.verifierAnswer, "The answer is 77.").correct);
            ++checked;
        }
        QVERIFY(checked >= 700);
    }
};

QTEST_APPLESS_MAIN(TestVerifier)
#include "tst_verifier.moc"

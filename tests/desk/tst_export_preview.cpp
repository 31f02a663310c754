// SPDX-License-Identifier: Apache-2.0
// What is said before an export is what it then writes: the rows counted, and what is left out and why, in every form.
#include <algorithm>

#include "core/base/os/files.h"
#include "core/desk/domain/text_marks.h"
#include "core/desk/exchange/export_any.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/edits.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;

namespace {

ImportRow row(const std::string& prompt, Split split = Split::Train) {
    ImportRow out;
    out.prompt.content = prompt;
    out.prompt.split = split;
    out.annotator = "Bo";
    return out;
}
ImportRow textRow(const std::string& prompt, const std::string& chosen, const std::string& rejected, Split split = Split::Train) {
    ImportRow out = row(prompt, split);
    out.chosen = chosen;
    out.rejected = rejected;
    return out;
}

/// Ties of every kind, skips, a flag, an edit, turns, marks, sets, verdicts, votes that cancel out, a sealed prompt and what no reader of a form
/// would read as it is.
void fillWithTexts(Desk& desk) {
    Project& p = *desk.project;
    const Id cas = must(p.annotator(AnnotatorKind::Human, "Cas"));
    const auto items = desk.next(12);
    const auto say = [&](size_t i, const std::function<void(JudgementInput&)>& what, Id who = 0) {
        Presentation shown = items[i].presentation;
        shown.annotator = who ? who : desk.ada;
        JudgementInput in;
        in.winner = Winner::A;
        what(in);
        must(p.presentAndJudge(shown, in));
    };
    const auto tie = [](TieKind kind) {
        return [kind](JudgementInput& in) {
            in.winner = Winner::Tie;
            in.tieKind = kind;
        };
    };
    const auto plain = [](JudgementInput&) {};
    const auto other = [](JudgementInput& in) { in.winner = Winner::B; };
    say(0, [](JudgementInput& in) { in.strength = 3; });
    say(1, tie(TieKind::BothGood));
    say(2, tie(TieKind::BothBad));
    say(3, tie(TieKind::Identical));
    say(4, tie(TieKind::Unspecified));
    say(5, [](JudgementInput& in) { in.kind = EventKind::Skip; });
    say(6, plain);
    must(p.flag(desk.task, desk.ada, items[6].comparison.id, "look again"));
    say(7, [](JudgementInput& in) { in.badB = true; });
    say(8, plain);
    say(8, other, cas);
    say(9, plain);
    say(9, other, cas);
    say(10, plain);
    say(10, other, cas);
    Judgement verdict;
    verdict.winner = Winner::B;
    must(adjudicate(p, desk.task, cas, items[9].comparison.id, true, verdict, Cause::Mistake));
    must(adjudicate(p, desk.task, cas, items[10].comparison.id, true, verdict, Cause::BadPair));
    say(11, [&](JudgementInput& in) {
        AnswerMarks a, none;
        a.steps = TextSteps{"lines", {{0, 3}, {4, 6}}};
        a.firstWrong = 1;
        in.spans = marksPayload(a, items[11].a.content, none, items[11].b.content);
    });
    EditInput edit;
    edit.task = desk.task;
    edit.annotator = desk.ada;
    edit.comparison = items[0].comparison.id;
    edit.ofA = true;
    edit.text = "Better than that";
    must(commitEdit(p, edit));
    std::vector<ImportRow> rows;
    const std::string turns = Json({{{"role", "user"}, {"content", "First?"}}, {{"role", "assistant"}, {"content", "Said."}}, {{"role", "user"}, {"content", "Second?"}}}).dump();
    rows.push_back(textRow(turns, "a turn", "another turn"));
    rows.push_back(textRow("Dev", "yes", "no", Split::Dev));
    rows.push_back(textRow("Sealed", "yes", "no", Split::Test));
    rows.push_back(textRow("Blanks", "\t yes", "no "));
    rows.push_back(textRow("A transcript", "well\n\nHuman: what?", "no"));
    rows.push_back(textRow("By a rule", "yes", "no"));
    rows.back().by = AnnotatorKind::Rule;
    rows.push_back(textRow("Rated", "yes", "no"));
    rows.back().chosenAttributes = {{"helpfulness", 4}};
    rows.back().rejectedAttributes = {{"helpfulness", 1}};
    for (const std::vector<int>& ranks : {std::vector<int>{2, 1, 3}, {1, 1, 2}, {3, 1, 2, 4}}) {
        rows.push_back(row("Rank " + std::to_string(rows.size())));
        for (size_t i = 0; i < ranks.size(); ++i)
            rows.back().texts.push_back({"of " + std::to_string(rows.size()) + ": " + std::to_string(i), "m"});
        rows.back().ranks = ranks;
    }
    must(p.importRows({"made", "sha", "made", desk.task, "imported"}, rows));
}

void fillWithImages(Desk& desk) {
    std::vector<ImportRow> rows;
    const std::string path = desk.temp.path().toStdString() + "/x.png";
    for (int i = 0; i < 8; ++i) {
        rows.push_back(row("scene " + std::to_string(i), i == 7 ? Split::Test : i % 4 == 3 ? Split::Dev : Split::Train));
        const int k = i == 6 ? 4 : 2;
        for (int side = 0; side < k; ++side) {
            must(os::writeFileAtomic(path, pngBytes(10 * i + side)));
            rows.back().images.push_back({must(desk.project->addMedia(path)), "m", 5, {}});
            rows.back().ranks.push_back(i == 5 ? 1 : 1 + (side + i) % k);
        }
    }
    must(desk.project->importRows({"made", "sha", "made", desk.task, "imported"}, rows));
    const auto items = desk.next(8);
    const auto say = [&](Id pair, const std::function<void(JudgementInput&)>& what) {
        for (LabelItem item : items)
            if (item.comparison.id == pair) {
                JudgementInput in;
                in.winner = Winner::A;
                what(in);
                must(desk.project->presentAndJudge(item.presentation, in));
            }
    };
    say(items[0].comparison.id, [](JudgementInput& in) { in.kind = EventKind::Skip; });
    say(items[1].comparison.id, [](JudgementInput& in) {
        in.winner = Winner::Tie;
        in.tieKind = TieKind::BothBad;
    });
    must(desk.project->flag(desk.task, desk.ada, items[2].comparison.id, "look again"));
}

int64_t rowsIn(const std::string& path) {
    const std::string text = must(os::readFile(path));
    if (!path.ends_with(".json"))
        return std::count(text.begin(), text.end(), '\n');
    return static_cast<int64_t>(Json::parse(text).size());
}

} // namespace

class TestExportPreview : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void whatIsCountedIsWritten_data() {
        QTest::addColumn<bool>("images");
        QTest::addColumn<QString>("format");
        QTest::addColumn<int>("rows");
        // By hand: three of Ada's votes, the verdict, the edit and five imported pairs; HH has no place for two of those, and one for the turns.
        const std::map<std::string, int> known{{"hh", 9}, {"trl_explicit", 10}};
        for (const ExportFormat& format : exportFormats())
            for (const bool images : {false, true})
                if (images ? format.images : format.texts)
                    QTest::addRow("%s of %s", format.name.c_str(), images ? "images" : "texts")
                        << images << QString::fromStdString(format.name) << (!images && known.count(format.name) ? known.at(format.name) : -1);
    }
    void whatIsCountedIsWritten() {
        QFETCH(bool, images);
        QFETCH(QString, format);
        QFETCH(int, rows);
        Desk desk(images ? 0 : 12);
        if (images)
            fillWithImages(desk);
        else
            fillWithTexts(desk);
        for (const std::vector<Split>& splits : {std::vector<Split>{Split::Train, Split::Dev}, {Split::Dev}}) {
            ExportChoice choice;
            choice.format = format.toStdString();
            choice.splits = splits;
            choice.out = desk.temp.path().toStdString() + "/out." + exportFormatOf(choice.format)->ending;
            const auto said = previewExport(*desk.project, choice);
            QVERIFY(!os::exists(choice.out) || splits.size() == 1);
            const auto done = exportAs(*desk.project, choice);
            QVERIFY2(said.has_value() == done.has_value(), (said ? said->toString() : said.error().toString()).c_str());
            if (!done) {
                QCOMPARE(said.error().toString(), done.error().toString());
                QCOMPARE(splits.size(), size_t{1}); // there is something of every form in train
                continue;
            }
            QCOMPARE(said->summary, done->summary);
            QVERIFY2(said->notes == done->notes, (said->toString() + "\n" + dumpJson(done->notes)).c_str());
            QCOMPARE(said->rows, rowsIn(choice.out));
            if (splits.size() == 2 && rows >= 0)
                QCOMPARE(said->rows, int64_t{rows});
        }
        QVERIFY(must(desk.project->check()).ok());
    }

    /// Every vote that HH has no place for is named with its reason.
    void whatHhLeavesOutIsSaid() {
        Desk desk(12);
        fillWithTexts(desk);
        ExportChoice choice;
        choice.format = "hh";
        choice.out = desk.temp.path().toStdString() + "/out.jsonl";
        const std::string words = must(previewExport(*desk.project, choice)).toString();
        for (const char* part : {"ties", "skips", "votes on flagged pairs", "votes that cancel out", "rankings", "votes on pairs that a verdict calls bad",
                                 "votes that a verdict stands for", "votes on test prompts, which are sealed", "votes whose texts would be read otherwise"})
            QVERIFY2(words.find(std::string(" left out: ") + part) != std::string::npos, words.c_str());
        choice.splits.clear();
        QVERIFY(!previewExport(*desk.project, choice));
        choice.format = "votes";
        QVERIFY(previewExport(*desk.project, choice).has_value());
        choice.format = "no such";
        QVERIFY(!previewExport(*desk.project, choice));
    }
};

QTEST_GUILESS_MAIN(TestExportPreview)
#include "tst_export_preview.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// ctest: timeout=300
// Pages of a project of images: samples, data, verdicts and the words of the label page, over real bundles and media.
#include "tests/ui/image_runs.h"

#include "ui/data/data_page.h"
#include "ui/data/detail_panel.h"
#include "ui/data/paged_table.h"
#include "ui/data/pictures.h"
#include "ui/evaluate/evaluate_page.h"
#include "ui/evaluate/image_outcomes.h"
#include "ui/label/label_page.h"
#include "ui/samples/image_samples.h"
#include "ui/samples/samples_page.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/picture_strip.h"

using namespace fixture;

namespace {

QStringList texts(QWidget* root) {
    QStringList all;
    for (const QLabel* label : root->findChildren<QLabel*>())
        if (label->isVisible())
            all.append(label->text());
    for (const QPushButton* button : root->findChildren<QPushButton*>())
        if (button->isVisible())
            all.append(button->text());
    for (const ElidedLabel* label : root->findChildren<ElidedLabel*>())
        if (label->isVisible())
            all.append(label->text());
    return all;
}
bool shows(QWidget* root, const QString& part) {
    return texts(root).join(u'\n').contains(part);
}

QComboBox* combo(QWidget* page, const QString& name) {
    for (QComboBox* each : page->findChildren<QComboBox*>())
        if (each->accessibleName() == name)
            return each;
    return nullptr;
}
void choose(QComboBox* box, const QString& text) {
    const int at = box->findText(text);
    QVERIFY2(at >= 0, qPrintable(text));
    box->setCurrentIndex(at);
}

struct Images : Desk {
    void start(int pairs, std::vector<PageFactory> pages, const std::function<void(desk::Project&)>& more = {},
               const QSize& size = {1280, 800}) {
        pictures::makeProject(
            dir(), pairs, [](int pair, int k) { return pictures::bytesOf(pictures::scene(32, 2 * pair + k, k == 0)); },
            desk::Scale::SevenPoint, [&](desk::Project& p) {
                bundles::Runs runs{dir().toStdString(), &p, {}};
                pictures::addUsual(runs);
                if (more)
                    more(p);
            });
        show(std::move(pages), request(), size);
    }
};

} // namespace

class TestImagePages : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void samplesStandAsPicturesByPromptAndStep() {
        Images lab;
        lab.start(1, {samplesPage()});
        lab.window->goTo(u"samples"_s, u"0002-image_dpo"_s);
        Page* page = lab.window->page(u"samples"_s);
        auto* samples = page->findChild<ImageSamples*>();
        QVERIFY(samples);
        QTRY_VERIFY(samples->isVisible());
        const ImageSampleTable& table = samples->table();
        QCOMPARE(table.rows.size(), size_t{8});
        QCOMPARE(table.columns.size(), size_t{4});
        QCOMPARE(table.columns.back().step, int64_t{60});
        PictureGrid* grid = samples->browser()->grid();
        QCOMPARE(grid->currentColumn(), 3); // the newest
        QVERIFY(grid->currentWords().contains(u"two large red circles"_s) && grid->currentWords().contains(u"step 60"_s));
        QTRY_VERIFY(grid->currentWords().contains(u"the file is missing"_s));
        grid->setCurrent(1, 3);
        QTRY_VERIFY(grid->currentWords().contains(u"not a whole PNG file"_s));
        QVERIFY(grid->currentWords().contains(u"gold 1.1"_s));

        // Step k beside step 0, by the keys alone.
        lab.window->activateWindow();
        grid->setFocus();
        grid->setCurrent(2, 2);
        QTest::keyClick(grid, Qt::Key_Return);
        QVERIFY2(samples->browser()->pairTitle().startsWith(u"A step 0  ·  B step 40"_s), qPrintable(samples->browser()->pairTitle()));
        ImageView* view = samples->browser()->view();
        QTRY_VERIFY(!view->isLoading());
        QVERIFY(view->problem(Side::A).isEmpty() && view->problem(Side::B).isEmpty());
        QTest::keyClick(grid, Qt::Key_F2);
        QCOMPARE(view->mode(), ImageMode::Wipe);
        QTest::keyClick(grid, Qt::Key_Down);
        QVERIFY(samples->browser()->pairTitle().contains(u"yellow ring"_s));
        QVERIFY(clipped(page).isEmpty());
        QTest::keyClick(grid, Qt::Key_Escape);

        // Up to a step; then beside another run.
        choose(combo(page, u"Latest step shown"_s), u"step 20"_s);
        QCOMPARE(samples->table().columns.size(), size_t{2});
        choose(combo(page, u"Latest step shown"_s), u"the newest step"_s);
        choose(combo(page, u"Second run"_s), u"0001-image_sft"_s);
        QTRY_COMPARE(samples->table().columns.size(), size_t{8});
        QCOMPARE(samples->against(), Against::OtherRun);
        grid->setCurrent(2, 1);
        QTest::keyClick(grid, Qt::Key_Return);
        QVERIFY2(samples->browser()->pairTitle().startsWith(u"A 0002-image_dpo step 20  ·  B 0001-image_sft step 0"_s),
                 qPrintable(samples->browser()->pairTitle()));
        QVERIFY(tabRound(lab.window.get()) > 4);
    }

    void picturesSeenWithTheirModelNoLongerCountAsBlind() {
        Images lab;
        lab.start(2, {samplesPage()}, [&](desk::Project& p) {
            // A run that drew one of the images that are here.
            desk::Page first;
            first.limit = 1;
            const auto image = must(p.candidates(first)).front();
            const auto prompt = must(p.prompt(image.prompt));
            bundles::Runs runs{lab.dir().toStdString(), &p, {}};
            runs.addRun("0004-image_dpo", {{"steps", 10}}, [&](EventWriter& w) {
                const auto bytes = must(os::readFile(p.mediaPath(image.content)));
                const auto name = pictures::store(runs.runDir("0004-image_dpo"), QByteArray::fromStdString(bytes));
                must(w.write(event::kSample, {{"step", 10}, {"prompt_id", prompt.uuid}, {"prompt", prompt.content}, {"kind", "image"}, {"image", name}}));
                bundles::Runs::end(w, "finished");
            });
        });
        lab.window->goTo(u"samples"_s, u"0004-image_dpo"_s);
        Context& c = lab.context();
        const auto exposed = [&] {
            return lab.ask([task = c.task.id, person = c.annotator](desk::Project& p) {
                desk::Project::NextOptions o;
                o.task = task;
                o.annotator = person;
                o.limit = 10;
                int n = 0;
                for (const auto& item : must(p.next(o)))
                    n += item.presentation.exposed;
                return n;
            });
        };
        QTRY_COMPARE(exposed(), 1);
    }

    void tablesShowThumbnailsAndSayHowTheyWereDrawn() {
        Images lab;
        lab.start(12, {dataPage()}, [](desk::Project& p) {
            desk::Page all;
            const auto images = must(p.candidates(all));
            desk::NewCandidate drawn = images.front();
            drawn.seed = 41;
            drawn.run = 1;
            drawn.uuid.clear();
            drawn.params = {{"width", 32}, {"height", 32}, {"draw", 0}, {"steps", 8}, {"guidance", 2.5}};
            drawn.prompt = images.back().prompt;
            desk::NewCandidate other = images[2];
            other = static_cast<const desk::NewCandidate&>(images[2]);
            other.seed = 42;
            other.run = 1;
            other.uuid.clear();
            other.params = drawn.params;
            other.prompt = drawn.prompt;
            const auto ids = must(p.addCandidates({drawn, other}));
            must(p.addPairs({{ids[0], ids[1], "generated", 0, 0, {}}}));
        });
        lab.window->goTo(u"data"_s);
        auto* page = qobject_cast<DataPage*>(lab.window->page(u"data"_s));
        page->setTab(DataPage::Pairs);
        PagedTable* table = page->table(DataPage::Pairs);
        QTRY_COMPARE(table->model()->total(), int64_t{13});
        const int pictures = 1, words = 2;
        QVERIFY(!table->view()->isColumnHidden(pictures));
        QCOMPARE(table->model()->data(table->model()->index(0, pictures), Qt::UserRole).toStringList().size(), 2);
        QStringList said;
        for (int r = 0; r < 13; ++r)
            said.append(table->model()->data(table->model()->index(r, words), Qt::UserRole).toString());
        // In the order of the pair's sides, which is that of the files' hashes.
        QVERIFY2(said.contains(u"32 × 32 · seed 41, 42 · draw 1 · 8 steps · guidance 2.5"_s) ||
                     said.contains(u"32 × 32 · seed 42, 41 · draw 1 · 8 steps · guidance 2.5"_s),
                 qPrintable(said.join(u'|')));
        QVERIFY(!said.join(u'|').contains(QRegularExpression(u"[0-9a-f]{8}"_s)));
        // Filtered as before, and the columns stay.
        table->filter()->setText(u"yellow ring"_s);
        QTRY_VERIFY(table->model()->total() < 13 && table->model()->total() > 0);
        table->filter()->setText(u"nothing has these words"_s);
        QTRY_COMPARE(table->model()->total(), int64_t{0});
        QVERIFY(!table->view()->isColumnHidden(pictures));
        // Something is painted there: the two pictures differ from the ground.
        table->filter()->clear();
        QTRY_COMPARE(table->model()->total(), int64_t{13});
        const QModelIndex cell = table->model()->index(0, pictures);
        const auto colours = [&] {
            const QImage shot = table->view()->viewport()->grab(table->view()->visualRect(cell)).toImage();
            QSet<QRgb> all;
            for (int y = 0; y < shot.height(); ++y)
                for (int x = 0; x < shot.width(); ++x)
                    all.insert(shot.pixel(x, y));
            return all.size();
        };
        QTRY_VERIFY(colours() > 4);
    }

    void picturesFarDownAreFoundAndStay() {
        Images lab;
        lab.start(1, {dataPage()});
        PagedSource source;
        constexpr int kRows = 12000; // more pages than are kept
        source.count = [](desk::Project&, const QString&) -> Result<int64_t> { return kRows; };
        source.rows = [](desk::Project&, const QString&, int64_t offset, int64_t limit) -> Result<std::vector<DataRow>> {
            std::vector<DataRow> rows;
            for (int64_t i = offset; i < std::min<int64_t>(offset + limit, kRows); ++i)
                rows.push_back({i + 1, {{}, u"text"_s}, {}, false, i == 300 ? QStringList{u"a.png"_s} : QStringList(), {}});
            return rows;
        };
        TableColumn pictures{u"Images"_s, false, false, 80, false, {}}, words{u"Answers"_s, false, false, 0, true, {}};
        pictures.pictures = true;
        words.imageTitle = u"Pictures"_s;
        ImageLoader loader;
        PagedTable table(lab.context(), {pictures, words}, source, u"Filter"_s);
        table.showPictures(&loader);
        PagedModel* model = table.model();
        const auto read = [&](int row) {
            model->data(model->index(row, 1), Qt::DisplayRole);
            QTRY_VERIFY(model->idAt(row) != 0);
        };
        const auto title = [&] { return model->headerData(1, Qt::Horizontal, Qt::DisplayRole).toString(); };
        model->reload();
        QTRY_VERIFY(model->isLoaded());
        QVERIFY(table.view()->isColumnHidden(0));
        QCOMPARE(title(), u"Answers"_s);
        read(300);
        QVERIFY(!table.view()->isColumnHidden(0));
        QVERIFY(table.view()->rowHeight(0) > px(Size::Row));
        QCOMPARE(title(), u"Pictures"_s);
        for (int row = 400; row < kRows; row += 200)
            read(row);
        QVERIFY(model->idAt(0) == 0 || model->idAt(300) == 0); // forgotten meanwhile
        QVERIFY(!table.view()->isColumnHidden(0));
        QCOMPARE(title(), u"Pictures"_s);
    }

    void aProjectOfTextsHasNoPictureColumns() {
        Desk lab;
        makeProject(lab.dir(), 3);
        lab.show({dataPage()});
        lab.window->goTo(u"data"_s);
        auto* page = qobject_cast<DataPage*>(lab.window->page(u"data"_s));
        page->setTab(DataPage::Pairs);
        PagedTable* table = page->table(DataPage::Pairs);
        QTRY_COMPARE(table->model()->total(), int64_t{3});
        QVERIFY(table->view()->isColumnHidden(1));
        QCOMPARE(table->view()->rowHeight(0), px(Size::Row));
    }

    void detailsShowThePicturesWithWhatWasSaidOfThem() {
        Images lab;
        lab.start(6, {dataPage()});
        Context& c = lab.context();
        const desk::Id voted = lab.ask([task = c.task.id, person = c.annotator](desk::Project& p) {
            desk::Project::NextOptions o;
            o.task = task;
            o.annotator = person;
            o.limit = 1;
            const auto item = must(p.next(o)).front();
            desk::JudgementInput vote;
            vote.winner = desk::Winner::B;
            must(p.presentAndJudge(item.presentation, vote));
            return item.comparison.id;
        });
        lab.window->goTo(u"data"_s);
        auto* page = qobject_cast<DataPage*>(lab.window->page(u"data"_s));
        page->setTab(DataPage::Pairs);
        PagedTable* table = page->table(DataPage::Pairs);
        QTRY_COMPARE(table->model()->total(), int64_t{6});
        const int row = table->model()->rowOf(voted);
        QVERIFY(row >= 0);
        table->view()->selectRow(row);
        DetailPanel* detail = page->detail(DataPage::Pairs);
        QTRY_VERIFY(detail->findChild<ImageView*>());
        auto* view = detail->findChild<ImageView*>();
        QTRY_VERIFY(!view->isLoading());
        QVERIFY(view->problem(Side::A).isEmpty() && view->problem(Side::B).isEmpty());
        QVERIFY2(shows(detail, u"b better, by Ada"_s), qPrintable(texts(detail).join(u'|')));
        QVERIFY(clipped(page).isEmpty());
        page->setTab(DataPage::Prompts);
        QTRY_VERIFY(page->table(DataPage::Prompts)->model()->isLoaded());
        page->table(DataPage::Prompts)->view()->selectRow(0);
        QTRY_VERIFY(page->detail(DataPage::Prompts)->findChild<PictureStrip*>());
        QCOMPARE(page->detail(DataPage::Prompts)->findChild<PictureStrip*>()->pictures().size(), qsizetype{2});
        QVERIFY(!texts(page->detail(DataPage::Prompts)).join(u'|').contains(QRegularExpression(u"[0-9a-f]{16}"_s)));
    }

    void imagesOfAPromptStandInNoOrderOfTheirScores() {
        Images lab;
        desk::Id prompt = 0;
        lab.start(6, {dataPage()}, [&](desk::Project& p) {
            auto images = must(p.candidates({}));
            prompt = images.front().prompt;
            std::erase_if(images, [&](const desk::Candidate& each) { return each.prompt == prompt; });
            // As best of N stores them: the best first.
            std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) { return a.content > b.content; });
            std::vector<desk::NewCandidate> kept(images.begin(), images.end());
            for (desk::NewCandidate& each : kept) {
                each.prompt = prompt;
                each.uuid.clear();
            }
            must(p.addCandidates(kept));
        });
        lab.window->goTo(u"data"_s);
        auto* page = qobject_cast<DataPage*>(lab.window->page(u"data"_s));
        PagedTable* table = page->table(DataPage::Prompts);
        QTRY_VERIFY(table->model()->isLoaded());
        const int row = table->model()->rowOf(prompt);
        table->view()->selectRow(row);
        QTRY_VERIFY(page->detail(DataPage::Prompts)->findChild<PictureStrip*>());
        QStringList shown;
        for (const Picture& each : page->detail(DataPage::Prompts)->findChild<PictureStrip*>()->pictures())
            shown.append(QFileInfo(each.path).fileName());
        QCOMPARE(shown.size(), qsizetype{12});
        QVERIFY2(std::is_sorted(shown.begin(), shown.end()), qPrintable(shown.join(u' ')));
        QStringList inTable;
        for (const QString& path : table->model()->data(table->model()->index(row, 1), Qt::UserRole).toStringList())
            inTable.append(QFileInfo(path).fileName());
        QCOMPARE(inTable, shown.mid(0, 2));
    }

    void rankingsAreListedInTheirOrder() {
        Images lab;
        lab.start(1, {dataPage()}, [](desk::Project& p) {
            desk::ImportRow row;
            row.prompt.content = "a ranked caption";
            row.prompt.kind = "scene";
            for (int i = 0; i < 4; ++i) {
                desk::ImportImage image;
                QTemporaryFile file;
                QVERIFY(file.open());
                file.write(pictures::bytesOf(pictures::scene(32, 90 + i, true)));
                file.flush();
                image.sha = must(p.addMedia(file.fileName().toStdString()));
                image.model = "model " + std::to_string(i);
                row.images.push_back(image);
                row.ranks.push_back(4 - i);
            }
            desk::Project::ImportMeta meta;
            meta.source = "ranks.jsonl";
            meta.sha = std::string(64, 'c');
            meta.format = "test";
            meta.task = must(p.defaultTask()).id;
            must(p.importRows(meta, {row}));
        });
        lab.window->goTo(u"data"_s);
        auto* page = qobject_cast<DataPage*>(lab.window->page(u"data"_s));
        page->setTab(DataPage::Pairs);
        PagedTable* table = page->table(DataPage::Pairs);
        QTRY_COMPARE(table->model()->total(), int64_t{2});
        table->view()->selectRow(1);
        QTRY_VERIFY(page->detail(DataPage::Pairs)->findChild<PictureStrip*>());
        const auto pictures = page->detail(DataPage::Pairs)->findChild<PictureStrip*>()->pictures();
        QCOMPARE(pictures.size(), qsizetype{4});
        for (int i = 0; i < 4; ++i)
            QVERIFY2(pictures[i].caption.startsWith(u"rank %1 · model %2"_s.arg(i + 1).arg(3 - i)), qPrintable(pictures[i].caption));
    }

    void verdictsShowBothPicturesAndNameWhatWasObeyed() {
        Images lab;
        lab.start(1, {evaluatePage()});
        lab.window->goTo(u"evaluate"_s);
        Page* page = lab.window->page(u"evaluate"_s);
        auto* outcomes = page->findChild<ImageOutcomes*>();
        QVERIFY(outcomes);
        QTRY_VERIFY(outcomes->isVisible());
        QCOMPARE(outcomes->shown(), 40);
        QVERIFY(shows(page, u"said by gold rule larger"_s));
        // 0.8 of 40 pictures; backgrounds are said in half of the prompts: too few for a figure.
        QTRY_VERIFY2(shows(page, u"80 % [65, 90]"_s), qPrintable(texts(page).join(u'|')));
        QVERIFY(shows(page, u"too few (20)"_s));
        const auto cutOff = [&] {
            QStringList words;
            for (QLabel* label : outcomes->findChildren<QLabel*>())
                if (label->isVisible() && label->visibleRegion().boundingRect().width() < label->width() - 1)
                    words.append(label->text());
            return words;
        };
        QTRY_VERIFY2(cutOff().isEmpty(), qPrintable(cutOff().join(u'|')));
        QVERIFY(shows(page, u"Background as asked"_s) && shows(page, u"Diversity"_s) && shows(page, u"0.184"_s));
        PictureGrid* grid = outcomes->browser()->grid();
        QVERIFY(grid->currentWords().contains(u"0002-image_dpo step 60"_s));
        outcomes->setChoice(2); // the other is better
        QCOMPARE(outcomes->shown(), 10);
        grid->setFocus();
        QTest::keyClick(grid, Qt::Key_Return);
        QVERIFY2(outcomes->browser()->pairTitle().contains(u"B better: −0.4 against 0.2"_s) ||
                     outcomes->browser()->pairTitle().contains(u"B better: -0.4 against 0.2"_s),
                 qPrintable(outcomes->browser()->pairTitle()));
        QTRY_VERIFY(!outcomes->browser()->view()->isLoading());
        QVERIFY(clipped(page).isEmpty());
        outcomes->setChoice(3);
        QCOMPARE(outcomes->shown(), 10);
        // A model that draws is judged by what judges pictures.
        QComboBox* judge = combo(page, u"Judge"_s);
        QTRY_VERIFY(judge->findData(u"larger"_s) >= 0);
        QVERIFY(judge->findData(u"concise"_s) < 0);
    }

    void figuresOfOneModelAloneAreShown() {
        Images lab;
        lab.start(1, {evaluatePage()}, [&](desk::Project& p) {
            bundles::Runs runs{lab.dir().toStdString(), &p, {}};
            runs.addRun("0005-evaluate", {{"mode", "verifier"}}, [&](EventWriter& w) {
                for (int i = 0; i < 40; ++i)
                    bundles::check(w.write(event::kSample, {{"step", 1},
                                                            {"prompt_id", fmt::format("p{}", i)},
                                                            {"prompt", "two blue circles"},
                                                            {"kind", "image"},
                                                            {"image", pictures::store(runs.runDir("0005-evaluate"), pictures::grown(32, i, 1))},
                                                            {"reward", 1},
                                                            {"tag", "policy"}}));
                bundles::check(w.write(event::kResult, {{"values", {{"eval_accuracy", 0.7}, {"obedience/all", 0.7}, {"obedience/colour", 0.95}}},
                                                        {"judge", {{"name", "verifier"}, {"kind", "verifier"}}}}));
                bundles::Runs::end(w, "finished");
            }, {{"policy", runs.dir + "/models/start", std::string(64, '0'), "start"}});
        });
        lab.window->goTo(u"evaluate"_s);
        Page* page = lab.window->page(u"evaluate"_s);
        auto* outcomes = page->findChild<ImageOutcomes*>();
        QTRY_VERIFY(outcomes->isVisible());
        QComboBox* which = combo(page, u"Evaluation whose pictures are shown"_s);
        QTRY_VERIFY(which->findData(u"0005-evaluate"_s) >= 0);
        which->setCurrentIndex(which->findData(u"0005-evaluate"_s));
        QTRY_VERIFY2(shows(page, u"70 % [55, 82]"_s), qPrintable(texts(page).join(u'|')));
        QVERIFY(!outcomes->browser()->isVisible() && !outcomes->choice()->isVisible());
        QVERIFY(!shows(page, u"Which is better was said"_s));
        QVERIFY(clipped(page).isEmpty());
        QTRY_VERIFY(which->findData(u"0003-evaluate"_s) >= 0); // each run is read on its own thread, in any order
        which->setCurrentIndex(which->findData(u"0003-evaluate"_s));
        QTRY_VERIFY(outcomes->browser()->isVisible() && outcomes->choice()->isVisible());
        QVERIFY(shows(page, u"Which is better was said by gold rule larger"_s));
    }

    void obedienceRestsOnPromptsNotOnTheirPictures() {
        RunSeries series;
        uint64_t seq = 0;
        const auto add = [&](const char* type, Json body) {
            body["seq"] = ++seq;
            body["type"] = type;
            series.apply(Event{seq, 1, type, body});
        };
        for (int i = 0; i < 80; ++i) // forty prompts, each drawn twice
            add(event::kOutcome, {{"prompt_id", fmt::format("p{}", i / 2)},
                                  {"prompt", i / 2 < 35 ? "two blue circles" : "a circle"},
                                  {"kind", "image"},
                                  {"a", {{"model", "x"}, {"image", "samples/a.png"}}},
                                  {"b", {{"model", "y"}, {"image", "samples/b.png"}}},
                                  {"winner", "tie"}});
        add(event::kResult, {{"values", {{"obedience/all", 0.8}, {"obedience/colour", 0.8}}}});
        QCOMPARE(series.imageOutcomes().size(), size_t{80});
        const auto figures = imageFigures(series);
        QCOMPARE(figures[0].n, int64_t{40});
        QCOMPARE(figures[0].model, u"80 % [65, 90]"_s); // Wilson of 32 of 40
        QCOMPARE(figures[1].n, int64_t{35});
    }

    void anEmptyProjectOfImagesSpeaksOfImages() {
        Desk lab;
        pictures::makeProject(lab.dir(), 0, [](int, int) { return QByteArray(); });
        pictures::writeImageModel(lab.dir().toStdString() + "/models/start");
        lab.show({labelPage(&lab.preferences)});
        QTRY_VERIFY(shows(lab.window.get(), u"A pair is one prompt with two images"_s));
        QVERIFY(shows(lab.window.get(), u"Draw 50 with the starter"_s));
        QVERIFY(!shows(lab.window.get(), u"answers"_s));
    }
};

QTEST_MAIN(TestImagePages)
#include "tst_image_pages.moc"

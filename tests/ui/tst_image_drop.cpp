// SPDX-License-Identifier: GPL-3.0-or-later
// Images dropped on the window: what they are taken for, what would be imported, and that nothing is before it is confirmed.
#include "tests/ui/image_fixture.h"
#include "tests/ui/page_fixture.h"

#include "ui/data/data_page.h"
#include "ui/label/label_page.h"
#include "ui/models/models_page.h"
#include "ui/shell/chrome.h"
#include "ui/shell/drop.h"
#include "ui/shell/image_import_sheet.h"

using namespace fixture;

namespace {

struct Folder {
    QTemporaryDir temp;
    QString path(const QString& name = {}) const { return name.isEmpty() ? temp.filePath(u"out"_s) : temp.filePath(u"out/"_s + name); }
    void image(const QString& name, int n) const { write(name, pictures::bytesOf(pictures::scene(32, n, n % 2))); }
    void write(const QString& name, const QByteArray& bytes) const {
        QDir().mkpath(QFileInfo(path(name)).path());
        pictures::write(path(name), bytes);
    }
    /// Two checkpoints, two prompts, two seeds: four pairs.
    void checkpoints() const {
        int n = 0;
        for (const char* checkpoint : {"step-100", "step-200"})
            for (const char* prompt : {"a_red_circle", "two_blue_squares"})
                for (int seed = 1; seed <= 2; ++seed)
                    image(u"%1/%2_%3.png"_s.arg(QString::fromLatin1(checkpoint), QString::fromLatin1(prompt)).arg(seed), ++n);
    }
};

void drop(QWidget* window, const QString& path) {
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(path)});
    QDragEnterEvent enter(QPoint(5, 5), Qt::CopyAction, &data, Qt::LeftButton, {});
    QCoreApplication::sendEvent(window, &enter);
    QDropEvent event(QPointF(5, 5), Qt::CopyAction, &data, Qt::LeftButton, {});
    QCoreApplication::sendEvent(window, &event);
}
QPushButton* button(QWidget* root, const QString& begin) {
    for (QPushButton* each : root->findChildren<QPushButton*>())
        if (each->isVisibleTo(root) && each->text().startsWith(begin))
            return each;
    return nullptr;
}
bool shows(QWidget* root, const QString& part) {
    for (const QLabel* label : root->findChildren<QLabel*>())
        if (label->isVisibleTo(root) && label->text().contains(part))
            return true;
    for (const ElidedLabel* label : root->findChildren<ElidedLabel*>())
        if (label->isVisibleTo(root) && label->text().contains(part))
            return true;
    return false;
}

} // namespace

class TestImageDrop : public QObject {
    Q_OBJECT

    static void save(Desk& lab, const char* name) {
        const QString folder = QStringLiteral(PAIRLAB_BUILD_DIR "/screenshots/");
        QDir().mkpath(folder);
        for (const auto theme : {ThemeMode::Light, ThemeMode::Dark}) {
            applyTheme(*qApp, theme);
            QTest::qWait(60);
            QVERIFY(lab.window->grab().save(folder + QString::fromLatin1(name) +
                                            (theme == ThemeMode::Light ? u"-light.png"_s : u"-dark.png"_s)));
        }
        applyTheme(*qApp, ThemeMode::Light);
        QVERIFY2(clipped(lab.window.get()).isEmpty(), qPrintable(clipped(lab.window.get()).join(u'\n')));
    }
    static desk::Counters counters(Desk& lab) {
        return lab.ask([](desk::Project& p) { return p.counters(); });
    }
    static qsizetype media(Desk& lab) {
        return lab.ask([](desk::Project& p) {
            const auto names = os::listDir(p.mediaDir());
            return names ? static_cast<qsizetype>(names->size()) : 0;
        });
    }

private Q_SLOTS:
    void initTestCase() {
        applyTheme(*qApp, ThemeMode::Light);
        setReducedMotion(true);
    }

    void aDropIsTakenForWhatItIs() {
        Folder images;
        images.checkpoints();
        QVERIFY(dropOf(images.path()).kind == Drop::Kind::Images);
        QCOMPARE(dropOf(images.path()).path, images.path());
        QVERIFY(dropOf(images.path(u"step-100/a_red_circle_1.png"_s)).kind == Drop::Kind::ImageFile);
        Folder rows;
        rows.image(u"one.png"_s, 1);
        rows.image(u"two.png"_s, 2);
        rows.write(u"pick.jsonl"_s, R"({"caption":"a fox","image_0_uid":"one","image_1_uid":"two","label_0":1,"label_1":0})" "\n");
        rows.write(u"notes.json"_s, "{}");
        QVERIFY(dropOf(rows.path(u"pick.jsonl"_s)).kind == Drop::Kind::Images);
        QCOMPARE(dropOf(rows.path()).path, rows.path(u"pick.jsonl"_s)); // the labels, not just the files
        rows.write(u"table.csv"_s, "caption,image_0_uid,image_1_uid,label_0,label_1\na fox,one,two,0,1\n");
        QVERIFY(dropOf(rows.path(u"table.csv"_s)).kind == Drop::Kind::Images);
        QCOMPARE(dropOf(rows.path()).path, rows.path()); // two such files: which one is not guessed
        Folder text;
        text.write(u"prompts.txt"_s, "one\ntwo\n");
        text.write(u"pairs.jsonl"_s, R"({"prompt":"p","chosen":"a","rejected":"b"})" "\n");
        QVERIFY(dropOf(text.path(u"prompts.txt"_s)).kind == Drop::Kind::Rows);
        QVERIFY(dropOf(text.path(u"pairs.jsonl"_s)).kind == Drop::Kind::Rows);
        QVERIFY(dropOf(text.path()).kind == Drop::Kind::Model); // says there what is missing
        images.write(u"config.json"_s, "{}");
        QVERIFY(dropOf(images.path()).kind == Drop::Kind::Model); // a model with pictures on its card
        Desk lab;
        makeProject(lab.dir(), 0);
        QVERIFY(dropOf(lab.dir()).kind == Drop::Kind::Project);
    }

    void aFolderIsPreviewedAndImportedOnce() {
        Folder folder;
        folder.checkpoints();
        folder.write(u"stray.png"_s, "not an image");
        folder.write(u"step-100/broken_1.png"_s, "neither is this");
        folder.write(u"step-200/broken_1.png"_s, "nor this");
        Desk lab;
        makeProject(lab.dir(), 3);
        lab.show({labelPage(), dataPage()});
        const auto before = counters(lab);
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->isReady());
        auto* sheet = lab.window->imageImport();
        QCOMPARE(sheet->layoutText(), u"{checkpoint}/{prompt}_{seed}"_s);
        QCOMPARE(sheet->counts().pairs, int64_t{4});
        QCOMPARE(sheet->counts().candidates, int64_t{8});
        QTRY_VERIFY(shows(sheet, u"“a red circle”: step-100/a_red_circle_1.png, step-200/a_red_circle_1.png"_s));
        QVERIFY(shows(sheet, u"stray.png does not follow {checkpoint}/{prompt}_{seed}"_s));
        QVERIFY(shows(sheet, u"Nothing is stored yet."_s));
        QCOMPARE(counters(lab).comparisons, before.comparisons); // a look is no import
        QCOMPARE(media(lab), qsizetype{0});
        save(lab, "import-images-folder");
        QTest::mouseClick(button(sheet, u"Import 4 pairs"_s), Qt::LeftButton);
        QTRY_COMPARE(counters(lab).comparisons, before.comparisons + 4);
        QTRY_COMPARE(lab.window->currentPage(), u"data"_s); // where it can be taken back
        QVERIFY(!lab.window->imageImport());
        QVERIFY(media(lab) > 0);
        // The same folder once more brings nothing.
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && shows(lab.window->imageImport(), u"Everything here is in the project already"_s));
        QVERIFY(!lab.window->imageImport()->isReady());
        QVERIFY(!button(lab.window->imageImport(), u"Import"_s)->isEnabled());
        QCOMPARE(counters(lab).comparisons, before.comparisons + 4);
        save(lab, "import-images-again");
        QTest::mouseClick(button(lab.window->imageImport(), u"Cancel"_s), Qt::LeftButton);
        QCOMPARE(lab.window->currentPage(), u"data"_s);
    }

    void leavingImportsNothing() {
        Folder folder;
        folder.checkpoints();
        Desk lab;
        makeProject(lab.dir(), 3);
        lab.show({labelPage(), dataPage()});
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->isReady());
        QTest::mouseClick(button(lab.window->imageImport(), u"Cancel"_s), Qt::LeftButton);
        QCOMPARE(lab.window->currentPage(), u"label"_s);
        QVERIFY(!lab.window->imageImport());
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->isReady());
        lab.window->goTo(u"data"_s); // going on to another page leaves it, too
        QVERIFY(!lab.window->imageImport());
        QCOMPARE(counters(lab).candidates, int64_t{6});
        QCOMPARE(media(lab), qsizetype{0});
        drop(lab.window.get(), folder.path()); // and it may be closed while it reads
        lab.window->goTo(u"label"_s);
        QTest::qWait(300);
    }

    void anUnknownLayoutIsAskedFor() {
        Folder folder;
        int n = 0;
        for (const char* who : {"alice", "bob"})
            for (int i = 0; i < 2; ++i)
                folder.image(u"run.%1.scene%2.png"_s.arg(QString::fromLatin1(who)).arg(i), ++n);
        Desk lab;
        makeProject(lab.dir(), 1);
        lab.show({labelPage(), dataPage()});
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->messageText().contains(u"4 image files, but no known way"));
        auto* sheet = lab.window->imageImport();
        QVERIFY(!sheet->isReady());
        save(lab, "import-images-unknown");
        auto* field = sheet->findChild<QLineEdit*>();
        field->setFocus();
        QTest::keyClicks(field, u"run.{checkpoint}.{nobody}"_s);
        QTRY_VERIFY(sheet->messageText().contains(u"has an unknown field"));
        QVERIFY(!button(sheet, u"Import"_s)->isEnabled());
        field->clear();
        QTest::keyClicks(field, u"run.{checkpoint}.{prompt}"_s);
        QTRY_VERIFY(sheet->isReady());
        QCOMPARE(sheet->counts().pairs, int64_t{2});
        QVERIFY(shows(sheet, u"“scene0”"_s));
    }

    void rowsBesideTheirImagesKeepTheirVotes() {
        Folder folder;
        folder.image(u"one.png"_s, 1);
        folder.image(u"two.png"_s, 2);
        folder.write(u"pick.jsonl"_s,
                     R"({"caption":"a fox","image_0_uid":"one","image_1_uid":"two","label_0":0,"label_1":1})" "\n"
                     R"({"caption":"a cat","image_0_uid":"one","image_1_uid":"gone","label_0":0,"label_1":1})" "\n");
        Desk lab;
        makeProject(lab.dir(), 1);
        lab.show({labelPage(), dataPage()});
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->isReady());
        auto* sheet = lab.window->imageImport();
        QVERIFY(shows(sheet, u"Pick-a-Pic"_s));
        QVERIFY(shows(sheet, u"row 2: there is no image file \"gone\""_s));
        QVERIFY(button(sheet, u"Choose the folder of the images"_s));
        QCOMPARE(sheet->counts().votes, int64_t{1});
        save(lab, "import-images-rows");
        QTest::mouseClick(button(sheet, u"Import 1 pair"_s), Qt::LeftButton);
        QTRY_COMPARE(counters(lab).current, int64_t{1});
    }

    void theImportIsWaitedFor() {
        Folder folder, other;
        folder.checkpoints();
        other.checkpoints();
        Desk lab;
        makeProject(lab.dir(), 3);
        lab.show({labelPage(), dataPage()});
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->isReady());
        auto* sheet = lab.window->imageImport();
        const auto before = counters(lab);
        QTest::mouseClick(button(sheet, u"Import 4 pairs"_s), Qt::LeftButton);
        QVERIFY(sheet->isStoring());
        QVERIFY(!lab.window->goTo(u"data"_s, u"imports"_s));
        QVERIFY(!lab.window->goTo(page::kImportImages.toString(), other.path()));
        QTest::keyClick(lab.window.get(), Qt::Key_2, Qt::AltModifier);
        auto request = lab.request();
        lab.window->openProject(request);
        QCOMPARE(lab.window->imageImport(), sheet);
        QVERIFY2(lab.window->statusLine()->message().contains(u"still being imported"), qPrintable(lab.window->statusLine()->message()));
        QTRY_COMPARE(counters(lab).comparisons, before.comparisons + 4);
        QTRY_COMPARE(lab.window->currentPage(), u"data"_s);
        QVERIFY(lab.window->goTo(u"label"_s)); // and then all ways are open again
    }

    void whatIsTypedMeanwhileStands() {
        Folder folder;
        folder.checkpoints();
        Desk lab;
        makeProject(lab.dir(), 1);
        lab.show({labelPage(), dataPage()});
        lab.window->goTo(page::kImportImages.toString(), folder.path());
        auto* sheet = lab.window->imageImport();
        auto* field = sheet->findChild<QLineEdit*>();
        field->setFocus();
        QTest::keyClicks(field, u"{nobody}"_s); // before the names were looked at
        QTRY_VERIFY(sheet->messageText().contains(u"has an unknown field"));
        QCOMPARE(sheet->layoutText(), u"{nobody}"_s);
        // A layout that is being read while the next one is typed is not shown under that one.
        auto* later = sheet->findChild<QTimer*>();
        int times = 0;
        connect(later, &QTimer::timeout, field, [&] {
            if (++times == 1)
                QTest::keyClicks(field, u"_x"_s);
        });
        bool wrong = false;
        connect(sheet, &ImageImportSheet::shown, field, [&] { wrong |= sheet->isReady() && sheet->layoutText().endsWith(u"_x"_s); });
        field->clear();
        QTest::keyClicks(field, u"{checkpoint}/{prompt}_{seed}"_s);
        QTRY_VERIFY(times == 2);
        QTRY_VERIFY(sheet->messageText().contains(u"No file follows this layout"));
        QVERIFY(!wrong);
        field->clear();
        QTest::keyClicks(field, u"{checkpoint}/{prompt}_{seed}"_s);
        QTRY_VERIFY(sheet->isReady());
        later->start(); // nothing is read anew once it is being imported
        QTest::mouseClick(button(sheet, u"Import 4 pairs"_s), Qt::LeftButton);
        QVERIFY(!later->isActive());
        QTRY_COMPARE(lab.window->currentPage(), u"data"_s);
    }

    void aFileThatGoesAwayImportsNothing() {
        Folder folder;
        folder.checkpoints();
        Desk lab;
        makeProject(lab.dir(), 1);
        lab.show({labelPage(), dataPage()});
        drop(lab.window.get(), folder.path());
        QTRY_VERIFY(lab.window->imageImport() && lab.window->imageImport()->isReady());
        auto* sheet = lab.window->imageImport();
        QVERIFY(QFile::remove(folder.path(u"step-200/two_blue_squares_2.png"_s)));
        const auto before = counters(lab);
        QTest::mouseClick(button(sheet, u"Import 4 pairs"_s), Qt::LeftButton);
        QTRY_VERIFY(sheet->messageText().contains(u"Nothing was imported."));
        QCOMPARE(counters(lab).comparisons, before.comparisons);
        QVERIFY(button(sheet, u"Cancel"_s)->isEnabled());
        auto* field = sheet->findChild<QLineEdit*>(); // and what is left can be read again
        QVERIFY(field->isEnabled());
        field->setFocus();
        field->clear();
        QTest::keyClicks(field, u"{checkpoint}/{prompt}_{seed}"_s);
        QTRY_VERIFY(sheet->isReady());
        QCOMPARE(sheet->counts().pairs, int64_t{3});
    }

    void oneImageIsToldWhatToDo() {
        Folder folder;
        folder.image(u"one.png"_s, 1);
        Desk lab;
        makeProject(lab.dir(), 1);
        lab.show({labelPage(), dataPage()});
        drop(lab.window.get(), folder.path(u"one.png"_s));
        QTRY_VERIFY(shows(lab.window.get(), u"One image says too little"_s));
        QVERIFY(!lab.window->imageImport());
    }
};

QTEST_MAIN(TestImageDrop)
#include "tst_image_drop.moc"

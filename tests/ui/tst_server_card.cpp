// SPDX-License-Identifier: GPL-3.0-or-later
#include <QDir>
#include <QLineEdit>
#include <QPushButton>

#include "core/base/os/files.h"
#include "tests/ui/page_fixture.h"
#include "ui/generate/generate_page.h"
#include "ui/generate/server_card.h"

using namespace fixture;

class TestServerCard : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void whatCannotBeAskedSaysWhyAndIsNotKept() {
        ServerCard card;
        const auto field = [&](const QString& name) { return card.findChild<QLineEdit*>(name); };
        auto* ask = card.findChild<QPushButton*>(u"server_ask"_s);
        QVERIFY(!ask->isEnabled() && !ask->toolTip().isEmpty());
        field(u"server_url"_s)->setText(u"http://127.0.0.1:8000"_s);
        QVERIFY(!ask->isEnabled() && ask->toolTip().contains(u"model"_s));
        field(u"server_model"_s)->setText(u"tiny"_s);
        QVERIFY(ask->isEnabled());
        QCOMPARE(card.settings()["model"].get<std::string>(), std::string("tiny"));
        field(u"server_key_env"_s)->setText(u"sk-live-123"_s); // a key itself
        QVERIFY(!ask->isEnabled() && !ask->toolTip().contains(u"sk-live"_s));
        QVERIFY(card.settings().is_null());
        field(u"server_key_env"_s)->setText(u"MY_KEY"_s);
        QVERIFY(ask->isEnabled());
        field(u"server_url"_s)->setText(u"https://me:sk-live-123@example.org"_s);
        QVERIFY(!ask->isEnabled() && !ask->toolTip().contains(u"sk-live"_s) && card.settings().is_null());
    }

    void theSentencesNumbersGoToTheServer_data() {
        QTest::addColumn<bool>("dark");
        QTest::newRow("light") << false;
        QTest::newRow("dark") << true;
    }
    void theSentencesNumbersGoToTheServer() {
        QFETCH(bool, dark);
        applyTheme(*qApp, dark ? ThemeMode::Dark : ThemeMode::Light);
        Desk desk;
        makeProject(desk.dir(), 3);
        // The real manifest, with a program that does nothing.
        const std::string plugin = desk.temp.filePath(u"plugins/generate_server"_s).toStdString();
        must(os::makeDirs(plugin));
        std::string manifest = must(os::readFile(std::string(PAIRLAB_SOURCE_DIR) + "/plugins/generate_server/manifest.json"));
        const std::string program = "{plugin_dir}/pairlab_generate_server";
        manifest.replace(manifest.find(program), program.size(), "/bin/true");
        must(os::writeFileAtomic(plugin + "/manifest.json", manifest));
        desk.show({generatePage()});
        desk.window->resize(1400, 900);
        auto* page = desk.window->page(u"generate"_s);
        const auto type = [&](const QString& name, const QString& text) {
            auto* edit = page->findChild<QLineEdit*>(name);
            QVERIFY(edit);
            edit->setFocus();
            QTest::keyClicks(edit, text);
        };
        type(u"server_url"_s, u"http://127.0.0.1:8000"_s);
        type(u"server_model"_s, u"tiny"_s);
        type(u"server_system"_s, u"Be brief."_s);
        auto* ask = page->findChild<QPushButton*>(u"server_ask"_s);
        QTRY_VERIFY(ask->isEnabled());
        if (const QString folder = QString::fromLocal8Bit(qgetenv("PAIRLAB_PICTURES")); !folder.isEmpty()) {
            QTest::qWait(200);
            desk.window->grab().save(folder + (dark ? u"/server_dark.png"_s : u"/server_light.png"_s));
        }
        QVERIFY2(clipped(desk.window.get()).isEmpty(), qPrintable(clipped(desk.window.get()).join(u" | "_s)));
        ask->setFocus();
        QTest::keyClick(ask, Qt::Key_Space);
        QTRY_COMPARE_WITH_TIMEOUT(desk.ask([](desk::Project& p) { return must(p.runs()).size(); }), size_t{1}, 10000);
        const desk::RunRow run = desk.ask([](desk::Project& p) { return must(p.runs())[0]; });
        QCOMPARE(run.plugin, std::string("generate_server"));
        QCOMPARE(run.device, std::string("network"));
        QCOMPARE(run.parameters["url"].get<std::string>(), std::string("http://127.0.0.1:8000"));
        QCOMPARE(run.parameters["system"].get<std::string>(), std::string("Be brief."));
        QVERIFY(run.parameters["n"].get<int>() >= 1 && run.parameters.contains("temperature"));
        QTRY_COMPARE(desk.ask([](desk::Project& p) { return must(p.setting("generate.server"))["model"].get<std::string>(); }), std::string("tiny"));
        applyTheme(*qApp, ThemeMode::Light);
    }
};

QTEST_MAIN(TestServerCard)
#include "tst_server_card.moc"

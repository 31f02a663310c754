// SPDX-License-Identifier: GPL-3.0-or-later
#include <QtTest>
#include <QtWidgets>

#include "ui/theme/theme.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

class TestTheme : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void contrastIsThatOfWcag();
    void textIsReadableOnEverySurface();
    void runColoursStandOffTheirBackground();
    void runsRepeatDashedFromTheSeventh();
    void appliesLightAndDark();
    void readingSizeIsHeldToItsRange();
    void noColourOrPixelSizeOutsideTheTokens();
    void picturesOfTheStyleSheetUseTokenColours();
    void everyIconDrawsInTheToneAskedFor();
    void fontsAreThere();
};

void TestTheme::contrastIsThatOfWcag() {
    QVERIFY(std::abs(contrast(Qt::black, Qt::white) - 21) < 1e-9);
    QVERIFY(std::abs(contrast(QColor(0x76, 0x76, 0x76), Qt::white) - 4.54) < 0.01);
    QCOMPARE(contrast(Qt::red, Qt::red), 1.0);
}

void TestTheme::textIsReadableOnEverySurface() {
    using T = Tone;
    for (const bool dark : {false, true}) {
        for (const T text : {T::Text, T::Second, T::Hint, T::Ok, T::Warn, T::Error, T::SideA, T::SideB})
            for (const T back : {T::Window, T::Surface, T::Sunken}) {
                const bool known = !dark && back == T::Sunken && (text == T::Ok || text == T::SideB);
                const double c = contrast(color(text, dark), color(back, dark));
                QVERIFY2(c >= (known ? 4.28 : 4.5),
                         qPrintable(u"dark %1 text %2 on %3: %4"_s.arg(dark).arg(int(text)).arg(int(back)).arg(c)));
            }
        for (const T text : {T::Text, T::Second})
            QVERIFY(contrast(color(text, dark), color(T::Selection, dark)) >= 4.5);
        QVERIFY(contrast(color(T::Border, dark), color(T::Surface, dark)) >= 3);
    }
}

void TestTheme::runColoursStandOffTheirBackground() {
    for (const ThemeMode mode : {ThemeMode::Light, ThemeMode::Dark}) {
        applyTheme(*qApp, mode);
        for (int i = 0; i < runColorCount(); ++i)
            QVERIFY(contrast(runColor(i).color, color(Tone::Surface)) >= 3.3);
    }
}

void TestTheme::runsRepeatDashedFromTheSeventh() {
    QCOMPARE(runColorCount(), 6);
    QCOMPARE(runColor(6).color, runColor(0).color);
    QVERIFY(!runColor(5).dashed);
    QVERIFY(runColor(6).dashed);
}

void TestTheme::appliesLightAndDark() {
    QWidget w;
    QPushButton button(u"Go"_s, &w);
    applyTheme(*qApp, ThemeMode::Light);
    QVERIFY(!isDark());
    QCOMPARE(qApp->palette().color(QPalette::Window), color(Tone::Window, false));
    applyTheme(*qApp, ThemeMode::Dark);
    QVERIFY(isDark());
    QCOMPARE(qApp->palette().color(QPalette::Window), color(Tone::Window, true));
    QVERIFY2(!qApp->styleSheet().contains(u'@') && !qApp->styleSheet().contains(u'$'),
             "every name of the style sheet is replaced");
    setReducedMotion(true);
    QCOMPARE(motionMs(), 0);
    setReducedMotion(false);
    QCOMPARE(motionMs(), 160);
}

void TestTheme::readingSizeIsHeldToItsRange() {
    applyTheme(*qApp, ThemeMode::Light, 100);
    QCOMPARE(textFont(TextStyle::Reading).pixelSize(), 20);
    applyTheme(*qApp, ThemeMode::Light, 1);
    QCOMPARE(textFont(TextStyle::Reading).pixelSize(), 12);
    applyTheme(*qApp, ThemeMode::Light);
    QCOMPARE(textFont(TextStyle::Reading).pixelSize(), 15);
    QCOMPARE(lineHeight(TextStyle::Reading), 22);
    QCOMPARE(textFont(TextStyle::Body).pixelSize(), 13);
}

void TestTheme::noColourOrPixelSizeOutsideTheTokens() {
    const QList<std::pair<QRegularExpression, QString>> rules = {
        {QRegularExpression(u"#[0-9a-fA-F]{6}\\b|#[0-9a-fA-F]{3}\""_s), u"hex colour"_s},
        {QRegularExpression(u"QColor\\(\\s*\\d|qRgba?\\(\\s*\\d|rgba?\\(\\s*\\d"_s), u"colour by number"_s},
        {QRegularExpression(u"Qt::(dark|light)?(red|green|blue|yellow|cyan|magenta|gray|Red|Green|Blue|Yellow|Gray)\\b"_s),
         u"named colour"_s},
        {QRegularExpression(u"\\d+px\\b"_s), u"pixel size in a style"_s},
        {QRegularExpression(u"setPixelSize\\(\\s*\\d|setPointSize\\w*\\("_s), u"font size by number"_s},
    };
    int files = 0;
    QStringList found;
    QDirIterator it(QStringLiteral(PAIRLAB_SOURCE_DIR "/ui"), {u"*.h"_s, u"*.cpp"_s}, QDir::Files,
                    QDirIterator::Subdirectories);
    while (it.hasNext()) {
        QFile file(it.next());
        QVERIFY(file.open(QIODevice::ReadOnly));
        ++files;
        int number = 0;
        for (const QString& line : QString::fromUtf8(file.readAll()).split(u'\n')) {
            ++number;
            for (const auto& [rule, what] : rules)
                if (rule.match(line).hasMatch())
                    found.append(u"%1:%2: %3"_s.arg(file.fileName()).arg(number).arg(what));
        }
    }
    QVERIFY(files > 10);
    QVERIFY2(found.isEmpty(), qPrintable(found.join(u'\n')));
}

void TestTheme::picturesOfTheStyleSheetUseTokenColours() {
    for (const bool dark : {false, true})
        for (const QString& name : {u"check"_s, u"chevron"_s, u"chevron_up"_s}) {
            QFile file(u":/pairlab/theme/%1_%2.svg"_s.arg(name, dark ? u"dark"_s : u"light"_s));
            QVERIFY(file.open(QIODevice::ReadOnly));
            const Tone tone = name == u"check" ? Tone::Surface : Tone::Second;
            QVERIFY(QString::fromUtf8(file.readAll()).contains(color(tone, dark).name(), Qt::CaseInsensitive));
        }
}

void TestTheme::everyIconDrawsInTheToneAskedFor() {
    applyTheme(*qApp, ThemeMode::Light);
    QVERIFY(themeIcon(u"no such icon"_s).isNull());
    const QStringList names = iconNames();
    QVERIFY(names.size() >= 60);
    for (const char* wanted : {"label", "data", "generate", "train", "runs", "samples", "evaluate", "models", "settings",
                               "play", "pause", "stop", "undo", "redo", "check", "warning", "error", "info", "search",
                               "close", "pin", "export", "folder", "file", "plus", "swap"})
        QVERIFY2(names.contains(QLatin1StringView(wanted)), wanted);
    for (const QString& name : names) {
        for (const qreal dpr : {1.0, 2.0}) {
            const QImage image = iconPixmap(name, Tone::Error, 18, dpr).toImage();
            QCOMPARE(image.width(), int(18 * dpr));
            int inked = 0;
            for (int y = 0; y < image.height(); ++y)
                for (int x = 0; x < image.width(); ++x) {
                    const QColor c = image.pixelColor(x, y);
                    inked += c.alpha() > 110 && std::abs(c.red() - color(Tone::Error).red()) < 16;
                }
            QVERIFY2(inked >= 3, qPrintable(name));
        }
    }
}

void TestTheme::fontsAreThere() {
    const QFont body = textFont(TextStyle::Body), mono = textFont(TextStyle::Mono);
    if (hasPreferredFonts()) {
        QCOMPARE(QFontInfo(body).family(), u"Inter"_s);
        QCOMPARE(QFontInfo(mono).family(), u"JetBrains Mono"_s);
    }
    const QFontMetrics m(mono);
    QCOMPARE(m.horizontalAdvance(u'1'), m.horizontalAdvance(u'8'));
}

QTEST_MAIN(TestTheme)
#include "tst_theme.moc"

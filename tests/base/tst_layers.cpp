// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include <QDirIterator>

#include "core/base/os/process.h"
#include "tests/base/check.h"

using namespace pl;

/// The dependency rule (CONTRIBUTING.md) over the sources as written and the programs as built.
class TestLayers : public QObject {
    Q_OBJECT

    static QString relative(const QString& path) { return path.mid(QString(PAIRLAB_SOURCE_DIR).size() + 1); }

    static bool below(const QString& path, const QStringList& folders) {
        for (const QString& folder : folders)
            if (path.startsWith(folder))
                return true;
        return false;
    }

    static QStringList filesOf(const QStringList& folders, const QStringList& patterns) {
        QStringList files;
        for (const QString& folder : folders) {
            QDirIterator it(QString(PAIRLAB_SOURCE_DIR) + "/" + folder, patterns, QDir::Files, QDirIterator::Subdirectories);
            while (it.hasNext())
                files << it.next();
        }
        return files;
    }

    static QString textOf(const QString& path) {
        return QString::fromStdString(os::readFile(path.toStdString()).value_or(""));
    }

    /// Includes that match in files outside the allowed folders.
    static QStringList intruders(const QString& pattern, const QStringList& searched, const QStringList& allowed) {
        const QRegularExpression include("^\\s*#\\s*include\\s*[<\"](" + pattern + ")", QRegularExpression::MultilineOption);
        QStringList found;
        for (const QString& file : filesOf(searched, {"*.cpp", "*.h", "*.in"})) {
            const QString path = relative(file);
            if (below(path, allowed))
                continue;
            if (const auto match = include.match(textOf(file)); match.hasMatch())
                found << path + " includes " + match.captured(1);
        }
        return found;
    }

private Q_SLOTS:
    void programsNeedOnlyTheirOwnSide_data() {
        QTest::addColumn<QString>("program");
        QTest::addColumn<QStringList>("never");
        QTest::newRow("window") << "pairlab" << QStringList{"libtorch", "libc10"};
        QTest::newRow("worker") << "pairlab-worker" << QStringList{"libQt6", "libsqlite3"};
        QTest::newRow("command line") << "pairlab-cli" << QStringList{"libtorch", "libc10", "libQt6"};
    }
    void programsNeedOnlyTheirOwnSide() {
        QFETCH(QString, program);
        QFETCH(QStringList, never);
        const std::string path = std::string(PAIRLAB_BUILD_DIR) + "/bin/" + program.toStdString();
        if (!os::exists(path))
            QSKIP(qPrintable(program + " is not built in this configuration"));
        os::SpawnOptions options;
        options.arguments = {"ldd", path};
        const auto output = os::runToEnd(options, 20000);
        PL_GOOD(output);
        QVERIFY2(output->status.code == 0, output->text.c_str());
        QVERIFY(output->text.find("libc.so") != std::string::npos);
        for (const QString& name : never)
            QVERIFY2(output->text.find(name.toStdString()) == std::string::npos,
                     qPrintable(program + " needs " + name + ":\n" + QString::fromStdString(output->text)));
    }

    void includesStayInTheirLayer_data() {
        QTest::addColumn<QString>("pattern");
        QTest::addColumn<QStringList>("searched");
        QTest::addColumn<QStringList>("allowed");
        QTest::newRow("Qt") << "(Qt[A-Z]\\w*/)?Q[A-Z]|qcustomplot" << QStringList{"core", "plugins", "app"}
                            << QStringList{"app/desktop/"};
        QTest::newRow("torch") << "(torch|ATen|c10)/" << QStringList{"core", "ui", "app", "tests/base", "tests/desk", "tests/ui"}
                               << QStringList{"core/learn/", "app/worker/"};
        QTest::newRow("SQLite") << "SQLiteCpp/|sqlite3\\.h" << QStringList{"core", "plugins", "app", "ui"}
                                << QStringList{"core/desk/store/"};
        QTest::newRow("POSIX") << "(unistd|fcntl|poll|pthread|dirent|spawn|termios)\\.h|sys/"
                               << QStringList{"core", "plugins", "app", "ui"} << QStringList{"core/base/os/"};
        QTest::newRow("the window's code") << "ui/" << QStringList{"core", "plugins", "app"} << QStringList{"app/desktop/"};
        QTest::newRow("learning side") << "core/learn/" << QStringList{"core", "ui", "app"}
                                       << QStringList{"core/learn/", "app/worker/"};
        QTest::newRow("desk side") << "core/desk/" << QStringList{"core", "plugins", "app/worker"} << QStringList{"core/desk/"};
    }
    void includesStayInTheirLayer() {
        QFETCH(QString, pattern);
        QFETCH(QStringList, searched);
        QFETCH(QStringList, allowed);
        QVERIFY(!filesOf({"core/base"}, {"*.cpp"}).isEmpty());
        const QStringList found = intruders(pattern, searched, allowed);
        QVERIFY2(found.isEmpty(), qPrintable("\n" + found.join("\n")));
    }

    void everySourceNamesItsLicence() {
        QStringList bad;
        const QStringList patterns = {"*.cpp", "*.h", "*.in", "*.py", "*.sh", "*.cmake", "CMakeLists.txt"};
        for (const QString& file : filesOf({"core", "ui", "app", "plugins", "tests", "packaging"}, patterns)) {
            const QString path = relative(file);
            const QString wanted = below(path, {"ui/", "app/desktop/", "tests/ui/", "tests/benchmark/window."}) ? "GPL-3.0-or-later" : "Apache-2.0";
            const QStringList head = textOf(file).split('\n').mid(0, 3);
            if (!head.join('\n').contains("SPDX-License-Identifier: " + wanted))
                bad << path + " lacks SPDX-License-Identifier: " + wanted;
        }
        QVERIFY2(bad.isEmpty(), qPrintable("\n" + bad.join("\n")));
    }

    void noSourceIsTooLong() {
        QStringList bad;
        for (const QString& file : filesOf({"core", "ui", "app", "plugins", "tests"}, {"*.cpp", "*.h"}))
            if (const auto lines = textOf(file).count('\n'); lines > 700)
                bad << relative(file) + QString(" has %1 lines").arg(lines);
        QVERIFY2(bad.isEmpty(), qPrintable("\n" + bad.join("\n")));
    }
};

QTEST_GUILESS_MAIN(TestLayers)
#include "tst_layers.moc"

// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <filesystem>

#include <sys/resource.h>
#include <unistd.h>

#include "core/base/events.h"
#include "core/base/os/links.h"
#include "tests/base/check.h"

using namespace pl;

namespace {

/// The disk is "full" for files beyond so many bytes, for this scope.
class SizeLimit {
public:
    explicit SizeLimit(rlim_t bytes) {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &m_before);
        const rlimit limit{bytes, m_before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~SizeLimit() { ::setrlimit(RLIMIT_FSIZE, &m_before); }

private:
    rlimit m_before{};
};

} // namespace

class TestFiles : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readsAndWritesWholeFiles() {
        TempDir dir;
        const std::string bytes("a\0b\n\xff", 5);
        PL_GOOD(os::writeFileAtomic(dir.path("f"), bytes));
        QCOMPARE(*os::readFile(dir.path("f")), bytes);
        PL_GOOD(os::writeFileAtomic(dir.path("f"), "new"));
        QCOMPARE(*os::readFile(dir.path("f")), std::string("new"));
        QCOMPARE(*os::listDir(dir.path()), std::vector<std::string>{"f"});
        QCOMPARE(*os::readFrom(dir.path("f"), 1, 100), std::string("ew"));
        QCOMPARE(*os::readFrom(dir.path("f"), 10, 100), std::string());
        QCOMPARE(*os::fileSize(dir.path("f")), uint64_t(3));
        QVERIFY(!os::readFile("/proc/self/stat")->empty()); // a file that says its size is 0
    }

    /// What stands under a name of the program's own is no way out of the folder that was named.
    void linksBelowANamedFolderAreRefused() {
        TempDir dir;
        PL_GOOD(os::makeDirs(dir.path("to/images")));
        dir.write("elsewhere", "kept");
        PL_GOOD(os::refuseLinks(dir.path("to"), {"images", "none"}));
        std::filesystem::create_symlink(dir.path("elsewhere"), dir.path("to/file"));
        std::filesystem::create_directory_symlink(dir.path("to/images"), dir.path("to/folder"));
        std::filesystem::create_symlink(dir.path("gone"), dir.path("to/nowhere"));
        for (const char* name : {"file", "folder", "nowhere"}) {
            PL_REFUSED(os::refuseLinks(dir.path("to"), {"images", name}), dir.path("to/") + name + " is a symbolic link to " + dir.path());
            QVERIFY(!os::refuseLinks(dir.path("to"), {name}).error().hint.empty());
        }
        std::filesystem::create_directory_symlink(dir.path("to"), dir.path("named"));
        PL_GOOD(os::refuseLinks(dir.path("named"), {"images"})); // the folder itself was named
    }

    void errorsNameTheFileAndTheCause() {
        TempDir dir;
        dir.write("f", "12345");
        PL_REFUSED(os::readFile(dir.path("none")), dir.path("none") + ": No such file");
        QCOMPARE(int(os::readFile(dir.path("none")).error().code), int(Code::NotFound));
        PL_REFUSED(os::readFile(dir.path()), "it is a folder");
        PL_REFUSED(os::readFile(dir.path("f"), 4), "too large");
        PL_REFUSED(os::writeFileAtomic(dir.path("no/such/folder"), "x"), "no/such/folder");
        PL_REFUSED(os::makeDirs(dir.path("f/below")), "f/below");
        PL_REFUSED(os::makeDirs(dir.path("f")), dir.path("f"));
        PL_REFUSED(os::listDir(dir.path("none")), "none");
        PL_REFUSED(os::renamePath(dir.path("none"), dir.path("x")), "none");
    }

    void aFailedAtomicWriteLeavesTheOldContentAndNoRemains() {
        TempDir dir;
        dir.write("f", "old");
        {
            SizeLimit full(1000);
            PL_REFUSED(os::writeFileAtomic(dir.path("f"), std::string(5000, 'x')), "File too large");
        }
        QCOMPARE(dir.read("f"), std::string("old"));
        QCOMPARE(os::listDir(dir.path())->size(), size_t(1));
    }

    void copiesWholeFilesOrNone() {
        TempDir dir;
        const std::string bytes(3 << 20, 'x');
        dir.write("f", bytes);
        PL_GOOD(os::copyFile(dir.path("f"), dir.path("g")));
        QCOMPARE(dir.read("g"), bytes);
        PL_REFUSED(os::copyFile(dir.path("f"), dir.path("f")), "to itself");
        QCOMPARE(dir.read("f"), bytes);
        PL_REFUSED(os::copyFile(dir.path("none"), dir.path("g")), "none: No such file");
        PL_REFUSED(os::copyFile(dir.path(), dir.path("h")), "no file");
        PL_REFUSED(os::copyFile(dir.path("f"), dir.path("no/h")), "no/h: No such file");
        SizeLimit full(2 << 20);
        PL_REFUSED(os::copyFile(dir.path("f"), dir.path("h")), "h: File too large");
        QVERIFY(!os::exists(dir.path("h")));
    }

    void aFullDiskIsAnErrorThatSaysSo() {
        if (!os::exists("/dev/full"))
            QSKIP("no /dev/full here");
        auto file = os::AppendFile::open("/dev/full");
        PL_GOOD(file);
        PL_REFUSED(file->appendLine("x"), "No space left on device");
        PL_REFUSED(file->appendLine("x"), "Free some space");
    }

    void aTornLineIsClosedByTheNextOne() {
        TempDir dir;
        auto file = os::AppendFile::open(dir.path("log"));
        PL_GOOD(file);
        PL_GOOD(file->appendLine("one"));
        {
            SizeLimit full(10);
            PL_REFUSED(file->appendLine("this line does not fit"), "cannot write");
            PL_REFUSED(file->appendLine("nor does this"), "cannot write");
        }
        PL_GOOD(file->appendLine("two"));
        QCOMPARE(dir.read("log"), std::string("one\nthis l\ntwo\n"));
        PL_GOOD(file->sync());
    }

    void aLineTornByAnotherProgramIsClosedToo() {
        TempDir dir;
        dir.write("log", "{\"half\":");
        auto file = os::AppendFile::open(dir.path("log"));
        PL_GOOD(file);
        PL_GOOD(file->appendLine("x"));
        QCOMPARE(dir.read("log"), std::string("{\"half\":\nx\n"));
        PL_REFUSED(file->appendLine("a\nb"), "line feed");
    }

    void linksCopiesAndRemovesTrees() {
        TempDir dir;
        PL_GOOD(os::makeDirs(dir.path("a/b/c")));
        dir.write("a/x", "12");
        dir.write("a/b/y", "345");
        QCOMPARE(::symlink("/etc", dir.path("a/link").c_str()), 0);
        QCOMPARE(os::treeSize(dir.path("a")), uint64_t(5));
        PL_GOOD(os::copyTree(dir.path("a"), dir.path("copy")));
        QCOMPARE(dir.read("copy/b/y"), std::string("345"));
        QVERIFY(os::isDir(dir.path("copy/b/c")));
        QVERIFY(!os::exists(dir.path("copy/link")));
        PL_GOOD(os::linkOrCopy(dir.path("a/x"), dir.path("linked")));
        QCOMPARE(dir.read("linked"), std::string("12"));
        PL_REFUSED(os::linkOrCopy(dir.path("a/none"), dir.path("l2")), "none");
        PL_GOOD(os::removeTree(dir.path("a")));
        QVERIFY(!os::exists(dir.path("a")));
        QVERIFY(os::isDir("/etc"));
        PL_GOOD(os::removeTree(dir.path("a")));
        PL_GOOD(os::renamePath(dir.path("copy"), dir.path("moved")));
        QVERIFY(os::exists(dir.path("moved/x")));
    }

    void handlesPaths() {
        QCOMPARE(os::joinPath("a", "b"), std::string("a/b"));
        QCOMPARE(os::joinPath("a/", "b"), std::string("a/b"));
        QCOMPARE(os::joinPath("a", "/b"), std::string("/b"));
        QCOMPARE(os::joinPath("", "b"), std::string("b"));
        QCOMPARE(os::baseName("/a/b/"), std::string("b"));
        QCOMPARE(os::baseName("b"), std::string("b"));
        QCOMPARE(os::parentDir("/a/b/"), std::string("/a"));
        QCOMPARE(os::parentDir("/a"), std::string("/"));
        QCOMPARE(os::parentDir("a"), std::string("."));
        QCOMPARE(os::absolutePath("/a/../b/./c/"), std::string("/b/c"));
        QVERIFY(os::absolutePath("x").front() == '/');
        QVERIFY(os::exists(os::joinPath(os::programDir(), "base_tst_files")));
    }

    void userFoldersFollowTheEnvironment() {
        TempDir dir;
        qputenv("XDG_DATA_HOME", QByteArray::fromStdString(dir.path("data")));
        QCOMPARE(os::userDataDir(), dir.path("data/pairlab"));
        QVERIFY(os::isDir(dir.path("data/pairlab")));
        qputenv("XDG_RUNTIME_DIR", QByteArray::fromStdString(dir.path()));
        QCOMPARE(os::userRuntimeDir(), dir.path("pairlab"));
        const auto temp = os::makeTempDir("pairlab-test");
        PL_GOOD(temp);
        QVERIFY(os::isDir(*temp));
        PL_GOOD(os::removeTree(*temp));
    }

    void knowsTheMachine() {
        QVERIFY(os::totalMemory() > (uint64_t(1) << 26));
        QVERIFY(os::availableMemory() <= os::totalMemory());
        QVERIFY(os::peakMemory() > (uint64_t(1) << 20));
        QVERIFY(*os::freeSpace("/") > 0);
        PL_REFUSED(os::freeSpace("/no/such/place"), "/no/such/place");
    }
};

QTEST_GUILESS_MAIN(TestFiles)
#include "tst_files.moc"

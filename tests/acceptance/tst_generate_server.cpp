// SPDX-License-Identifier: Apache-2.0
// ctest: label=unit timeout=240
#include <QDir>
#include <QFile>
#include <QTemporaryDir>

#include <set>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "tests/acceptance/cli.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

constexpr const char* kKey = "sk-test-0123456789abcdef";

/// Every file below a folder that holds the text, whatever kind of file.
std::vector<std::string> filesWith(const std::string& dir, const std::string& text) {
    std::vector<std::string> out;
    for (const std::string& name : os::listDir(dir).value_or(std::vector<std::string>())) {
        const std::string path = os::joinPath(dir, name);
        if (os::isDir(path)) {
            const auto below = filesWith(path, text);
            out.insert(out.end(), below.begin(), below.end());
        } else if (os::isRegularFile(path) && os::readFile(path).value_or("").find(text) != std::string::npos) {
            out.push_back(path);
        }
    }
    return out;
}

/// A secret-tool of the test's own, first in PATH: it notes what it was called with, then does `what` (of a shell).
class FakeKeyring {
public:
    explicit FakeKeyring(const std::string& what) : m_path(qgetenv("PATH")) {
        const std::string tool = dir() + "/secret-tool";
        (void)os::writeFileAtomic(tool, "#!/bin/sh\necho \"$@\" >> \"" + dir() + "/calls\"\n" + what + "\n");
        QFile::setPermissions(QString::fromStdString(tool), QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        qputenv("PATH", QByteArray::fromStdString(dir()) + ":" + m_path);
    }
    ~FakeKeyring() { qputenv("PATH", m_path); }
    std::string dir() const { return m_temp.path().toStdString(); }
    std::string calls() const { return os::readFile(dir() + "/calls").value_or(""); }

private:
    QTemporaryDir m_temp;
    QByteArray m_path;
};

/// Command lines and environments of this user's processes that hold the text.
std::vector<std::string> processesWith(const std::string& text) {
    std::vector<std::string> out;
    for (const QString& pid : QDir(QStringLiteral("/proc")).entryList({QStringLiteral("[0-9]*")}, QDir::Dirs))
        for (const char* part : {"cmdline", "environ"}) {
            QFile file(QStringLiteral("/proc/%1/%2").arg(pid, QLatin1StringView(part)));
            if (file.open(QIODevice::ReadOnly) && file.readAll().contains(QByteArray::fromStdString(text)))
                out.push_back(file.fileName().toStdString());
        }
    return out;
}

struct Setup {
    QTemporaryDir temp;
    std::optional<os::Process> server;
    std::string dir, project, url;

    Setup() {
        dir = temp.path().toStdString();
        project = dir + "/project";
        os::SpawnOptions spawn;
        spawn.arguments = {"python3", "-B", std::string(PAIRLAB_SOURCE_DIR) + "/tests/acceptance/model_server.py", dir};
        server = std::move(os::Process::spawn(spawn).value());
        for (int i = 0; i < 600 && !os::exists(dir + "/port"); ++i)
            os::sleepMs(50);
        url = "http://127.0.0.1:" + os::readFile(dir + "/port").value_or("0");
        (void)os::writeFileAtomic(dir + "/prompts.txt", "First?\nSecond?\nThird?\nFourth?\n");
        cliJson({"new", project, "--json"});
        cliJson({"import", project, dir + "/prompts.txt", "--split", "train", "--json"});
    }
    ~Setup() {
        (void)server->signal(SIGKILL);
        (void)server->wait(5000);
    }
    std::vector<std::string> arguments(const std::string& model, std::vector<std::string> more = {}) const {
        std::vector<std::string> all{"generate", project, "--server", url, "--model", model, "--wait", "--json", "--set", "backoff_ms=20", "--set", "retries=2"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    std::vector<Json> requests() const {
        std::vector<Json> out;
        std::string text = os::readFile(dir + "/requests.jsonl").value_or("");
        for (size_t at = 0; at < text.size();) {
            const size_t end = text.find('\n', at);
            out.push_back(Json::parse(text.substr(at, end - at)));
            at = end + 1;
        }
        return out;
    }
    std::vector<Event> events(const std::string& type) const {
        std::vector<Event> out;
        for (const std::string& run : os::listDir(project + "/runs").value_or(std::vector<std::string>()))
            for (Event& each : readEvents(project + "/runs/" + run + "/events.jsonl").value_or(std::vector<Event>()))
                if (each.type == type)
                    out.push_back(std::move(each));
        return out;
    }
};

} // namespace

class TestGenerateServer : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { qunsetenv("PAIRLAB_TEST_KEY"); }

    void answersBecomePairs() {
        Setup s;
        const Json out = cliJson(s.arguments("good", {"--system", "Be brief.", "--set", "temperature=0.5", "--set", "max_new_tokens=33"}));
        QCOMPARE(out.value("candidates", 0), 8);
        QCOMPARE(out.value("pairs", 0), 4);
        const auto requests = s.requests();
        QCOMPARE(requests.size(), size_t{8});
        std::set<int64_t> seeds;
        for (const Json& request : requests) {
            QCOMPARE(request["path"].get<std::string>(), std::string("/v1/chat/completions"));
            QVERIFY(request["key"] == false);
            const Json& body = request["body"];
            QCOMPARE(body["messages"].size(), size_t{2});
            QCOMPARE(body["messages"][0]["content"].get<std::string>(), std::string("Be brief."));
            QCOMPARE(body["temperature"].get<double>(), 0.5);
            QCOMPARE(body["max_tokens"].get<int>(), 33);
            seeds.insert(body["seed"].get<int64_t>());
        }
        QCOMPARE(seeds.size(), size_t{8});
        const auto candidates = s.events(event::kCandidate);
        QCOMPARE(candidates.size(), size_t{8});
        QCOMPARE(candidates[0].body["model"]["name"].get<std::string>(), std::string("good"));
        QCOMPARE(candidates[0].body["tokens"].get<int>(), 7);
        QVERIFY(candidates[0].body["finished"] == true);
        QVERIFY(candidates[0].body["content"].get<std::string>().starts_with("Answer "));
    }

    void plainTextsGoToCompletions() {
        Setup s;
        QCOMPARE(cliJson(s.arguments("cut", {"--set", "endpoint=completions", "--set", "send_seed=false", "--n", "1", "--limit", "2"})).value("candidates", 0), 2);
        for (const Json& request : s.requests()) {
            QCOMPARE(request["path"].get<std::string>(), std::string("/v1/completions"));
            QVERIFY(!request["body"].contains("seed") && request["body"]["prompt"].is_string());
        }
        QVERIFY(s.events(event::kCandidate)[0].body["finished"] == false); // finish_reason "length"
    }

    void whatFailsForNowIsTriedAgain() {
        Setup s;
        const Json out = cliJson(s.arguments("flaky"));
        QCOMPARE(out.value("candidates", 0), 8);
        QCOMPARE(s.requests().size(), size_t{16});
        double retried = 0;
        for (const Event& each : s.events(event::kMetrics))
            retried = std::max(retried, each.body["values"].value("requests/retried", 0.0));
        QCOMPARE(retried, 8.0);
    }

    void aServerThatIsDownFailsTheRunWithItsWords() {
        Setup s;
        const Ran ran = cli(s.arguments("down", {"--set", "concurrency=1"}));
        QCOMPARE(ran.code, 70);
        QVERIFY2(ran.out.find("500: out of order, 3 times") != std::string::npos, ran.out.c_str());
        QCOMPARE(s.requests().size(), size_t{3});
        auto nobody = s.arguments("good");
        nobody[3] = "http://127.0.0.1:1";
        const Ran refused = cli(nobody);
        QVERIFY2(refused.code == 70 && refused.out.find("127.0.0.1:1/v1 did not answer") != std::string::npos, refused.out.c_str());
    }

    void theKeyIsNowhereInTheProject() {
        Setup s;
        qputenv("PAIRLAB_TEST_KEY", kKey);
        // The server sends the key back inside its answers.
        QCOMPARE(cliJson(s.arguments("echo", {"--key-env", "PAIRLAB_TEST_KEY"})).value("candidates", 0), 8);
        for (const Json& request : s.requests())
            QVERIFY(request["key"] == true);
        QVERIFY(s.events(event::kCandidate)[0].body["content"].get<std::string>().find("[key]") != std::string::npos);
        const Ran denied = cli(s.arguments("denied", {"--key-env", "PAIRLAB_TEST_KEY"}));
        QVERIFY2(denied.code == 70 && denied.out.find("no such key: Bearer [key]") != std::string::npos, denied.out.c_str());
        QVERIFY(denied.out.find(kKey) == std::string::npos);
        const auto found = filesWith(s.project, kKey);
        QVERIFY2(found.empty(), found.empty() ? "" : found[0].c_str());
        QVERIFY(!filesWith(s.project, "PAIRLAB_TEST_KEY").empty()); // the search does find what is there
    }

    /// From the keyring it goes to the server and nowhere else: into no file, no command line and no environment.
    void aKeyOfTheKeyringIsUsedAndStaysThere() {
        Setup s;
        // Its home is no file below the project, and what it warns of is no part of the key.
        FakeKeyring keyring("echo 'a warning of a library' >&2; printf '%s' sk-test-01 && printf '%s' 23456789abcdef");
        auto arguments = s.arguments("hold", {"--keyring", "my-server", "--set", "concurrency=2"});
        std::erase(arguments, "--wait");
        const std::string run = cliJson(arguments).value("run", std::string());
        QTRY_COMPARE_WITH_TIMEOUT(s.events(event::kCandidate).size(), size_t{3}, 60000);
        auto found = processesWith(kKey); // while the worker is at it
        QVERIFY2(found.empty(), found.empty() ? "" : found[0].c_str());
        QVERIFY(!processesWith("pairlab_generate_server").empty()); // the search does find what is there
        QVERIFY(os::writeFileAtomic(s.dir + "/release", ""));
        QCOMPARE(cli({"run", "wait", s.project, run}).code, 0);
        QCOMPARE(s.events(event::kCandidate).size(), size_t{8});
        // The server sends the key back: it is the whole one, which is told by its absence.
        QCOMPARE(cliJson(s.arguments("echo", {"--keyring", "my-server"})).value("candidates", 0), 8);
        for (const Json& request : s.requests())
            QVERIFY(request["key"] == true);
        QVERIFY(s.events(event::kCandidate).back().body["content"].get<std::string>().ends_with(" Bearer [key]"));
        found = filesWith(s.project, kKey);
        QVERIFY2(found.empty(), found.empty() ? "" : found[0].c_str());
        QCOMPARE(keyring.calls(), std::string("lookup service my-server\nlookup service my-server\n"));
    }

    void aKeyringWithoutAKeyIsSaid_data() {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("says");
        QTest::newRow("missing") << "exit 1" << "the keyring has no key for the service my-server, or is locked";
        QTest::newRow("locked") << "echo 'secret-tool: Cannot get secret of a locked object' >&2; exit 1" << "or is locked";
        QTest::newRow("empty") << "exit 0" << "the keyring has no key for the service my-server";
        QTest::newRow("two lines") << "printf 'sk-one\\nsk-two'" << "the key holds a line end";
        QTest::newRow("it does not answer") << "exec sleep 600" << "the keyring did not answer within 2 s";
        QTest::newRow("not installed") << "exit 127" << "is not installed";
    }
    void aKeyringWithoutAKeyIsSaid() {
        QFETCH(QString, what);
        QFETCH(QString, says);
        Setup s;
        FakeKeyring keyring(what.toStdString());
        const Ran ran = cli(s.arguments("good", {"--keyring", "my-server", "--set", "timeout_s=2"}), 120000);
        QCOMPARE(ran.code, 70);
        QVERIFY2(ran.out.find(says.toStdString()) != std::string::npos, ran.out.c_str());
        QVERIFY(ran.out.find("sk-") == std::string::npos);
        QVERIFY(s.requests().empty());
        QVERIFY(processesWith(keyring.dir() + "/secret-tool").empty()); // nothing of it is left running
    }

    void whatWouldWriteAKeyDownIsRefused() {
        Setup s;
        const auto refused = [&](std::vector<std::string> arguments, const char* why) {
            const Ran ran = cli(arguments);
            return ran.code == 10 && ran.out.find(why) != std::string::npos && ran.out.find("sk-") == std::string::npos ? std::string() : ran.out;
        };
        QCOMPARE(refused(s.arguments("good", {"--key-env", "sk-live-12345"}), "no name of one"), std::string());
        auto inside = s.arguments("good");
        inside[3] = "https://me:sk-live-12345@example.org";
        QCOMPARE(refused(inside, "a user, a password"), std::string());
        inside[3] = "ftp://example.org";
        QCOMPARE(refused(inside, "http://"), std::string());
        QVERIFY(os::listDir(s.project + "/runs").value_or(std::vector<std::string>()).empty());
        // A key does not leave this machine unencrypted.
        qputenv("PAIRLAB_TEST_KEY", kKey);
        inside = s.arguments("good", {"--key-env", "PAIRLAB_TEST_KEY"});
        inside[3] = "http://192.0.2.1:8000";
        const Ran plain = cli(inside);
        QVERIFY2(plain.code == 70 && plain.out.find("unencrypted") != std::string::npos, plain.out.c_str());
        QVERIFY(s.requests().empty());
    }

    void redirectsAreNotFollowed() {
        Setup s;
        const Ran ran = cli(s.arguments("redirect"));
        QVERIFY2(ran.code == 70 && ran.out.find("redirects to localhost") != std::string::npos, ran.out.c_str());
        for (const Json& request : s.requests())
            QVERIFY(request["path"].get<std::string>().find("elsewhere") == std::string::npos);
    }

    void badRepliesAreLeftOutAndCounted_data() {
        QTest::addColumn<QString>("model");
        QTest::newRow("larger than 8 MiB") << "huge";
        QTest::newRow("no answer in it") << "broken";
    }
    void badRepliesAreLeftOutAndCounted() {
        QFETCH(QString, model);
        Setup s;
        const Json out = cliJson(s.arguments(model.toStdString(), {"--n", "4", "--no-pairs"}));
        int64_t odd = 0;
        for (const Json& request : s.requests())
            odd += request["body"]["seed"].get<int64_t>() % 2;
        QVERIFY(odd > 0 && odd < 16);
        QCOMPARE(s.requests().size(), size_t{16}); // none is tried again
        QCOMPARE(out.value("candidates", int64_t{0}), 16 - odd);
        QCOMPARE(s.events(event::kAlert).size(), size_t(odd));
    }

    void aStoppedRunKeepsItsAnswersAndGoesOn() {
        Setup s;
        auto arguments = s.arguments("hold", {"--n", "2", "--set", "concurrency=2"});
        std::erase(arguments, "--wait");
        const Json started = cliJson(arguments);
        const std::string run = started.value("run", std::string());
        QVERIFY(!run.empty());
        QTRY_COMPARE_WITH_TIMEOUT(s.events(event::kCandidate).size(), size_t{3}, 60000);
        QCOMPARE(cli({"run", "stop", s.project, run}).code, 0); // while two requests hang
        const auto ended = s.events(event::kRunEnd);
        QCOMPARE(ended.size(), size_t{1});
        QCOMPARE(ended[0].body["state"].get<std::string>(), std::string("stopped"));
        QCOMPARE(s.events(event::kCandidate).size(), size_t{3});
        QVERIFY(os::writeFileAtomic(s.dir + "/release", ""));
        QCOMPARE(cli({"run", "resume", s.project, run, "--wait"}).code, 0);
        const auto candidates = s.events(event::kCandidate);
        QCOMPARE(candidates.size(), size_t{8});
        std::set<std::string> different;
        for (const Event& each : candidates)
            different.insert(each.body["prompt_id"].get<std::string>() + each.body["index"].dump());
        QCOMPARE(different.size(), size_t{8});
        QCOMPARE(s.events(event::kRunEnd).back().body["state"].get<std::string>(), std::string("finished"));
    }
};

QTEST_GUILESS_MAIN(TestGenerateServer)
#include "tst_generate_server.moc"

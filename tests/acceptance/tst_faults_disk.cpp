// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=600
// Full disks, read-only disks and folders that may not be written: a clear error naming file and cause, nothing lost, and
// once there is room again everything goes on. Small file systems are mounted in a mount namespace of this test's own.
#include <QCoreApplication>
#include <QTest>

#include <random>

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/acceptance/faults.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

constexpr int kNobody = 65534;

/// Mounts made from here on are seen by this process and its children only. False where the system does not allow it.
bool privateMounts() {
    const auto user = ::getuid();
    const auto group = ::getgid();
    if (::unshare(CLONE_NEWNS) != 0) {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return false;
        const auto put = [](const char* path, const std::string& text) {
            FILE* file = std::fopen(path, "w");
            return file && std::fputs(text.c_str(), file) >= 0 && std::fclose(file) == 0;
        };
        if (!put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", fmt::format("{0} {0} 1", user)) ||
            !put("/proc/self/gid_map", fmt::format("{0} {0} 1", group)))
            return false;
    }
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// A file system of a few megabytes in memory.
class SmallDisk {
public:
    SmallDisk(const std::string& dir, int megabytes) : m_dir(dir), m_options(fmt::format("size={}m,mode=755", megabytes)) {
        if (!os::makeDirs(dir) || ::mount("tmpfs", dir.c_str(), "tmpfs", 0, m_options.c_str()) != 0)
            qFatal("cannot mount a small disk");
    }
    ~SmallDisk() { ::umount2(m_dir.c_str(), MNT_DETACH); }
    std::string path(const std::string& name) const { return m_dir + "/" + name; }
    /// Takes all the space but so many bytes.
    void fill(uint64_t leave) {
        release();
        const uint64_t free = *os::freeSpace(m_dir);
        FILE* file = std::fopen(path("filler").c_str(), "w");
        const std::string block(4096, 'f');
        for (uint64_t left = free - std::min(free, leave); file && left >= block.size(); left -= block.size())
            if (std::fwrite(block.data(), 1, block.size(), file) != block.size())
                break;
        if (file)
            std::fclose(file);
    }
    void release() { (void)os::removeTree(path("filler")); }
    bool readOnly(bool on) {
        return ::mount("tmpfs", m_dir.c_str(), "tmpfs", MS_REMOUNT | (on ? MS_RDONLY : MS_NOSUID), m_options.c_str()) == 0;
    }

private:
    std::string m_dir, m_options;
};

} // namespace

class TestFaultsDisk : public QObject {
    Q_OBJECT

    Lab m_lab;
    bool m_mounts;
    uint64_t m_modelBytes = 0;

    static std::vector<std::string> trainCommand(const std::string& p) {
        return {"train", p, "--plugin", "reward_model", "--dataset", "votes", "--set", "steps=6", "--set", "batch_size=2",
                "--set", "save_every=2", "--set", "eval_every=100", "--seed", "3", "--threads", "1", "--wait", "--json"};
    }
    static std::string finalWeights(const std::string& p, const std::string& run) {
        return sha256File(p + "/runs/" + run + "/checkpoints/step-000006/model.safetensors").value_or("none");
    }
    /// The run is there, failed, with what its first checkpoint holds; it resumes and ends as the whole one did.
    void goesOn(const std::string& p, const std::string& run, const std::string& wholeWeights) {
        const Json again = cliJson({"run", "resume", p, run, "--wait", "--json"});
        QCOMPARE(again.value("status", ""), std::string("finished"));
        QCOMPARE(finalWeights(p, run), wholeWeights);
        QVERIFY(sound(p, Lab::kVotes));
    }
    /// Puts the words before the command that make it run as a user who may do nothing here.
    static Ran asNobody(std::vector<std::string> arguments) {
        os::SpawnOptions spawn;
        if (::getuid() == 0)
            spawn.arguments = {"setpriv", fmt::format("--reuid={}", kNobody), fmt::format("--regid={}", kNobody), "--clear-groups", "--"};
        spawn.arguments.push_back(program("pairlab-cli"));
        spawn.arguments.insert(spawn.arguments.end(), arguments.begin(), arguments.end());
        const auto output = os::runToEnd(spawn, 120000);
        if (!output)
            return {-1, output.error().toString()};
        return {output->status.signalled ? -output->status.code : output->status.code, output->text};
    }
    /// The command with no file allowed to grow beyond so many bytes.
    static Ran limited(uint64_t bytes, const std::vector<std::string>& arguments) {
        os::SpawnOptions spawn;
        spawn.arguments = {"sh", "-c", fmt::format("ulimit -f {}; exec \"$@\"", bytes / 512), "sh", program("pairlab-cli")};
        spawn.arguments.insert(spawn.arguments.end(), arguments.begin(), arguments.end());
        const auto output = os::runToEnd(spawn, 300000);
        if (!output)
            return {-1, output.error().toString()};
        return {output->status.signalled ? -output->status.code : output->status.code, output->text};
    }

public:
    explicit TestFaultsDisk(bool mounts) : m_mounts(mounts) {}

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_lab.prepare());
        m_modelBytes = *os::fileSize(m_lab.project() + "/models/start/model.safetensors");
        qInfo("small disks: %s", m_mounts ? "mounted" : "not allowed here; size limits only");
    }

    void aCheckpointThatDoesNotFit() {
        if (!m_mounts)
            QSKIP("mounting is not allowed here: aFileThatMayNotGrow stands for it");
        SmallDisk disk(m_lab.path("disk"), 200);
        const std::string p = disk.path("p");
        QVERIFY(os::copyTree(m_lab.project(), p));
        const Json whole = cliJson(trainCommand(p));
        QCOMPARE(whole.value("status", ""), std::string("finished"));
        const std::string weights = finalWeights(p, whole["run"].get<std::string>());
        // Room for one checkpoint (weights and two moments of each) and half of another.
        disk.fill(m_modelBytes * 9 / 2 + (2 << 20));
        const Ran ran = cli(trainCommand(p));
        QVERIFY(refusedWith(ran, 70, {"No space left on device", "checkpoints/step-000004.partial", ".safetensors", "Free some space",
                                      "earlier checkpoints are untouched", "last checkpoint: checkpoints/step-000002"}));
        const std::string run = "0002-reward_model", bundle = p + "/runs/" + run;
        QCOMPARE(completeCheckpoints(bundle).size(), size_t{1});
        QVERIFY(verifyCheckpoint(bundle + "/checkpoints/step-000002"));
        QCOMPARE(os::listDir(bundle + "/checkpoints")->size(), size_t{1}); // no remains
        QVERIFY(sound(p, Lab::kVotes));
        disk.release();
        goesOn(p, run, weights);
    }

    void aDiskThatFillsUpDuringARun() {
        if (!m_mounts)
            QSKIP("mounting is not allowed here: aFileThatMayNotGrow stands for it");
        SmallDisk disk(m_lab.path("disk"), 200);
        const std::string p = disk.path("p"), run = "0002-reward_model", bundle = p + "/runs/" + run;
        QVERIFY(os::copyTree(m_lab.project(), p));
        const Json whole = cliJson(trainCommand(p));
        os::SpawnOptions spawn;
        spawn.arguments = {program("pairlab-cli")};
        for (const std::string& each : trainCommand(p))
            spawn.arguments.push_back(each);
        spawn.outputFile = m_lab.path("output");
        auto desk = os::Process::spawn(spawn);
        QVERIFY(desk);
        for (int i = 0; i < 1000 && completeCheckpoints(bundle).empty(); ++i)
            os::sleepMs(10);
        QVERIFY(!completeCheckpoints(bundle).empty());
        disk.fill(0); // not even an event fits
        const auto ended = desk->wait(120000);
        QVERIFY(ended && *ended);
        const std::string text = os::readFile(m_lab.path("output")).value_or("");
        QVERIFY2(!(*ended)->signalled && (*ended)->code != 0, text.c_str());
        QVERIFY2(text.find("full") != std::string::npos || text.find("No space left") != std::string::npos, text.c_str());
        // The worker ends by itself, too.
        for (int i = 0; i < 600 && inspectRun(bundle).state == RunState::Running; ++i)
            os::sleepMs(100);
        QVERIFY(inspectRun(bundle).state != RunState::Running);
        disk.release();
        const Ran listed = cli({"runs", p});
        QVERIFY(refusedWith(listed, 0, {run, "failed"}));
        QVERIFY(sound(p, Lab::kVotes));
        goesOn(p, run, finalWeights(p, whole["run"].get<std::string>()));
    }

    void aFileThatMayNotGrow() {
        const std::string p = m_lab.copy("limited");
        const Json whole = cliJson(trainCommand(p));
        const std::string weights = finalWeights(p, whole["run"].get<std::string>());
        // The optimizer's state is twice the weights.
        const Ran ran = limited(m_modelBytes * 3 / 2, trainCommand(p));
        QVERIFY(refusedWith(ran, 70, {"File too large", "optimizer.safetensors", "size limit"}));
        QVERIFY(completeCheckpoints(p + "/runs/0002-reward_model").empty());
        QVERIFY(sound(p, Lab::kVotes));
        goesOn(p, "0002-reward_model", weights);
        // Votes: the write-ahead log may not grow.
        const Ran label = limited(256 << 10, {"label", p, "--simulate", "warm", "--count", "400", "--split", "train", "--acks"});
        const int64_t acknowledged = QString::fromStdString(label.out).count("\nack ") + label.out.starts_with("ack ");
        QVERIFY(refusedWith(label, 11, {"saving a vote"}));
        const int64_t stored = cliJson({"stats", p, "--json"}).value("judgements", int64_t{0}) - Lab::kVotes;
        QVERIFY2(stored == acknowledged || stored == acknowledged + 1, qPrintable(QString("%1, %2").arg(stored).arg(acknowledged)));
        QCOMPARE(cli({"check", p}).code, 0);
    }

    void labelsOnADiskThatFillsUp() {
        if (!m_mounts)
            QSKIP("mounting is not allowed here: aFileThatMayNotGrow stands for it");
        SmallDisk disk(m_lab.path("disk"), 60);
        const std::string p = disk.path("p");
        QVERIFY(os::copyTree(m_lab.project(), p));
        int64_t acknowledged = Lab::kVotes;
        std::mt19937 random(11);
        for (int round = 0; round < 6; ++round) {
            disk.fill(100000 + random() % 500000);
            const std::string person = m_lab.path("person.json");
            writeText(person, fmt::format("{{\"people\": [{{\"name\": \"p{}\", \"taste\": \"warm\"}}]}}", round));
            const Ran ran = cli({"label", p, "--simulate", person, "--count", "400", "--acks"});
            QVERIFY(refusedWith(ran, 11, {"database or disk is full", "free some space", "what was saved before is safe"}));
            acknowledged += QString::fromStdString(ran.out).count("\nack ") + ran.out.starts_with("ack ");
            disk.release();
            const int64_t stored = cliJson({"stats", p, "--json"}).value("judgements", int64_t{0});
            QCOMPARE(stored, acknowledged);
            QVERIFY(sound(p, acknowledged));
        }
        qInfo("%lld votes acknowledged on full disks", static_cast<long long>(acknowledged - Lab::kVotes));
        QVERIFY(acknowledged > Lab::kVotes);
        QCOMPARE(cli({"label", p, "--simulate", "vivid", "--count", "5"}).code, 0);
        QVERIFY(sound(p, acknowledged + 5));
    }

    void everyCommandOnAFullDisk() {
        if (!m_mounts)
            QSKIP("mounting is not allowed here: aFileThatMayNotGrow stands for it");
        SmallDisk disk(m_lab.path("disk"), 60);
        const std::string p = disk.path("p"), rows = m_lab.path("rows.jsonl");
        QVERIFY(os::copyTree(m_lab.project(), p));
        std::string text;
        for (int i = 0; i < 300; ++i)
            text += fmt::format("{{\"prompt\":\"P{}\",\"chosen\":\"yes{}\",\"rejected\":\"no\"}}\n", i, i);
        writeText(rows, text);
        for (const uint64_t leave : {uint64_t{0}, uint64_t{40000}, uint64_t{120000}}) {
            disk.fill(leave);
            const std::vector<std::vector<std::string>> commands = {
                {"import", p, rows},
                {"backup", p},
                {"dataset", "freeze", p, "more"},
                {"export", m_lab.project(), "--out", disk.path("out.jsonl")},
                {"new", disk.path("other"), "--starter"},
                {"train", p, "--plugin", "dpo", "--set", "steps=1", "--wait"},
                {"generate", p, "--split", "dev", "--wait"},
                {"models", "export", m_lab.project(), "start", "--out", disk.path("exported")},
            };
            for (const auto& command : commands) {
                const Ran ran = cli(command);
                if (ran.code == 0 && leave > 0)
                    continue; // it fitted
                const bool said = ran.out.find("ree some space") != std::string::npos;
                QVERIFY2(ran.code > 0 && said, qPrintable(QString("%1, %2 bytes left, code %3: %4")
                                                              .arg(QString::fromStdString(command[0])).arg(leave)
                                                              .arg(ran.code).arg(QString::fromStdString(ran.out))));
            }
            QVERIFY(!os::exists(disk.path("other")));
        }
        disk.release();
        (void)os::removeTree(disk.path("out.jsonl"));
        QVERIFY(sound(p, Lab::kVotes));
        QCOMPARE(cli({"import", p, rows}).code, 0);
        QVERIFY(sound(p, Lab::kVotes + 300));
        QCOMPARE(cli({"new", disk.path("other"), "--starter"}).code, 0);
        // Nothing half made is left lying about.
        for (const char* folder : {"/runs", "/datasets"}) {
            const auto names = os::listDir(p + folder);
            QVERIFY(names);
            for (const std::string& name : *names)
                QVERIFY2(!name.starts_with("."), name.c_str());
        }
    }

    void everyCommandOnAReadOnlyDisk() {
        if (!m_mounts)
            QSKIP("mounting is not allowed here: everyCommandInAFolderThatMayNotBeWritten stands for it");
        SmallDisk disk(m_lab.path("disk"), 60);
        const std::string p = disk.path("p");
        QVERIFY(os::copyTree(m_lab.project(), p));
        QVERIFY(disk.readOnly(true));
        for (const auto& command : std::vector<std::vector<std::string>>{{"label", p, "--simulate", "warm", "--count", "3"},
                                                                         {"train", p, "--plugin", "dpo", "--wait"},
                                                                         {"import", p, m_lab.path("rows.jsonl")},
                                                                         {"check", p},
                                                                         {"runs", p},
                                                                         {"new", disk.path("other")},
                                                                         {"export", m_lab.project(), "--out", disk.path("o")}})
            QVERIFY2(refusedWith(cli(command), 11, {disk.path(""), "Read-only file system", "can be written"}), command[0].c_str());
        QVERIFY(disk.readOnly(false));
        QVERIFY(sound(p, Lab::kVotes));
    }

    void everyCommandInAFolderThatMayNotBeWritten() {
        const std::string p = m_lab.copy("foreign"), rows = m_lab.path("rows.jsonl"), secret = m_lab.path("secret.jsonl");
        writeText(rows, "{\"prompt\":\"P\",\"chosen\":\"yes\",\"rejected\":\"no\"}\n");
        writeText(secret, "{\"prompt\":\"P\",\"chosen\":\"yes\",\"rejected\":\"no\"}\n");
        QCOMPARE(::chmod(secret.c_str(), 0), 0);
        QCOMPARE(::chmod(m_lab.path("").c_str(), 0755), 0);
        // Everything in it may be read, nothing written.
        os::SpawnOptions chmod;
        chmod.arguments = {"chmod", "-R", "a=rX", p};
        QCOMPARE(os::runToEnd(chmod, 10000)->status.code, 0);
        QTemporaryDir own;
        qputenv("XDG_RUNTIME_DIR", own.path().toLocal8Bit());
        if (::getuid() == 0)
            QCOMPARE(::chown(own.path().toLocal8Bit().constData(), kNobody, kNobody), 0);
        const std::string free = own.path().toStdString();
        const std::vector<std::pair<std::vector<std::string>, std::string>> commands = {
            {{"label", p, "--simulate", "warm", "--count", "3"}, p},
            {{"train", p, "--plugin", "dpo", "--wait"}, p},
            {{"stats", p}, p},
            {{"import", p, rows}, p},
            {{"new", p + "/other"}, p + "/other"},
            {{"new", "/proc/other"}, "/proc/other"},
        };
        for (const auto& [command, names] : commands) {
            const Ran ran = asNobody(command);
            QVERIFY2(ran.code == 11 || ran.code == 10, ran.out.c_str());
            QVERIFY2(refusedWith(ran, ran.code, {names}), command[0].c_str());
            QVERIFY2(ran.out.find("ermission") != std::string::npos || names == "/proc/other", ran.out.c_str());
        }
        QCOMPARE(asNobody({"new", free + "/mine"}).code, 0);
        QVERIFY(refusedWith(asNobody({"import", free + "/mine", secret}), 11, {"secret.jsonl", "you may read it"}));
        QVERIFY(refusedWith(asNobody({"backup", p}), 11, {p, "ermission"}));
        chmod.arguments = {"chmod", "-R", "u+rwX", p};
        QCOMPARE(os::runToEnd(chmod, 10000)->status.code, 0);
        QVERIFY(sound(p, Lab::kVotes));
    }
};

int main(int argc, char** argv) {
    const bool mounts = privateMounts(); // before any thread
    QCoreApplication app(argc, argv);
    TestFaultsDisk test(mounts);
    return QTest::qExec(&test, argc, argv);
}
#include "tst_faults_disk.moc"

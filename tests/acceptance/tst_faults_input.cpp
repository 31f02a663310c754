// SPDX-License-Identifier: Apache-2.0
// ctest: label=slow processors=1 timeout=900
// Damaged files given to the whole programs: each is refused with one message that names the file, the cause and what to do;
// nothing crashes and no label is lost.
#include <QDir>
#include <QTest>

#include <random>

#include <fmt/format.h>

#include "tests/acceptance/faults.h"

using namespace pl;
using namespace pl::acceptance;

namespace {

std::string content(const std::string& path) {
    auto text = os::readFile(path);
    if (!text)
        qFatal("%s", text.error().toString().c_str());
    return *text;
}
void cut(const std::string& path, double share = 0.5) {
    const std::string text = content(path);
    writeText(path, text.substr(0, static_cast<size_t>(static_cast<double>(text.size()) * share)));
}
void remove(const std::string& path) {
    if (!os::removeTree(path))
        qFatal("cannot remove %s", path.c_str());
}
void folderInstead(const std::string& path) {
    remove(path);
    if (!os::makeDirs(path))
        qFatal("cannot make %s", path.c_str());
}
void fileInstead(const std::string& path) {
    remove(path);
    writeText(path, "a file");
}
std::string noise(uint32_t seed, size_t size) {
    std::mt19937 random(seed);
    std::string text;
    while (text.size() < size)
        text += static_cast<char>(random() & 255);
    return text;
}
void edit(const std::string& path, const std::function<void(Json&)>& change) {
    Json json = *readJsonFile(path);
    change(json);
    writeText(path, dumpJsonPretty(json));
}

/// Flips, drops, doubles or overwrites a few bytes, or cuts the end off.
std::string mutated(std::string text, std::mt19937& random, size_t within) {
    within = std::min(within, text.size());
    for (uint32_t i = 0, n = 1 + random() % 4; i < n && within > 0; ++i) {
        const size_t at = random() % within;
        switch (random() % 6) {
        case 0: text[at] = static_cast<char>(text[at] ^ (1 << (random() % 8))); break;
        case 1: text[at] = static_cast<char>(random() & 255); break;
        case 2: text.erase(at, 1 + random() % 8); break;
        case 3: text.insert(at, text.substr(at, 1 + random() % 32)); break;
        case 4: text.insert(at, 1, "{}[],:\"0-e\\"[random() % 11]); break;
        default: text.resize(random() % 4 ? text.size() - random() % std::min<size_t>(text.size(), 64) : at); break;
        }
        within = std::min(within, text.size());
    }
    return text;
}

using Damage = std::function<void(const std::string& project)>;
struct Case {
    std::string name;
    Damage damage;
    std::vector<std::string> command; ///< "P" stands for the project
    int code;
    std::vector<std::string> says;
};

const std::vector<std::string> kGenerate = {"generate", "P", "--split", "dev", "--limit", "1", "--wait", "--set", "max_new_tokens=4"};
const std::vector<std::string> kRuns = {"runs", "P"};
const std::vector<std::string> kResume = {"run", "resume", "P", "1", "--wait"};
const std::string kModel = "/models/start/", kRun = "/runs/0001-reward_model/";

std::vector<Case> modelCases() {
    const auto weights = [](const std::string& p) { return p + kModel + "model.safetensors"; };
    const auto config = [](const std::string& p) { return p + kModel + "config.json"; };
    const auto tokenizer = [](const std::string& p) { return p + kModel + "tokenizer.json"; };
    const auto header = [=](const std::string& p, const std::string& json) {
        std::string text(8, '\0');
        for (int i = 0; i < 8; ++i)
            text[static_cast<size_t>(i)] = static_cast<char>((json.size() >> (8 * i)) & 255);
        writeText(weights(p), text + json);
    };
    std::vector<Case> cases = {
        {"weights cut", [=](auto& p) { cut(weights(p)); }, kGenerate, 70, {"model.safetensors", "Copy"}},
        {"weights empty", [=](auto& p) { writeText(weights(p), ""); }, kGenerate, 70, {"model.safetensors", "0 bytes", "Copy"}},
        {"weights missing", [=](auto& p) { remove(weights(p)); }, kGenerate, 10, {"models/start", "safetensors"}},
        {"weights noise", [=](auto& p) { writeText(weights(p), noise(1, 5000)); }, kGenerate, 70, {"model.safetensors", "header claims"}},
        {"weights without tensors", [=](auto& p) { header(p, "{}"); }, kGenerate, 70, {"models/start", "lacks the tensors"}},
        {"weights with a huge shape",
         [=](auto& p) {
             header(p, R"({"model.norm.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})");
         },
         kGenerate, 70, {"model.safetensors", "model.norm.weight"}},
        {"weights are a folder", [=](auto& p) { folderInstead(weights(p)); }, kGenerate, 11, {"model.safetensors", "A folder lies where a file belongs"}},
        {"config cut", [=](auto& p) { cut(config(p)); }, kGenerate, 70, {"config.json", "not valid JSON", "Copy the file again"}},
        {"config of another model", [=](auto& p) { edit(config(p), [](Json& j) { j["model_type"] = "mamba"; }); }, kGenerate, 70,
         {"config.json", "mamba"}},
        {"config with a huge size", [=](auto& p) { edit(config(p), [](Json& j) { j["hidden_size"] = 1e13; }); }, kGenerate, 70,
         {"config.json", "hidden_size", "Copy or download"}},
        {"config with another size", [=](auto& p) { edit(config(p), [](Json& j) { j["hidden_size"] = 64; }); }, kGenerate, 70,
         {"model.safetensors"}},
        {"config without heads", [=](auto& p) { edit(config(p), [](Json& j) { j.erase("num_attention_heads"); }); }, kGenerate, 70,
         {"config.json", "num_attention_heads", "Copy or download"}},
        {"tokenizer cut", [=](auto& p) { cut(tokenizer(p)); }, kGenerate, 70, {"tokenizer.json", "not valid JSON", "Copy or download"}},
        {"tokenizer missing", [=](auto& p) { remove(tokenizer(p)); }, kGenerate, 70, {"tokenizer.json"}},
        {"tokenizer of another kind", [=](auto& p) { edit(tokenizer(p), [](Json& j) { j["model"]["type"] = "Unigram"; }); }, kGenerate,
         70, {"tokenizer.json", "Unigram", "byte-level BPE"}},
        {"tokenizer without merges", [=](auto& p) { edit(tokenizer(p), [](Json& j) { j["model"].erase("merges"); }); }, kGenerate, 70,
         {"tokenizer.json", "merges"}},
        {"template of another model",
         [=](auto& p) {
             edit(p + kModel + "tokenizer_config.json", [](Json& j) { j["chat_template"] = "{{ bos_token }}[INST]"; });
         },
         kGenerate, 70, {"template"}},
    };
    return cases;
}

std::vector<Case> runCases() {
    const auto run = [](const char* file) { return [file](const std::string& p) { return p + kRun + file; }; };
    const auto spec = run("run.json"), events = run("events.jsonl");
    // The run of the copy names the model by the place it was made with: here it gets the copy's.
    const auto ownModel = [=](const std::string& p) {
        edit(spec(p), [&](Json& j) { j["models"][0]["path"] = p + "/models/start"; });
    };
    return {
        {"run.json cut", [=](auto& p) { cut(spec(p)); }, kRuns, 0, {"0001-reward_model", "failed", "run.json is not valid JSON"}},
        {"run.json cut, resume", [=](auto& p) { cut(spec(p)); }, kResume, 11, {"run.json", "not valid JSON", "Copy the file again"}},
        {"run.json missing", [=](auto& p) { remove(spec(p)); }, kRuns, 0, {"0001-reward_model", "failed", "no run.json"}},
        {"run.json missing, resume", [=](auto& p) { remove(spec(p)); }, kResume, 10, {"0001-reward_model", "no run.json"}},
        {"run.json newer", [=](auto& p) { edit(spec(p), [](Json& j) { j["bundle_version"] = 99; }); }, kResume, 10,
         {"run.json", "version 99", "Use a newer PairLab"}},
        {"run.json leaves its folder", [=](auto& p) { edit(spec(p), [](Json& j) { j["name"] = "../../x"; }); }, kResume, 10,
         {"run.json", "name"}},
        {"run.json of an unknown plugin", [=](auto& p) { edit(spec(p), [](Json& j) { j["plugin"]["id"] = "gone"; }); }, kResume, 70,
         {"gone", "not installed", "PAIRLAB_PLUGIN_PATH"}},
        {"run.json with a parameter that does not exist",
         [=](auto& p) { edit(spec(p), [](Json& j) { j["parameters"]["stepps"] = 3; }); }, kResume, 70, {"stepps", "steps"}},
        {"events noise", [=](auto& p) { writeText(events(p), noise(2, 20000)); }, kResume, 0, {"finished"}},
        {"events one endless line", [=](auto& p) { writeText(events(p), std::string(3 << 20, 'x')); }, kResume, 0, {"finished"}},
        {"events are a folder", [=](auto& p) { folderInstead(events(p)); }, kRuns, 0, {"0001-reward_model"}},
        {"events are a folder, resume", [=](auto& p) { folderInstead(events(p)); }, kResume, 70, {"events.jsonl"}},
        {"desk.json noise", [](auto& p) { writeText(p + kRun + "desk.json", noise(3, 100)); }, kResume, 0, {"finished"}},
        {"control noise", [](auto& p) { writeText(p + kRun + "control.jsonl", noise(4, 10000) + "\n{\"id\":1}\n"); }, kResume, 0,
         {"finished"}},
        {"rows cut", [](auto& p) { cut(p + kRun + "data/train.jsonl"); }, kResume, 70,
         {"train.jsonl", "not what the run was made with", "start a new run"}},
        {"model changed",
         [=](auto& p) {
             ownModel(p);
             edit(p + kModel + "config.json", [](Json& j) { j["rope_theta"] = 5000.0; });
         },
         kResume, 70,
         {"changed since the run was made", "Start a new run"}},
        {"model gone",
         [=](auto& p) {
             ownModel(p);
             remove(p + "/models/start");
         },
         kResume, 70, {"is not there", "Choose another model"}},
        {"newest weights cut", [](auto& p) { cut(p + kRun + "checkpoints/step-000004/model.safetensors"); }, kResume, 0, {"finished"}},
        {"newest DONE cut", [](auto& p) { cut(p + kRun + "checkpoints/step-000004/DONE"); }, kResume, 0, {"finished"}},
        {"newest state cut", [](auto& p) { cut(p + kRun + "checkpoints/step-000004/trainer/state.json"); }, kResume, 0, {"finished"}},
        {"a file for checkpoints", [](auto& p) { fileInstead(p + kRun + "checkpoints"); }, kResume, 70, {"checkpoints"}},
        {"a folder for the lock", [](auto& p) { folderInstead(p + kRun + "lock"); }, kResume, 70, {"lock"}},
    };
}

} // namespace

class TestFaultsInput : public QObject {
    Q_OBJECT

    Lab m_lab;
    std::vector<Case> m_cases;

    static Ran command(std::vector<std::string> arguments, const std::string& project) {
        for (std::string& each : arguments)
            if (each == "P")
                each = project;
        return cli(arguments, 120000);
    }
    void rows(std::vector<Case> cases) {
        m_cases = std::move(cases);
        QTest::addColumn<int>("index");
        for (size_t i = 0; i < m_cases.size(); ++i)
            QTest::newRow(m_cases[i].name.c_str()) << static_cast<int>(i);
    }
    void check() {
        QFETCH(int, index);
        const Case& one = m_cases[static_cast<size_t>(index)];
        const std::string p = m_lab.copy("damaged");
        one.damage(p);
        const Ran ran = command(one.command, p);
        QVERIFY(refusedWith(ran, one.code, one.says));
        QVERIFY2(ran.out.find("signal ") == std::string::npos, ran.out.c_str());
        QVERIFY(sound(p, Lab::kVotes));
    }

private Q_SLOTS:
    void initTestCase() {
        QVERIFY(m_lab.prepare());
        const std::string p = m_lab.project();
        const Json run = cliJson({"train", p, "--plugin", "reward_model", "--dataset", "votes", "--set", "steps=4", "--set",
                                  "batch_size=2", "--set", "save_every=2", "--wait", "--json"});
        QCOMPARE(run.value("status", ""), std::string("finished"));
        // As a crash after the last checkpoint would leave it: without the end.
        std::string events = content(p + kRun + "events.jsonl");
        events.resize(events.rfind("\n{") + 1);
        writeText(p + kRun + "events.jsonl", events);
        QVERIFY(refusedWith(command(kRuns, p), 0, {"failed", "ended without saying so"}));
        const std::string healthy = m_lab.copy("healthy");
        QVERIFY(refusedWith(command(kResume, healthy), 0, {"finished"}));
        QCOMPARE(command(kGenerate, healthy).code, 0);
    }

    void refusesADamagedModel_data() { rows(modelCases()); }
    void refusesADamagedModel() { check(); }

    void survivesADamagedBundle_data() { rows(runCases()); }
    void survivesADamagedBundle() { check(); }

    void refusesDamagedImports_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("says");
        const QByteArray good = "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}\n";
        const auto row = [](const char* name, const QByteArray& text, int code, const char* says) {
            QTest::newRow(name) << text << code << QString(says);
        };
        row("empty", "", 10, "is empty");
        row("noise", QByteArray::fromStdString(noise(5, 3000)), 10, "is no text: byte");
        row("zeros", QByteArray(500, '\0'), 10, "byte 0 is NUL");
        row("brackets", QByteArray(100000, '['), 10, "line 1");
        row("an array", "[" + good.trimmed() + "]\n", 0, "");
        row("a torn array", "[" + good.trimmed() + ",\n", 0, "the list has no end: the file is cut off");
        row("a number", "3\n", 10, "line 1");
        row("one side only", "{\"prompt\":\"a\",\"chosen\":\"b\"}\n", 10, "rejected");
        row("wrong types", "{\"prompt\":1,\"chosen\":2,\"rejected\":3}\n", 10, "prompt");
        row("not UTF-8", "{\"prompt\":\"\xff\",\"chosen\":\"b\",\"rejected\":\"c\"}\n", 10, "not UTF-8");
        row("half a surrogate", "{\"prompt\":\"\\ud800\",\"chosen\":\"b\",\"rejected\":\"c\"}\n", 10, "line 1");
        row("a NUL inside", "{\"prompt\":\"a\\u0000b\",\"chosen\":\"b\",\"rejected\":\"c\"}\n", 10, "NUL");
        row("UTF-16", QByteArray("\xff\xfe{\0\"\0", 6) + QByteArray(40, '\0'), 10, "is UTF-16. Save it as UTF-8");
        row("a torn last line", good + good.left(20), 0, "line 2: row is not valid JSON");
    }
    void refusesDamagedImports() {
        QFETCH(QByteArray, text);
        QFETCH(int, code);
        QFETCH(QString, says);
        const std::string p = m_lab.copy("importing"), file = m_lab.path("in.jsonl");
        writeText(file, text.toStdString());
        QVERIFY(refusedWith(cli({"import", p, file}), code, {"in.jsonl", says.toStdString()}));
        QVERIFY(sound(p, Lab::kVotes + (code == 0 ? 1 : 0)));
    }

    void refusesWhatIsNoFileToImport() {
        const std::string p = m_lab.copy("importing");
        writeText(m_lab.path("in.jsonl.gz"), std::string("\x1f\x8b\x08", 3) + noise(6, 200));
        QVERIFY(refusedWith(cli({"import", p, m_lab.path("in.jsonl.gz")}), 11, {"in.jsonl.gz", "damaged", "Download it again"}));
        QVERIFY(refusedWith(cli({"import", p, m_lab.path("none.jsonl")}), 10, {"none.jsonl", "Check the path"}));
        QVERIFY(refusedWith(cli({"import", p, p}), 10, {"holds no PNG, JPEG or WebP file", "Give the folder of the images"}));
        QVERIFY(sound(p, Lab::kVotes));
    }

    void passesOverDamagedPlugins_data() {
        QTest::addColumn<QString>("what");
        QTest::addColumn<QString>("listed");
        QTest::addColumn<QString>("trained"); // empty: trains with the plugin that came with the program
        const auto row = [](const char* what, const char* listed, const char* trained) {
            QTest::newRow(what) << QString(what) << QString(listed) << QString(trained);
        };
        row("manifest cut", "manifest.json is not valid JSON", "");
        row("manifest noise", "manifest.json is not valid JSON", "");
        row("manifest without fields", "manifest_version", "");
        row("manifest newer", "Use a newer PairLab", "");
        row("other build tag", "", "was built for another PairLab");
        row("library missing", "", "has no library");
        row("library cut", "", "is cut short");
        row("library noise", "", "could not be loaded");
    }
    void passesOverDamagedPlugins() {
        QFETCH(QString, what);
        QFETCH(QString, listed);
        QFETCH(QString, trained);
        const std::string folder = m_lab.path("plugins"), plugin = folder + "/reward_model", p = m_lab.copy("plugged");
        (void)os::removeTree(folder);
        QVERIFY(os::makeDirs(folder));
        QVERIFY(os::copyTree(std::string(PAIRLAB_BUILD_DIR) + "/lib/pairlab/plugins/reward_model", plugin));
        const std::string manifest = plugin + "/manifest.json", library = plugin + "/libpairlab_reward_model.so";
        if (what == "manifest cut")
            cut(manifest);
        else if (what == "manifest noise")
            writeText(manifest, noise(7, 500));
        else if (what == "manifest without fields")
            writeText(manifest, "{\"id\": 3}");
        else if (what == "manifest newer")
            edit(manifest, [](Json& j) { j["manifest_version"] = 99; });
        else if (what == "other build tag")
            edit(manifest, [](Json& j) { j["build_tag"] = "torch=1"; });
        else if (what == "library missing")
            remove(library);
        else if (what == "library cut")
            cut(library);
        else
            writeText(library, noise(8, 5000));
        qputenv("PAIRLAB_PLUGIN_PATH", QByteArray::fromStdString(folder));
        const Ran list = cli({"plugins", "list"});
        const Ran train = cli({"train", p, "--plugin", "reward_model", "--dataset", "votes", "--set", "steps=1", "--set",
                               "batch_size=1", "--wait"});
        qunsetenv("PAIRLAB_PLUGIN_PATH");
        QVERIFY(refusedWith(list, 0, {listed.toStdString(), "reward_model", "generate_text"}));
        QVERIFY(refusedWith(train, trained.isEmpty() ? 0 : 70, {trained.toStdString()}));
        QVERIFY2(train.out.find("signal ") == std::string::npos, train.out.c_str());
        QVERIFY(sound(p, Lab::kVotes));
    }

    void refusesADamagedDatabase_data() {
        QTest::addColumn<QString>("what");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("says");
        const auto row = [](const char* what, int code, const char* says) { QTest::newRow(what) << QString(what) << code << QString(says); };
        row("cut", 11, "backups/");
        row("cut to 100 bytes", 11, "backups/");
        row("noise", 11, "backups/");
        row("noise inside", 11, "");
        row("newer", 10, "Install the newer PairLab");
        row("missing", 10, "pairlab-cli new");
        row("folder", 11, "project");
        row("file for the project", 10, "pairlab-cli new");
    }
    void refusesADamagedDatabase() {
        QFETCH(QString, what);
        QFETCH(int, code);
        QFETCH(QString, says);
        const std::string p = m_lab.copy("broken"), database = p + "/project.db";
        const std::string before = content(database);
        if (what == "cut")
            cut(database);
        else if (what == "cut to 100 bytes")
            writeText(database, before.substr(0, 100));
        else if (what == "noise")
            writeText(database, noise(9, 20000));
        else if (what == "noise inside")
            writeText(database, before.substr(0, 8192) + noise(10, before.size() - 16384) + before.substr(before.size() - 8192));
        else if (what == "newer") {
            std::string text = before; // PRAGMA user_version: bytes 60 to 63 of the file, big-endian
            text.replace(60, 4, std::string("\0\0\x03\xe7", 4));
            writeText(database, text);
        } else if (what == "missing")
            remove(database);
        else if (what == "folder")
            folderInstead(database);
        else
            fileInstead(p);
        const bool kept = what == "newer";
        const std::string damaged = kept ? content(database) : "";
        for (const std::vector<std::string>& each :
             {std::vector<std::string>{"stats", "P", "--json"}, {"check", "P"}, {"label", "P", "--simulate", "warm", "--count", "3"},
              {"train", "P", "--plugin", "dpo", "--set", "steps=1", "--wait"}, {"export", "P", "--out", m_lab.path("out.jsonl")}})
            QVERIFY2(refusedWith(command(each, p), code, {p, says.toStdString()}), each[0].c_str());
        if (kept)
            QCOMPARE(content(database), damaged);
        if (what == "file for the project")
            return;
        // The way out that the message names: a copy from backups/ in the database's place.
        const auto backups = os::listDir(p + "/backups");
        QVERIFY(backups && !backups->empty());
        for (const char* each : {"", "-wal", "-shm"})
            remove(database + each);
        QVERIFY(os::copyFile(p + "/backups/" + backups->back(), database));
        QVERIFY(sound(p, Lab::kVotes));
    }

    void survivesRandomDamage_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<int>("within");
        QTest::addColumn<int>("times");
        const auto row = [](const std::string& file, int within, int times) {
            QTest::newRow(os::baseName(file).c_str()) << QString::fromStdString(file) << within << times;
        };
        row(kModel + "model.safetensors", 6000, 8);
        row(kModel + "tokenizer.json", 1 << 20, 8);
        row(kModel + "config.json", 1 << 20, 8);
        row(kRun + "run.json", 1 << 20, 8);
        row(kRun + "events.jsonl", 1 << 20, 8);
        row(kRun + "checkpoints/step-000004/DONE", 1 << 20, 6);
        row("in.jsonl", 1 << 20, 60);
    }
    void survivesRandomDamage() {
        QFETCH(QString, file);
        QFETCH(int, within);
        QFETCH(int, times);
        std::mt19937 random(20260712);
        const std::string name = file.toStdString();
        const std::string p = m_lab.copy("mutated");
        const bool import = name == "in.jsonl", model = name.rfind(kModel, 0) == 0;
        const std::string path = import ? m_lab.path(name) : p + name;
        if (import) {
            std::string rows;
            for (int i = 0; i < 8; ++i)
                rows += fmt::format("{{\"prompt\":\"P{}\",\"chosen\":\"yes \\u00e9\",\"rejected\":\"no\",\"strength\":2}}\n", i);
            writeText(path, rows);
        }
        const std::string good = content(path), events = content(p + kRun + "events.jsonl");
        int refused = 0;
        for (int i = 0; i < times; ++i) {
            if (!import)
                writeText(p + kRun + "events.jsonl", events);
            const std::string bad = mutated(good, random, static_cast<size_t>(within));
            writeText(path, bad);
            const Ran ran = import ? cli({"import", p, path, "--dry-run"}) : command(model ? kGenerate : kResume, p);
            refused += ran.code != 0;
            const bool crashed = ran.code < 0 || ran.out.find("signal ") != std::string::npos ||
                                 ran.out.find("unexpected failure") != std::string::npos;
            if (crashed) {
                const QString kept = QDir::tempPath() + "/pairlab-crash-" + QString::fromStdString(os::baseName(name));
                writeText(kept.toStdString(), bad);
                QFAIL(qPrintable(QString("%1, kept in %2: %3").arg(file, kept, QString::fromStdString(ran.out))));
            }
            // What is refused says where.
            QVERIFY2(ran.code == 0 || !ran.out.empty(), "refused without a word");
        }
        qInfo("%s: %d of %d refused", qPrintable(file), refused, times);
        QVERIFY(sound(p, Lab::kVotes));
    }
};

QTEST_GUILESS_MAIN(TestFaultsInput)
#include "tst_faults_input.moc"

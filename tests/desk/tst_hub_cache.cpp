// SPDX-License-Identifier: Apache-2.0
// Models in the cache of huggingface_hub: its layout is made by hand from the starter model.
#include <filesystem>

#include "core/base/os/files.h"
#include "core/desk/runs/actions.h"
#include "core/desk/runs/hub_cache.h"
#include "tests/desk/desk_fixture.h"

using namespace fixture;
namespace fs = std::filesystem;

namespace {

const std::string kStarter = std::string(PAIRLAB_SOURCE_DIR) + "/resources/starter/model";

/// models--org--name with the starter's files as blobs, and a snapshot of links to them.
std::string repository(const std::string& cache, const std::string& folder, const std::string& revision) {
    const std::string root = cache + "/" + folder;
    must(os::makeDirs(root + "/blobs"));
    must(os::makeDirs(root + "/snapshots/" + revision));
    int n = 0;
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
        if (!os::exists(kStarter + "/" + file))
            continue;
        const std::string blob = "b" + std::to_string(n++);
        must(os::copyFile(kStarter + "/" + file, root + "/blobs/" + blob));
        fs::create_symlink("../../blobs/" + blob, root + "/snapshots/" + revision + "/" + file);
    }
    must(os::makeDirs(root + "/refs"));
    must(os::writeFileAtomic(root + "/refs/main", revision));
    return root;
}

} // namespace

class TestHubCache : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void whatIsThereIsFoundWithItsFacts() {
        QTemporaryDir temp;
        const std::string cache = temp.path().toStdString();
        const std::string root = repository(cache, "models--some-org--tiny--chat", "aaaa1111");
        must(os::writeFileAtomic(root + "/snapshots/aaaa1111/README.md", "---\ntags: [x]\nlicense: mit\n---\n# Tiny\nSmall.\n"));
        must(os::makeDirs(cache + "/datasets--some-org--pairs/snapshots/cccc"));
        must(os::makeDirs(cache + "/.locks"));
        const auto models = hubModels(cache);
        QCOMPARE(models.size(), size_t{1});
        const HubModel& m = models[0];
        QCOMPARE(m.repository, std::string("some-org/tiny--chat"));
        QCOMPARE(m.revision, std::string("aaaa1111"));
        QCOMPARE(m.problem, std::string());
        QVERIFY(m.look && m.look->config.modelType == "llama");
        QCOMPARE(m.look->licence, std::string("mit"));
        QCOMPARE(m.look->dtype, std::string("F32"));
        QCOMPARE(m.look->bytes, 4 * static_cast<uint64_t>(m.look->config.parameterCount()));
        QVERIFY(hubModels(cache + "/absent").empty());
    }

    void theRevisionOfMainIsTakenNotAnother() {
        QTemporaryDir temp;
        const std::string cache = temp.path().toStdString();
        repository(cache, "models--o--m", "bbbb2222");
        const std::string root = repository(cache, "models--o--m2", "aaaa1111");
        must(os::makeDirs(root + "/snapshots/ffff9999"));
        QCOMPARE(hubModels(cache)[1].revision, std::string("aaaa1111"));
        QVERIFY(must(hubSnapshot(cache, "o/m2")).ends_with("/aaaa1111"));
        QVERIFY(must(hubSnapshot(cache, "o/m2@ffff")).ends_with("/ffff9999"));
        const auto none = hubSnapshot(cache, "o/m2@0000");
        QVERIFY(!none && none.error().hint.find("aaaa1111") != std::string::npos);
        const auto unknown = hubSnapshot(cache, "o/other");
        QVERIFY(!unknown && unknown.error().hint.find("o/m2") != std::string::npos);
    }

    void whatCannotBeUsedSaysWhy() {
        QTemporaryDir temp;
        const std::string cache = temp.path().toStdString();
        const std::string root = repository(cache, "models--o--escape", "aaaa");
        const std::string weights = root + "/snapshots/aaaa/model.safetensors";
        fs::remove(weights);
        fs::create_symlink(kStarter + "/model.safetensors", weights); // out of the cache
        const auto models = hubModels(cache);
        QCOMPARE(models.size(), size_t{1});
        QVERIFY(!models[0].look);
        QVERIFY2(models[0].problem.find("link") != std::string::npos, models[0].problem.c_str());
        // The same through the door by which models come in.
        Desk desk;
        const auto added = addModel(*desk.project, models[0].path, "escaped");
        QVERIFY(!added);
        QVERIFY(!os::exists(desk.project->modelsDir() + "/escaped"));
    }

    void aSnapshotIsCopiedWithItsContents() {
        QTemporaryDir temp;
        const std::string cache = temp.path().toStdString();
        repository(cache, "models--o--m", "aaaa");
        Desk desk;
        QCOMPARE(must(addModel(*desk.project, must(hubSnapshot(cache, "o/m")), "mine")), std::string("mine"));
        const std::string file = desk.project->modelsDir() + "/mine/model.safetensors";
        QVERIFY(!fs::is_symlink(file));
        QCOMPARE(must(os::fileSize(file)), must(os::fileSize(kStarter + "/model.safetensors")));
    }

    void theCacheIsWhereTheLibraryLooks() {
        struct Variable {
            const char* name;
            QByteArray before = qgetenv(name);
            ~Variable() { before.isNull() ? qunsetenv(name) : qputenv(name, before); }
        } a{"HF_HUB_CACHE"}, b{"HUGGINGFACE_HUB_CACHE"}, c{"HF_HOME"}, d{"XDG_CACHE_HOME"};
        for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"})
            qunsetenv(name);
        QVERIFY(hubCacheDir().ends_with("/.cache/huggingface/hub"));
        qputenv("XDG_CACHE_HOME", "/x");
        QCOMPARE(hubCacheDir(), std::string("/x/huggingface/hub"));
        qputenv("HF_HOME", "/h");
        QCOMPARE(hubCacheDir(), std::string("/h/hub"));
        qputenv("HF_HUB_CACHE", "/c");
        QCOMPARE(hubCacheDir(), std::string("/c"));
    }
};

QTEST_GUILESS_MAIN(TestHubCache)
#include "tst_hub_cache.moc"

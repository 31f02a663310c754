// SPDX-License-Identifier: Apache-2.0
// ctest: timeout=300
// Adding a pair loss costs one file and one test: this is the test, and it writes the file. Nothing of the
// tree knows the name; the file is compiled as a neighbour in core/learn/objectives/pair is, and the manifest
// is made from the folder.

#include <torch/torch.h>

#include <dlfcn.h>

#include <QTemporaryDir>
#include <QtTest>

#include "core/base/os/process.h"
#include "core/learn/objectives/pair_losses.h"
#include "tests/plugins/tiny_run.h"

using namespace tiny;

namespace {

/// The whole of what somebody adds: a formula, a reference, a name.
const char* const kLoss = R"CPP(// SPDX-License-Identifier: Apache-2.0
#include <torch/torch.h>

#include "core/learn/objectives/pair_losses.h"

namespace pl::learn {
namespace {

/// Squared hinge: max(0, 1 - z)^2.
torch::Tensor squaredHingeLoss(const PairLogps& l, const PairLossOptions& o) {
    return torch::relu(1 - scaledMargin(l, o)).square();
}

const PairLossRegistrar registered({.name = "squared_hinge", .function = squaredHingeLoss, .takesMargin = true});

} // namespace
} // namespace pl::learn
)CPP";

const std::string kFolder = std::string(PAIRLAB_SOURCE_DIR) + "/core/learn/objectives/pair";

void runShell(const std::string& command, const std::string& in) {
    os::SpawnOptions spawn;
    spawn.arguments = {"/bin/sh", "-c", command};
    spawn.workingDirectory = in;
    const auto output = must(os::runToEnd(spawn, 240000));
    if (output.status.signalled || output.status.code != 0)
        qFatal("%s: %s", command.c_str(), output.text.c_str());
}

} // namespace

class TestNewLoss : public QObject {
    Q_OBJECT
private:
    QTemporaryDir m_dir;
    std::string path(const std::string& name) {
        return m_dir.filePath(QString::fromStdString(name)).toStdString();
    }

    /// As the build compiles core/learn/objectives/pair/hinge.cpp, but into a library of its own.
    void build(const std::string& source, const std::string& library) {
        const auto commands = must(readJsonFile(std::string(PAIRLAB_BUILD_DIR) + "/compile_commands.json"));
        for (const Json& entry : commands) {
            if (entry["file"] != Json(kFolder + "/hinge.cpp"))
                continue;
            auto command = entry["command"].get<std::string>();
            const auto object = command.find(" -o ");
            command = command.substr(0, object) + " -shared -o '" + library + "' '" + source + "'";
            runShell(command, entry["directory"]);
            return;
        }
        qFatal("the build does not know hinge.cpp");
    }

private Q_SLOTS:
    void initTestCase() {
        torch::set_num_threads(1);
        makeModel(path("model"));
        must(os::makeDirs(path("pair")));
        writeFile(path("pair/squared_hinge.cpp"), kLoss);
    }

    void itIsUnknownBeforeItsFileIsThere() {
        QVERIFY(!learn::findPairLoss("squared_hinge"));
        QVERIFY(!must(Manifest::load(pluginDir("dpo"))).effectiveParameters({{"loss", "squared_hinge"}}));
    }

    void oneFileBuildsAndRegistersItself() {
        build(path("pair/squared_hinge.cpp"), path("squared_hinge.so"));
        void* handle = dlopen(path("squared_hinge.so").c_str(), RTLD_NOW | RTLD_LOCAL);
        QVERIFY2(handle, handle ? "" : dlerror());
        const auto loss = must(learn::findPairLoss("squared_hinge"));
        QVERIFY(loss.takesMargin && !loss.acrossPairs);
        // z = 0.5 ((-4 + 5) - (-7 + 6)) - 0.25 = 0.75
        const auto one = [](double value) { return torch::tensor({value}, torch::kFloat64); };
        const learn::PairLogps logps{one(-4), one(-7), one(-5), one(-6), one(3), one(4)};
        learn::PairLossOptions options;
        options.beta = 0.5;
        options.margin = one(0.25);
        QCOMPARE(learn::pairLoss(loss, logps, options).item<double>(), 0.0625);
    }

    void theTrainerOffersItAndTrainsWithIt() {
        // The manifest as the build makes it from the folders of losses.
        must(os::makeDirs(path("dpo")));
        const auto tag = must(Manifest::load(pluginDir("dpo"))).buildTag;
        runShell("cmake -DLOSS_FOLDERS='" + kFolder + ";" + path("pair") +
                     "' -DMANIFEST='" PAIRLAB_SOURCE_DIR "/plugins/dpo/manifest.json' -DOUT='" +
                     path("dpo/manifest.json") + "' -DPAIRLAB_MANIFEST_BUILD_TAG='" + tag +
                     "' -P '" PAIRLAB_SOURCE_DIR "/packaging/cmake/PairLosses.cmake'",
                 "/");
        const auto offered = must(Manifest::load(path("dpo"))).parameter("loss")->values;
        QCOMPARE(offered.size(), learn::pairLosses().size());
        QVERIFY(std::find(offered.begin(), offered.end(), "squared_hinge") != offered.end());

        const double beta = 0.3;
        const Json parameters = {{"loss", "squared_hinge"}, {"beta", beta},  {"steps", 2}, {"batch_size", 1},
                                 {"learning_rate", 0.0001}, {"log_every", 1}};
        makeBundle(path("run"), "dpo", {modelSpec("policy", path("model"))}, parameters,
                   {{"train.jsonl", plantedPairs(1, 3)}}, 1, path("dpo"));
        const auto out = runPlugin(path("run"));
        QVERIFY2(out.status == PL_OK, out.message.c_str());
        const auto loss = metric(path("run"), "loss"), margin = metric(path("run"), "rewards/margins");
        QVERIFY(std::abs(loss.at(1) - 1) < 1e-5); // z = 0 before the first update
        const double z = margin.at(2);            // one pair, so the metric is its z
        QVERIFY2(z > 1e-3 && z < 1, std::to_string(z).c_str());
        QVERIFY2(std::abs(loss.at(2) - (1 - z) * (1 - z)) < 1e-5, std::to_string(loss.at(2)).c_str());
    }
};

QTEST_GUILESS_MAIN(TestNewLoss)
#include "tst_new_loss.moc"

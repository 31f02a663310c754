// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <CLI/CLI.hpp>

#include "app/worker/devices.h"
#include "app/worker/model_tools.h"
#include "app/worker/plugin_library.h"
#include "app/worker/precision.h"
#include "app/worker/run_job.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/learn/host/job.h"
#include "pairlab_build_tag.h"

namespace {

pl::Result<pl::Manifest> findPlugin(const std::string& name) {
    if (pl::os::exists(pl::os::joinPath(name, "manifest.json")))
        return pl::Manifest::load(name);
    const auto folders = pl::defaultPluginFolders();
    const auto catalog = pl::findPlugins(folders);
    if (const auto* manifest = catalog.find(name))
        return *manifest;
    return pl::fail(pl::Code::NotFound, fmt::format("there is no plugin '{}'", name), "See pairlab-cli plugins list.");
}

/// What the manifest says, and whether the library would be accepted.
int describe(const std::string& name) {
    const auto manifest = findPlugin(name);
    if (!manifest) {
        pl::log::error("{}", manifest.error().toString());
        return pl::exitCodeOf(manifest.error().code);
    }
    pl::Json parameters = pl::Json::array();
    for (const auto& parameter : manifest->parameters)
        parameters.push_back({{"name", parameter.name},
                              {"type", pl::paramTypeName(parameter.type)},
                              {"default", parameter.defaultValue},
                              {"help", parameter.help}});
    pl::Json out{{"id", manifest->id},
                 {"version", manifest->version},
                 {"title", manifest->title},
                 {"kind", pl::pluginKindName(manifest->kind)},
                 {"dir", manifest->dir},
                 {"parameters", parameters},
                 {"worker_build_tag", PAIRLAB_BUILD_TAG}};
    int code = 0;
    if (!manifest->command.empty()) {
        out["command"] = manifest->command;
    } else if (const auto plugin = pl::worker::loadPlugin(*manifest)) {
        out["loads"] = true;
        out["build_tag"] = (*plugin)->build_tag;
    } else {
        out["loads"] = false;
        out["error"] = plugin.error().toString();
        code = pl::exitCodeOf(plugin.error().code);
    }
    std::cout << pl::dumpJsonPretty(out) << "\n";
    return code;
}

int finish(const pl::Status& status) {
    if (status)
        return 0;
    pl::log::error("{}", status.error().toString());
    return pl::exitCodeOf(status.error().code);
}

int program(int argc, char** argv) {
    CLI::App app("The learning side of PairLab: executes one run bundle in this process.", "pairlab-worker");
    app.set_version_flag("--version", std::string("pairlab-worker ") + PAIRLAB_VERSION + " (" + PAIRLAB_BUILD_TAG + ")");
    app.require_subcommand(1);
    app.footer("Exit codes: 0 done, 2 usage, 3 stopped on request, 4 busy, 10 configuration, 11 input or output, "
               "12 memory, 13 diverged, 70 internal.");
    std::string bundle, plugin;
    pl::worker::ToolOptions options;
    auto* run = app.add_subcommand("run", "Execute a run bundle");
    run->add_option("BUNDLE", bundle, "Folder with run.json")->required();
    auto* describeCommand = app.add_subcommand("describe", "Say what a plugin is and whether it loads");
    describeCommand->add_option("PLUGIN", plugin, "Id, or folder with manifest.json")->required();
    auto* selftest = app.add_subcommand("selftest", "Check the arithmetic of every device");
    auto* devices = app.add_subcommand("devices", "Say where jobs can compute, as JSON");
    auto* precision = app.add_subcommand("precision", "Try products in bf16 against fp32 ones, as JSON");
    precision->add_option("--device", options.device, "cpu, cuda or cuda:N");
    auto* logprobs = app.add_subcommand("logprobs", "Log-probabilities of token ids");
    logprobs->add_option("MODEL", options.model, "Model folder")->required();
    logprobs->add_option("--ids", options.file, "JSON lines: {\"ids\": [...], \"start\": 1}")->required();
    auto* sample = app.add_subcommand("sample", "Continuations of prompts");
    sample->add_option("MODEL", options.model, "Model folder")->required();
    sample->add_option("--prompts", options.file, "JSON lines: {\"prompt\": text} or {\"ids\": [...]}")->required();
    sample->add_option("--n", options.n, "Continuations of each prompt")->check(CLI::Range(1, 1000));
    sample->add_option("--temperature", options.temperature, "0: always the likeliest token")->check(CLI::Range(0.0, 100.0));
    sample->add_option("--top-k", options.topK, "Only the k likeliest tokens; 0: off")->check(CLI::NonNegativeNumber);
    sample->add_option("--top-p", options.topP, "Only the likeliest tokens of this mass; 1: off")->check(CLI::Range(0.0, 1.0));
    sample->add_option("--max-new-tokens", options.maxNewTokens, "Longest continuation")->check(CLI::Range(1, 1 << 20));
    sample->add_option("--batch-size", options.batchSize, "Rows computed together")->check(CLI::Range(1, 4096));
    sample->add_option("--seed", options.seed, "Random seed");
    auto* merge = app.add_subcommand("merge", "Write a model, with an adapter merged into it, to a new folder");
    merge->add_option("MODEL", options.model, "Model folder")->required();
    merge->add_option("--adapter", options.adapter, "Folder with a LoRA adapter in PEFT's layout");
    merge->add_option("--out", options.out, "Folder to make")->required();
    for (auto* command : {logprobs, sample, merge}) {
        command->add_option("--device", options.device, "cpu, cuda or cuda:N");
        command->add_option("--threads", options.threads, "Threads on the CPU; 0: all")->check(CLI::Range(0, 1024));
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (*run) {
        pl::learn::prepareProcess(); // before any thread starts
        return pl::worker::runBundle(bundle);
    }
    if (*describeCommand)
        return describe(plugin);
    if (*selftest)
        return finish(pl::worker::selfTest());
    if (*devices)
        return finish(pl::worker::printDevices());
    if (*precision)
        return finish(pl::worker::printPrecision(options.device));
    if (*logprobs)
        return finish(pl::worker::printLogps(options));
    if (*merge)
        return finish(pl::worker::writeMerged(options));
    return finish(pl::worker::printSamples(options));
}

} // namespace

int main(int argc, char** argv) {
#ifdef __GLIBC__
    // The tensors of one step have the sizes of the step before. Left to itself malloc gives the larger ones back each time, and the kernel
    // clears their pages anew: 6 % of a DPO step of the starter model. Both are the most that counts.
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
    pl::os::disableCoreDumps(); // a dump would hold the weights and people's texts
    pl::log::init(pl::log::Level::Info);
    try {
        return program(argc, argv);
    } catch (const std::bad_alloc&) {
        pl::log::error("not enough memory");
        return pl::exitCodeOf(pl::Code::OutOfMemory);
    } catch (const std::exception& error) {
        pl::log::error("unexpected failure: {}", error.what());
        return pl::exitCodeOf(pl::Code::Internal);
    }
}

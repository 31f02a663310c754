// SPDX-License-Identifier: Apache-2.0
// models: what is there, what it is, whether it fits, in and out.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/amounts.h"
#include "core/base/devices.h"
#include "core/base/memory_estimate.h"
#include "core/base/os/files.h"
#include "core/desk/runs/devices.h"
#include "core/desk/runs/hub_cache.h"

namespace pl::cli {

namespace {

constexpr int64_t kMostTokens = 1'000'000, kMostRank = 4096;

struct FitArguments {
    int64_t positions = 0, longest = 512, rank = 16; ///< positions 0: what each method has
    std::string memory; ///< of a device that need not be here; empty: those that are
};

void addFitOptions(CLI::App* sub, FitArguments& f) {
    sub->add_option("--positions", f.positions, "Of one micro-batch (micro_batch_tokens); 0: what each method has")->check(wholeNumber(0, kMostTokens));
    sub->add_option("--longest", f.longest, "Tokens of the longest sequence")->check(wholeNumber(1, kMostTokens));
    sub->add_option("--rank", f.rank, "Of the adapters of the LoRA column")->check(wholeNumber(1, kMostRank));
    sub->add_option("--memory", f.memory, "Of a device that need not be here, such as 24G; without it the processor and every GPU");
}

MemoryEstimate estimateOf(const ModelConfig& config, TrainMethod method, int64_t rank, const FitArguments& f, const Device& device) {
    MemoryPlan plan = MemoryPlan::usual(method, rank).on(device.name);
    if (f.positions > 0)
        plan.positions = f.positions;
    plan.longest = f.longest;
    return estimateMemory(config, decided(config, plan, Checkpointing::Auto, static_cast<double>(device.total)));
}

Result<std::vector<DeviceKind>> kindsOf(const FitArguments& f) {
    if (f.memory.empty())
        return deviceKinds(desk::devicesHere());
    PL_TRY(const uint64_t bytes, memoryOf(f.memory));
    return std::vector<DeviceKind>{{{"", "a device of that size", bytes, bytes}, f.memory}};
}

Json fitRows(const ModelConfig& config, const FitArguments& f, const std::vector<DeviceKind>& devices) {
    Json rows = Json::array();
    for (const TrainMethod method : kTrainMethods)
        for (const int64_t rank : {int64_t{0}, f.rank})
            for (const DeviceKind& kind : devices) {
                const Device& d = kind.device;
                const MemoryEstimate e = estimateOf(config, method, rank, f, d);
                rows.push_back({{"method", trainMethodName(method)},
                                {"adapter_rank", rank},
                                {"device", d.name.empty() ? Json() : Json(d.name)},
                                {"title", d.title},
                                {"bytes", static_cast<int64_t>(e.total())},
                                {"memory", d.total},
                                {"fit", fitName(fitOf(e.total(), static_cast<double>(d.total)))}});
            }
    return rows;
}

void printFits(const ModelConfig& config, const FitArguments& f, const std::vector<DeviceKind>& devices) {
    // One device: its word stands before the amount. Several: the amount, and a word for each.
    const bool one = devices.size() == 1;
    size_t width = 5;
    for (const DeviceKind& kind : devices)
        width = std::max(width, kind.label.size());
    const auto side = [&](auto word) {
        std::string out;
        for (const DeviceKind& kind : devices)
            out += fmt::format("  {:<{}}", word(kind), width);
        return out;
    };
    const size_t column = one ? 22 : 8 + devices.size() * (2 + width) + 3;
    std::printf("\n%-14s %-*s LoRA, rank %lld\n", "", static_cast<int>(column), "full", static_cast<long long>(f.rank));
    if (!one) {
        const auto names = fmt::format("{:>8}{}", "needs", side([](const DeviceKind& kind) { return kind.label; }));
        std::printf("%-14s %-*s %s\n", "", static_cast<int>(column), names.c_str(), names.c_str());
    }
    for (const TrainMethod method : kTrainMethods) {
        const auto cell = [&](int64_t rank) {
            const auto needs = [&](const Device& device) { return estimateOf(config, method, rank, f, device).total(); };
            const auto fit = [&](const DeviceKind& kind) { return fitName(fitOf(needs(kind.device), static_cast<double>(kind.device.total))); };
            // Of several devices, each of which decides on checkpointing for itself: what it takes without.
            const double bytes = needs(one ? devices[0].device : Device{"", "", std::numeric_limits<uint64_t>::max(), 0});
            return one ? fmt::format("{:<5} {:>8}", fit(devices[0]), byteText(bytes)) : fmt::format("{:>8}{}", byteText(bytes), side(fit));
        };
        std::printf("%-14s %-*s %s\n", trainMethodName(method), static_cast<int>(column), cell(0).c_str(), cell(f.rank).c_str());
    }
    const auto memory = [](const DeviceKind& kind) { return byteText(static_cast<double>(kind.device.total)); };
    if (one) {
        std::printf("of %s, in fp32, sequences of up to %lld tokens\n", memory(devices[0]).c_str(), static_cast<long long>(f.longest));
        return;
    }
    for (const DeviceKind& kind : devices)
        std::printf("%s: %s, %s\n", kind.label.c_str(), kind.device.title.c_str(), memory(kind).c_str());
    std::printf("in fp32, sequences of up to %lld tokens\n", static_cast<long long>(f.longest));
}

Json jsonOf(const desk::ModelLook& look) {
    const ModelConfig& c = look.config;
    return {{"family", modelFamily(c.modelType)}, {"parameters", c.parameterCount()}, {"context", c.maxPositions},
            {"vocabulary", c.vocabSize},          {"layers", c.layers},               {"hidden", c.hiddenSize},
            {"bytes", look.bytes},                {"dtype", look.dtype},              {"licence", look.licence}};
}

std::string licenceText(const desk::ModelLook& look) { return look.licence.empty() ? "licence not said" : look.licence; }

Result<int> find(const std::string& cache, bool json) {
    const std::string dir = cache.empty() ? desk::hubCacheDir() : os::absolutePath(cache);
    const auto models = desk::hubModels(dir);
    if (json) {
        Json rows = Json::array();
        for (const auto& m : models) {
            Json row{{"repository", m.repository}, {"revision", m.revision}, {"path", m.path}, {"problem", m.problem}};
            if (m.look)
                row.update(jsonOf(*m.look));
            rows.push_back(std::move(row));
        }
        printJson({{"cache", dir}, {"models", rows}});
        return 0;
    }
    if (models.empty())
        std::printf("No models in %s.\n", dir.c_str());
    for (const auto& m : models) {
        if (!m.look) {
            std::printf("%-40s cannot be used: %s\n", m.repository.c_str(), m.problem.c_str());
            continue;
        }
        const ModelConfig& c = m.look->config;
        std::printf("%-40s %-8s %8s %-5s context %-7lld %s\n", m.repository.c_str(), modelFamily(c.modelType).c_str(),
                    shortCount(static_cast<double>(c.parameterCount())).c_str(), m.look->dtype.c_str(),
                    static_cast<long long>(c.maxPositions), licenceText(*m.look).c_str());
    }
    return 0;
}

/// A folder, or the name of a model in the cache.
Result<std::string> folderOf(const std::string& text, const std::string& cache) {
    if (os::isDir(text))
        return text;
    auto found = desk::hubSnapshot(cache.empty() ? desk::hubCacheDir() : os::absolutePath(cache), text);
    if (!found)
        found.error().message = fmt::format("there is no folder {}, and {}", text, found.error().message);
    return found;
}

Result<int> show(const std::string& text, const std::string& cache, const FitArguments& fit, bool json) {
    PL_TRY(const std::string dir, folderOf(text, cache));
    PL_TRY(const desk::ModelLook look, desk::lookAtModel(dir));
    PL_TRY(const auto devices, kindsOf(fit));
    const ModelConfig& c = look.config;
    if (json) {
        Json out = jsonOf(look);
        out["path"] = dir;
        out["fits"] = fitRows(c, fit, devices);
        printJson(out);
        return 0;
    }
    std::printf("%s\n%s, %s parameters in %zu tensors, mostly %s; %lld layers, width %lld, context %lld, vocabulary %lld\n%s\n", dir.c_str(),
                modelFamily(c.modelType).c_str(), shortCount(static_cast<double>(c.parameterCount())).c_str(), look.tensors,
                look.dtype.c_str(), static_cast<long long>(c.layers), static_cast<long long>(c.hiddenSize),
                static_cast<long long>(c.maxPositions), static_cast<long long>(c.vocabSize), licenceText(look).c_str());
    printFits(c, fit, devices);
    return 0;
}

Result<int> list(const std::string& dir, bool json) {
    PL_TRY(desk::Project project, openProject(dir));
    PL_TRY(auto choices, desk::modelChoices(project));
    Json rows = Json::array();
    for (const auto& c : choices) {
        rows.push_back({{"name", c.text}, {"label", c.label}, {"path", c.path}, {"reward_model", c.rewardModel},
                        {"image", c.image}, {"control", c.control}});
        const char* kind = c.rewardModel ? c.image ? " (reward model of images)" : " (reward model)" : c.image ? " (images)" : "";
        if (!json)
            std::printf("%-16s %s%s\n", c.text.c_str(), c.label.c_str(), kind);
    }
    if (json)
        printJson(rows);
    return 0;
}

} // namespace

void addModelCommands(Commands& commands) {
    struct Arguments {
        std::string project, text, name, out, cache;
        FitArguments fit;
        bool json = false;
    };
    auto* models = commands.app.add_subcommand("models", "List, find, look at, add or export models");
    models->require_subcommand(1);
    auto l = std::make_shared<Arguments>();
    auto* sub = commands.add("list", "Models and checkpoints of a project", [l] { return list(l->project, l->json); }, models);
    sub->add_option("project", l->project, "Project folder")->required();
    sub->add_flag("--json", l->json, "JSON");

    auto f = std::make_shared<Arguments>();
    sub = commands.add("find", "Models in the Hugging Face cache of this machine", [f] { return find(f->cache, f->json); }, models);
    sub->add_option("--cache", f->cache, "Cache folder; without it where huggingface_hub looks");
    sub->add_flag("--json", f->json, "JSON");

    auto s = std::make_shared<Arguments>();
    sub = commands.add("show", "What a language model is, and which methods fit the memory",
                       [s] { return show(s->text, s->cache, s->fit, s->json); }, models);
    sub->add_option("model", s->text, "Folder, or the name of a model in the cache: org/name[@REVISION]")->required();
    sub->add_option("--cache", s->cache, "Cache folder; without it where huggingface_hub looks");
    addFitOptions(sub, s->fit);
    sub->add_flag("--json", s->json, "JSON");

    auto a = std::make_shared<Arguments>();
    sub = commands.add("add", "Copy a Hugging Face model or an image model into the project", [a]() -> Result<int> {
        PL_TRY(desk::Project project, openProject(a->project));
        PL_TRY(const std::string dir, folderOf(a->text, a->cache));
        std::string name = a->name;
        if (name.empty() && !os::isDir(a->text)) // a snapshot's folder is called by its revision
            name = os::baseName(a->text.substr(0, a->text.find('@')));
        PL_TRY(name, desk::addModel(project, dir, name));
        std::printf("Added as %s.\n", name.c_str());
        return 0;
    }, models);
    sub->add_option("project", a->project, "Project folder")->required();
    sub->add_option("path", a->text, "Folder with config.json and safetensors, org/name[@REVISION] of a model in the cache, or the folder of a LoRA adapter (PEFT) "
                    "whose model the project has")->required();
    sub->add_option("--name", a->name, "What to call it");
    sub->add_option("--cache", a->cache, "Cache folder; without it where huggingface_hub looks");

    auto e = std::make_shared<Arguments>();
    sub = commands.add("export", "Copy a model or checkpoint out, in Hugging Face layout", [e]() -> Result<int> {
        PL_TRY(desk::Project project, openProject(e->project));
        PL_CHECK(desk::exportModel(project, e->text, e->out));
        std::printf("%s\n", e->out.c_str());
        return 0;
    }, models);
    sub->add_option("project", e->project, "Project folder")->required();
    sub->add_option("model", e->text, "start, run:ID[@STEP]")->required();
    sub->add_option("--out", e->out, "Folder to make")->required();
}

} // namespace pl::cli

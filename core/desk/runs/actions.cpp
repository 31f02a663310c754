// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/actions.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/rules/taste.h"

namespace pl::desk {

namespace {

constexpr int kPinnedPrompts = 12;

// prompts.jsonl of a bundle (core/base/records.h).
std::string promptLines(const std::vector<Prompt>& prompts, const std::string& kind, int64_t limit) {
    std::string text;
    int64_t taken = 0;
    for (const Prompt& prompt : prompts) {
        if (!kind.empty() && (prompt.kind.empty() ? "chat" : prompt.kind) != kind)
            continue;
        if (limit > 0 && taken >= limit)
            break;
        ++taken;
        Json row{{"id", prompt.uuid}, {"prompt", prompt.content}, {"split", splitName(prompt.split)}};
        if (!prompt.verifierKind.empty())
            row["verifier"] = {{"kind", prompt.verifierKind}, {"answer", prompt.verifierAnswer}};
        text += dumpJson(row) + "\n";
    }
    return text;
}

Result<std::string> promptsOf(Project& project, std::optional<Split> split, const std::string& kind, int64_t limit) {
    PL_TRY(auto prompts, project.promptsForJob(split, 0));
    std::string text = promptLines(prompts, kind, limit);
    if (text.empty())
        return fail(Code::NotFound,
                    fmt::format("the project has no {}{} prompts", split ? splitName(*split) : "",
                                kind.empty() ? "" : " " + kind),
                    "Import some on the Data page or with `pairlab-cli import`.");
    return text;
}

// Every model a parameter names (also inside reward terms) becomes a model of the bundle with role "ref:<text>".
Status addReferredModels(Project& project, const Manifest& manifest, const Json& parameters,
                         std::vector<ModelSpec>& models) {
    auto add = [&](const Json& value) -> Status {
        if (!value.is_string() || value.get<std::string>().empty())
            return {};
        const std::string role = "ref:" + value.get<std::string>();
        for (const ModelSpec& model : models)
            if (model.role == role)
                return {};
        PL_TRY(ModelSpec model, resolveModel(project, value.get<std::string>(), role));
        models.push_back(std::move(model));
        return {};
    };
    for (const Parameter& parameter : manifest.parameters) {
        if (!parameters.contains(parameter.name))
            continue;
        const Json& value = parameters[parameter.name];
        if (parameter.type == ParamType::ModelRef)
            PL_CHECK(add(value));
        if (parameter.type != ParamType::Variants || !value.is_array())
            continue;
        for (const Json& item : value) {
            if (!item.is_object())
                continue;
            for (const Variant& variant : parameter.variants) {
                if (item.value("type", std::string()) != variant.name)
                    continue;
                for (const Parameter& inner : variant.parameters)
                    if (inner.type == ParamType::ModelRef && item.contains(inner.name))
                        PL_CHECK(add(item[inner.name]));
            }
        }
    }
    return {};
}

Result<const Manifest*> manifestOf(Supervisor& supervisor, const std::string& plugin) {
    if (const Manifest* manifest = supervisor.catalog().find(plugin))
        return manifest;
    std::string known;
    for (const Manifest& each : supervisor.catalog().plugins)
        known += (known.empty() ? "" : ", ") + each.id;
    return fail(Code::NotFound, fmt::format("there is no plugin '{}'", plugin), "Known: " + known + ".");
}

bool needs(const Manifest& manifest, const char* data) {
    return std::find(manifest.data.begin(), manifest.data.end(), data) != manifest.data.end();
}

bool hasRole(const Manifest& manifest, const char* role) {
    return std::any_of(manifest.models.begin(), manifest.models.end(),
                       [&](const ModelNeed& need) { return need.role == role; });
}

Result<std::string> submitAndRecord(Project& project, Supervisor& supervisor, RunRequest request,
                                    const Manifest& manifest) {
    PL_TRY(Id number, project.reserveRun());
    request.number = number;
    PL_TRY(std::string name, supervisor.submit(request));
    RunRow row;
    row.id = std::atoll(name.c_str());
    row.name = name;
    row.plugin = manifest.id;
    row.pluginVersion = manifest.version;
    row.kind = pluginKindName(manifest.kind);
    row.datasetHash = request.datasetHash;
    row.device = request.device;
    row.seed = request.seed;
    row.createdMs = nowMs();
    if (auto info = supervisor.find(name)) {
        row.parameters = info->parameters;
        row.models = Json::array();
        for (const ModelSpec& model : info->models)
            row.models.push_back({{"role", model.role}, {"name", model.name}, {"hash", model.hash}, {"path", model.path}});
    }
    if (auto bundle = Bundle::open(os::joinPath(project.runsDir(), name)))
        row.uuid = bundle->spec().uuid;
    PL_TRY([[maybe_unused]] Id id, project.insertRun(row));
    return name;
}

bool isRewardModelDir(const std::string& dir) {
    auto config = readJsonFile(os::joinPath(dir, "config.json"));
    if (!config || !config->is_object() || !config->contains("architectures") || !(*config)["architectures"].is_array())
        return false;
    for (const Json& each : (*config)["architectures"])
        if (each.is_string() && each.get<std::string>().find("SequenceClassification") != std::string::npos)
            return true;
    return false;
}

bool looksLikeModel(const std::string& dir) {
    return os::exists(os::joinPath(dir, "config.json")) && os::exists(os::joinPath(dir, "model.safetensors"));
}

// Step and path below the bundle of every complete checkpoint, oldest first.
std::vector<std::pair<int64_t, std::string>> checkpointPaths(const std::string& bundleDir) {
    auto all = completeCheckpoints(bundleDir);
    for (auto& [step, name] : all)
        name = "checkpoints/" + name;
    return all;
}

// The best checkpoint says so in its DONE file; of several that were the best when written, the newest is.
std::string bestCheckpoint(const std::string& bundleDir) {
    std::string best;
    for (const auto& [step, path] : checkpointPaths(bundleDir))
        if (auto done = readJsonFile(os::joinPath(os::joinPath(bundleDir, path), "DONE")))
            if (done->is_object() && done->contains("best") && (*done)["best"] == Json(true))
                best = path;
    return best;
}

int64_t stepOfPath(const std::string& path) {
    const auto dash = path.rfind('-');
    return dash == std::string::npos ? -1 : std::atoll(path.c_str() + dash + 1);
}

} // namespace

std::string resourcesDir() {
    const std::string given = os::environment("PAIRLAB_RESOURCES");
    if (!given.empty())
        return given;
    return os::joinPath(os::parentDir(os::programDir()), "share/pairlab/resources");
}

Status exportModel(Project& project, const std::string& model, const std::string& toDir) {
    PL_TRY(ModelSpec spec, resolveModel(project, model, "model"));
    if (os::exists(toDir))
        return fail(Code::InvalidInput, fmt::format("{} exists already", toDir), "Choose a folder that does not exist.");
    PL_CHECK(os::makeDirs(toDir));
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                             "generation_config.json", "chat_template.jinja"}) {
        const std::string from = os::joinPath(spec.path, file);
        if (!os::exists(from))
            continue;
        if (auto copied = os::copyFile(from, os::joinPath(toDir, file)); !copied) {
            (void)os::removeTree(toDir);
            return copied;
        }
    }
    return {};
}

Status addStarter(Project& project) {
    const std::string dir = os::joinPath(resourcesDir(), "starter");
    if (!looksLikeModel(os::joinPath(dir, "model")))
        return fail(Code::NotFound, fmt::format("the starter model is not in {}", dir),
                    "Set PAIRLAB_RESOURCES to the resources folder of PairLab.");
    PL_TRY([[maybe_unused]] std::string model, addModel(project, os::joinPath(dir, "model"), "start"));
    std::vector<NewPrompt> prompts;
    std::map<std::string, size_t> byText;
    PL_CHECK(forEachJsonLine(os::joinPath(dir, "prompts.jsonl"), [&](const Json& json, size_t line) -> Status {
        PL_TRY(PromptRow row, promptRowOf(json, fmt::format("prompts.jsonl line {}", line)));
        NewPrompt prompt;
        prompt.content = row.prompt;
        PL_TRY(prompt.split, splitOf(row.split));
        prompt.kind = json.value("kind", std::string("chat"));
        prompt.verifierKind = row.verifierKind;
        prompt.verifierAnswer = row.verifierAnswer;
        prompt.source = "starter";
        byText[prompt.content] = prompts.size();
        prompts.push_back(std::move(prompt));
        return {};
    }));
    PL_TRY(auto ids, project.addPrompts(prompts));
    // Answers written by the starter model, beside the seed and parameters that made them.
    const std::string pairsFile = os::joinPath(dir, "pairs.jsonl");
    if (!os::exists(pairsFile))
        return {};
    std::vector<NewCandidate> candidates;
    PL_TRY(std::string hash, modelHash(os::joinPath(project.modelsDir(), "start")));
    PL_CHECK(forEachJsonLine(pairsFile, [&](const Json& json, size_t line) -> Status {
        const std::string where = fmt::format("pairs.jsonl line {}", line);
        PL_TRY(std::string prompt, field<std::string>(json, "prompt", where));
        const auto at = byText.find(prompt);
        if (at == byText.end() || !json.contains("candidates") || !json["candidates"].is_array())
            return fail(Code::Corrupt, where + ": unknown prompt or no candidates");
        for (const Json& each : json["candidates"]) {
            NewCandidate candidate;
            candidate.prompt = ids[at->second];
            PL_TRY(candidate.content, field<std::string>(each, "content", where));
            candidate.modelName = "start";
            candidate.modelHash = hash;
            candidate.params = each.value("params", Json::object());
            candidate.seed = each.value("seed", uint64_t{0});
            candidate.tokens = each.value("tokens", int64_t{-1});
            if (each.contains("finished"))
                candidate.finished = each["finished"] == Json(true);
            candidates.push_back(std::move(candidate));
        }
        return {};
    }));
    PL_TRY([[maybe_unused]] auto added, project.addCandidates(candidates));
    MakePairsOptions pairs;
    pairs.source = "starter";
    PL_TRY([[maybe_unused]] auto made, project.makePairs(pairs));
    return {};
}

Result<RunRow> runOf(Project& project, const std::string& text) {
    return project.findRun(text.rfind("run:", 0) == 0 ? text.substr(4) : text);
}

Result<std::vector<ModelChoice>> modelChoices(Project& project) {
    std::vector<ModelChoice> choices;
    if (auto names = os::listDir(project.modelsDir()))
        for (const std::string& name : *names) {
            const std::string dir = os::joinPath(project.modelsDir(), name);
            if (looksLikeModel(dir))
                choices.push_back({name, name, dir, isRewardModelDir(dir), 0, -1});
        }
    // The starting point first, whatever the alphabet says.
    std::stable_partition(choices.begin(), choices.end(), [](const ModelChoice& c) { return c.text == "start"; });
    PL_TRY(auto runs, project.runs());
    for (const RunRow& run : runs) {
        const std::string dir = os::joinPath(project.runsDir(), run.name);
        auto checkpoints = checkpointPaths(dir);
        const std::string best = bestCheckpoint(dir);
        std::stable_sort(checkpoints.begin(), checkpoints.end(), [&](const auto& a, const auto& b) {
            return (a.second == best) != (b.second == best) ? a.second == best : a.first > b.first;
        });
        for (const auto& [step, path] : checkpoints) {
            const std::string folder = os::joinPath(dir, path);
            if (looksLikeModel(folder))
                choices.push_back({fmt::format("run:{}@{}", run.id, step),
                                   fmt::format("{} step {}{}", run.name, step, path == best ? " (best)" : ""), folder,
                                   isRewardModelDir(folder), run.id, step});
        }
    }
    return choices;
}

Result<ModelSpec> resolveModel(Project& project, const std::string& text, const std::string& role) {
    ModelSpec spec;
    spec.role = role;
    spec.name = text;
    if (text.rfind("run:", 0) == 0) {
        std::string which = text.substr(4), step;
        if (const auto at = which.find('@'); at != std::string::npos) {
            step = which.substr(at + 1);
            which = which.substr(0, at);
        }
        PL_TRY(RunRow run, project.findRun(which));
        const std::string dir = os::joinPath(project.runsDir(), run.name);
        std::string path;
        if (step.empty() || step == "best")
            path = bestCheckpoint(dir);
        if (path.empty() && (step.empty() || step == "best" || step == "last"))
            path = newestCheckpoint(dir);
        if (!step.empty() && step != "best" && step != "last")
            for (const auto& [each, candidate] : checkpointPaths(dir))
                if (std::to_string(each) == step)
                    path = candidate;
        if (path.empty())
            return fail(Code::NotFound, fmt::format("run {} has no complete checkpoint{}", run.name,
                                                    step.empty() ? "" : " " + step),
                        "Wait for its first checkpoint, or choose another run.");
        spec.path = os::joinPath(dir, path);
        spec.name = fmt::format("{} step {}", run.name, stepOfPath(path));
    } else if (text.find('/') == std::string::npos && os::isDir(os::joinPath(project.modelsDir(), text))) {
        spec.path = os::joinPath(project.modelsDir(), text);
    } else if (os::isDir(text)) {
        spec.path = os::absolutePath(text);
    } else {
        return fail(Code::NotFound, fmt::format("there is no model '{}'", text),
                    "Name one of `pairlab-cli models list`: start, run:ID, run:ID@STEP, or a folder.");
    }
    PL_TRY(spec.hash, modelHash(spec.path));
    return spec;
}

Result<std::string> startGenerate(Project& project, Supervisor& supervisor, const GenerateRequest& request) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, "generate_text"));
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters = request.parameters;
    run.parameters["n"] = request.n;
    run.seed = request.seed;
    run.device = request.device;
    run.shortJob = request.shortJob;
    for (size_t i = 0; i < request.models.size(); ++i) {
        PL_TRY(ModelSpec model, resolveModel(project, request.models[i], i == 0 ? "policy" : fmt::format("policy_{}", i + 1)));
        run.models.push_back(std::move(model));
    }
    PL_TRY(run.dataTexts["prompts.jsonl"], promptsOf(project, request.split, request.kind, request.prompts));
    run.note = {{"make_pairs", request.makePairs}, {"across", request.acrossModels}};
    return submitAndRecord(project, supervisor, std::move(run), *manifest);
}

Result<std::string> startTrain(Project& project, Supervisor& supervisor, const TrainRequest& request) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, request.plugin));
    if (manifest->kind != PluginKind::Train)
        return fail(Code::InvalidInput, fmt::format("{} does not train; it is of kind {}", manifest->title,
                                                    pluginKindName(manifest->kind)));
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters = request.parameters;
    run.seed = request.seed;
    run.threads = request.threads;
    run.device = request.device;
    if (hasRole(*manifest, "policy")) {
        PL_TRY(ModelSpec model, resolveModel(project, request.model, "policy"));
        run.models.push_back(std::move(model));
    }
    PL_CHECK(addReferredModels(project, *manifest, request.parameters, run.models));
    const bool ownFile = needs(*manifest, "sft") && !request.sftFile.empty();
    if (ownFile) {
        run.dataFiles["train.jsonl"] = request.sftFile;
    } else if (needs(*manifest, "pairs") || needs(*manifest, "sft")) {
        DatasetInfo dataset;
        if (request.dataset.empty()) {
            DatasetSpec spec;
            spec.name = fmt::format("votes-{}", project.counters().events);
            PL_TRY(dataset, project.freezeDataset(spec));
        } else {
            PL_TRY(dataset, project.findDataset(request.dataset));
        }
        if (dataset.counts.train == 0)
            return fail(Code::InvalidInput,
                        fmt::format("{} needs labelled pairs, and the dataset '{}' has none for training", manifest->title,
                                    dataset.name),
                        "Label some pairs first; about 200 is where it becomes useful.");
        run.datasetHash = dataset.sha;
        if (needs(*manifest, "pairs")) {
            for (const char* file : {"train.jsonl", "dev.jsonl", "ties.jsonl", "unpaired.jsonl"})
                if (os::exists(os::joinPath(dataset.dir, file)))
                    run.dataFiles[file] = os::joinPath(dataset.dir, file);
        } else {
            // Supervised: the chosen answers.
            for (const char* file : {"train.jsonl", "dev.jsonl"}) {
                if (!os::exists(os::joinPath(dataset.dir, file)))
                    continue;
                PL_TRY(auto rows, readPairs(os::joinPath(dataset.dir, file)));
                std::string text;
                for (const PairRow& row : rows)
                    text += dumpJson({{"id", row.id}, {"prompt", row.prompt}, {"completion", row.chosen}}) + "\n";
                run.dataTexts[file] = text;
            }
        }
    }
    if (needs(*manifest, "prompts")) {
        PL_TRY(run.dataTexts["prompts.jsonl"], promptsOf(project, Split::Train, request.promptKind, request.prompts));
        if (auto dev = promptsOf(project, Split::Dev, request.promptKind, 0))
            run.dataTexts["dev_prompts.jsonl"] = *dev;
    } else if (!manifest->models.empty()) {
        if (auto pinned = promptsOf(project, Split::Dev, "chat", kPinnedPrompts))
            run.dataTexts["prompts.jsonl"] = *pinned; // the samples a person watches
    }
    return submitAndRecord(project, supervisor, std::move(run), *manifest);
}

namespace {

// Pairs of a split, labelled by the noiseless rule; those inside its tie band are left out.
Result<std::string> goldPairs(Project& project, Split split, const rules::Taste& taste) {
    std::string text;
    Page page;
    page.split = split;
    page.limit = 1000;
    for (;;) {
        PL_TRY(auto rows, project.pairs(page));
        for (const PairPageRow& row : rows) {
            PL_TRY(LabelItem item, project.pairItem(row.comparison.id));
            const double a = rules::score(taste, item.prompt.content, item.a.content);
            const double b = rules::score(taste, item.prompt.content, item.b.content);
            if (std::abs(a - b) <= taste.tieBand)
                continue;
            text += dumpJson({{"id", row.comparison.uuid},
                              {"prompt", item.prompt.content},
                              {"chosen", a > b ? item.a.content : item.b.content},
                              {"rejected", a > b ? item.b.content : item.a.content},
                              {"annotator", "rule:" + taste.name}}) +
                    "\n";
        }
        if (static_cast<int64_t>(rows.size()) < page.limit)
            break;
        page.offset += page.limit;
    }
    if (text.empty())
        return fail(Code::NotFound, fmt::format("no pairs of the {} split to measure on", splitName(split)),
                    fmt::format("Generate some: pairlab-cli generate P --split {} --n 2.", splitName(split)));
    return text;
}

// A judge that was trained on the same votes as the policy it judges knows them by heart: said with every figure.
std::string sawSameLabels(Project& project, const std::string& model, const std::string& judge) {
    if (model.rfind("run:", 0) != 0 || judge.rfind("run:", 0) != 0)
        return "no";
    auto bare = [](std::string text) { return text.substr(4, text.find('@') - 4); };
    auto policy = project.findRun(bare(model)), rm = project.findRun(bare(judge));
    if (!policy || !rm)
        return "unknown";
    if (!policy->datasetHash.empty() && policy->datasetHash == rm->datasetHash)
        return "yes";
    // A policy trained against this very judge has optimised it.
    for (const Json& each : policy->models)
        for (const Json& other : rm->models)
            if (each.value("hash", "") == other.value("hash", "x") && each.value("role", "").rfind("ref:", 0) == 0)
                return "yes";
    if (policy->parameters.dump().find(judge) != std::string::npos)
        return "yes";
    return "no";
}

} // namespace

Result<std::string> startEvaluate(Project& project, Supervisor& supervisor, const EvaluateRequest& request) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, "evaluate"));
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters = request.parameters;
    run.seed = request.seed;
    run.device = request.device;
    run.shortJob = true;
    PL_TRY(ModelSpec model, resolveModel(project, request.model, "policy"));
    const bool rewardModel = isRewardModelDir(model.path);
    run.models.push_back(model);
    run.parameters["judge_name"] = request.judge;
    const auto taste = rules::tasteByName(request.judge);
    if (request.split == Split::Test) {
        PL_TRY([[maybe_unused]] auto openings, project.openTestSplit("evaluate " + request.model));
    }
    if (rewardModel) {
        run.parameters["mode"] = "reward_accuracy";
        if (taste) {
            PL_TRY(run.dataTexts["pairs.jsonl"], goldPairs(project, request.split, *taste));
        } else if (request.judge.empty() || request.judge == "votes") {
            DatasetSpec spec;
            spec.name = fmt::format("votes-{}", project.counters().events);
            PL_TRY(DatasetInfo dataset, project.freezeDataset(spec));
            run.dataFiles["pairs.jsonl"] = os::joinPath(dataset.dir, "dev.jsonl");
            run.datasetHash = dataset.sha;
        } else {
            return fail(Code::InvalidInput, fmt::format("a reward model is measured by a taste or by votes, not by '{}'", request.judge),
                        "Use --judge votes or a taste's name.");
        }
    } else {
        if (request.judge.empty())
            return fail(Code::InvalidInput, "evaluating a model needs a judge", "Give --judge TASTE, verifier or run:ID.");
        std::string kind = "chat";
        if (request.judge == "verifier") {
            run.parameters["mode"] = "verifier";
            kind = "verify";
        } else {
            run.parameters["mode"] = "win_rate";
            if (taste) {
                run.parameters["judge"] = "rule";
                run.parameters["taste"] = request.judge;
            } else {
                run.parameters["judge"] = "reward_model";
                PL_TRY(ModelSpec judge, resolveModel(project, request.judge, "judge"));
                run.parameters["judge_name"] = judge.name;
                run.models.push_back(judge);
                run.parameters["judge_saw_same_labels"] = sawSameLabels(project, request.model, request.judge);
                // The judge's agreement with the votes of the dev split, beside its verdict.
                DatasetSpec spec;
                spec.name = fmt::format("votes-{}", project.counters().events);
                if (auto dataset = project.freezeDataset(spec); dataset && dataset->counts.dev > 0)
                    run.dataFiles["judge_pairs.jsonl"] = os::joinPath(dataset->dir, "dev.jsonl");
            }
        }
        if (!request.against.empty()) {
            PL_TRY(ModelSpec against, resolveModel(project, request.against, "against"));
            run.models.push_back(against);
        }
        PL_TRY(run.dataTexts["prompts.jsonl"], promptsOf(project, request.split, kind, request.prompts));
    }
    run.note = {{"split", splitName(request.split)}, {"model", request.model}, {"against", request.against}, {"judge", request.judge}};
    return submitAndRecord(project, supervisor, std::move(run), *manifest);
}

Result<MakePairsResult> recordRun(Project& project, const RunInfo& info, const std::vector<Event>& events) {
    MakePairsResult made;
    PL_TRY(RunRow row, project.findRun(info.name));
    if (!events.empty()) {
        PL_TRY(IngestResult taken, project.ingest(row.id, "events.jsonl", events));
        for (const std::string& problem : taken.problems)
            log::warn("run {}: {}", info.name, problem);
    }
    const std::string state = runStateName(info.state);
    const bool finishedNow = info.state == RunState::Finished && row.state != state;
    row.state = state;
    row.reason = info.reason;
    row.lastCheckpoint = info.lastCheckpoint;
    row.startedMs = info.startedMs;
    row.endedMs = info.endedMs;
    Json result = Json::object();
    for (const auto& [name, value] : info.metrics)
        result[name] = jsonNumber(value);
    for (const auto& [name, value] : info.result)
        result[name] = jsonNumber(value);
    row.result = std::move(result);
    if (finishedNow && info.note.value("make_pairs", false)) {
        MakePairsOptions options;
        options.run = row.id;
        // n answers make at most n - 1 pairs a prompt.
        options.maxPerPrompt = std::max<int64_t>(1, info.parameters.value("n", int64_t{2}) - 1);
        if (info.note.value("across", false))
            options.mode = MakePairsOptions::Mode::AcrossModels;
        PL_TRY(made, project.makePairs(options));
    }
    PL_CHECK(project.updateRun(row));
    return made;
}

Status catchUp(Project& project, Supervisor& supervisor) {
    for (const RunInfo& info : supervisor.runs()) {
        auto row = project.findRun(info.name);
        if (!row) {
            // A bundle brought from elsewhere (run pack): it becomes a row like any other.
            RunRow fresh;
            fresh.id = std::atoll(info.name.c_str());
            fresh.name = info.name;
            fresh.plugin = info.plugin;
            fresh.pluginVersion = info.pluginVersion;
            fresh.device = info.device;
            fresh.seed = info.seed;
            fresh.parameters = info.parameters;
            fresh.datasetHash = info.datasetHash;
            fresh.createdMs = info.createdMs;
            if (const Manifest* manifest = supervisor.catalog().find(info.plugin))
                fresh.kind = pluginKindName(manifest->kind);
            if (auto bundle = Bundle::open(info.dir))
                fresh.uuid = bundle->spec().uuid;
            else
                continue;
            PL_TRY([[maybe_unused]] Id id, project.insertRun(fresh));
            row = project.findRun(info.name);
            if (!row)
                continue;
        }
        const bool over = row->state == "finished" || row->state == "stopped" || row->state == "failed";
        if (over && row->state == runStateName(info.state))
            continue;
        auto events = readEvents(os::joinPath(info.dir, "events.jsonl"));
        if (!events && (events.error().code != Code::NotFound || info.state == RunState::Finished)) {
            // One unreadable run must not keep the project shut; its row stays as it is, so that a later look repairs it.
            log::warn("run {}: {}", info.name, events.error().toString());
            continue;
        }
        PL_TRY([[maybe_unused]] auto made, recordRun(project, info, events ? *events : std::vector<Event>{}));
    }
    return {};
}

Result<std::string> serveStandingOrders(Project& project, Supervisor& supervisor, Id annotator) {
    PL_TRY(auto orders, project.standingOrders());
    for (const StandingOrder& order : orders) {
        if (!order.enabled)
            continue;
        PL_TRY(int64_t left, project.remaining(order.task, annotator));
        if (left >= order.target)
            continue;
        bool busy = false;
        for (const RunInfo& info : supervisor.runs())
            busy = busy || (info.note.value("standing_order", Id{0}) == order.id &&
                            (info.state == RunState::Running || info.state == RunState::Queued ||
                             info.state == RunState::Paused));
        if (busy)
            continue;
        PL_TRY(const Manifest* manifest, manifestOf(supervisor, "generate_text"));
        // A new seed every time, or the same answers would be written again.
        PL_TRY(Json served, project.setting("standing_orders.served", 0));
        const int64_t turn = served.is_number_integer() ? served.get<int64_t>() + 1 : 1;
        RunRequest run;
        run.plugin = manifest->id;
        run.parameters = order.generate.value("parameters", Json::object());
        run.parameters["n"] = order.generate.value("n", 2);
        run.seed = mix64(static_cast<uint64_t>(turn)) >> 16;
        run.device = order.generate.value("device", std::string("cpu"));
        run.shortJob = true;
        size_t index = 0;
        for (const Json& model : order.generate.value("models", Json::array({"start"}))) {
            PL_TRY(ModelSpec spec, resolveModel(project, model.get<std::string>(),
                                                index == 0 ? "policy" : fmt::format("policy_{}", index + 1)));
            run.models.push_back(std::move(spec));
            ++index;
        }
        PL_TRY(Split split, splitOf(order.generate.value("split", std::string("train"))));
        PL_TRY(auto prompts, project.promptsForJob(split, 0));
        // Another part of the prompts every time.
        if (!prompts.empty())
            std::rotate(prompts.begin(),
                        prompts.begin() + static_cast<int64_t>(mix64(static_cast<uint64_t>(turn)) % prompts.size()),
                        prompts.end());
        const int64_t wanted = std::min<int64_t>(order.target - left + 20, 200);
        run.dataTexts["prompts.jsonl"] = promptLines(prompts, order.generate.value("kind", std::string("chat")), wanted);
        run.note = {{"make_pairs", true}, {"across", index > 1}, {"standing_order", order.id}};
        PL_CHECK(project.setSetting("standing_orders.served", turn));
        return submitAndRecord(project, supervisor, std::move(run), *manifest);
    }
    return std::string();
}

} // namespace pl::desk

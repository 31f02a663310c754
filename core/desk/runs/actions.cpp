// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/actions.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/runs/preflight.h"
#include "core/desk/runs/scoring.h"
#include "core/desk/runs/shared.h"
#include "core/rules/image_taste.h"

namespace pl::desk {

using namespace shared;

namespace {

constexpr int kPinnedPrompts = 12;

} // namespace

Result<RunRow> runOf(Project& project, const std::string& text) {
    return project.findRun(text.rfind("run:", 0) == 0 ? text.substr(4) : text);
}

namespace {

/// The models that write, in the roles a generating job knows.
Result<std::vector<ModelSpec>> writersOf(Project& project, const GenerateRequest& request) {
    std::vector<ModelSpec> models;
    for (const std::string& name : request.models) {
        PL_TRY(ModelSpec model,
               resolveModel(project, name, models.empty() ? "policy" : fmt::format("policy_{}", models.size() + 1)));
        models.push_back(std::move(model));
    }
    if (models.empty())
        return fail(Code::InvalidInput, "no model is to write", "Name one: start, run:ID or a folder.");
    return models;
}

/// Best of N: how many are drawn and who chooses among them.
Status addJudge(Project& project, const GenerateRequest& request, bool image, RunRequest& run) {
    if (request.bestOf <= 1)
        return {};
    if (!image)
        return fail(Code::Unsupported, "best of N is offered for image models only", "Leave --best-of out.");
    if (request.judge.empty())
        return fail(Code::InvalidInput, "best of N needs a judge", "Give --judge run:ID of an image reward model.");
    if (request.bestOf < request.n)
        return fail(Code::InvalidInput, fmt::format("the best {} of {} cannot be kept", request.n, request.bestOf),
                    "Draw more (--best-of) or keep fewer (--n).");
    if (rules::imageTasteByName(request.judge)) {
        run.parameters["taste"] = request.judge;
    } else {
        PL_TRY(ModelSpec judge, resolveModel(project, request.judge, "judge"));
        if (!isRewardModelDir(judge.path) || !isImageModelDir(judge.path))
            return fail(Code::InvalidInput, fmt::format("'{}' is no image reward model", request.judge),
                        "Train one: pairlab-cli train P --plugin image_reward_model.");
        run.models.push_back(std::move(judge));
    }
    run.parameters["best_of"] = request.bestOf;
    return {};
}

/// Passes through the network of one picture, as far as parameters say: guidance other than 1 takes a second one a step.
double passes(const Json& parameters) {
    const auto number = [&](const char* name) {
        const auto at = parameters.find(name);
        return at != parameters.end() && at->is_number() ? at->get<double>() : std::nan("");
    };
    const double steps = number("steps"), guidance = number("guidance");
    return steps * (guidance == 1 ? 1 : 2);
}

/// Supervised training takes the best image of a ranking, or its best ones when they tie, unless all do.
Status addBestOfRankings(const DatasetInfo& dataset, RunRequest& run) {
    const std::string path = os::joinPath(dataset.dir, "rankings.jsonl");
    if (!os::exists(path))
        return {};
    for (const auto& [split, file] : {std::pair{"train", "train.jsonl"}, {"dev", "dev.jsonl"}}) {
        PL_TRY(const auto rows, readRankings(path, split));
        for (const RankingRow& row : rows) {
            const auto [best, worst] = std::minmax_element(row.ranks.begin(), row.ranks.end());
            for (size_t i = 0; i < row.images.size(); ++i) {
                if (row.ranks[i] != *best || *best == *worst)
                    continue;
                run.images[row.images[i]] = os::joinPath(dataset.dir, row.images[i]);
                run.dataTexts[file] += dumpJson({{"id", fmt::format("{}-{}", row.id, i)},
                                                 {"prompt", row.prompt},
                                                 {"completion", row.images[i]},
                                                 {"modality", "image"}}) +
                                       "\n";
            }
        }
    }
    return {};
}

} // namespace

Result<std::string> startGenerate(Project& project, Supervisor& supervisor, const GenerateRequest& request) {
    PL_TRY(std::vector<ModelSpec> models, writersOf(project, request));
    const bool image = isImageModelDir(models.front().path);
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, image ? "generate_image" : "generate_text"));
    for (const ModelSpec& model : models)
        PL_CHECK(checkModality(*manifest, model));
    RunRequest run;
    run.plugin = manifest->id;
    run.models = std::move(models);
    run.parameters = request.parameters;
    run.parameters["n"] = request.n;
    run.seed = request.seed;
    run.threads = request.threads;
    run.device = request.device;
    run.shortJob = request.shortJob;
    PL_CHECK(addJudge(project, request, image, run));
    PL_TRY(run.dataTexts["prompts.jsonl"],
           promptsOf(project, request.split, {request.kind, image}, request.prompts));
    run.note = {{"make_pairs", request.makePairs}, {"across", request.acrossModels}};
    return submitAndRecord(project, supervisor, std::move(run), *manifest);
}

Status checkBestOf(Project& project, const GenerateRequest& request) {
    if (request.models.empty())
        return fail(Code::InvalidInput, "no model is to write", "Name one: start, run:ID or a folder.");
    PL_TRY(const ModelSpec first, locateModel(project, request.models.front(), "policy"));
    RunRequest unused;
    return addJudge(project, request, isImageModelDir(first.path), unused);
}

Result<GenerateEstimate> estimateGenerate(Project& project, const GenerateRequest& request) {
    std::vector<ModelSpec> models;
    for (const std::string& name : request.models) {
        PL_TRY(models.emplace_back(), locateModel(project, name, "policy")); // nothing starts: no weight is read
    }
    if (models.empty())
        return fail(Code::InvalidInput, "no model is to write", "Name one: start, run:ID or a folder.");
    const bool image = isImageModelDir(models.front().path);
    PL_TRY(const std::string prompts,
           promptsOf(project, request.split, {request.kind, image}, request.prompts));
    GenerateEstimate estimate;
    estimate.prompts = std::count(prompts.begin(), prompts.end(), '\n');
    estimate.samples = estimate.prompts * std::max(request.n, request.bestOf) * static_cast<int64_t>(models.size());
    // The newest finished run of the same kind on the same device tells how long one takes.
    PL_TRY(const auto runs, project.runs());
    for (const RunRow& run : runs) {
        if (run.plugin != (image ? "generate_image" : "generate_text") || run.state != "finished" ||
            run.device != request.device || run.endedMs <= run.startedMs || run.startedMs == 0)
            continue;
        if (const auto said = run.result.find("seconds_per_image"); said != run.result.end() && said->is_number()) {
            estimate.secondsEach = said->get<double>();
            const double ratio = passes(request.parameters) / passes(run.parameters);
            if (image && std::isfinite(ratio) && ratio > 0)
                estimate.secondsEach *= ratio;
        } else {
            Page page;
            page.run = run.id;
            PL_TRY(const int64_t written, project.countCandidates(page));
            if (written == 0)
                continue;
            estimate.secondsEach = static_cast<double>(run.endedMs - run.startedMs) * 1e-3 / static_cast<double>(written);
        }
        estimate.basis = run.name;
        break;
    }
    return estimate;
}

Result<std::string> startTrain(Project& project, Supervisor& supervisor, const TrainRequest& request) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, request.plugin));
    if (manifest->kind != PluginKind::Train)
        return fail(Code::InvalidInput, fmt::format("{} does not train; it is of kind {}", manifest->title,
                                                    pluginKindName(manifest->kind)));
    PL_CHECK(checkReward(*manifest, request.parameters));
    const bool image = takesImages(*manifest);
    const PromptChoice choice{request.promptKind, image};
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters = request.parameters;
    run.seed = request.seed;
    run.threads = request.threads;
    run.device = request.device;
    if (hasRole(*manifest, "policy")) {
        PL_TRY(ModelSpec model, resolveModel(project, request.model, "policy"));
        PL_CHECK(checkModality(*manifest, model));
        run.models.push_back(std::move(model));
    }
    PL_CHECK(addReferredModels(project, *manifest, request.parameters, run.models));
    const bool ownFile = manifest->needsData("sft", request.parameters) && !request.sftFile.empty();
    // Scenes are drawn by the job itself, by rule.
    const bool drawn = manifest->parameter("source") && request.parameters.value("source", Json()) == "scenes";
    if (ownFile) {
        run.dataFiles["train.jsonl"] = request.sftFile;
        if (image) {
            PL_TRY(const auto rows, readSft(request.sftFile));
            for (const SftRow& row : rows) {
                if (!row.image)
                    return fail(Code::InvalidInput, fmt::format("{}: row {} is not of modality image", request.sftFile, row.id),
                                "Each row names its image: {\"prompt\", \"completion\": \"images/SHA256.png\", \"modality\": "
                                "\"image\"}.");
                run.images[row.completion] = os::joinPath(os::parentDir(os::absolutePath(request.sftFile)), row.completion);
            }
        }
    } else if (!drawn && (manifest->needsData("pairs", request.parameters) || manifest->needsData("sft", request.parameters))) {
        PL_TRY(const DatasetInfo dataset, datasetFor(project, request.dataset, image));
        if (dataset.counts.trainPairs() == 0)
            return fail(Code::InvalidInput,
                        fmt::format("{} needs labelled pairs{}, and the dataset '{}' has none for training ({})", manifest->title,
                                    image ? " or rankings" : "", dataset.name, dataset.counts.toString()),
                        dataset.counts.sealedTest + dataset.counts.dev + dataset.counts.devRankings > 0
                            ? "Votes on dev and test prompts are never trained on: label pairs of train prompts."
                            : "Label some pairs first; about 200 is where it becomes useful.");
        run.datasetHash = dataset.sha;
        if (manifest->needsData("pairs", request.parameters)) {
            for (const char* file : {"train.jsonl", "dev.jsonl", "ties.jsonl", "unpaired.jsonl", "rankings.jsonl"})
                if (os::exists(os::joinPath(dataset.dir, file)))
                    run.dataFiles[file] = os::joinPath(dataset.dir, file);
            PL_CHECK(addImages(dataset, run));
        } else {
            // Supervised: the chosen answers.
            for (const char* file : {"train.jsonl", "dev.jsonl"}) {
                if (!os::exists(os::joinPath(dataset.dir, file)))
                    continue;
                PL_TRY(auto rows, readPairs(os::joinPath(dataset.dir, file)));
                std::string text;
                for (const PairRow& row : rows) {
                    Json line{{"id", row.id}, {"prompt", row.prompt}, {"completion", row.chosen}};
                    if (row.image) {
                        line["modality"] = "image";
                        run.images[row.chosen] = os::joinPath(dataset.dir, row.chosen);
                    }
                    text += dumpJson(line) + "\n";
                }
                run.dataTexts[file] = text;
            }
            PL_CHECK(addBestOfRankings(dataset, run));
            if (const auto dev = run.dataTexts.find("dev.jsonl"); dev != run.dataTexts.end() && dev->second.empty())
                run.dataTexts.erase(dev); // every dev pair is a tie, or none is judged yet
        }
    }
    if (manifest->needsData("prompts", request.parameters)) {
        PL_TRY(run.dataTexts["prompts.jsonl"], promptsOf(project, Split::Train, choice, request.prompts));
        if (auto dev = promptsOf(project, Split::Dev, choice, 0))
            run.dataTexts["dev_prompts.jsonl"] = *dev;
    } else if (!manifest->models.empty()) {
        if (auto pinned = promptsOf(project, Split::Dev, {"auto", image}, kPinnedPrompts))
            run.dataTexts["prompts.jsonl"] = *pinned; // the samples a person watches
    }
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
    if (auto advanced = advanceLabelChecks(project, supervisor); !advanced)
        log::warn("checks of labels: {}", advanced.error().toString());
    return {};
}

Result<std::string> serveStandingOrders(Project& project, Supervisor& supervisor, Id annotator) {
    PL_TRY(auto orders, project.standingOrders());
    for (const StandingOrder& order : orders) {
        if (!order.enabled)
            continue;
        bool busy = false;
        for (const RunInfo& info : supervisor.runs())
            busy = busy || (info.note.value("standing_order", Id{0}) == order.id &&
                            (info.state == RunState::Running || info.state == RunState::Queued ||
                             info.state == RunState::Paused));
        if (busy)
            continue;
        GenerateRequest wish;
        wish.models = order.generate.value("models", std::vector<std::string>{"start"});
        wish.n = order.generate.value("n", int64_t{2});
        wish.bestOf = order.generate.value("best_of", int64_t{1});
        wish.judge = order.generate.value("judge", std::string());
        // Pairs of texts are no pairs of images: only what the order itself writes counts as kept ready.
        PL_TRY(const ModelSpec first, locateModel(project, wish.models.empty() ? "start" : wish.models.front(), "policy"));
        const bool image = isImageModelDir(first.path);
        PL_TRY(const int64_t left, project.remaining(order.task, annotator, {}, image ? CandidateKind::Image : CandidateKind::Text));
        if (left >= order.target)
            continue;
        RunRequest run;
        PL_TRY(run.models, writersOf(project, wish));
        const size_t index = run.models.size();
        // A new seed every time, or the same answers would be written again.
        PL_TRY(Json served, project.setting("standing_orders.served", 0));
        const int64_t turn = served.is_number_integer() ? served.get<int64_t>() + 1 : 1;
        PL_TRY(const Manifest* manifest, manifestOf(supervisor, image ? "generate_image" : "generate_text"));
        for (const ModelSpec& model : run.models)
            PL_CHECK(checkModality(*manifest, model));
        run.plugin = manifest->id;
        run.parameters = order.generate.value("parameters", Json::object());
        run.parameters["n"] = wish.n;
        PL_CHECK(addJudge(project, wish, image, run));
        run.seed = mix64(static_cast<uint64_t>(turn)) >> 16;
        run.device = order.generate.value("device", std::string("cpu"));
        run.shortJob = true;
        PL_TRY(Split split, splitOf(order.generate.value("split", std::string("train"))));
        PL_TRY(auto prompts, project.promptsForJob(split, 0));
        // Another part of the prompts every time.
        if (!prompts.empty())
            std::rotate(prompts.begin(),
                        prompts.begin() + static_cast<int64_t>(mix64(static_cast<uint64_t>(turn)) % prompts.size()),
                        prompts.end());
        const int64_t wanted = std::min<int64_t>(order.target - left + 20, 200);
        const PromptChoice choice{order.generate.value("kind", std::string("auto")), image};
        run.dataTexts["prompts.jsonl"] = promptLines(prompts, choice, wanted);
        run.note = {{"make_pairs", true}, {"across", index > 1}, {"standing_order", order.id}};
        PL_CHECK(project.setSetting("standing_orders.served", turn));
        return submitAndRecord(project, supervisor, std::move(run), *manifest);
    }
    return std::string();
}

} // namespace pl::desk

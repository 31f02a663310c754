// SPDX-License-Identifier: Apache-2.0
// generate, train, evaluate, runs, run, dataset.
#include <cstdio>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/desk/exchange/export_any.h"
#include "core/desk/runs/preflight.h"
#include "core/desk/runs/server.h"
#include "core/desk/store/run_erasure.h"
#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/desk/exchange/trl_export.h"
#include "core/rules/image_taste.h"
#include "core/rules/taste.h"

namespace pl::cli {

namespace {

struct JobArguments {
    std::string project, device = "cpu";
    uint64_t seed = 1;
    int threads = 0;
    std::vector<std::string> set;
    bool wait = false, json = false;
};

void addJobOptions(CLI::App* sub, JobArguments& a) {
    sub->add_option("project", a.project, "Project folder")->required();
    sub->add_option("--set", a.set, "NAME=VALUE of a parameter (see `plugins describe`)");
    sub->add_option("--seed", a.seed, "Random seed")->check(seedNumber());
    sub->add_option("--device", a.device, "Where it runs")->check(deviceName());
    sub->add_option("--threads", a.threads, "Processor threads; 0: all")->check(wholeNumber(0, 1024));
    sub->add_flag("--wait", a.wait, "Until it has ended");
    sub->add_flag("--json", a.json, "JSON");
}

Result<Json> parametersOf(Desk& desk, const std::string& plugin, const std::vector<std::string>& set) {
    const Manifest* manifest = desk.supervisor().catalog().find(plugin);
    if (!manifest)
        return fail(Code::NotFound, fmt::format("there is no plugin '{}'", plugin), "See `pairlab-cli plugins list`.");
    Json object = Json::object();
    for (const std::string& assignment : set)
        PL_CHECK(manifest->setFromText(object, assignment));
    return object;
}

/// What a run had to say beside its figures, on stderr.
void printAlerts(const desk::RunInfo& info) {
    if (info.alerts == 0)
        return;
    const auto events = readEvents(os::joinPath(info.dir, "events.jsonl"));
    if (!events)
        return;
    for (const Event& each : *events)
        if (each.type == event::kAlert)
            std::fprintf(stderr, "pairlab-cli: %s: %s\n", info.name.c_str(), each.body.value("text", std::string()).c_str());
}

void printFailure(const desk::RunInfo& info) {
    std::fprintf(stderr, "pairlab-cli: run %s %s: %s\n", info.name.c_str(), runStateName(info.state), info.reason.c_str());
    for (const std::string& line : info.logTail)
        std::fprintf(stderr, "  | %s\n", line.c_str());
    if (!info.lastCheckpoint.empty())
        std::fprintf(stderr, "  last checkpoint: %s (continue with `pairlab-cli run resume`)\n", info.lastCheckpoint.c_str());
}

/// How a run nobody waits for was left.
struct Left {
    desk::RunInfo info;
    std::string behind; ///< the run it waits for, when one of this project
    bool waits() const { return info.state == RunState::Queued || info.state == RunState::Paused; }
    bool failed() const { return info.state == RunState::Failed; }
};

// A run nobody waits for: until its worker has reported (since then), it has ended, or it clearly has to wait; at most 20 s.
Result<Left> letGo(Desk& desk, const std::string& run, int64_t since = 0) {
    Left left;
    for (int i = 0, waited = 0; i < 400 && waited < 40 && !os::stopSignalSeen(); ++i) {
        const auto info = desk.supervisor().find(run);
        if (!info)
            return fail(Code::NotFound, fmt::format("there is no run '{}'", run));
        left.info = *info;
        left.behind.clear();
        if (!left.waits() && (info->state != RunState::Running || info->startedMs > since))
            break;
        bool makesRoom = false;
        if (left.waits())
            for (const auto& other : desk.supervisor().runs())
                if (other.name != run && other.device == info->device && other.state == RunState::Running) {
                    left.behind = other.name;
                    makesRoom = other.resident; // at once
                }
        const bool held = !left.behind.empty() || info->reason.rfind("waiting: ", 0) == 0; // the device, by another project
        waited = left.waits() && held && !makesRoom ? waited + 1 : 0;
        os::sleepMs(50);
    }
    PL_CHECK(desk.record());
    return left;
}

// What became of a run that was started without --wait.
int tellLeft(const Left& left, bool json, const std::string& hint = {}) {
    if (json) {
        Json out = runJson(left.info);
        if (!left.behind.empty())
            out["behind"] = left.behind;
        printJson(out);
    } else if (left.waits()) {
        const std::string behind = left.behind.empty() ? "" : " behind " + left.behind;
        std::printf("%s is queued%s; it starts when a PairLab program has the project open.\n", left.info.name.c_str(),
                    behind.c_str());
    } else if (!left.failed()) {
        std::printf("%s started%s\n", left.info.name.c_str(), hint.empty() ? "." : hint.c_str());
    }
    if (left.failed())
        printFailure(left.info);
    return left.failed() ? exitCodeOfRun(left.info) : 0;
}

struct GenerateArguments : JobArguments {
    std::vector<std::string> models{"start"};
    std::string split = "train", kind = "auto", judge;
    int64_t n = 2, limit = 0, bestOf = 1;
    bool noPairs = false, estimate = false;
    std::string server, keyEnv, keyring, system;
    CLI::Option* model = nullptr;
};

// What it will cost, said before it starts. Best of N throws most of its work away: with no earlier run to go by, a few
// images are drawn first to know.
Result<desk::GenerateEstimate> costOf(Desk& desk, const desk::GenerateRequest& request) {
    PL_TRY(desk::GenerateEstimate estimate, desk::estimateGenerate(desk.project(), request));
    if (estimate.seconds() < 0 && request.bestOf > 1) {
        desk::GenerateRequest probe = request;
        probe.bestOf = 1;
        probe.n = 1;
        probe.prompts = 4;
        probe.makePairs = false;
        probe.shortJob = true;
        PL_TRY(const std::string run, desk::startGenerate(desk.project(), desk.supervisor(), probe));
        PL_TRY([[maybe_unused]] const auto info, desk.wait(run, false));
        PL_TRY(estimate, desk::estimateGenerate(desk.project(), request));
    }
    return estimate;
}

std::string costText(const desk::GenerateEstimate& e) {
    const std::string what = fmt::format("{} samples for {} prompts", e.samples, e.prompts);
    if (e.seconds() < 0)
        return what + "; how long they take is not known before a first run";
    return fmt::format("{}, about {:.0f} s ({:.2f} s each, as in {})", what, e.seconds(), e.secondsEach, e.basis);
}

Json costJson(const desk::GenerateEstimate& e) {
    return {{"prompts", e.prompts},
            {"samples", e.samples},
            {"seconds_each", e.seconds() < 0 ? Json() : jsonNumber(e.secondsEach)},
            {"seconds", e.seconds() < 0 ? Json() : jsonNumber(e.seconds())},
            {"basis", e.basis}};
}

/// Waits, when asked to, and says what came of it.
Result<int> afterGenerating(Desk& desk, const std::string& run, const GenerateArguments& a, const Json& cost) {
    if (!a.wait) {
        PL_TRY(const Left left, letGo(desk, run));
        return tellLeft(left, a.json);
    }
    PL_TRY(desk::RunInfo info, desk.wait(run, !a.json));
    printAlerts(info);
    desk::Page page;
    page.run = std::atoll(run.c_str());
    PL_TRY(int64_t candidates, desk.project().countCandidates(page));
    if (a.json) {
        Json out = runJson(info);
        out["candidates"] = candidates;
        if (!cost.is_null())
            out["estimate"] = cost;
        out["pairs"] = desk.made().pairs;
        out["identical"] = desk.made().identical;
        out["duplicates"] = desk.made().duplicates;
        printJson(out);
    } else if (info.state == RunState::Finished) {
        std::printf("%s: %lld candidates, %lld new pairs (%lld identical, %lld known).\n", run.c_str(),
                    static_cast<long long>(candidates), static_cast<long long>(desk.made().pairs),
                    static_cast<long long>(desk.made().identical), static_cast<long long>(desk.made().duplicates));
    }
    if (info.state != RunState::Finished)
        printFailure(info);
    return exitCodeOfRun(info);
}

Result<int> generateOnServer(const GenerateArguments& a) {
    desk::ServerRequest request;
    request.url = a.server;
    if (a.model->count() == 0 || a.models.size() != 1)
        return fail(Code::InvalidInput, "one model of the server is asked", "Name it: --model NAME.");
    request.model = a.models.front();
    PL_TRY(request.split, splitArgument(a.split));
    request.kind = a.kind == "all" ? "" : a.kind;
    request.prompts = a.limit;
    request.n = a.n;
    request.seed = a.seed;
    request.makePairs = !a.noPairs;
    PL_TRY(auto desk, Desk::open(a.project));
    PL_TRY(request.parameters, parametersOf(*desk, "generate_server", a.set));
    for (const auto& [name, value] : {std::pair{"key_env", &a.keyEnv}, {"keyring", &a.keyring}, {"system", &a.system}})
        if (!value->empty())
            request.parameters[name] = *value;
    PL_TRY(const std::string run, desk::startGenerateServer(desk->project(), desk->supervisor(), request));
    return afterGenerating(*desk, run, a, nullptr);
}

Result<int> generate(const GenerateArguments& a) {
    if (!a.server.empty())
        return generateOnServer(a);
    PL_TRY(auto desk, Desk::open(a.project));
    PL_CHECK(desk::checkDevice(a.device));
    desk::GenerateRequest request;
    request.models = a.models;
    PL_TRY(request.split, splitArgument(a.split));
    request.kind = a.kind == "all" ? "" : a.kind;
    request.prompts = a.limit;
    request.n = a.n;
    if (a.models.empty())
        return fail(Code::InvalidInput, "no model is to write", "Give --model.");
    PL_TRY(const ModelSpec writer, desk::resolveModel(desk->project(), a.models.front(), "policy"));
    PL_TRY(request.parameters,
           parametersOf(*desk, desk::isImageModelDir(writer.path) ? "generate_image" : "generate_text", a.set));
    request.bestOf = a.bestOf;
    request.judge = a.judge;
    request.seed = a.seed;
    request.device = a.device;
    request.threads = a.threads;
    request.acrossModels = a.models.size() > 1;
    request.makePairs = !a.noPairs;
    PL_CHECK(desk::checkBestOf(desk->project(), request)); // before anything is drawn to know the cost
    PL_TRY(const desk::GenerateEstimate cost, costOf(*desk, request));
    if (a.estimate) {
        if (a.json)
            printJson(costJson(cost));
        else
            std::printf("%s\n", costText(cost).c_str());
        return 0;
    }
    if (a.bestOf > 1 && !a.json)
        std::fprintf(stderr, "%s\n", costText(cost).c_str());
    PL_TRY(std::string run, desk::startGenerate(desk->project(), desk->supervisor(), request));
    return afterGenerating(*desk, run, a, costJson(cost));
}

struct TrainArguments : JobArguments {
    std::string plugin, model = "start", dataset, data, kind = "auto";
    std::vector<std::string> rewards;
    int64_t limit = 0;
};

constexpr const char* kRewardForms =
    "Use run:ID, rule:TASTE, verifier or length:TOKENS, for images run:ID, taste:TASTE, obedience or rankings, each with an optional "
    "*WEIGHT.";

Result<double> plainNumber(const std::string& text, const std::string& what) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != 0 || !std::isfinite(value))
        return fail(Code::InvalidInput, fmt::format("'{}' in '{}' is no number", text, what),
                    kRewardForms);
    return value;
}

// "run:12", "rule:concise", "verifier", "length:60", of images "taste:larger", "obedience", "rankings", each with an optional "*WEIGHT".
Result<Json> rewardTerm(const std::string& text) {
    std::string body = text;
    Json term = Json::object();
    if (const auto at = body.find('*'); at != std::string::npos) {
        PL_TRY(term["weight"], plainNumber(body.substr(at + 1), text));
        body = body.substr(0, at);
    }
    if (body.rfind("run:", 0) == 0) {
        term["type"] = "reward_model";
        term["model"] = body;
    } else if (body.rfind("rule:", 0) == 0) {
        term["type"] = "rule";
        term["taste"] = body.substr(5);
        PL_CHECK(rules::tasteByName(body.substr(5)));
    } else if (body.rfind("taste:", 0) == 0) {
        term["type"] = "taste";
        term["name"] = body.substr(6);
        PL_CHECK(rules::imageTasteByName(body.substr(6)));
    } else if (body == "verifier" || body == "obedience" || body == "rankings") {
        term["type"] = body;
    } else if (body.rfind("length:", 0) == 0) {
        term["type"] = "length";
        PL_TRY(term["target"], plainNumber(body.substr(7), text));
    } else {
        return fail(Code::InvalidInput, fmt::format("'{}' is no reward", text),
                    kRewardForms);
    }
    return term;
}

Result<int> train(const TrainArguments& a) {
    PL_TRY(auto desk, Desk::open(a.project));
    PL_CHECK(desk::checkDevice(a.device));
    desk::TrainRequest request;
    request.plugin = a.plugin;
    request.model = a.model;
    request.dataset = a.dataset;
    request.sftFile = a.data;
    request.promptKind = a.kind == "all" ? "" : a.kind;
    request.prompts = a.limit;
    PL_TRY(request.parameters, parametersOf(*desk, a.plugin, a.set));
    for (const std::string& reward : a.rewards) {
        PL_TRY(Json term, rewardTerm(reward));
        request.parameters["rewards"].push_back(term);
    }
    request.seed = a.seed;
    request.device = a.device;
    request.threads = a.threads;
    PL_TRY(std::string run, desk::startTrain(desk->project(), desk->supervisor(), request));
    if (!a.json) {
        PL_TRY(const desk::RunRow row, desk->project().findRun(run));
        if (!row.datasetHash.empty()) {
            PL_TRY(const desk::DatasetInfo dataset, desk->project().findDataset(row.datasetHash));
            std::printf("%s: %s.\n", dataset.name.c_str(), dataset.counts.toString().c_str());
        }
    }
    if (!a.wait) {
        PL_TRY(const Left left, letGo(*desk, run));
        return tellLeft(left, a.json, fmt::format("; `pairlab-cli runs {}` shows it.", a.project));
    }
    PL_TRY(desk::RunInfo info, desk->wait(run, !a.json));
    printAlerts(info);
    if (a.json) {
        printJson(runJson(info));
    } else if (info.state == RunState::Finished) {
        std::printf("%s finished. Checkpoint %s\n", run.c_str(), info.lastCheckpoint.c_str());
        for (const auto& [name, value] : info.metrics)
            std::printf("  %-28s %.4g\n", name.c_str(), value);
    }
    if (info.state != RunState::Finished)
        printFailure(info);
    return exitCodeOfRun(info);
}

struct EvaluateArguments : JobArguments {
    std::string model, against = "start", judge, split = "dev";
    int64_t limit = 0;
};

Result<int> evaluate(const EvaluateArguments& a) {
    PL_TRY(auto desk, Desk::open(a.project));
    PL_CHECK(desk::checkDevice(a.device));
    desk::EvaluateRequest request;
    request.model = a.model;
    request.against = a.against == "none" ? "" : a.against;
    request.judge = a.judge;
    PL_TRY(request.split, desk::splitOf(a.split));
    request.prompts = a.limit;
    PL_TRY(request.parameters, parametersOf(*desk, "evaluate", a.set));
    request.seed = a.seed;
    request.device = a.device;
    request.threads = a.threads;
    PL_TRY(std::string run, desk::startEvaluate(desk->project(), desk->supervisor(), request));
    if (!a.wait) {
        PL_TRY(const Left left, letGo(*desk, run));
        return tellLeft(left, a.json);
    }
    PL_TRY(desk::RunInfo info, desk->wait(run, !a.json));
    printAlerts(info);
    Json out = runJson(info);
    out["split"] = a.split;
    if (request.split == desk::Split::Test) {
        PL_TRY(out["test_openings"], desk->project().testOpenings());
    }
    Json judge = Json::object();
    if (auto events = readEvents(os::joinPath(info.dir, "events.jsonl")))
        for (const Event& event : *events)
            if (event.type == event::kResult) {
                if (event.body.contains("judge"))
                    judge = event.body["judge"];
                if (event.body.contains("too_few"))
                    out["too_few"] = event.body["too_few"];
            }
    auto put = [&](const char* as, const char* name) {
        if (auto it = info.result.find(name); it != info.result.end())
            out[as] = jsonNumber(it->second);
    };
    put("win_rate", "eval_win_rate");
    put("low", "eval_win_rate_low");
    put("high", "eval_win_rate_high");
    put("n", "eval_win_rate_n");
    put("accuracy", "eval_accuracy");
    put("judge_agreement", "judge_agreement");
    if (!out.contains("n"))
        put("n", "eval_accuracy_n");
    out["judge"] = judge;
    const Json controls = info.note.value("controls", Json::object());
    if (!controls.empty())
        out["controls"] = controls;
    if (a.json) {
        printJson(out);
    } else if (info.state == RunState::Finished) {
        auto value = [&](const char* name) {
            auto it = info.result.find(name);
            return it == info.result.end() ? NAN : it->second;
        };
        if (info.result.count("eval_win_rate")) {
            const double n = value("eval_win_rate_n");
            if (n < 30)
                std::printf("Win rate of %s against %s: too few (%g)\n", a.model.c_str(), a.against.c_str(), n);
            else
                std::printf("Win rate of %s against %s: %.3f [%.3f, %.3f], n = %g, judge %s\n", a.model.c_str(),
                            a.against.c_str(), value("eval_win_rate"), value("eval_win_rate_low"),
                            value("eval_win_rate_high"), n, dumpJson(judge).c_str());
        }
        for (const auto& [name, number] : info.result)
            std::printf("  %-28s %.4g\n", name.c_str(), number);
        for (const auto& [role, control] : controls.items())
            std::printf("A control, no result about the votes: the %s comes from %s.\n",
                        role == "against" ? "other model" : role.c_str(), control.get<std::string>().c_str());
        if (out.contains("test_openings"))
            std::printf("Measured on the sealed test prompts, opened %lld times so far.\n", out["test_openings"].get<long long>());
    }
    if (info.state != RunState::Finished)
        printFailure(info);
    return exitCodeOfRun(info);
}

/// What a run lost by erasure, below its line.
void printErasure(const desk::RunInfo& info, std::FILE* to = stdout) {
    const auto erased = desk::erasureOf(info.dir);
    if (!erased || erased->any())
        std::fprintf(to, "    %s\n", erased ? erased->toString().c_str() : erased.error().toString().c_str());
}

Result<int> runs(const std::string& dir, bool json) {
    PL_TRY(auto desk, Desk::open(dir));
    os::sleepMs(250);
    PL_CHECK(desk->record());
    if (json) {
        Json list = Json::array();
        for (const auto& info : desk->supervisor().runs())
            list.push_back(runJson(info));
        printJson(list);
        return 0;
    }
    for (const auto& info : desk->supervisor().runs()) {
        std::printf("%-22s %-9s %6lld/%-6lld %s  %s\n", info.name.c_str(), runStateName(info.state),
                    static_cast<long long>(info.step), static_cast<long long>(info.of),
                    formatTime(info.createdMs).c_str(), info.reason.c_str());
        printErasure(info);
    }
    return 0;
}

struct RunArguments {
    std::string project, run, out;
    bool json = false, wait = false;
};

Result<std::string> nameOf(Desk& desk, const std::string& text) {
    PL_TRY(desk::RunRow row, desk::runOf(desk.project(), text));
    return row.name;
}

Result<int> runVerb(const RunArguments& a, const std::string& verb) {
    PL_TRY(auto desk, Desk::open(a.project));
    PL_TRY(std::string name, nameOf(*desk, a.run));
    auto& supervisor = desk->supervisor();
    const int64_t asked = nowMs() - 1;
    const auto earlier = supervisor.find(name);
    const bool goesOn = verb == "resume" && earlier && earlier->state != RunState::Running;
    if (verb == "resume" && earlier)
        printErasure(*earlier, stderr);
    if (verb == "pause")
        PL_CHECK(supervisor.pause(name));
    else if (verb == "resume")
        PL_CHECK(supervisor.resume(name));
    else if (verb == "stop")
        PL_CHECK(supervisor.stop(name));
    else if (verb == "kill")
        PL_CHECK(supervisor.kill(name));
    else if (verb == "checkpoint")
        PL_CHECK(supervisor.checkpoint(name));
    const bool waits = a.wait || verb == "stop" || verb == "kill";
    if (waits) {
        PL_TRY(desk::RunInfo info, desk->wait(name, !a.json));
    printAlerts(info);
        if (a.json)
            printJson(runJson(info));
        else
            std::printf("%s: %s %s\n", name.c_str(), runStateName(info.state), info.reason.c_str());
        if ((verb == "resume" || verb == "wait") && info.state != RunState::Finished)
            printFailure(info);
        return verb == "resume" || verb == "wait" ? exitCodeOfRun(info) : 0;
    }
    if (verb == "pause") { // says so when the device is free again
        for (int i = 0; i < 600 && supervisor.find(name)->state == RunState::Running; ++i)
            os::sleepMs(100);
    } else {
        PL_TRY(const Left left, letGo(*desk, name, goesOn ? asked : 0));
        if (verb == "resume")
            return tellLeft(left, a.json);
    }
    PL_CHECK(desk->record());
    const auto info = supervisor.find(name);
    if (a.json) {
        printJson(runJson(*info));
    } else {
        std::printf("%s: %s %s\n", name.c_str(), runStateName(info->state), info->reason.c_str());
        printErasure(*info);
    }
    return 0;
}

struct TrlArguments {
    std::string project, run, out, model = "copy";
    bool estimate = false, json = false;
};

Result<int> exportTrl(const TrlArguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const desk::RunRow row, desk::runOf(project, a.run));
    const std::string bundle = os::joinPath(project.runsDir(), row.name);
    desk::TrlScriptOptions options;
    options.out = a.out.empty() ? row.name + "-trl" : a.out;
    PL_CHECK(desk::checkBeside(project, options.out));
    options.copyModels = a.model == "copy";
    options.rerun.keepGoing = [] { return !os::stopSignalSeen(); };
    if (a.estimate) {
        PL_TRY(const desk::TrlScriptPlan plan, desk::planTrlScript(bundle, options));
        std::printf("%s: %s.\n", row.name.c_str(), plan.toString().c_str());
        return 0;
    }
    options.say = [](const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); };
    PL_TRY(const auto report, desk::writeTrlScript(bundle, findPlugins(defaultPluginFolders()), options));
    if (a.json)
        printJson(report.toJson());
    else
        std::printf("%s: %lld rows, %lld of %lld steps. Look at README.md, then `python train.py --check` there.\n", report.dir.c_str(),
                    static_cast<long long>(report.rows), static_cast<long long>(report.steps), static_cast<long long>(report.of));
    return 0;
}

struct DatasetArguments {
    std::string project, name, kind;
    bool json = false, dropTies = false;
};

Json datasetJson(const desk::DatasetInfo& info) {
    return {{"name", info.name}, {"sha", info.sha}, {"dir", info.dir}, {"counts", info.counts.toJson()}};
}

} // namespace

void addRunCommands(Commands& commands) {
    auto g = std::make_shared<GenerateArguments>();
    auto* sub = commands.add("generate", "Write candidates and pair them", [g] { return generate(*g); });
    addJobOptions(sub, *g);
    g->model = sub->add_option("--model", g->models, "start, run:ID[@STEP], a folder; several are paired across models; with --server its name there");
    sub->add_option("--server", g->server, "Ask a server that speaks OpenAI's protocol (vLLM, llama.cpp, Ollama), such as http://127.0.0.1:8000");
    sub->add_option("--key-env", g->keyEnv, "With --server: the environment variable that holds the key (its name, never the key)");
    sub->add_option("--keyring", g->keyring, "With --server: the service whose key secret-tool finds in the keyring");
    sub->add_option("--system", g->system, "With --server: a system prompt before every prompt");
    sub->add_option("--split", g->split, "Prompts of this split")->check(splitName(true));
    sub->add_option("--kind", g->kind, "Prompts of this kind (chat, verify, scene, all); auto: what the model is for");
    sub->add_option("--best-of", g->bestOf, "Images: draw so many a prompt and keep the --n that the judge likes best")
        ->check(wholeNumber(1, 1024));
    sub->add_option("--judge", g->judge, "Who chooses: run:ID of an image reward model, or a taste of pictures");
    sub->add_flag("--estimate", g->estimate, "Only say what it would cost");
    sub->add_option("--n", g->n, "Answers a prompt and model")->check(wholeNumber(1, 1024));
    sub->add_option("--limit", g->limit, "At most so many prompts; 0: all")->check(wholeNumber(0, kMostAsked));
    sub->add_flag("--no-pairs", g->noPairs, "Candidates only");

    auto t = std::make_shared<TrainArguments>();
    sub = commands.add("train", "Train on the judgements", [t] { return train(*t); });
    addJobOptions(sub, *t);
    sub->add_option("--plugin", t->plugin, "reward_model, dpo, grpo, sft, image_reward_model, image_dpo, image_grpo, ...")->required();
    sub->add_option("--model", t->model, "The policy to start from");
    sub->add_option("--dataset", t->dataset, "A frozen dataset; without it the votes of now are frozen");
    sub->add_option("--data", t->data, "sft: JSONL rows {\"prompt\", \"completion\"}; image_sft: images beside the file");
    sub->add_option("--reward", t->rewards,
                    "grpo: run:ID, rule:TASTE, verifier, length:TOKENS; image_grpo: run:ID, taste:TASTE, obedience, rankings; with optional "
                    "*WEIGHT");
    sub->add_option("--kind", t->kind, "grpo: prompts of this kind (chat, verify, scene, all); auto: what the model is for");
    sub->add_option("--limit", t->limit, "grpo: at most so many prompts; 0: all")->check(wholeNumber(0, kMostAsked));

    auto e = std::make_shared<EvaluateArguments>();
    sub = commands.add("evaluate", "Measure a model on held-out prompts", [e] { return evaluate(*e); });
    addJobOptions(sub, *e);
    sub->add_option("--model", e->model, "run:ID, start, a folder")->required();
    sub->add_option("--against", e->against, "The other model (none: alone)");
    sub->add_option("--judge", e->judge, "A taste, verifier, or run:ID of a reward model; votes (for reward models only)");
    sub->add_option("--split", e->split, "Prompts of this split; test is sealed: each opening is counted")
        ->capture_default_str()
        ->check(splitName(false));
    sub->add_option("--limit", e->limit, "At most so many prompts; 0: all")->check(wholeNumber(0, kMostAsked));

    struct ListArguments {
        std::string project;
        bool json = false;
    };
    auto l = std::make_shared<ListArguments>();
    sub = commands.add("runs", "The runs of a project", [l] { return runs(l->project, l->json); });
    sub->add_option("project", l->project, "Project folder")->required();
    sub->add_flag("--json", l->json, "JSON");

    auto* run = commands.app.add_subcommand("run", "Pause, resume, stop, kill, checkpoint, pack, write out for TRL or wait for one run");
    run->require_subcommand(1);
    for (const char* verb : {"pause", "resume", "stop", "kill", "checkpoint", "wait"}) {
        auto r = std::make_shared<RunArguments>();
        if (std::string(verb) == "wait")
            r->wait = true;
        auto* one = commands.add(verb, fmt::format("{} a run", verb), [r, verb] { return runVerb(*r, verb); }, run);
        one->add_option("project", r->project, "Project folder")->required();
        one->add_option("run", r->run, "Number or name")->required();
        one->add_flag("--wait", r->wait, "Until it has ended");
        one->add_flag("--json", r->json, "JSON");
    }
    auto p = std::make_shared<RunArguments>();
    auto* pack = commands.add("pack", "A tar file of the bundle, to run elsewhere with pairlab-worker", [p]() -> Result<int> {
        PL_TRY(desk::Project project, openProject(p->project));
        PL_TRY(desk::RunRow row, desk::runOf(project, p->run));
        const std::string out = p->out.empty() ? row.name + ".tar" : p->out;
        PL_CHECK(desk::checkExportPlace(project, out));
        PL_CHECK(desk::packRun(os::joinPath(project.runsDir(), row.name), out));
        std::printf("%s\n", out.c_str());
        return 0;
    }, run);
    pack->add_option("project", p->project, "Project folder")->required();
    pack->add_option("run", p->run, "Number or name")->required();
    pack->add_option("--out", p->out, "The file to write");

    auto x = std::make_shared<TrlArguments>();
    auto* trl = commands.add("export-trl", "The run as a script for TRL, with its data, model and first losses", [x] { return exportTrl(*x); }, run);
    trl->add_option("project", x->project, "Project folder")->required();
    trl->add_option("run", x->run, "Number or name of a run of sft, reward_model, dpo or grpo")->required();
    trl->add_option("--out", x->out, "The folder to make; without it NAME-trl here");
    trl->add_option("--model", x->model, "copy: the model comes along; path: the script names its folder")
        ->check(CLI::IsMember({"copy", "path"}));
    trl->add_flag("--estimate", x->estimate, "Only say what it takes: the model's size, and whether the first steps are run again");
    trl->add_flag("--json", x->json, "JSON");

    auto* dataset = commands.app.add_subcommand("dataset", "Freeze or list datasets");
    dataset->require_subcommand(1);
    auto d = std::make_shared<DatasetArguments>();
    auto* freeze = commands.add("freeze", "Freeze the votes of now under a name", [d]() -> Result<int> {
        PL_TRY(desk::Project project, openProject(d->project));
        desk::DatasetSpec spec;
        spec.name = d->name;
        if (!d->kind.empty()) {
            PL_TRY(spec.filter.kind, desk::candidateKindOf(d->kind));
        }
        spec.tiePolicy = d->dropTies ? desk::TiePolicy::Drop : desk::TiePolicy::SoftLabel;
        const int64_t before = project.counters().datasets;
        PL_TRY(desk::DatasetInfo info, project.freezeDataset(spec));
        Json out = datasetJson(info);
        if (info.name != d->name)
            out["asked_name"] = d->name;
        if (info.name != d->name && project.counters().datasets == before)
            std::fprintf(stderr, "pairlab-cli: %s has the same contents as %s, which is kept\n", d->name.c_str(),
                         info.name.c_str());
        printJson(out);
        return 0;
    }, dataset);
    freeze->add_option("project", d->project, "Project folder")->required();
    freeze->add_option("name", d->name, "Name")->required();
    freeze->add_option("--kind", d->kind, "Votes on pairs of text or image; needed where a project has both");
    freeze->add_flag("--drop-ties", d->dropTies, "Do not write ties.jsonl");
    auto dl = std::make_shared<DatasetArguments>();
    auto* list = commands.add("list", "The frozen datasets", [dl]() -> Result<int> {
        PL_TRY(desk::Project project, openProject(dl->project));
        PL_TRY(auto all, project.datasets());
        Json rows = Json::array();
        for (const auto& info : all)
            rows.push_back(datasetJson(info));
        printJson(rows);
        return 0;
    }, dataset);
    list->add_option("project", dl->project, "Project folder")->required();
}

} // namespace pl::cli

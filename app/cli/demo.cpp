// SPDX-License-Identifier: Apache-2.0
// demo: once round the loop, headless, on a copy of the starter project.
#include <cmath>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/desk/simulate/annotator.h"

namespace pl::cli {

namespace {

struct DemoArguments {
    std::string out, taste = "concise", device = "cpu";
    uint64_t seed = 1;
    int64_t labels = 300;
    bool json = false;
};

// One stage after another, each timed; a failed run stops the demo with its reason and log tail.
class Demo {
public:
    explicit Demo(const DemoArguments& arguments) : m_a(arguments) {}
    Result<int> run();

private:
    Result<desk::RunInfo> finish(const std::string& run);
    Status label(int64_t count);
    template<class F>
    Status timed(const char* stage, F&& f) {
        std::fprintf(stderr, "demo: %s ...", stage);
        m_stage = stage;
        const int64_t start = monotonicNs();
        PL_CHECK(f());
        m_seconds[stage] = static_cast<double>(monotonicNs() - start) * 1e-9;
        std::fprintf(stderr, " %.0f s\n", m_seconds[stage].get<double>());
        return {};
    }
    Result<desk::RunInfo> train(const std::string& plugin, const Json& parameters);
    Result<desk::RunInfo> evaluate(const std::string& run, const std::string& judge, const std::string& against);
    Status writeSamples(const desk::RunInfo& evaluation);
    std::string summary(const Json& json) const;

    DemoArguments m_a;
    std::unique_ptr<Desk> m_desk;
    Json m_seconds = Json::object();
    std::string m_stage;
    std::map<std::string, double> m_flops; ///< by stage: floating point operations by count
};

double valueOf(const std::map<std::string, double>& values, const char* name) {
    auto it = values.find(name);
    return it == values.end() ? NAN : it->second;
}

std::string idOf(const desk::RunInfo& info) { return fmt::format("run:{}", std::atoll(info.name.c_str())); }

Result<desk::RunInfo> Demo::finish(const std::string& run) {
    auto waited = m_desk->wait(run, false);
    if (!waited) {
        if (waited.error().code != Code::Cancelled)
            return waited;
        PL_CHECK(m_desk->supervisor().stop(run)); // nobody asked for a run that outlives the demo
        return fail(Code::Cancelled, fmt::format("stopped in run {}", run), fmt::format("What there is lies in {}.", m_a.out));
    }
    desk::RunInfo info = std::move(*waited);
    if (info.state != RunState::Finished) {
        std::string tail;
        for (const std::string& line : info.logTail)
            tail += "\n  | " + line;
        return fail(Code::Internal, fmt::format("run {} {}: {}{}", run, runStateName(info.state), info.reason, tail),
                    "The bundle lies in " + info.dir + ".");
    }
    // A run that does not count its work must not look free.
    const double flops = valueOf(info.metrics, "total_flos");
    m_flops[m_stage] += flops;
    m_flops["total"] += flops;
    return info;
}

Status Demo::label(int64_t count) {
    desk::Project& project = m_desk->project();
    PL_TRY(desk::SimulatedPanel panel, desk::panelOfTaste(m_a.taste, 0.05, m_a.seed));
    PL_TRY(desk::Task task, project.defaultTask());
    const desk::SimulatedPerson& person = panel.people.front();
    PL_TRY(desk::Id id, project.annotator(desk::AnnotatorKind::Rule, "simulated:" + person.name, desk::toJson(person)));
    PL_TRY(desk::Id session, project.beginSession(id, task.id));
    for (const desk::Split split : {desk::Split::Train, desk::Split::Dev}) {
        // Most for training, some for the dev figures that are drawn live.
        desk::Project::NextOptions next;
        next.task = task.id;
        next.annotator = id;
        next.session = session;
        next.rule = desk::QueueRule::Random;
        next.limit = static_cast<size_t>(split == desk::Split::Train ? count : count / 4);
        next.seed = m_a.seed;
        next.split = split;
        PL_TRY(auto items, project.next(next));
        for (const desk::LabelItem& item : items) {
            const desk::SimulatedVote vote = desk::simulateVote(
                person, {item.comparison.sha, item.prompt.content, item.a.content, item.b.content, item.presentation.aOnLeft},
                panel.seed);
            PL_TRY([[maybe_unused]] auto ack, project.presentAndJudge(item.presentation, inputOf(vote)));
        }
    }
    return project.endSession(session);
}

Result<desk::RunInfo> Demo::train(const std::string& plugin, const Json& parameters) {
    desk::TrainRequest request;
    request.plugin = plugin;
    request.parameters = parameters;
    request.seed = m_a.seed;
    request.device = m_a.device;
    PL_TRY(std::string run, desk::startTrain(m_desk->project(), m_desk->supervisor(), request));
    return finish(run);
}

Result<desk::RunInfo> Demo::evaluate(const std::string& model, const std::string& judge, const std::string& against) {
    desk::EvaluateRequest request;
    request.model = model;
    request.judge = judge;
    request.against = against;
    request.seed = m_a.seed;
    request.device = m_a.device;
    PL_TRY(std::string run, desk::startEvaluate(m_desk->project(), m_desk->supervisor(), request));
    return finish(run);
}

// Before and after on the same prompts, as text a person reads.
Status Demo::writeSamples(const desk::RunInfo& evaluation) {
    PL_TRY(auto events, readEvents(os::joinPath(evaluation.dir, "events.jsonl")));
    std::map<std::string, std::map<std::string, std::string>> byPrompt;
    std::vector<std::string> order;
    for (const Event& event : events)
        if (event.type == event::kSample && event.body.contains("prompt") && event.body.contains("response")) {
            const std::string prompt = event.body["prompt"].get<std::string>();
            if (!byPrompt.count(prompt))
                order.push_back(prompt);
            byPrompt[prompt][event.body.value("tag", std::string("policy"))] = event.body["response"].get<std::string>();
        }
    std::string text = fmt::format("# Samples before and after (taste: {})\n", m_a.taste);
    for (size_t i = 0; i < std::min<size_t>(order.size(), 20); ++i) {
        auto& sides = byPrompt[order[i]];
        text += fmt::format("\n## {}\n\nBefore:\n\n```text\n{}\n```\n\nAfter:\n\n```text\n{}\n```\n", order[i],
                            sides["against"], sides["policy"]);
    }
    return os::writeFileAtomic(os::joinPath(m_a.out, "samples.md"), text);
}

std::string Demo::summary(const Json& json) const {
    auto number = [&](const char* part, const char* key) {
        return json[part].contains(key) ? numberOf(json[part][key], key).value_or(NAN) : NAN;
    };
    double total = 0;
    std::string stages;
    const auto row = [&](const std::string& stage, double seconds) {
        const auto flops = m_flops.find(stage);
        stages += fmt::format("| {} | {:.1f} | {} |\n", stage, seconds,
                              flops == m_flops.end() ? "" : fmt::format("{:.3f}", flops->second * 1e-12));
    };
    for (auto it = m_seconds.begin(); it != m_seconds.end(); ++it) {
        total += it.value().get<double>();
        row(it.key(), it.value().get<double>());
    }
    row("total", total);
    return fmt::format(
        "# Once round the loop\n\nTaste of the simulated annotator (a rule, not a person): **{}**, 5 % of its votes "
        "flipped, seed {}.\n\n"
        "| what | figure |\n|---|---|\n"
        "| reward model, ranking accuracy on held-out pairs labelled by the noiseless rule | {:.3f} [{:.3f}, {:.3f}], n = {:.0f} |\n"
        "| DPO against the start under that rule, test prompts, ties half | {:.3f} [{:.3f}, {:.3f}], n = {:.0f} |\n"
        "| GRPO with that reward model: rise of the rule's score, in standard deviations of the start | {:.2f} |\n\n"
        "| stage | seconds | TFLOP by count |\n|---|---|---|\n{}\n"
        "Samples before and after: samples.md. Charts: *.png. The project itself: project/ (open it with `pairlab`).\n",
        m_a.taste, m_a.seed, number("reward_model", "eval_accuracy"), number("reward_model", "eval_accuracy_low"),
        number("reward_model", "eval_accuracy_high"), number("reward_model", "n"), number("dpo", "win_rate"),
        number("dpo", "win_rate_low"), number("dpo", "win_rate_high"), number("dpo", "n"), number("grpo", "gold_delta_sd"),
        stages);
}

Result<int> Demo::run() {
    PL_CHECK(desk::panelOfTaste(m_a.taste, 0.05, m_a.seed)); // a wrong name is said before minutes of work
    PL_CHECK(os::makeDirs(m_a.out));
    const std::string dir = os::joinPath(m_a.out, "project");
    if (os::exists(dir) || os::exists(os::joinPath(m_a.out, "summary.json")))
        return fail(Code::InvalidInput, fmt::format("{} holds a demo already", m_a.out), "Give another --out or remove it.");
    {
        desk::ProjectOptions options;
        options.name = "Demo";
        options.program = "pairlab-cli";
        PL_TRY(desk::Project project, desk::Project::create(dir, options));
        PL_CHECK(desk::addStarter(project));
        PL_CHECK(project.close());
    }
    PL_TRY(m_desk, Desk::open(dir));
    desk::Project& project = m_desk->project();

    PL_CHECK(timed("generate", [&]() -> Status {
        desk::GenerateRequest request;
        request.split = desk::Split::Test;
        request.seed = m_a.seed;
        request.n = 6; // enough pairs outside the rule's tie band to measure the reward model on
        request.device = m_a.device;
        PL_TRY(std::string run, desk::startGenerate(project, m_desk->supervisor(), request));
        PL_TRY([[maybe_unused]] auto info, finish(run));
        return {};
    }));
    PL_CHECK(timed("label", [&] { return label(m_a.labels); }));

    desk::RunInfo rm, dpo, grpo, rmEval, dpoEval, grpoEval;
    PL_CHECK(timed("reward_model", [&]() -> Status {
        PL_TRY(rm, train("reward_model", Json::object()));
        PL_TRY(rmEval, evaluate(idOf(rm), m_a.taste, ""));
        return {};
    }));
    PL_CHECK(timed("dpo", [&]() -> Status {
        PL_TRY(dpo, train("dpo", Json::object()));
        return {};
    }));
    PL_CHECK(timed("dpo evaluate", [&]() -> Status {
        PL_TRY(dpoEval, evaluate(idOf(dpo), m_a.taste, "start"));
        return {};
    }));
    PL_CHECK(timed("grpo", [&]() -> Status {
        Json parameters{{"rewards", Json::array({{{"type", "reward_model"}, {"model", idOf(rm)}}})},
                        {"monitor_taste", m_a.taste},
                        {"monitor_kl", true}};
        PL_TRY(grpo, train("grpo", parameters));
        return {};
    }));
    PL_CHECK(timed("grpo evaluate", [&]() -> Status {
        PL_TRY(grpoEval, evaluate(idOf(grpo), m_a.taste, "start"));
        return {};
    }));
    // The trained model writes the next pairs, against the start.
    int64_t nextPairs = 0;
    PL_CHECK(timed("next pairs", [&]() -> Status {
        const auto before = project.counters().comparisons;
        desk::GenerateRequest request;
        request.models = {"start", idOf(dpo)};
        request.acrossModels = true;
        request.n = 1;
        request.prompts = 50;
        request.seed = m_a.seed + 1;
        request.device = m_a.device;
        PL_TRY(std::string run, desk::startGenerate(project, m_desk->supervisor(), request));
        PL_TRY([[maybe_unused]] auto info, finish(run));
        nextPairs = project.counters().comparisons - before;
        return {};
    }));

    auto number = [](double value) { return jsonNumber(value); };
    Json json{
        {"taste", m_a.taste},
        {"seed", m_a.seed},
        {"labels", project.counters().current},
        {"reward_model",
         {{"eval_accuracy", number(valueOf(rmEval.result, "eval_accuracy"))},
          {"eval_accuracy_low", number(valueOf(rmEval.result, "eval_accuracy_low"))},
          {"eval_accuracy_high", number(valueOf(rmEval.result, "eval_accuracy_high"))},
          {"n", number(valueOf(rmEval.result, "eval_accuracy_n"))}}},
        {"dpo",
         {{"win_rate", number(valueOf(dpoEval.result, "eval_win_rate"))},
          {"win_rate_low", number(valueOf(dpoEval.result, "eval_win_rate_low"))},
          {"win_rate_high", number(valueOf(dpoEval.result, "eval_win_rate_high"))},
          {"n", number(valueOf(dpoEval.result, "eval_win_rate_n"))}}},
        {"grpo",
         {{"gold_delta_sd", number(valueOf(grpoEval.result, "gold_delta_sd"))},
          {"win_rate", number(valueOf(grpoEval.result, "eval_win_rate"))}}},
        {"next_pairs", nextPairs},
        {"seconds", m_seconds}};
    json["flops"] = Json::object();
    for (const auto& [stage, flops] : m_flops)
        json["flops"][stage] = number(flops);
    PL_CHECK(writeSamples(dpoEval));
    PL_CHECK(os::writeFileAtomic(os::joinPath(m_a.out, "summary.json"), dumpJsonPretty(json)));
    PL_CHECK(os::writeFileAtomic(os::joinPath(m_a.out, "summary.md"), summary(json)));
    m_desk.reset();

    // The charts are the window's own, drawn without a screen.
    const std::string window = os::joinPath(os::programDir(), "pairlab");
    if (os::exists(window)) {
        os::SpawnOptions spawn;
        spawn.arguments = {window, "report", dir, "--out", m_a.out};
        spawn.environment = {{"QT_QPA_PLATFORM", "offscreen"}};
        PL_TRY(os::Output output, os::runToEnd(spawn, 120000));
        if (output.status.signalled || output.status.code != 0)
            return fail(Code::Internal, fmt::format("drawing the charts: {}: {}", output.status.toString(), output.text));
    } else {
        std::fprintf(stderr, "demo: no charts: the window is not built here\n");
    }
    if (m_a.json)
        printJson(json);
    else
        std::printf("%s", summary(json).c_str());
    std::fprintf(stderr, "The report is in %s\n", os::joinPath(m_a.out, "summary.md").c_str());
    return 0;
}

} // namespace

void addDemoCommand(Commands& commands) {
    auto a = std::make_shared<DemoArguments>();
    auto* sub = commands.add("demo", "Once round the loop on a copy of the starter project, with a report",
                             [a] { return Demo(*a).run(); });
    sub->add_option("--out", a->out, "Folder of the report")->required();
    sub->add_option("--seed", a->seed, "Seed");
    sub->add_option("--taste", a->taste, "Hidden taste of the simulated annotator");
    sub->add_option("--labels", a->labels, "Training labels")->check(CLI::Range(int64_t{50}, int64_t{100000}));
    sub->add_option("--device", a->device, "cpu or cuda[:N]");
    sub->add_flag("--json", a->json, "Print summary.json");
}

} // namespace pl::cli

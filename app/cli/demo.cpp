// SPDX-License-Identifier: Apache-2.0
// demo: once round the loop, headless, on a copy of the starter project.
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "app/cli/demo_stages.h"
#include "core/base/os/files.h"
#include "core/desk/runs/preflight.h"

namespace pl::cli {

namespace {

class Demo : public DemoStages {
public:
    using DemoStages::DemoStages;
    Result<int> run();

private:
    Status writeSamples(const desk::RunInfo& evaluation);
    std::string summary(const Json& json) const;
};

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
        stageRows());
}

Result<int> Demo::run() {
    PL_CHECK(begin(desk::Starter::Text));
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
    json["flops"] = flops();
    PL_CHECK(writeSamples(dpoEval));
    PL_CHECK(os::writeFileAtomic(os::joinPath(m_a.out, "summary.json"), dumpJsonPretty(json)));
    PL_CHECK(os::writeFileAtomic(os::joinPath(m_a.out, "summary.md"), summary(json)));
    m_desk.reset();

    PL_CHECK(drawCharts());
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
                             [a]() -> Result<int> {
                                 PL_CHECK(desk::checkDevice(a->device));
                                 if (a->images)
                                     return runImageDemo(*a);
                                 DemoArguments text = *a;
                                 if (text.taste.empty())
                                     text.taste = "concise";
                                 return Demo(text).run();
                             });
    sub->add_option("--out", a->out, "Folder of the report")->required();
    sub->add_option("--seed", a->seed, "Seed")->check(wholeNumber(0, std::numeric_limits<int64_t>::max() - 1));
    sub->add_option("--taste", a->taste, "Hidden taste of the simulated annotator; else concise, of pictures larger");
    sub->add_flag("--images", a->images, "Pictures instead of texts");
    sub->add_option("--labels", a->labels, "Training labels")->check(wholeNumber(50, 100000));
    sub->add_option("--device", a->device, "Where it runs")->check(deviceName());
    sub->add_flag("--json", a->json, "Print summary.json");
}

} // namespace pl::cli

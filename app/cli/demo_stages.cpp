// SPDX-License-Identifier: Apache-2.0
#include "app/cli/demo_stages.h"

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/base/os/process.h"

namespace pl::cli {

std::string DemoStages::projectDir() const { return os::joinPath(m_a.out, "project"); }

Status DemoStages::begin(desk::Starter starter) {
    PL_CHECK(desk::panelOfTaste(m_a.taste, 0.05, m_a.seed)); // a wrong name is said before minutes of work
    PL_CHECK(os::makeDirs(m_a.out));
    if (os::exists(projectDir()) || os::exists(os::joinPath(m_a.out, "summary.json")))
        return fail(Code::InvalidInput, fmt::format("{} holds a demo already", m_a.out), "Give another --out or remove it.");
    {
        desk::ProjectOptions options;
        options.name = "Demo";
        options.program = "pairlab-cli";
        PL_TRY(desk::Project project, desk::Project::create(projectDir(), options));
        PL_CHECK(desk::addStarter(project, starter));
        PL_CHECK(project.close());
    }
    PL_TRY(m_desk, Desk::open(projectDir()));
    return {};
}

Result<desk::RunInfo> DemoStages::finish(const std::string& run) {
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

Status DemoStages::label(int64_t count) {
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
            PL_TRY(const desk::SimulatedVote vote, simulatedVote(project, person, item, panel.seed));
            PL_TRY([[maybe_unused]] auto ack, project.presentAndJudge(item.presentation, inputOf(vote)));
        }
    }
    return project.endSession(session);
}

Result<desk::RunInfo> DemoStages::train(const std::string& plugin, const Json& parameters) {
    desk::TrainRequest request;
    request.plugin = plugin;
    request.parameters = parameters;
    request.seed = m_a.seed;
    request.device = m_a.device;
    PL_TRY(std::string run, desk::startTrain(m_desk->project(), m_desk->supervisor(), request));
    return finish(run);
}

Result<desk::RunInfo> DemoStages::evaluate(const std::string& model, const std::string& judge, const std::string& against,
                                            int64_t prompts) {
    desk::EvaluateRequest request;
    request.model = model;
    request.judge = judge;
    request.against = against;
    request.split = desk::Split::Test; // the report is made once; its figures choose nothing
    request.prompts = prompts;
    request.seed = m_a.seed;
    request.device = m_a.device;
    PL_TRY(std::string run, desk::startEvaluate(m_desk->project(), m_desk->supervisor(), request));
    return finish(run);
}

std::string DemoStages::stageRows() const {
    double total = 0;
    std::string rows;
    const auto row = [&](const std::string& stage, double seconds) {
        const auto flops = m_flops.find(stage);
        rows += fmt::format("| {} | {:.1f} | {} |\n", stage, seconds,
                            flops == m_flops.end() ? "" : fmt::format("{:.3f}", flops->second * 1e-12));
    };
    for (auto it = m_seconds.begin(); it != m_seconds.end(); ++it) {
        total += it.value().get<double>();
        row(it.key(), it.value().get<double>());
    }
    row("total", total);
    return rows;
}

Json DemoStages::flops() const {
    Json out = Json::object();
    for (const auto& [stage, flops] : m_flops)
        out[stage] = jsonNumber(flops);
    return out;
}

Status DemoStages::drawCharts() {
    const std::string window = os::joinPath(os::programDir(), "pairlab");
    if (!os::exists(window)) {
        std::fprintf(stderr, "demo: no charts: the window is not built here\n");
        return {};
    }
    os::SpawnOptions spawn;
    spawn.arguments = {window, "report", projectDir(), "--out", m_a.out};
    spawn.environment = {{"QT_QPA_PLATFORM", "offscreen"}};
    PL_TRY(os::Output output, os::runToEnd(spawn, 120000));
    if (output.status.signalled || output.status.code != 0)
        return fail(Code::Internal, fmt::format("drawing the charts: {}: {}", output.status.toString(), output.text));
    return {};
}

} // namespace pl::cli

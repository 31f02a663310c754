// SPDX-License-Identifier: Apache-2.0
#include "app/cli/desk.h"

#include <cstdio>

#include <fmt/format.h>

#include "core/base/image.h"
#include "core/base/os/process.h"

namespace pl::cli {

CLI::App* Commands::add(const std::string& name, const std::string& help, Action action, CLI::App* parent) {
    CLI::App* sub = (parent ? parent : &app)->add_subcommand(name, help);
    Action* slot = &chosen;
    sub->callback([slot, action = std::move(action)] {
        if (!*slot)
            *slot = action;
    });
    return sub;
}

struct Desk::News {
    std::mutex mutex;
    std::vector<std::pair<desk::RunInfo, std::vector<Event>>> items;
};

Result<desk::Project> openProject(const std::string& dir) {
    desk::ProjectOptions options;
    options.program = "pairlab-cli";
    return desk::Project::open(dir, options);
}

Result<std::unique_ptr<Desk>> Desk::open(const std::string& dir) {
    std::unique_ptr<Desk> desk(new Desk);
    PL_TRY(desk::Project project, openProject(dir));
    desk->m_project = std::make_unique<desk::Project>(std::move(project));
    desk->m_news = std::make_shared<News>();
    auto news = desk->m_news;
    PL_TRY(desk->m_supervisor,
           desk::Supervisor::start(dir, {}, [news](const desk::RunInfo& info, const std::vector<Event>& events) {
               std::lock_guard guard(news->mutex);
               news->items.emplace_back(info, events);
           }));
    PL_CHECK(desk::catchUp(*desk->m_project, *desk->m_supervisor));
    return desk;
}

Desk::~Desk() {
    if (m_supervisor)
        (void)record();
    m_supervisor.reset();
}

Status Desk::record() {
    std::vector<std::pair<desk::RunInfo, std::vector<Event>>> items;
    {
        std::lock_guard guard(m_news->mutex);
        items.swap(m_news->items);
    }
    for (const auto& [info, events] : items) {
        if (info.state == RunState::Failed && info.plugin.empty())
            continue; // a bundle that cannot be read has no row to keep in step
        PL_TRY(auto made, desk::recordRun(*m_project, info, events));
        m_made.pairs += made.pairs;
        m_made.identical += made.identical;
        m_made.duplicates += made.duplicates;
        m_made.lonely += made.lonely;
    }
    return {};
}

Result<desk::RunInfo> Desk::wait(const std::string& run, bool report) {
    const bool terminal = report && os::errorIsTerminal();
    for (;;) {
        // The state is read before the news is drained, so that an ended run's last events are in the database.
        const auto info = m_supervisor->find(run);
        if (!info)
            return fail(Code::NotFound, fmt::format("there is no run '{}'", run));
        const bool over = info->state == RunState::Finished || info->state == RunState::Stopped ||
                          info->state == RunState::Failed;
        if (over)
            os::sleepMs(250); // the listener is called after the state has changed
        PL_CHECK(record());
        if (terminal)
            std::fprintf(stderr, "\r%s: %s %lld/%lld   ", run.c_str(), runStateName(info->state),
                         static_cast<long long>(info->step), static_cast<long long>(info->of));
        if (over) {
            if (terminal)
                std::fprintf(stderr, "\n");
            return *m_supervisor->find(run);
        }
        if (os::stopSignalSeen())
            return fail(Code::Cancelled, fmt::format("stopped waiting for {}", run),
                        "The run goes on; `pairlab-cli runs` shows it.");
        os::sleepMs(100);
    }
}

void printJson(const Json& value) { std::printf("%s\n", dumpJson(value).c_str()); }

Result<std::optional<desk::Split>> splitArgument(const std::string& text) {
    if (text.empty() || text == "all")
        return std::optional<desk::Split>();
    PL_TRY(desk::Split split, desk::splitOf(text));
    return std::optional<desk::Split>(split);
}

Json runJson(const desk::RunInfo& info) {
    Json metrics = Json::object(), result = Json::object();
    for (const auto& [name, value] : info.metrics)
        metrics[name] = jsonNumber(value);
    for (const auto& [name, value] : info.result)
        result[name] = jsonNumber(value);
    return {{"run", info.name},       {"status", runStateName(info.state)}, {"reason", info.reason},
            {"metrics", metrics},     {"result", result},                   {"checkpoint", info.lastCheckpoint},
            {"plugin", info.plugin},  {"device", info.device},              {"step", info.step},
            {"of", info.of},          {"seed", info.seed},                  {"dir", info.dir}};
}

bool judges(const desk::SimulatedPerson& person, const desk::LabelItem& item) {
    return item.a.kind == desk::CandidateKind::Image ? person.judgesImages() : person.judgesTexts();
}

Result<desk::SimulatedVote> simulatedVote(const desk::Project& project, const desk::SimulatedPerson& person,
                                          const desk::LabelItem& item, uint64_t seed) {
    if (!judges(person, item))
        return fail(Code::Unsupported, fmt::format("{} has no taste for such pairs", person.name));
    desk::SimulatedPair pair{item.comparison.sha, item.prompt.content, item.a.content, item.b.content,
                             item.presentation.aOnLeft};
    if (item.a.kind != desk::CandidateKind::Image)
        return desk::simulateVote(person, pair, seed);
    PL_TRY(const Image a, readPng(project.mediaPath(item.a.content)));
    PL_TRY(const Image b, readPng(project.mediaPath(item.b.content)));
    pair.imageA = &a;
    pair.imageB = &b;
    return desk::simulateVote(person, pair, seed);
}

desk::JudgementInput inputOf(const desk::SimulatedVote& vote) {
    desk::JudgementInput input;
    input.kind = desk::EventKind::Vote;
    input.winner = vote.winner == desk::VoteWinner::A   ? desk::Winner::A
                   : vote.winner == desk::VoteWinner::B ? desk::Winner::B
                                                        : desk::Winner::Tie;
    switch (vote.tieKind) {
    case desk::VoteTie::None: input.tieKind = desk::TieKind::None; break;
    case desk::VoteTie::BothGood: input.tieKind = desk::TieKind::BothGood; break;
    case desk::VoteTie::BothBad: input.tieKind = desk::TieKind::BothBad; break;
    case desk::VoteTie::Identical: input.tieKind = desk::TieKind::Identical; break;
    case desk::VoteTie::Unspecified: input.tieKind = desk::TieKind::Unspecified; break;
    }
    input.strength = vote.strength;
    return input;
}

int exitCodeOfRun(const desk::RunInfo& info) {
    switch (info.state) {
    case RunState::Finished: return 0;
    case RunState::Failed: return 70;
    default: return 3;
    }
}

} // namespace pl::cli

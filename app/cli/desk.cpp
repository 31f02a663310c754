// SPDX-License-Identifier: Apache-2.0
#include "app/cli/desk.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

#include "core/base/image_file.h"
#include "core/base/os/process.h"
#include "core/desk/store/file_check.h"
#include "core/desk/store/run_erasure.h"

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
    PL_TRY(desk::Project project, desk::Project::open(dir, options));
    PL_CHECK(desk::checkIfDue(project)); // the window does it beside the work; here nobody would
    return project;
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
    const auto erased = desk::erasureOf(info.dir);
    return {{"erased", erased && erased->any() ? erased->toJson() : Json()},
            {"run", info.name},       {"status", runStateName(info.state)}, {"reason", info.reason},
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
    PL_TRY(const Image a, readImage(project.mediaPath(item.a.content)));
    PL_TRY(const Image b, readImage(project.mediaPath(item.b.content)));
    pair.imageA = &a;
    pair.imageB = &b;
    return desk::simulateVote(person, pair, seed);
}

CLI::Validator wholeNumber(int64_t low, int64_t high) {
    return {[low, high](std::string& text) -> std::string {
                int64_t value = 0;
                const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
                if (error == std::errc() && end == text.data() + text.size() && value >= low && value <= high)
                    return {};
                return fmt::format("'{}' is no whole number from {} to {}", text, low, high);
            },
            fmt::format("{}..{}", low, high)};
}

CLI::Validator seedNumber() {
    auto check = wholeNumber(0, std::numeric_limits<int64_t>::max());
    return check.description("0 or more");
}

CLI::Validator share() {
    return {[](std::string& text) -> std::string {
                char* end = nullptr;
                const double value = std::strtod(text.c_str(), &end);
                if (!text.empty() && *end == 0 && value >= 0 && value <= 1) // not a number is outside, too
                    return {};
                return fmt::format("'{}' is no number from 0 to 1", text);
            },
            "0..1"};
}

CLI::Validator splitName(bool all) {
    return {[all](std::string& text) -> std::string {
                if (desk::splitOf(text) || (all && text == "all"))
                    return {};
                return fmt::format("'{}' is no split: train, dev, test{}", text, all ? ", all" : "");
            },
            all ? "train, dev, test, all" : "train, dev, test"};
}

CLI::Validator deviceName() {
    return {[](std::string& text) -> std::string {
                const std::string number = text.rfind("cuda:", 0) == 0 ? text.substr(5) : "";
                if (text == "cpu" || text == "cuda" ||
                    (!number.empty() && number.size() <= 3 && number.find_first_not_of("0123456789") == std::string::npos))
                    return {};
                return fmt::format("'{}' is no device: cpu, cuda or cuda:N", text);
            },
            "cpu, cuda, cuda:N"};
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "core/desk/runs/actions.h"
#include "core/desk/simulate/annotator.h"

namespace pl::cli {

/// What a subcommand does when chosen; the value is the exit code.
using Action = std::function<Result<int>()>;

/// Given to every file that adds subcommands.
struct Commands {
    CLI::App& app;
    Action& chosen;
    /// A subcommand whose callback picks `action`.
    CLI::App* add(const std::string& name, const std::string& help, Action action, CLI::App* parent = nullptr);
};

void addProjectCommands(Commands& commands);
void addImportCommand(Commands& commands); ///< import; called by addProjectCommands
void addLabelCommands(Commands& commands);
void addSetCommands(Commands& commands);
void addPeopleCommands(Commands& commands);
void addQualityCommands(Commands& commands);
void addRunCommands(Commands& commands);
void addPluginCommands(Commands& commands);
void addModelCommands(Commands& commands);
void addDemoCommand(Commands& commands);
void addSceneCommands(Commands& commands);

/// A project with its supervisor, driven from one thread: what happened on the supervisor's thread is recorded when the
/// command waits.
class Desk {
public:
    static Result<std::unique_ptr<Desk>> open(const std::string& dir);
    ~Desk();
    desk::Project& project() { return *m_project; }
    desk::Supervisor& supervisor() { return *m_supervisor; }
    /// Takes over what has come so far.
    Status record();
    /// Until the run has ended; SIGTERM or Ctrl+C stops waiting (the run goes on) with Code::Cancelled. `report` prints
    /// progress on stderr when it is a terminal.
    Result<desk::RunInfo> wait(const std::string& run, bool report);
    /// Pairs made from a generating run since open.
    const desk::MakePairsResult& made() const { return m_made; }

private:
    Desk() = default;
    struct News;
    std::unique_ptr<desk::Project> m_project;
    std::shared_ptr<News> m_news;
    std::unique_ptr<desk::Supervisor> m_supervisor;
    desk::MakePairsResult m_made;
};

Result<desk::Project> openProject(const std::string& dir);
/// Prints compact JSON and a newline.
void printJson(const Json& value);
Result<std::optional<desk::Split>> splitArgument(const std::string& text); ///< "all" is none
/// {"run", "status", "reason", "metrics", "result", "checkpoint"}
Json runJson(const desk::RunInfo& info);
/// 0 when finished, else the code the state stands for.
int exitCodeOfRun(const desk::RunInfo& info);
/// What a simulated person says of a pair; the pictures of an image pair are read from media/. Unsupported when the person has
/// no taste for pairs of this kind.
Result<desk::SimulatedVote> simulatedVote(const desk::Project& project, const desk::SimulatedPerson& person,
                                          const desk::LabelItem& item, uint64_t seed);
/// Whether the person has a taste for pairs of this kind.
bool judges(const desk::SimulatedPerson& person, const desk::LabelItem& item);
/// Checks of options: what is outside is refused before a project is opened, naming the option and what it may be.
CLI::Validator wholeNumber(int64_t low, int64_t high);
CLI::Validator seedNumber(); ///< 0 to 2^63 - 1, which is what the database can hold
CLI::Validator share();      ///< 0 to 1
CLI::Validator deviceName(); ///< cpu, cuda, cuda:N
CLI::Validator splitName(bool all); ///< train, dev, test; and all of them
constexpr int64_t kMostAsked = 100'000'000; ///< of prompts, pairs, judgements
/// A simulated vote as the store takes it.
desk::JudgementInput inputOf(const desk::SimulatedVote& vote);

} // namespace pl::cli

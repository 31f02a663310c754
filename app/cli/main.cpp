// SPDX-License-Identifier: Apache-2.0
// pairlab-cli: everything the window does, scripted.
#include <cstdio>

#include "app/cli/desk.h"
#include "core/base/log.h"
#include "core/base/os/process.h"

namespace {

/// The first argument that should have been a verb and is none; empty when something else is wrong.
std::string unknownVerb(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty())
        at = at->get_subcommands().front();
    if (at->get_subcommands([](const CLI::App*) { return true; }).empty())
        return {};
    for (const std::string& word : app.remaining(true))
        if (!word.empty() && word[0] != '-')
            return (at == &app ? "" : at->get_name() + " ") + word;
    return {};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"PairLab: label, train and inspect human preference from the command line.\n"
                 "Exit codes: 0 done, 2 usage, 3 stopped, 4 busy (held by another program), 10 configuration,\n"
                 "11 input or output, 12 memory, 13 diverged, 70 a run failed or an internal fault."};
    app.require_subcommand(1);
    app.set_version_flag("--version", PAIRLAB_VERSION);
    pl::cli::Action chosen;
    pl::cli::Commands commands{app, chosen};
    pl::cli::addProjectCommands(commands);
    pl::cli::addLabelCommands(commands);
    pl::cli::addSetCommands(commands);
    pl::cli::addPeopleCommands(commands);
    pl::cli::addQualityCommands(commands);
    pl::cli::addRunCommands(commands);
    pl::cli::addPluginCommands(commands);
    pl::cli::addModelCommands(commands);
    pl::cli::addDemoCommand(commands);
    pl::cli::addSceneCommands(commands);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() != 0)
            if (const std::string verb = unknownVerb(app); !verb.empty()) {
                std::fprintf(stderr, "pairlab-cli: there is no verb '%s'. See `pairlab-cli --help`.\n", verb.c_str());
                return 2;
            }
        return app.exit(error) == 0 ? 0 : 2;
    }
    pl::log::init(pl::log::Level::Warning);
    pl::os::installStopSignals();
    if (!chosen)
        return 2;
    const auto code = chosen();
    if (!code) {
        std::fprintf(stderr, "pairlab-cli: %s\n", code.error().toString().c_str());
        return pl::exitCodeOf(code.error().code);
    }
    return *code;
}

// SPDX-License-Identifier: Apache-2.0
// pairlab-cli: everything the window does, scripted.
#include <cstdio>

#include "app/cli/desk.h"
#include "core/base/log.h"
#include "core/base/os/process.h"

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
    pl::cli::addRunCommands(commands);
    pl::cli::addPluginCommands(commands);
    pl::cli::addDemoCommand(commands);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
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

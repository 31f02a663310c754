// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace pl::os {

struct SpawnOptions {
    std::vector<std::string> arguments;             ///< argv, [0] = program (found on PATH when it has no slash)
    std::map<std::string, std::string> environment; ///< added to the parent's
    std::vector<std::string> unset;                 ///< removed from the parent's
    std::string workingDirectory;
    std::string outputFile;  ///< stdout and stderr are appended there; empty: inherited
    bool newSession = true;  ///< setsid: pid = process group = session, so that killGroup reaches everything below
    int niceness = 0;
};

/// How a process ended.
struct ExitStatus {
    bool signalled = false;
    int code = 0; ///< exit code, or the signal's number
    std::string toString() const; ///< "exit code 11", "signal 9 (Killed)"
};

/// A child or a stranger (re-attached): liveness by pidfd, never by guessing from a pid number alone.
class Process {
public:
    /// The failure to exec comes back as an error, not as a child that dies later.
    static Result<Process> spawn(const SpawnOptions& options);
    /// A process we did not start. startTime (clock ticks since boot, see startTimeOf) guards against a reused pid.
    static Result<Process> attach(int pid, uint64_t startTime);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    ~Process(); ///< lets go of it; does not kill

    int pid() const { return m_pid; }
    uint64_t startTime() const { return m_startTime; }
    /// Readable when the process has ended; for poll(2) or QSocketNotifier.
    int pidfd() const { return m_pidfd; }
    bool isRunning();
    /// Waits up to timeoutMs (-1: for ever); Code::Busy when it still runs then. The status of a stranger is unknown: nullopt inside a success means "ended".
    Result<std::optional<ExitStatus>> wait(int timeoutMs);
    Status signal(int number);
    /// To the whole process group; only to the process itself when it does not lead one.
    Status signalGroup(int number);

private:
    friend struct ProcessStart;
    Process() = default;
    int m_pid = 0;
    int m_pidfd = -1;
    uint64_t m_startTime = 0;
    bool m_child = false;
    bool m_leadsGroup = false;
    std::optional<ExitStatus> m_status;
};

/// Field 22 of /proc/PID/stat; 0 when there is no such process.
uint64_t startTimeOf(int pid);
int currentPid();
std::string hostName();
int coreCount();

/// One step of a stop: do this, then wait that long for the end.
struct StopStep {
    std::function<void()> action;
    int waitMs;
};
/// Runs the ladder until the process has ended; true when it did.
bool stopLadder(Process& process, const std::vector<StopStep>& steps);

/// Blocks SIGTERM and SIGINT in every thread and gives them to one flag: returns true once one has come.
void installStopSignals();
bool stopSignalSeen();
/// No core file of this process and its children: it would hold weights and people's texts.
void disableCoreDumps();
void sleepMs(int ms);
/// Is standard error a terminal a person looks at?
bool errorIsTerminal();

struct Output {
    ExitStatus status;
    std::string text; ///< stdout and stderr together, at most 1 MiB
};
/// Runs to the end, or kills the group after timeoutMs: the status is then signal 9 and the text ends by saying so.
Result<Output> runToEnd(const SpawnOptions& options, int timeoutMs);

} // namespace pl::os

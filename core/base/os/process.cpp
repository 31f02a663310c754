// SPDX-License-Identifier: Apache-2.0
#include "core/base/os/process.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"

extern char** environ;

namespace pl::os {
namespace {

std::string cause(int number) {
    return std::generic_category().message(number);
}

int pidfdOpen(int pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); // close-on-exec by definition
}

/// The program's path, found before the fork: execvp is not safe in the child of a threaded process.
Result<std::string> findProgram(const std::string& name) {
    if (name.find('/') != std::string::npos)
        return name;
    std::string path = environment("PATH");
    if (path.empty())
        path = "/usr/local/bin:/usr/bin:/bin";
    for (size_t begin = 0; begin <= path.size();) {
        const size_t end = std::min(path.find(':', begin), path.size());
        const std::string candidate = joinPath(path.substr(begin, end - begin), name);
        if (end > begin && ::access(candidate.c_str(), X_OK) == 0 && !isDir(candidate))
            return candidate;
        begin = end + 1;
    }
    return fail(Code::NotFound, fmt::format("cannot start {}: no such program on PATH", name),
                "Install it, or give its full path.");
}

std::vector<std::string> childEnvironment(const SpawnOptions& options) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry; ++entry) {
        const std::string text = *entry;
        const std::string name = text.substr(0, text.find('='));
        if (options.environment.count(name) ||
            std::find(options.unset.begin(), options.unset.end(), name) != options.unset.end())
            continue;
        result.push_back(text);
    }
    for (const auto& [name, value] : options.environment)
        result.push_back(name + "=" + value);
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

enum Stage : int { kChdir, kExec, kRedirect };
struct ChildError {
    int stage;
    int number;
};

[[noreturn]] void runChild(const char* program, char* const* argv, char* const* envp, const char* directory,
                           int output, int niceness, bool newSession, int report) {
    // Only async-signal-safe calls here: other threads of the parent may have held any lock.
    ChildError error{kExec, 0};
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; ++number)
        if (number != SIGKILL && number != SIGSTOP)
            ::signal(number, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (newSession)
        ::setsid();
    if (niceness != 0)
        ::setpriority(PRIO_PROCESS, 0, niceness);
    const int null = ::open("/dev/null", O_RDONLY);
    if (null >= 0 && null != 0) {
        ::dup2(null, 0);
        ::close(null);
    }
    if (output >= 0 && (::dup2(output, 1) < 0 || ::dup2(output, 2) < 0))
        error = {kRedirect, errno};
    else if (*directory && ::chdir(directory) != 0)
        error = {kChdir, errno};
    else {
        ::execve(program, argv, envp);
        error = {kExec, errno};
    }
    (void)!::write(report, &error, sizeof error);
    ::_exit(127);
}

} // namespace

/// The part of spawn() that knows a descriptor instead of a file name for the output.
struct ProcessStart {
    static Result<Process> start(const SpawnOptions& options, int output);
};

Result<Process> ProcessStart::start(const SpawnOptions& options, int output) {
    if (options.arguments.empty() || options.arguments.front().empty())
        return fail(Code::InvalidInput, "cannot start a program without a name");
    PL_TRY(const std::string program, findProgram(options.arguments.front()));
    std::vector<std::string> arguments = options.arguments;
    std::vector<std::string> environment = childEnvironment(options);
    const std::vector<char*> argv = pointers(arguments);
    const std::vector<char*> envp = pointers(environment);

    int report[2];
    if (::pipe2(report, O_CLOEXEC) != 0)
        return fail(Code::Io, fmt::format("cannot start {}: {}", program, cause(errno)));
    // All signals wait until the child has its own handlers: a handler of ours must not run in it.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0)
        runChild(program.c_str(), argv.data(), envp.data(), options.workingDirectory.c_str(), output,
                 options.niceness, options.newSession, report[1]);
    const int forkError = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(report[1]);
    if (pid < 0) {
        ::close(report[0]);
        return fail(Code::Io, fmt::format("cannot start {}: {}", program, cause(forkError)));
    }
    ChildError error{};
    ssize_t n;
    do
        n = ::read(report[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
    ::close(report[0]);
    if (n == static_cast<ssize_t>(sizeof error)) {
        int ignored;
        while (::waitpid(pid, &ignored, 0) < 0 && errno == EINTR) {
        }
        const bool absent = error.number == ENOENT;
        if (error.stage == kChdir)
            return fail(absent ? Code::NotFound : Code::Io,
                        fmt::format("cannot start {}: folder {}: {}", program, options.workingDirectory,
                                    cause(error.number)));
        return fail(absent ? Code::NotFound : Code::Io,
                    fmt::format("cannot start {}: {}", program, cause(error.number)),
                    error.number == EACCES ? "Check that it is an executable file." : "");
    }
    Process process;
    process.m_pid = pid;
    process.m_child = true;
    process.m_leadsGroup = options.newSession;
    process.m_pidfd = pidfdOpen(pid);
    process.m_startTime = startTimeOf(pid);
    return process;
}

std::string ExitStatus::toString() const {
    if (!signalled)
        return fmt::format("exit code {}", code);
    const char* name = ::strsignal(code);
    return fmt::format("signal {} ({})", code, name ? name : "unknown");
}

Result<Process> Process::spawn(const SpawnOptions& options) {
    int output = -1;
    if (!options.outputFile.empty()) {
        output = ::open(options.outputFile.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (output < 0)
            return fail(Code::Io, fmt::format("cannot open {}: {}", options.outputFile, cause(errno)));
    }
    auto process = ProcessStart::start(options, output);
    if (output >= 0)
        ::close(output);
    return process;
}

Result<Process> Process::attach(int pid, uint64_t startTime) {
    const auto gone = [&] {
        return fail(Code::NotFound, fmt::format("process {} has ended", pid));
    };
    if (pid <= 0)
        return gone();
    Process process;
    process.m_pid = pid;
    process.m_pidfd = pidfdOpen(pid);
    if (process.m_pidfd < 0 && errno != ENOSYS && errno != EPERM)
        return gone();
    // Checked after the descriptor is open: from here on a reused number cannot fool us.
    process.m_startTime = startTimeOf(pid);
    if (process.m_startTime == 0 || process.m_startTime != startTime)
        return gone();
    process.m_leadsGroup = ::getpgid(pid) == pid;
    return process;
}

Process::Process(Process&& other) noexcept
    : m_pid(other.m_pid), m_pidfd(std::exchange(other.m_pidfd, -1)), m_startTime(other.m_startTime),
      m_child(std::exchange(other.m_child, false)), m_leadsGroup(other.m_leadsGroup), m_status(other.m_status) {}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        if (m_pidfd >= 0)
            ::close(m_pidfd);
        m_pid = other.m_pid;
        m_pidfd = std::exchange(other.m_pidfd, -1);
        m_startTime = other.m_startTime;
        m_child = std::exchange(other.m_child, false);
        m_leadsGroup = other.m_leadsGroup;
        m_status = other.m_status;
    }
    return *this;
}

Process::~Process() {
    if (m_child && !m_status) {
        int ignored;
        ::waitpid(m_pid, &ignored, WNOHANG); // no zombie when it has ended already
    }
    if (m_pidfd >= 0)
        ::close(m_pidfd);
}

bool Process::isRunning() {
    if (m_status || m_pid <= 0)
        return false;
    if (m_child) {
        int raw = 0;
        const pid_t got = ::waitpid(m_pid, &raw, WNOHANG);
        if (got == m_pid) {
            m_status = WIFSIGNALED(raw) ? ExitStatus{true, WTERMSIG(raw)} : ExitStatus{false, WEXITSTATUS(raw)};
            return false;
        }
        return got == 0;
    }
    if (m_pidfd >= 0) {
        pollfd wait{m_pidfd, POLLIN, 0};
        return ::poll(&wait, 1, 0) == 0;
    }
    return startTimeOf(m_pid) == m_startTime;
}

Result<std::optional<ExitStatus>> Process::wait(int timeoutMs) {
    const int64_t deadline = monotonicNs() + int64_t{timeoutMs} * 1000000;
    while (isRunning()) {
        const int64_t left = timeoutMs < 0 ? 1000 : (deadline - monotonicNs() + 999999) / 1000000;
        if (left <= 0)
            return fail(Code::Busy, fmt::format("process {} is still running", m_pid));
        if (m_pidfd >= 0) {
            pollfd ready{m_pidfd, POLLIN, 0};
            ::poll(&ready, 1, static_cast<int>(std::min<int64_t>(left, 1000)));
        } else {
            sleepMs(static_cast<int>(std::min<int64_t>(left, 20)));
        }
    }
    return m_status;
}

Status Process::signal(int number) {
    if (!isRunning())
        return fail(Code::NotFound, fmt::format("process {} has ended", m_pid));
    int result;
    if (m_pidfd >= 0 && !m_child)
        result = static_cast<int>(::syscall(SYS_pidfd_send_signal, m_pidfd, number, nullptr, 0));
    else
        result = ::kill(m_pid, number);
    if (result != 0)
        return fail(errno == ESRCH ? Code::NotFound : Code::Io,
                    fmt::format("cannot signal process {}: {}", m_pid, cause(errno)));
    return {};
}

Status Process::signalGroup(int number) {
    if (!m_leadsGroup)
        return signal(number);
    // The number stays taken while the group has members, even after its leader; a stranger's start time gives away reuse.
    const uint64_t now = startTimeOf(m_pid);
    if (now != 0 && now != m_startTime)
        return fail(Code::NotFound, fmt::format("process group {} has ended", m_pid));
    if (::kill(-m_pid, number) != 0)
        return fail(errno == ESRCH ? Code::NotFound : Code::Io,
                    fmt::format("cannot signal process group {}: {}", m_pid, cause(errno)));
    return {};
}

uint64_t startTimeOf(int pid) {
    const auto text = readFile(fmt::format("/proc/{}/stat", pid), 65536);
    if (!text)
        return 0;
    // The name (field 2) may hold spaces and brackets: count from the last one.
    size_t at = text->rfind(')');
    for (int fieldNumber = 2; fieldNumber < 22 && at != std::string::npos; ++fieldNumber)
        at = text->find(' ', at + 1);
    return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 1, nullptr, 10);
}

int currentPid() {
    return ::getpid();
}

std::string hostName() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || !*name)
        return "localhost";
    std::string text = name;
    std::replace(text.begin(), text.end(), ' ', '_');
    return text;
}

int coreCount() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return std::max(1u, std::thread::hardware_concurrency());
}

bool stopLadder(Process& process, const std::vector<StopStep>& steps) {
    for (const StopStep& step : steps) {
        if (!process.isRunning())
            return true;
        if (step.action)
            step.action();
        if (process.wait(step.waitMs))
            return true;
    }
    return !process.isRunning();
}

namespace {

std::atomic<bool> stopSeen{false};
std::atomic<bool> stopInstalled{false};

sigset_t stopSet() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

} // namespace

void installStopSignals() {
    const sigset_t set = stopSet();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr); // threads started from now on inherit this
    ::signal(SIGXFSZ, SIG_IGN);                  // a size limit becomes an error of write(2), which is handled
    stopInstalled = true;
}

void disableCoreDumps() {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

bool stopSignalSeen() {
    if (stopSeen || !stopInstalled)
        return stopSeen;
    const sigset_t set = stopSet();
    const timespec zero{0, 0};
    if (::sigtimedwait(&set, nullptr, &zero) > 0)
        stopSeen = true;
    return stopSeen;
}

void sleepMs(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::max(ms, 0)));
}

Result<Output> runToEnd(const SpawnOptions& options, int timeoutMs) {
    constexpr size_t kMaxText = size_t{1} << 20;
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0)
        return fail(Code::Io, fmt::format("cannot start a program: {}", cause(errno)));
    auto started = ProcessStart::start(options, pipe[1]);
    ::close(pipe[1]);
    if (!started) {
        ::close(pipe[0]);
        return tl::unexpected<Error>(std::move(started).error());
    }
    Process& process = *started;
    ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    Output output;
    bool open = true;
    const auto drain = [&] {
        char buffer[65536];
        while (open) {
            const ssize_t n = ::read(pipe[0], buffer, sizeof buffer);
            if (n > 0)
                output.text.append(buffer, std::min(static_cast<size_t>(n), kMaxText - output.text.size()));
            else if (n == 0)
                open = false;
            else if (errno != EINTR)
                break;
        }
    };
    const int64_t deadline = monotonicNs() + int64_t{timeoutMs} * 1000000;
    bool killed = false;
    while (process.isRunning()) {
        const int64_t left = timeoutMs < 0 ? 1000 : (deadline - monotonicNs() + 999999) / 1000000;
        if (left <= 0 && !killed) {
            killed = true;
            (void)process.signalGroup(SIGKILL);
        }
        pollfd ready[2] = {{open ? pipe[0] : -1, POLLIN, 0}, {process.pidfd(), POLLIN, 0}};
        const int64_t most = process.pidfd() >= 0 ? 1000 : 20;
        ::poll(ready, 2, static_cast<int>(std::clamp<int64_t>(left, 1, most)));
        drain();
    }
    drain();
    ::close(pipe[0]);
    PL_TRY(const std::optional<ExitStatus> status, process.wait(0));
    if (status)
        output.status = *status;
    if (killed)
        output.text += fmt::format("\n(killed after {} ms)\n", timeoutMs);
    return output;
}

bool errorIsTerminal() { return isatty(STDERR_FILENO) == 1; }

} // namespace pl::os

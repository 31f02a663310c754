// SPDX-License-Identifier: Apache-2.0
#include "core/base/os/lock.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/os/files.h"
#include "core/base/os/process.h"

namespace pl::os {
namespace {

struct Holder {
    int pid = 0;
    std::string host, program;
};

Holder readHolder(const std::string& path) {
    Holder holder;
    const auto text = readFrom(path, 0, 4096);
    if (!text)
        return holder;
    // "pid host program start-time"; the program's name may hold spaces, so it is what stands between.
    const size_t first = text->find(' ');
    const size_t second = first == std::string::npos ? first : text->find(' ', first + 1);
    const size_t last = text->rfind(' ');
    if (second == std::string::npos || last <= second)
        return holder;
    const long pid = std::strtol(text->c_str(), nullptr, 10);
    holder.pid = pid > 0 && pid < 0x7fffffff ? static_cast<int>(pid) : 0;
    holder.host = text->substr(first + 1, second - first - 1);
    holder.program = text->substr(second + 1, last - second - 1);
    return holder;
}

std::string programName() {
    std::string name = program_invocation_short_name; // /proc/self/comm is cut at 15 characters
    for (char& c : name)
        if (c == '\n')
            c = ' ';
    return name.empty() ? "program" : name;
}

bool sameFile(int fd, const std::string& path) {
    struct stat a {}, b {};
    return ::fstat(fd, &a) == 0 && ::stat(path.c_str(), &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

} // namespace

Result<FileLock> FileLock::tryAcquire(const std::string& path, bool inheritable) {
    // isHeld() of another process takes a shared lock for a moment: a few short retries tell it from a real holder.
    constexpr int kTries = 8;
    for (int attempt = 0;; ++attempt) {
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | (inheritable ? 0 : O_CLOEXEC), 0644);
        if (fd < 0) {
            const int error = errno;
            return fail(error == ENOENT ? Code::NotFound : Code::Io,
                        fmt::format("cannot open the lock {}: {}", path, std::generic_category().message(error)),
                        "Check that the folder exists and can be written.");
        }
        FileLock lock(fd);
        if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (!sameFile(fd, path) && attempt < kTries)
                continue; // removed and made anew between open and flock
            const std::string text =
                fmt::format("{} {} {} {}\n", currentPid(), hostName(), programName(), startTimeOf(currentPid()));
            if (::ftruncate(fd, 0) != 0 ||
                ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
                return fail(Code::Io, fmt::format("cannot write the lock {}: {}", path, std::generic_category().message(errno)),
                            "Free some space on this disk, or choose a folder on another one.");
            return lock;
        }
        const int error = errno;
        if (error != EWOULDBLOCK && error != EINTR)
            return fail(Code::Io,
                        fmt::format("cannot lock {}: {}", path, std::generic_category().message(error)));
        if (attempt >= kTries) {
            const Holder holder = readHolder(path);
            const std::string who = holder.pid > 0
                                        ? fmt::format("held by pid {} ({}) on {}", holder.pid, holder.program, holder.host)
                                        : std::string("held by another program");
            return fail(Code::Busy, fmt::format("{} is {}", path, who), "Close that program, or wait until it is done.");
        }
        sleepMs(5);
    }
}

bool FileLock::isHeld(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(fd);
    return held;
}

int FileLock::holderPid(const std::string& path) {
    return readHolder(path).pid;
}

FileLock::FileLock(FileLock&& other) noexcept : m_fd(std::exchange(other.m_fd, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
    if (this != &other) {
        release();
        m_fd = std::exchange(other.m_fd, -1);
    }
    return *this;
}

FileLock::~FileLock() {
    release();
}

void FileLock::release() {
    // Closing, not LOCK_UN: a child that inherited the descriptor keeps the lock.
    if (m_fd >= 0)
        ::close(m_fd);
    m_fd = -1;
}

} // namespace pl::os

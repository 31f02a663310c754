// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/result.h"

namespace pl::os {

/// An advisory flock(2) on a file, released by the kernel when the last process holding the descriptor dies. The file
/// holds "pid host program start-time" of its holder so that a refusal can say who.
class FileLock {
public:
    /// Code::Busy ("held by pid N (program)") when somebody else has it.
    /// inheritable: the descriptor survives exec, so that children of the holder keep the lock alive.
    static Result<FileLock> tryAcquire(const std::string& path, bool inheritable = false);
    /// Is it held right now by any process (this one included)?
    static bool isHeld(const std::string& path);
    /// The holder's pid as written in the file, 0 when unknown.
    static int holderPid(const std::string& path);

    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&& other) noexcept;
    ~FileLock();
    int fd() const { return m_fd; }
    void release();

private:
    explicit FileLock(int fd) : m_fd(fd) {}
    int m_fd = -1;
};

} // namespace pl::os

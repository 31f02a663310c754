// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

/// Files behind one interface. Every error names the file and the operating system's cause.
namespace pl::os {

/// Fails with Code::InvalidInput when the file is larger than maxBytes.
Result<std::string> readFile(const std::string& path, uint64_t maxBytes = uint64_t{1} << 32);
/// Reads [offset, offset+maxBytes) of a file that may be growing; empty at its end.
Result<std::string> readFrom(const std::string& path, uint64_t offset, size_t maxBytes);
/// Writes aside, fsyncs, renames, fsyncs the folder: either the old or the new content survives a power cut.
Status writeFileAtomic(const std::string& path, std::string_view bytes);
/// Creates the folder and its parents.
Status makeDirs(const std::string& path);
Status removeTree(const std::string& path);
Status renamePath(const std::string& from, const std::string& to);
/// Hard link where the file system allows it, else a copy.
Status linkOrCopy(const std::string& from, const std::string& to);
Status copyFile(const std::string& from, const std::string& to);
/// Recursive copy of a folder; symbolic links are not followed and not copied.
Status copyTree(const std::string& from, const std::string& to);
Status fsyncPath(const std::string& path);
bool exists(const std::string& path);
bool isDir(const std::string& path);
Result<uint64_t> fileSize(const std::string& path);
/// When it was last changed, in ms since 1970; -1 when that cannot be said.
int64_t modifiedMs(const std::string& path);
/// Sum of the sizes below a folder, in bytes; 0 when absent.
uint64_t treeSize(const std::string& path);
/// Names (not paths) of the entries, sorted.
Result<std::vector<std::string>> listDir(const std::string& path);
/// Free bytes on the file system of path for an ordinary user.
Result<uint64_t> freeSpace(const std::string& path);
/// Total and available memory in bytes.
uint64_t totalMemory();
uint64_t availableMemory();
/// Peak resident set size of this process in bytes.
uint64_t peakMemory();

std::string joinPath(std::string_view a, std::string_view b);
std::string absolutePath(const std::string& path);
/// The absolute path without any link in it; fails when nothing is there.
Result<std::string> canonicalPath(const std::string& path);
/// An ordinary file (behind links): no folder, pipe or device.
bool isRegularFile(const std::string& path);
/// Last component, and everything before it.
std::string baseName(const std::string& path);
std::string parentDir(const std::string& path);
/// Folder of the running program.
std::string programDir();
/// $XDG_DATA_HOME/pairlab, $XDG_CACHE_HOME/pairlab, $XDG_CONFIG_HOME/pairlab, $XDG_RUNTIME_DIR/pairlab (or /tmp/pairlab-UID), created.
std::string userDataDir();
std::string userCacheDir();
std::string userConfigDir();
std::string userRuntimeDir();
std::string environment(const char* name);
/// A fresh private folder below the system's temporary folder.
Result<std::string> makeTempDir(const std::string& prefix);

/// Opened with O_APPEND: one appendLine() is one write(2). Not thread-safe.
class AppendFile {
public:
    static Result<AppendFile> open(const std::string& path);
    AppendFile(AppendFile&& other) noexcept;
    AppendFile& operator=(AppendFile&& other) noexcept;
    ~AppendFile();
    /// Adds the newline. A short write or ENOSPC is an error; the torn line is closed by a newline on the next success.
    Status appendLine(std::string_view line);
    Status sync();

private:
    explicit AppendFile(int fd, std::string path);
    int m_fd = -1;
    bool m_torn = false;
    std::string m_path;
};

} // namespace pl::os

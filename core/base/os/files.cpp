// SPDX-License-Identifier: Apache-2.0
#include "core/base/os/files.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/base/os/file_parts.h"

namespace fs = std::filesystem;

namespace pl::os {
namespace {

tl::unexpected<Error> failure(int number, std::string_view doing, const std::string& path) {
    const std::string cause = std::generic_category().message(number);
    Code code = Code::Io;
    std::string hint;
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        code = Code::NotFound;
        hint = "Check the path.";
        break;
    case ENOSPC:
    case EDQUOT: hint = "Free some space on this disk, or choose a folder on another one."; break;
    case EFBIG: hint = "The file reached the size limit of this process or file system."; break;
    case EACCES:
    case EPERM: hint = "Check the permissions of the file and its folder."; break;
    case EISDIR: hint = "A folder lies where a file belongs: move it away."; break;
    case EROFS: hint = "The disk is read-only: choose a folder that can be written."; break;
    default: break;
    }
    return fail(code, fmt::format("cannot {} {}: {}", doing, path, cause), std::move(hint));
}

tl::unexpected<Error> failure(const std::error_code& error, std::string_view doing, const std::string& path) {
    return failure(error.value(), doing, path);
}

/// Closes the descriptor at the end of the scope.
class Fd {
public:
    explicit Fd(int fd) : m_fd(fd) {}
    ~Fd() {
        if (m_fd >= 0)
            ::close(m_fd);
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    int get() const { return m_fd; }
    int take() { return std::exchange(m_fd, -1); }

private:
    int m_fd;
};

int openRetry(const std::string& path, int flags, mode_t mode = 0644) {
    int fd;
    do
        fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int writeAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        bytes.remove_prefix(static_cast<size_t>(n));
    }
    return 0;
}

std::string userDir(const char* variable, const std::string& fallback) {
    std::string base = environment(variable);
    if (base.empty() || base.front() != '/')
        base = fallback;
    const std::string path = joinPath(base, "pairlab");
    (void)makeDirs(path);
    return path;
}

std::string homeDir() {
    const std::string home = environment("HOME");
    return home.empty() ? "/tmp" : home;
}

uint64_t memInfo(std::string_view key) {
    const auto text = readFile("/proc/meminfo", 1 << 20);
    if (!text)
        return 0;
    const size_t at = text->find(std::string(key) + ":");
    if (at == std::string::npos)
        return 0;
    return std::strtoull(text->c_str() + at + key.size() + 1, nullptr, 10) * 1024;
}

} // namespace

Result<std::string> readFile(const std::string& path, uint64_t maxBytes) {
    Fd fd(openRetry(path, O_RDONLY));
    if (fd.get() < 0)
        return failure(errno, "open", path);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0)
        return failure(errno, "read", path);
    if (S_ISDIR(info.st_mode))
        return fail(Code::InvalidInput, fmt::format("cannot read {}: it is a folder", path));
    const auto size = static_cast<uint64_t>(std::max<off_t>(info.st_size, 0));
    const auto tooLarge = [&] {
        return fail(Code::InvalidInput, fmt::format("{} is too large: at most {} bytes are read", path, maxBytes));
    };
    if (size > maxBytes)
        return tooLarge();
    std::string text;
    // One byte more than the size, so that a file that did not grow ends after a single read.
    text.resize(static_cast<size_t>(size) + 1);
    size_t used = 0;
    while (true) {
        if (used == text.size())
            text.resize(text.size() + std::max<size_t>(text.size() / 2, 65536));
        const ssize_t n = ::read(fd.get(), text.data() + used, std::min(text.size() - used, size_t{1} << 30));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return failure(errno, "read", path);
        }
        if (n == 0)
            break;
        used += static_cast<size_t>(n);
        if (used > maxBytes)
            return tooLarge();
    }
    text.resize(used);
    return text;
}

Result<std::string> readFrom(const std::string& path, uint64_t offset, size_t maxBytes) {
    Fd fd(openRetry(path, O_RDONLY));
    if (fd.get() < 0)
        return failure(errno, "open", path);
    std::string text(maxBytes, '\0');
    size_t used = 0;
    while (used < maxBytes) {
        const ssize_t n = ::pread(fd.get(), text.data() + used, maxBytes - used, static_cast<off_t>(offset + used));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return failure(errno, "read", path);
        }
        if (n == 0)
            break;
        used += static_cast<size_t>(n);
    }
    text.resize(used);
    return text;
}

Status writeFileInParts(const std::string& path, const std::function<Status(const WriteBytes& write)>& content) {
    static std::atomic<unsigned> counter{0};
    struct stat present {}; // the rename below would put a file in place of a device or a pipe
    if (::lstat(path.c_str(), &present) == 0 && !S_ISREG(present.st_mode) && !S_ISLNK(present.st_mode))
        return fail(Code::Io, fmt::format("cannot write {}: it is not an ordinary file", path), "Give the name of a file.");
    const std::string aside = fmt::format("{}.tmp-{}-{}", path, ::getpid(), counter++);
    Fd fd(openRetry(aside, O_WRONLY | O_CREAT | O_EXCL));
    if (fd.get() < 0)
        return failure(errno, "create", path);
    Status written = content([&](std::string_view bytes) -> Status {
        if (const int error = writeAll(fd.get(), bytes); error != 0)
            return failure(error, "write", path);
        return {};
    });
    int error = 0;
    if (written && ::fsync(fd.get()) != 0)
        error = errno;
    if (::close(fd.take()) != 0 && error == 0)
        error = errno;
    if (written && error == 0 && ::rename(aside.c_str(), path.c_str()) != 0)
        error = errno;
    if (written && error != 0)
        written = failure(error, "write", path);
    if (!written) {
        ::unlink(aside.c_str());
        return written;
    }
    return fsyncPath(parentDir(path));
}

Status writeFileAtomic(const std::string& path, std::string_view bytes) {
    return writeFileInParts(path, [&](const WriteBytes& write) { return write(bytes); });
}

Status makeDirs(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error)
        return failure(error, "create the folder", path);
    if (!isDir(path))
        return fail(Code::Io, fmt::format("cannot create the folder {}: something else has this name", path));
    return {};
}

Status removeTree(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error)
        return failure(error, "remove", path);
    return {};
}

Status renamePath(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0)
        return failure(errno, fmt::format("rename to {}", to), from);
    PL_CHECK(fsyncPath(parentDir(to)));
    if (parentDir(from) != parentDir(to)) {
        PL_CHECK(fsyncPath(parentDir(from)));
    }
    return {};
}

Status linkOrCopy(const std::string& from, const std::string& to) {
    if (::link(from.c_str(), to.c_str()) == 0)
        return {};
    if (errno == ENOENT || errno == EEXIST || errno == ENOSPC || errno == EDQUOT)
        return failure(errno, fmt::format("link {} to", from), to);
    return copyFile(from, to);
}

Status copyFile(const std::string& from, const std::string& to) {
    Fd source(openRetry(from, O_RDONLY));
    struct stat info {};
    if (source.get() < 0 || ::fstat(source.get(), &info) != 0)
        return failure(errno, "open", from);
    if (!S_ISREG(info.st_mode))
        return fail(Code::InvalidInput, fmt::format("cannot copy {}: it is no file", from));
    struct stat there {};
    if (::stat(to.c_str(), &there) == 0 && there.st_dev == info.st_dev && there.st_ino == info.st_ino)
        return fail(Code::InvalidInput, fmt::format("cannot copy {} to itself", from));
    Fd target(openRetry(to, O_WRONLY | O_CREAT | O_TRUNC, info.st_mode & 0777));
    if (target.get() < 0)
        return failure(errno, "write", to);
    std::string block(size_t{1} << 20, '\0');
    while (true) {
        const ssize_t n = ::read(source.get(), block.data(), block.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        const int readError = n < 0 ? errno : 0;
        const int writeError = n < 0 ? 0 : writeAll(target.get(), std::string_view(block.data(), static_cast<size_t>(n)));
        if (readError == 0 && writeError == 0)
            continue;
        ::unlink(to.c_str()); // half a copy is worse than none
        return readError ? failure(readError, "read", from) : failure(writeError, "write", to);
    }
    if (::close(target.take()) != 0) {
        const int error = errno;
        ::unlink(to.c_str());
        return failure(error, "write", to);
    }
    return {};
}

Status copyTree(const std::string& from, const std::string& to) {
    PL_CHECK(makeDirs(to));
    PL_TRY(const auto names, listDir(from));
    for (const std::string& name : names) {
        const std::string source = joinPath(from, name);
        std::error_code error;
        const fs::file_status status = fs::symlink_status(source, error);
        if (fs::is_directory(status)) {
            PL_CHECK(copyTree(source, joinPath(to, name)));
        } else if (fs::is_regular_file(status)) {
            PL_CHECK(copyFile(source, joinPath(to, name)));
        }
    }
    return {};
}

Status fsyncPath(const std::string& path) {
    Fd fd(openRetry(path, O_RDONLY));
    if (fd.get() < 0)
        return failure(errno, "open", path);
    // Some file systems cannot sync a folder and say EINVAL: nothing can be done about it there.
    if (::fsync(fd.get()) != 0 && errno != EINVAL)
        return failure(errno, "write", path);
    return {};
}

bool exists(const std::string& path) {
    std::error_code error;
    return fs::exists(path, error);
}

bool isDir(const std::string& path) {
    std::error_code error;
    return fs::is_directory(path, error);
}

Result<uint64_t> fileSize(const std::string& path) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error)
        return failure(error, "read the size of", path);
    return static_cast<uint64_t>(size);
}

int64_t modifiedMs(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0)
        return -1;
    return static_cast<int64_t>(found.st_mtim.tv_sec) * 1000 + found.st_mtim.tv_nsec / 1'000'000;
}

uint64_t treeSize(const std::string& path) {
    std::error_code error;
    uint64_t total = 0;
    fs::recursive_directory_iterator it(path, fs::directory_options::skip_permission_denied, error);
    const fs::recursive_directory_iterator end;
    while (!error && it != end) {
        std::error_code one;
        if (it->is_regular_file(one) && !it->is_symlink(one)) {
            const auto size = it->file_size(one);
            if (!one)
                total += size;
        }
        it.increment(error);
    }
    return total;
}

Result<std::vector<std::string>> listDir(const std::string& path) {
    std::error_code error;
    std::vector<std::string> names;
    fs::directory_iterator it(path, error);
    const fs::directory_iterator end;
    while (!error && it != end) {
        names.push_back(it->path().filename().string());
        it.increment(error);
    }
    if (error)
        return failure(error, "list", path);
    std::sort(names.begin(), names.end());
    return names;
}

Result<uint64_t> freeSpace(const std::string& path) {
    std::error_code error;
    const fs::space_info info = fs::space(path, error);
    if (error)
        return failure(error, "read the free space of", path);
    return static_cast<uint64_t>(info.available);
}

uint64_t totalMemory() {
    return memInfo("MemTotal");
}

uint64_t availableMemory() {
    return memInfo("MemAvailable");
}

uint64_t peakMemory() {
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

std::string joinPath(std::string_view a, std::string_view b) {
    if (a.empty() || (!b.empty() && b.front() == '/'))
        return std::string(b);
    std::string path(a);
    if (path.back() != '/')
        path += '/';
    path += b;
    return path;
}

std::string absolutePath(const std::string& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    std::string text = error ? path : absolute.lexically_normal().string();
    while (text.size() > 1 && text.back() == '/')
        text.pop_back();
    return text;
}

Result<std::string> canonicalPath(const std::string& path) {
    std::error_code error;
    const fs::path canonical = fs::canonical(path, error);
    if (error)
        return failure(error, "find", path);
    return canonical.string();
}

bool isRegularFile(const std::string& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

namespace {
std::string withoutSlashes(const std::string& path) {
    std::string text = path;
    while (text.size() > 1 && text.back() == '/')
        text.pop_back();
    return text;
}
} // namespace

std::string baseName(const std::string& path) {
    const std::string text = withoutSlashes(path);
    const size_t slash = text.rfind('/');
    return slash == std::string::npos || text == "/" ? text : text.substr(slash + 1);
}

std::string parentDir(const std::string& path) {
    const std::string text = withoutSlashes(path);
    const size_t slash = text.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : withoutSlashes(text.substr(0, slash));
}

std::string programDir() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    return error ? "." : program.parent_path().string();
}

std::string userDataDir() {
    return userDir("XDG_DATA_HOME", joinPath(homeDir(), ".local/share"));
}

std::string userCacheDir() {
    return userDir("XDG_CACHE_HOME", joinPath(homeDir(), ".cache"));
}

std::string userConfigDir() {
    return userDir("XDG_CONFIG_HOME", joinPath(homeDir(), ".config"));
}

std::string userRuntimeDir() {
    const std::string base = environment("XDG_RUNTIME_DIR");
    if (!base.empty() && base.front() == '/' && ::access(base.c_str(), W_OK) == 0)
        return userDir("XDG_RUNTIME_DIR", base);
    const std::string path = fmt::format("/tmp/pairlab-{}", ::getuid());
    ::mkdir(path.c_str(), 0700);
    struct stat info {};
    // Somebody else's folder under this name would let them hold our locks: take one in the home folder then.
    if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != ::getuid()) {
        const std::string own = joinPath(userCacheDir(), "run");
        (void)makeDirs(own);
        return own;
    }
    return path;
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

Result<std::string> makeTempDir(const std::string& prefix) {
    std::string base = environment("TMPDIR");
    if (base.empty())
        base = "/tmp";
    std::string path = joinPath(base, prefix + "-XXXXXX");
    if (!::mkdtemp(path.data()))
        return failure(errno, "create a temporary folder below", base);
    return path;
}

// --- AppendFile ----------------------------------------------------------------------------------------------------

AppendFile::AppendFile(int fd, std::string path) : m_fd(fd), m_path(std::move(path)) {}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : m_fd(std::exchange(other.m_fd, -1)), m_torn(other.m_torn), m_path(std::move(other.m_path)) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
    if (this != &other) {
        if (m_fd >= 0)
            ::close(m_fd);
        m_fd = std::exchange(other.m_fd, -1);
        m_torn = other.m_torn;
        m_path = std::move(other.m_path);
    }
    return *this;
}

AppendFile::~AppendFile() {
    if (m_fd >= 0)
        ::close(m_fd);
}

Result<AppendFile> AppendFile::open(const std::string& path) {
    const int fd = openRetry(path, O_RDWR | O_APPEND | O_CREAT);
    if (fd < 0)
        return failure(errno, "open", path);
    AppendFile file(fd, path);
    struct stat info {};
    char last = '\n';
    if (::fstat(fd, &info) == 0 && info.st_size > 0 && ::pread(fd, &last, 1, info.st_size - 1) == 1)
        file.m_torn = last != '\n';
    return file;
}

Status AppendFile::appendLine(std::string_view line) {
    if (line.find('\n') != std::string_view::npos)
        return fail(Code::Internal, fmt::format("a line for {} holds a line feed", m_path));
    std::string bytes;
    bytes.reserve(line.size() + 2);
    if (m_torn)
        bytes += '\n';
    bytes += line;
    bytes += '\n';
    ssize_t n;
    do
        n = ::write(m_fd, bytes.data(), bytes.size());
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failure(errno, "write", m_path);
    if (static_cast<size_t>(n) < bytes.size()) {
        if (n > 0)
            m_torn = true;
        return failure(ENOSPC, "write a whole line to", m_path);
    }
    m_torn = false;
    return {};
}

Status AppendFile::sync() {
    if (::fdatasync(m_fd) != 0)
        return failure(errno, "write", m_path);
    return {};
}

} // namespace pl::os

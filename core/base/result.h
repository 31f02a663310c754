// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace pl {

/// What kind of failure, small and actionable. The exit codes of programs follow from it (exitCodeOf).
enum class Code {
    Cancelled,    ///< somebody asked to stop
    NotFound,     ///< the named thing does not exist
    InvalidInput, ///< a parameter, argument or file content is not acceptable
    Corrupt,      ///< a file that should be well-formed is not
    Busy,         ///< held by another program
    NewerFormat,  ///< written by a newer version
    OutOfMemory,
    Unsupported, ///< understood, but not offered here
    Io,          ///< the operating system refused (disk full, permission, ...)
    Diverged,    ///< training produced non-finite values
    Internal     ///< a bug
};

/// A failure as a value: what happened to which object, why, and (hint) one next step a person can take.
struct Error {
    Code code = Code::Internal;
    std::string message;
    std::string hint;
    std::vector<std::string> context; ///< outermost last: "while opening run 17"

    /// Adds context on the way up and returns itself.
    Error with(std::string where) &&;
    /// "message (context; context). hint"
    std::string toString() const;
};

template<class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// `return fail(Code::Io, fmt::format("cannot write {}: {}", path, cause), "Free some space.");`
tl::unexpected<Error> fail(Code code, std::string message, std::string hint = {});

/// DESIGN section 9: 0 done, 2 usage, 3 stopped, 4 busy, 10 configuration, 11 input/output, 12 memory, 13 diverged,
/// 70 internal.
int exitCodeOf(Code code);
/// "invalid_input", "io", ...: for --json output and logs.
const char* codeName(Code code);

} // namespace pl

#define PL_CONCAT_INNER(a, b) a##b
#define PL_CONCAT(a, b) PL_CONCAT_INNER(a, b)
#define PL_TRY_IMPL(tmp, decl, expr)                                                                               \
    auto tmp = (expr);                                                                                             \
    if (!tmp)                                                                                                      \
        return tl::unexpected<::pl::Error>(std::move(tmp).error());                                                \
    decl = std::move(tmp).value()
/// `PL_TRY(auto text, readFile(path));` declares text or returns the error to the caller.
#define PL_TRY(decl, expr) PL_TRY_IMPL(PL_CONCAT(plTry_, __LINE__), decl, expr)
#define PL_CHECK_IMPL(tmp, expr)                                                                                   \
    do {                                                                                                           \
        if (auto tmp = (expr); !tmp)                                                                               \
            return tl::unexpected<::pl::Error>(std::move(tmp).error());                                            \
    } while (false)
/// `PL_CHECK(writeFile(path, text));` for a Status.
#define PL_CHECK(expr) PL_CHECK_IMPL(PL_CONCAT(plCheck_, __LINE__), expr)

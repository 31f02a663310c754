// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace pl::log {

enum class Level { Debug, Info, Warning, Error };

/// Writes to stderr, and to `file` too when given (appending). Call once from main(); without it only warnings show.
void init(Level level, const std::string& file = {});
void write(Level level, std::string_view text);

template<class... A>
void debug(fmt::format_string<A...> f, A&&... a) {
    write(Level::Debug, fmt::format(f, std::forward<A>(a)...));
}
template<class... A>
void info(fmt::format_string<A...> f, A&&... a) {
    write(Level::Info, fmt::format(f, std::forward<A>(a)...));
}
template<class... A>
void warn(fmt::format_string<A...> f, A&&... a) {
    write(Level::Warning, fmt::format(f, std::forward<A>(a)...));
}
template<class... A>
void error(fmt::format_string<A...> f, A&&... a) {
    write(Level::Error, fmt::format(f, std::forward<A>(a)...));
}

} // namespace pl::log

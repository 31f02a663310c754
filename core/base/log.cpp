// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"

#include <memory>
#include <mutex>
#include <vector>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace pl::log {
namespace {

spdlog::level::level_enum levelOf(Level level) {
    switch (level) {
    case Level::Debug: return spdlog::level::debug;
    case Level::Info: return spdlog::level::info;
    case Level::Warning: return spdlog::level::warn;
    case Level::Error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make(Level level, std::vector<spdlog::sink_ptr> sinks) {
    auto logger = std::make_shared<spdlog::logger>("pairlab", sinks.begin(), sinks.end());
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    logger->set_level(levelOf(level));
    logger->flush_on(spdlog::level::info);
    return logger;
}

struct Holder {
    std::mutex mutex;
    std::shared_ptr<spdlog::logger> logger =
        make(Level::Warning, {std::make_shared<spdlog::sinks::stderr_sink_mt>()});
};

Holder& holder() {
    static Holder instance;
    return instance;
}

} // namespace

void init(Level level, const std::string& file) {
    std::vector<spdlog::sink_ptr> sinks{std::make_shared<spdlog::sinks::stderr_sink_mt>()};
    std::string problem;
    if (!file.empty()) {
        try {
            sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
        } catch (const std::exception& error) {
            problem = error.what();
        }
    }
    auto logger = make(level, std::move(sinks));
    {
        std::lock_guard lock(holder().mutex);
        holder().logger = std::move(logger);
    }
    if (!problem.empty())
        write(Level::Warning, fmt::format("cannot write the log file {}: {}", file, problem));
}

void write(Level level, std::string_view text) {
    std::shared_ptr<spdlog::logger> logger;
    {
        std::lock_guard lock(holder().mutex);
        logger = holder().logger;
    }
    // Model output may carry terminal escapes: a log is read in a terminal.
    std::string clean(text);
    for (char& c : clean)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            c = '?';
    logger->log(levelOf(level), spdlog::string_view_t(clean.data(), clean.size()));
}

} // namespace pl::log

// SPDX-License-Identifier: Apache-2.0
#include <new>

#include "core/learn/host/job.h"
#include "core/learn/host/plugin_abi.h"

namespace pl::learn {
namespace {

/// The libraries say "out of memory" in several ways and one exception type.
bool saysOutOfMemory(const std::string& text) {
    for (const char* phrase : {"out of memory", "can't allocate memory", "not enough memory", "CUDA_ERROR_OUT_OF_MEMORY",
                               "CUBLAS_STATUS_ALLOC_FAILED"})
        if (text.find(phrase) != std::string::npos)
            return true;
    return false;
}

pl_status statusOf(Code code) {
    switch (exitCodeOf(code)) {
    case 3: return PL_STOPPED;
    case 4:
    case 10: return PL_ERR_CONFIG;
    case 11: return PL_ERR_IO;
    case 12: return PL_ERR_MEMORY;
    case 13: return PL_ERR_DIVERGED;
    default: return PL_ERR_INTERNAL;
    }
}

} // namespace

int runGuarded(const char* phase, PluginFunction function, void* host, void* job) {
    const auto* api = static_cast<const pl_host*>(host);
    const auto report = [&](pl_status status, const std::string& text) {
        return static_cast<int>(api->fail(static_cast<pl_job*>(job), status, pl_str{text.data(), text.size()}));
    };
    try {
        const Status status = function(*static_cast<Job*>(api->cpp_job));
        if (status)
            return PL_OK;
        return report(statusOf(status.error().code), status.error().toString());
    } catch (const std::bad_alloc&) {
        return report(PL_ERR_MEMORY, fmt::format("not enough memory (in {}). Use a smaller batch or a shorter length.", phase));
    } catch (const c10::Error& e) {
        const std::string text = e.what_without_backtrace();
        if (dynamic_cast<const c10::OutOfMemoryError*>(&e) || saysOutOfMemory(text))
            return report(PL_ERR_MEMORY, fmt::format("not enough memory (in {}): {}. Use a smaller batch or a shorter length.",
                                                     phase, text));
        return report(PL_ERR_INTERNAL, fmt::format("libtorch refused an operation (in {}): {}", phase, text));
    } catch (const std::exception& e) {
        return report(PL_ERR_INTERNAL, fmt::format("unexpected failure (in {}): {}", phase, e.what()));
    } catch (...) {
        return report(PL_ERR_INTERNAL, fmt::format("unexpected failure of unknown type (in {})", phase));
    }
}

} // namespace pl::learn

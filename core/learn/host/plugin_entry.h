// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/learn/host/job.h"
#include "core/learn/host/plugin_abi.h"
#include "pairlab_build_tag.h"

/// Exports the C entry of a plugin around two functions `Status f(pl::learn::Job&)`. `validate` checks parameters against
/// each other and the data before any model is loaded. `run` returns success when the work is done, Code::Cancelled when
/// it left early because of job.mustLeave() (after its checkpoint), any other error when it failed. Once a library:
///     PAIRLAB_PLUGIN("dpo", "1.0.0", validate, run)
#define PAIRLAB_PLUGIN(ID, VERSION, VALIDATE, RUN)                                                                 \
    namespace {                                                                                                    \
    pl_status plPluginValidate(const pl_host* host, pl_job* job) {                                                 \
        return static_cast<pl_status>(::pl::learn::runGuarded("validate", VALIDATE, const_cast<pl_host*>(host), job)); \
    }                                                                                                              \
    pl_status plPluginRun(const pl_host* host, pl_job* job) {                                                      \
        return static_cast<pl_status>(::pl::learn::runGuarded("run", RUN, const_cast<pl_host*>(host), job));       \
    }                                                                                                              \
    }                                                                                                              \
    extern "C" __attribute__((visibility("default"))) const pl_plugin* pairlab_plugin_entry_v1(void) {             \
        static const pl_plugin plugin = {sizeof(pl_plugin),  PL_ABI_MAJOR,     ID,         VERSION,                \
                                         PAIRLAB_BUILD_TAG, &plPluginValidate, &plPluginRun};                      \
        return &plugin;                                                                                            \
    }

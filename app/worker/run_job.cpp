// SPDX-License-Identifier: Apache-2.0
#include "app/worker/run_job.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "app/worker/device_lock.h"
#include "app/worker/plugin_library.h"
#include "app/worker/precision.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/base/os/process.h"
#include "core/learn/host/device_memory.h"
#include "core/learn/models/decoder.h"
#include "pairlab_build_tag.h"

/// What stands behind the C handle.
struct pl_job {
    pl::learn::Job* job;
    std::string dir;
    std::string failure;
};

namespace pl::worker {
namespace {

constexpr int kProtocol = 1;

pl_str bundleDirOf(pl_job* job) { return {job->dir.data(), job->dir.size()}; }

pl_status recordFailure(pl_job* job, pl_status status, pl_str message) {
    job->failure.assign(message.data, message.size);
    return status;
}

/// How it ended, as run.end and exit code say it.
struct Ending {
    const char* state;
    std::string reason;
    int exitCode;
};

Ending failed(const Error& error) {
    if (error.code == Code::Cancelled)
        return {"stopped", error.message, exitCodeOf(error.code)};
    return {"failed", error.toString(), exitCodeOf(error.code)};
}

Ending endingOf(pl_status status, const pl_job& handle, const learn::Job& job) {
    if (status == PL_OK)
        return {"finished", "", 0};
    if (status == PL_STOPPED) {
        const std::string reason = job.stopReason();
        return {"stopped", reason.empty() ? handle.failure : reason, PL_STOPPED};
    }
    return {"failed", handle.failure.empty() ? "the plugin gave no reason" : handle.failure, static_cast<int>(status)};
}

Status startEvent(learn::Job& job, int threads) {
    return job.events().write(
        event::kRunStart,
        {{"protocol", kProtocol},
         {"plugin", job.spec().plugin},
         {"plugin_version", job.spec().pluginVersion},
         {"build_tag", PAIRLAB_BUILD_TAG},
         {"host", os::hostName()},
         {"pid", os::currentPid()},
         {"start_time", os::startTimeOf(os::currentPid())},
         {"device", job.spec().device},
         {"threads", threads},
         {"versions", {{"pairlab", PAIRLAB_VERSION}, {"torch", TORCH_VERSION}, {"cpu", at::get_cpu_capability()}}}});
}

/// The inputs are what the run was made with: data by their hashes, models by theirs.
Status checkInputs(const Bundle& bundle) {
    for (const auto& [file, hash] : bundle.spec().data) {
        PL_TRY(const std::string actual, sha256File(bundle.dataPath(file)));
        if (!hash.empty() && actual != hash)
            return fail(Code::Corrupt, fmt::format("data/{} of {} is not what the run was made with", file, bundle.dir()),
                        "Freeze the dataset again and start a new run.");
    }
    for (const ModelSpec& model : bundle.spec().models) {
        if (!os::isDir(model.path))
            return fail(Code::NotFound, fmt::format("the model '{}' ({}) is not there: {}", model.name, model.role, model.path),
                        "Choose another model.");
        if (model.hash.empty())
            continue;
        PL_TRY(const std::string actual, modelHash(model.path));
        if (actual != model.hash)
            return fail(Code::Corrupt, fmt::format("the model '{}' in {} changed since the run was made", model.name, model.path),
                        "Start a new run with the model as it is now.");
    }
    return {};
}

Status checkNeeds(const Manifest& manifest, const RunSpec& spec) {
    for (const ModelNeed& need : manifest.models)
        if (!need.optional && !spec.model(need.role))
            return fail(Code::InvalidInput, fmt::format("run {} names no model for the role '{}', which '{}' needs", spec.name,
                                                        need.role, manifest.id),
                        "Choose a model for it and start again.");
    if (spec.resident && !manifest.resident)
        return fail(Code::Unsupported, fmt::format("the plugin '{}' answers no requests (resident)", manifest.id));
    return {};
}

Result<Ending> execute(learn::Job& job) {
    const RunSpec& spec = job.spec();
    if (spec.pluginDir.empty())
        return fail(Code::InvalidInput, fmt::format("run {} does not say where its plugin lies (plugin_dir)", spec.name));
    PL_TRY(const Manifest manifest, Manifest::load(spec.pluginDir));
    if (manifest.id != spec.plugin)
        return fail(Code::InvalidInput, fmt::format("{} holds the plugin '{}', the run asks for '{}'", spec.pluginDir,
                                                    manifest.id, spec.plugin));
    PL_TRY(Json parameters, manifest.effectiveParameters(spec.parameters));
    job.setParameters(std::move(parameters));
    PL_CHECK(checkNeeds(manifest, spec));
    PL_CHECK(checkPrecision(job));
    PL_TRY(const pl_plugin* plugin, loadPlugin(manifest));
    PL_TRY(const auto device, learn::parseDevice(spec.device));
    (void)device;
    PL_CHECK(checkInputs(job.bundle()));

    pl_job handle{&job, job.bundle().dir(), {}};
    const pl_host host{sizeof(pl_host), PL_ABI_MAJOR, &bundleDirOf, &recordFailure, &job};
    const pl_status valid = plugin->validate(&host, &handle);
    if (valid != PL_OK)
        return endingOf(valid, handle, job);
    PL_TRY(const auto place, acquireDevice(job));
    (void)place; // held until the run has ended
    return endingOf(plugin->run(&host, &handle), handle, job);
}

int fromStartToEnd(Bundle bundle) {
    auto events = EventWriter::open(bundle.dir());
    if (!events) {
        log::error("{}", events.error().toString());
        return exitCodeOf(events.error().code);
    }
    const int threads = bundle.spec().threads > 0 ? bundle.spec().threads : os::coreCount();
    at::set_num_threads(threads);
    learn::Job job(std::move(bundle), std::move(*events));
    if (const auto started = startEvent(job, threads); !started) {
        log::error("{}", started.error().toString());
        return exitCodeOf(started.error().code);
    }
    log::info("run {}: plugin {} on {} with {} threads", job.spec().name, job.spec().plugin, job.spec().device, threads);
    job.startControlThread();
    const auto result = execute(job);
    const Ending ending = result ? *result : failed(result.error());
    job.stopControlThread();
    if (ending.exitCode != 0)
        log::write(ending.exitCode == PL_STOPPED ? log::Level::Info : log::Level::Error,
                   fmt::format("run {} {}: {}", job.spec().name, ending.state, ending.reason));
    else
        log::info("run {} finished", job.spec().name);
    Json end{{"state", ending.state}, {"reason", ending.reason}, {"peak_memory", os::peakMemory()}};
    if (const auto device = learn::parseDevice(job.spec().device); device && !device->is_cpu())
        end["device_peak_memory"] = learn::peakMemory(*device);
    const auto written = job.events().write(event::kRunEnd, std::move(end));
    const auto synced = job.events().sync();
    if (!written || !synced) {
        log::error("{}", (written ? synced : written).error().toString());
        return ending.exitCode != 0 ? ending.exitCode : exitCodeOf(Code::Io);
    }
    return ending.exitCode;
}

} // namespace

int runBundle(const std::string& dir) {
    auto bundle = Bundle::open(dir);
    if (!bundle) {
        log::error("{}", bundle.error().toString());
        return exitCodeOf(bundle.error().code);
    }
    const auto lock = os::FileLock::tryAcquire(bundle->lockPath());
    if (!lock) {
        log::error("{}", lock.error().toString());
        return exitCodeOf(lock.error().code);
    }
    return fromStartToEnd(std::move(*bundle));
}

} // namespace pl::worker

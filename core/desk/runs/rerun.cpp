// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/rerun.h"

#include <cmath>
#include <csignal>

#include <fmt/format.h>

#include "core/base/events.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"

namespace pl::desk {

namespace {

constexpr double kTolerance = 1e-4;
constexpr int64_t kNever = 10'000'000; ///< the largest distance the trainers' parameters take
constexpr int kPollMs = 50;

/// Adds the losses of some events to `out`.
void collect(const std::vector<Event>& events, std::map<int64_t, double>& out) {
    for (const Event& event : events) {
        const Json& body = event.body;
        if (event.type == event::kRewind && body.contains("to_step") && body["to_step"].is_number_integer())
            out.erase(out.upper_bound(body["to_step"].get<int64_t>()), out.end());
        if (event.type != event::kMetrics || !body.contains("step") || !body["step"].is_number_integer() || !body.contains("values") ||
            !body["values"].is_object() || !body["values"].contains("loss"))
            continue;
        if (const auto loss = numberOf(body["values"]["loss"], "loss"))
            out[body["step"].get<int64_t>()] = *loss;
    }
}

/// The run's bundle once more: the present plugin, the same models, data and seed.
Result<Bundle> copyOf(const Bundle& bundle, const Manifest& manifest, const std::string& dir, const Json& with) {
    RunSpec spec = bundle.spec();
    spec.uuid.clear();
    spec.name = os::baseName(dir);
    spec.createdMs = 0;
    spec.pluginDir = manifest.dir;
    spec.pluginVersion = manifest.version;
    spec.buildTag = manifest.buildTag;
    spec.parameters.update(with);
    for (const char* name : {"eval_every", "save_every", "sample_every"})
        if (manifest.parameter(name))
            spec.parameters[name] = kNever;
    PL_TRY(spec.parameters, manifest.effectiveParameters(spec.parameters));
    const bool answersPrompts = manifest.needsData("prompts", spec.parameters);
    PL_TRY(const auto files, os::listDir(bundle.dataPath("")));
    const auto needed = [&](const std::string& file) { return !file.starts_with("dev") && (answersPrompts || file != "prompts.jsonl"); };
    std::erase_if(spec.data, [&](const auto& each) { return !needed(each.first); });
    PL_TRY(Bundle made, Bundle::create(dir, spec));
    for (const std::string& file : files)
        if (needed(file) && os::isRegularFile(bundle.dataPath(file)))
            PL_CHECK(os::linkOrCopy(bundle.dataPath(file), made.dataPath(file)));
    return made;
}

/// Until `enough` of the losses is there, or the worker has ended.
Result<std::map<int64_t, double>> work(const Bundle& bundle, int64_t enough, const RerunOptions& options) {
    os::SpawnOptions spawn;
    spawn.arguments = {options.worker.empty() ? os::joinPath(os::programDir(), "pairlab-worker") : options.worker, "run", bundle.dir()};
    const int threads = bundle.spec().threads > 0 ? bundle.spec().threads : os::coreCount();
    spawn.environment = {{"OMP_WAIT_POLICY", "passive"},
                         {"OMP_NUM_THREADS", std::to_string(threads)},
                         {"MKL_NUM_THREADS", std::to_string(threads)}};
    spawn.outputFile = bundle.logPath();
    PL_TRY(os::Process worker, os::Process::spawn(spawn));
    EventReader reader(bundle.eventsPath());
    std::map<int64_t, double> losses;
    const auto kill = [&] {
        (void)worker.signalGroup(SIGKILL); // nothing of this bundle is wanted any more
        (void)worker.wait(-1);
    };
    for (bool over = false; !over;) {
        over = worker.wait(kPollMs).has_value();
        auto events = reader.poll();
        if (!events) {
            kill();
            return tl::unexpected<Error>(std::move(events).error());
        }
        collect(*events, losses);
        if (!over && options.keepGoing && !options.keepGoing()) {
            kill();
            return fail(Code::Cancelled, "stopped on request");
        }
        if (!over && enough > 0 && losses.count(enough)) {
            kill();
            return losses;
        }
    }
    const RunEnding ending = inspectRun(bundle.dir(), "it ended");
    if (ending.state == RunState::Finished || (enough > 0 && losses.count(enough)))
        return losses;
    Error error{Code::InvalidInput, fmt::format("the beginning of run {} could not be done again: {}", bundle.spec().name, ending.reason), {}, {}};
    if (!ending.logTail.empty())
        error.message += fmt::format(" ({})", ending.logTail.back());
    return tl::unexpected<Error>(std::move(error));
}

} // namespace

Result<std::map<int64_t, double>> loggedLosses(const std::string& bundleDir) {
    const std::string path = os::joinPath(bundleDir, "events.jsonl");
    std::map<int64_t, double> out;
    if (!os::exists(path))
        return out;
    PL_TRY(const auto events, readEvents(path));
    collect(events, out);
    return out;
}

std::vector<double> eachLogged(const std::map<int64_t, double>& logged, int64_t steps) {
    std::vector<double> out;
    for (int64_t step = 1; step <= steps; ++step) {
        const auto at = logged.find(step);
        if (at == logged.end())
            return {};
        out.push_back(at->second);
    }
    return out;
}

Status sameAsLogged(const std::map<int64_t, double>& logged, const std::vector<double>& losses) {
    int64_t before = 0;
    for (const auto& [step, mean] : logged) {
        if (step > static_cast<int64_t>(losses.size()))
            break;
        double sum = 0;
        for (int64_t each = before + 1; each <= step; ++each)
            sum += losses[static_cast<size_t>(each - 1)];
        const double again = sum / static_cast<double>(step - before);
        if (!(std::abs(again - mean) <= kTolerance))
            return fail(Code::Corrupt,
                        fmt::format("the first steps done again have a loss of {:.6f} at step {}, but the run logged {:.6f}", again, step, mean),
                        "Its data, its model or the program has changed since: train it again and export that run.");
        before = step;
    }
    return {};
}

Result<std::vector<double>> firstLosses(const Bundle& bundle, const Manifest& manifest, const std::string& dir, int64_t steps,
                                        const Json& with, const RerunOptions& options) {
    Json parameters = with;
    parameters["log_every"] = 1;
    PL_TRY(const Bundle again, copyOf(bundle, manifest, dir, parameters));
    PL_TRY(const auto losses, work(again, steps, options));
    auto out = eachLogged(losses, steps);
    if (out.empty())
        return fail(Code::InvalidInput, fmt::format("run {} has fewer than {} steps", bundle.spec().name, steps));
    return out;
}

Result<std::string> weightsBefore(const Bundle& bundle, const Manifest& manifest, const std::string& dir, const RerunOptions& options) {
    // One step, which is all warm-up, and warm-up begins at the rate 0.
    Json parameters{{"steps", 1}, {"warmup", 1.0}};
    if (manifest.parameter("num_iterations"))
        parameters["num_iterations"] = 1;
    PL_TRY(const Bundle again, copyOf(bundle, manifest, dir, parameters));
    PL_CHECK(work(again, 0, options));
    const std::string path = newestCheckpoint(again.dir());
    if (path.empty())
        return fail(Code::Corrupt, fmt::format("the beginning of run {} left no weights", bundle.spec().name));
    return os::joinPath(again.dir(), path);
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/supervisor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/base/os/process.h"
#include "core/base/records.h"
#include "core/desk/runs/shared.h"

namespace pl::desk {

namespace {

constexpr int64_t kStalledMs = 60000;
constexpr const char* kDeskFile = "desk.json"; // what the desk wants of a run; the job never reads it

bool ended(RunState state) {
    return state == RunState::Finished || state == RunState::Stopped || state == RunState::Failed;
}

} // namespace

// One run the supervisor knows. Only its thread and functions holding the mutex touch it.
struct Run {
    RunInfo info;
    std::string want = "run"; // run | pause | stop
    std::optional<os::Process> process;
    std::unique_ptr<EventReader> reader;
    std::map<std::string, Json> acks;
    int64_t lastEventMs = 0;
    int64_t launchedMs = 0; // when its newest process was started
    bool stopping = false;
    bool delivered = false; // the listener has seen it
    bool died = false;      // its process has ended and the rest of its events is still to be read
    std::optional<std::string> exitStatus;
};

struct Supervisor::State {
    std::string projectDir, runsDir;
    SupervisorOptions options;
    Listener listener;
    const PluginCatalog* catalog = nullptr;

    mutable std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, std::unique_ptr<Run>> runs;
    std::vector<std::thread> reapers;
    std::atomic<bool> leaving{false};
    std::thread thread;

    Status saveDesk(const Run& run) const {
        Json desk{{"want", run.want},
                  {"short", run.info.shortJob},
                  {"preempted", run.info.preempted},
                  {"note", run.info.note},
                  {"pid", run.info.pid},
                  {"start_time", run.process ? run.process->startTime() : 0},
                  {"launched_ms", run.launchedMs},
                  {"stopped_in_queue", run.info.state == RunState::Stopped && run.info.startedMs == 0}};
        return os::writeFileAtomic(os::joinPath(run.info.dir, kDeskFile), dumpJson(desk));
    }

    void addKnown(const std::string& name);
    void apply(Run& run, const Event& event);
    Status launch(Run& run);
    void settle(Run& run);
    void schedule();
    bool pollOnce();
    void loop();
    Run* find(const std::string& name) {
        auto it = runs.find(name);
        return it == runs.end() ? nullptr : it->second.get();
    }
};

// Reads a bundle found on disk: a run of an earlier session, alive or not.
void Supervisor::State::addKnown(const std::string& name) {
    const std::string dir = os::joinPath(runsDir, name);
    auto bundle = Bundle::open(dir);
    auto run = std::make_unique<Run>();
    RunInfo& info = run->info;
    info.name = name;
    info.dir = dir;
    info.note = Json::object();
    run->reader = std::make_unique<EventReader>(os::joinPath(dir, "events.jsonl"));
    if (!bundle) {
        // Shown, never hidden: a broken bundle is still somebody's run.
        info.state = RunState::Failed;
        info.reason = bundle.error().toString();
        runs[name] = std::move(run);
        return;
    }
    const RunSpec& spec = bundle->spec();
    info.plugin = spec.plugin;
    info.pluginVersion = spec.pluginVersion;
    info.parameters = spec.parameters;
    info.models = spec.models;
    info.device = spec.device;
    info.seed = spec.seed;
    info.datasetHash = spec.datasetHash;
    info.resident = spec.resident;
    info.createdMs = spec.createdMs;
    const Manifest* manifest = catalog->find(spec.plugin);
    info.title = manifest ? manifest->title : spec.plugin;
    bool stoppedInQueue = false;
    const RunEnding ending = inspectRun(dir);
    if (auto desk = readJsonFile(os::joinPath(dir, kDeskFile))) {
        run->want = fieldOr<std::string>(*desk, "want", "run", kDeskFile).value_or("run");
        info.shortJob = fieldOr<bool>(*desk, "short", false, kDeskFile).value_or(false);
        info.preempted = fieldOr<bool>(*desk, "preempted", false, kDeskFile).value_or(false);
        stoppedInQueue = fieldOr<bool>(*desk, "stopped_in_queue", false, kDeskFile).value_or(false);
        if (desk->contains("note") && (*desk)["note"].is_object())
            info.note = (*desk)["note"];
        const auto pid = fieldOr<int64_t>(*desk, "pid", 0, kDeskFile).value_or(0);
        const auto startTime = fieldOr<int64_t>(*desk, "start_time", 0, kDeskFile).value_or(0);
        run->launchedMs = fieldOr<int64_t>(*desk, "launched_ms", 0, kDeskFile).value_or(0);
        if (pid > 0 && ending.state == RunState::Running) {
            if (auto process = os::Process::attach(static_cast<int>(pid), static_cast<uint64_t>(startTime))) {
                run->process = std::move(*process);
                info.pid = static_cast<int>(pid);
            }
        }
    }
    info.state = ending.state;
    info.reason = ending.reason;
    info.lastCheckpoint = ending.lastCheckpoint;
    if (ending.state == RunState::Failed)
        info.logTail = ending.logTail;
    if (stoppedInQueue && info.state == RunState::Queued) {
        info.state = RunState::Stopped;
        info.reason = "stopped before it started";
    }
    run->lastEventMs = nowMs();
    runs[name] = std::move(run);
}

void Supervisor::State::apply(Run& run, const Event& event) {
    RunInfo& info = run.info;
    const Json& body = event.body;
    auto number = [&](const char* key, double fallback) {
        if (!body.contains(key))
            return fallback;
        return numberOf(body[key], key).value_or(fallback);
    };
    if (event.type == event::kRunStart) {
        info.startedMs = event.t;
        info.endedMs = 0;
        if (body.contains("pid") && body["pid"].is_number_integer() && !run.process)
            info.pid = body["pid"].get<int>();
    } else if (event.type == event::kProgress) {
        info.step = static_cast<int64_t>(number("step", 0));
        info.of = static_cast<int64_t>(number("of", 0));
        info.etaSeconds = number("eta_s", -1);
        if (body.contains("text") && body["text"].is_string() && info.state == RunState::Running)
            info.reason = body["text"].get<std::string>();
        else if (info.state == RunState::Running)
            info.reason.clear();
    } else if (event.type == event::kMetrics && body.contains("values") && body["values"].is_object()) {
        for (auto it = body["values"].begin(); it != body["values"].end(); ++it)
            if (auto value = numberOf(it.value(), it.key()))
                info.metrics[it.key()] = *value;
        info.step = std::max(info.step, static_cast<int64_t>(number("step", 0)));
    } else if (event.type == event::kResult && body.contains("values") && body["values"].is_object()) {
        for (auto it = body["values"].begin(); it != body["values"].end(); ++it)
            if (auto value = numberOf(it.value(), it.key()))
                info.result[it.key()] = *value;
    } else if (event.type == event::kRewind) {
        info.step = static_cast<int64_t>(number("to_step", 0));
    } else if (event.type == event::kCheckpoint) {
        if (body.contains("path") && body["path"].is_string())
            info.lastCheckpoint = body["path"].get<std::string>();
    } else if (event.type == event::kAlert) {
        ++info.alerts;
    } else if (event.type == event::kAck) {
        if (body.contains("id") && body["id"].is_string())
            run.acks[body["id"].get<std::string>()] = body;
    } else if (event.type == event::kRunEnd) {
        info.endedMs = event.t;
    }
}

Status Supervisor::State::launch(Run& run) {
    RunInfo& info = run.info;
    PL_TRY(Bundle bundle, Bundle::open(info.dir));
    const Manifest* manifest = catalog->find(info.plugin);
    if (!manifest)
        return fail(Code::NotFound, fmt::format("run {} needs the plugin '{}', which is not installed", info.name, info.plugin),
                    "Install it or add its folder to PAIRLAB_PLUGIN_PATH.");
    os::SpawnOptions spawn;
    spawn.outputFile = bundle.logPath();
    spawn.workingDirectory = info.dir;
    const int threads = bundle.spec().threads > 0 ? bundle.spec().threads : os::coreCount();
    spawn.environment = {{"OMP_WAIT_POLICY", "passive"},
                         {"OMP_NUM_THREADS", std::to_string(threads)},
                         {"MKL_NUM_THREADS", std::to_string(threads)}};
    std::optional<os::FileLock> runLock, deviceLock;
    if (!manifest->command.empty()) {
        // An external program takes no locks of its own: it inherits ours, and the kernel releases them when it dies.
        PL_TRY(os::FileLock lock, os::FileLock::tryAcquire(bundle.lockPath(), true));
        runLock = std::move(lock);
        auto device = os::FileLock::tryAcquire(
            os::joinPath(os::userRuntimeDir(), "device-" + info.device + ".lock"), true);
        if (!device)
            return tl::unexpected<Error>(device.error());
        deviceLock = std::move(*device);
        for (std::string part : manifest->command) {
            if (const auto at = part.find("{plugin_dir}"); at != std::string::npos)
                part.replace(at, 12, manifest->dir);
            spawn.arguments.push_back(std::move(part));
        }
        spawn.arguments.push_back(info.dir);
    } else {
        spawn.arguments = {options.worker, "run", info.dir};
    }
    log::info("Start run {} ({})", info.name, spawn.arguments.front());
    run.launchedMs = nowMs();
    PL_TRY(os::Process process, os::Process::spawn(spawn));
    run.process = std::move(process);
    run.exitStatus.reset();
    run.died = false;
    run.lastEventMs = nowMs();
    info.pid = run.process->pid();
    info.state = RunState::Running;
    info.preempted = false;
    info.stalled = false;
    info.reason = "starting";
    info.logTail.clear();
    info.endedMs = 0;
    return saveDesk(run);
}

// The process has ended and every event is read: decides how.
void Supervisor::State::settle(Run& run) {
    RunInfo& info = run.info;
    const RunEnding ending = inspectRun(info.dir, run.exitStatus);
    if (ending.state == RunState::Running) // its children still hold the lock
        return;
    info.state = ending.state == RunState::Queued ? RunState::Failed : ending.state;
    info.reason = ending.state == RunState::Queued
                      ? fmt::format("the worker ended before it began ({})", run.exitStatus.value_or("status unknown"))
                      : ending.reason;
    info.lastCheckpoint = ending.lastCheckpoint;
    info.logTail = info.state == RunState::Failed ? ending.logTail : std::vector<std::string>{};
    info.pid = 0;
    info.stalled = false;
    if (info.endedMs == 0)
        info.endedMs = nowMs();
    run.process.reset();
    run.died = false;
    run.stopping = false;
    if (info.state == RunState::Stopped && run.want == "pause")
        info.state = RunState::Paused;
    if (info.state == RunState::Paused && run.want == "stop")
        info.state = RunState::Stopped;
    if (auto saved = saveDesk(run); !saved)
        log::warn("run {}: {}", info.name, saved.error().toString());
}

// One worker a device; short jobs first; a long run that has had its quantum is paused for a waiting short one.
void Supervisor::State::schedule() {
    std::set<std::string> devices;
    for (const auto& [name, run] : runs)
        devices.insert(run->info.device);
    for (const std::string& device : devices) {
        Run* running = nullptr;
        Run* nextShort = nullptr;
        Run* nextLong = nullptr;
        for (auto& [name, run] : runs) {
            RunInfo& info = run->info;
            if (info.device != device)
                continue;
            if (info.state == RunState::Running) {
                if (!info.resident || !running)
                    running = run.get();
                continue;
            }
            const bool waits = run->want == "run" && (info.state == RunState::Queued ||
                                                      (info.state == RunState::Paused));
            if (!waits)
                continue;
            Run*& slot = info.shortJob ? nextShort : nextLong;
            // The run the queue itself paused goes on before one that has not begun; otherwise in order of age.
            if (!slot || (info.preempted && !slot->info.preempted))
                slot = run.get();
        }
        if (running) {
            Run* waiting = nextShort ? nextShort : nextLong;
            if (!waiting || running->stopping)
                continue;
            const bool long_ = !running->info.shortJob && !running->info.resident;
            if (running->info.resident) {
                // A resident model makes room at once; it comes back with the next request.
                sendControl(running->info.dir, "stop");
                running->want = "pause";
                running->stopping = true;
            } else if (long_ && nextShort && running->info.startedMs > 0 &&
                       nowMs() - running->info.startedMs > options.quantumMs && !running->info.preempted) {
                if (sendControl(running->info.dir, "pause")) {
                    running->info.preempted = true;
                    running->info.reason = fmt::format("making room for {}", nextShort->info.name);
                    saveDesk(*running);
                }
            }
            continue;
        }
        if (Run* next = nextShort ? nextShort : nextLong) {
            if (auto started = launch(*next); !started) {
                if (started.error().code == Code::Busy) {
                    next->info.reason = "waiting: " + started.error().message;
                } else {
                    next->info.state = RunState::Failed;
                    next->info.reason = started.error().toString();
                    next->info.endedMs = nowMs();
                    next->want = "stop";
                    saveDesk(*next);
                }
            }
        }
    }
}

// True when something may have changed.
bool Supervisor::State::pollOnce() {
    std::vector<std::pair<RunInfo, std::vector<Event>>> news;
    {
        std::lock_guard guard(mutex);
        for (auto& [name, owned] : runs) {
            Run& run = *owned;
            const bool wasRunning = run.info.state == RunState::Running;
            if (run.delivered && !wasRunning && !run.died)
                continue;
            if (wasRunning && !run.died) {
                bool alive = run.process ? run.process->isRunning()
                                         : os::FileLock::isHeld(os::joinPath(run.info.dir, "lock"));
                if (!alive) {
                    run.died = true;
                    if (run.process)
                        if (auto status = run.process->wait(0); status && *status)
                            run.exitStatus = (*status)->toString();
                }
            }
            auto events = run.reader->poll();
            if (!events && !run.died) { // unreadable for now: nothing is told, a later look takes it all
                run.delivered = true;
                continue;
            }
            std::vector<Event> fresh = events ? std::move(*events) : std::vector<Event>{};
            for (const Event& event : fresh)
                apply(run, event);
            const int64_t now = nowMs();
            bool changedNow = !fresh.empty() || !run.delivered;
            if (!fresh.empty()) {
                run.lastEventMs = now;
                run.info.stalled = false;
            } else if (wasRunning && !run.info.stalled && !run.info.resident && now - run.lastEventMs > kStalledMs) {
                run.info.stalled = true;
                changedNow = true;
            }
            if (run.died) {
                const RunState before = run.info.state;
                settle(run);
                changedNow = changedNow || run.info.state != before;
            }
            if (changedNow) {
                run.delivered = true;
                news.emplace_back(run.info, std::move(fresh));
            }
        }
        std::vector<std::pair<std::string, RunState>> before;
        for (auto& [name, run] : runs)
            before.emplace_back(name, run->info.state);
        schedule();
        for (auto& [name, state] : before)
            if (Run* run = find(name); run && run->info.state != state)
                news.emplace_back(run->info, std::vector<Event>{});
    }
    if (!news.empty())
        changed.notify_all();
    if (listener)
        for (auto& [info, events] : news)
            listener(info, events);
    return !news.empty();
}

void Supervisor::State::loop() {
    while (!leaving) {
        pollOnce();
        os::sleepMs(options.pollMs);
    }
}

Supervisor::Supervisor(std::unique_ptr<State> state) : m_state(std::move(state)) {}

Result<std::unique_ptr<Supervisor>> Supervisor::start(const std::string& projectDir, const SupervisorOptions& options,
                                                      Listener listener) {
    auto state = std::make_unique<State>();
    state->projectDir = os::absolutePath(projectDir);
    state->runsDir = os::joinPath(state->projectDir, "runs");
    state->options = options;
    if (state->options.worker.empty())
        state->options.worker = os::joinPath(os::programDir(), "pairlab-worker");
    state->listener = std::move(listener);
    PL_CHECK(os::makeDirs(state->runsDir));
    std::unique_ptr<Supervisor> supervisor(new Supervisor(std::move(state)));
    supervisor->m_catalog =
        findPlugins(options.pluginFolders.empty() ? defaultPluginFolders() : options.pluginFolders);
    State& s = *supervisor->m_state;
    s.catalog = &supervisor->m_catalog;
    PL_TRY(auto names, os::listDir(s.runsDir));
    for (const std::string& name : names) {
        if (name.rfind(".new-", 0) == 0) // left behind by a crash while a run was being made
            (void)os::removeTree(os::joinPath(s.runsDir, name));
        else if (const std::string dir = os::joinPath(s.runsDir, name);
                 os::exists(os::joinPath(dir, "run.json")) || os::exists(os::joinPath(dir, "events.jsonl")))
            s.addKnown(name); // without run.json it is shown as broken, with what it has left
    }
    s.thread = std::thread([&s] { s.loop(); });
    return supervisor;
}

Supervisor::~Supervisor() {
    m_state->leaving = true;
    if (m_state->thread.joinable())
        m_state->thread.join();
    for (std::thread& reaper : m_state->reapers)
        reaper.join();
}

Result<std::string> Supervisor::submit(const RunRequest& request) {
    const Manifest* manifest = m_catalog.find(request.plugin);
    if (!manifest) {
        std::string known;
        for (const Manifest& each : m_catalog.plugins)
            known += (known.empty() ? "" : ", ") + each.id;
        return fail(Code::NotFound, fmt::format("there is no plugin '{}'", request.plugin),
                    known.empty() ? "No plugins were found; set PAIRLAB_PLUGIN_PATH." : "Known: " + known + ".");
    }
    RunSpec spec;
    spec.uuid = newUuid();
    spec.plugin = manifest->id;
    spec.pluginVersion = manifest->version;
    spec.pluginDir = manifest->dir;
    spec.buildTag = manifest->buildTag;
    PL_TRY(spec.parameters, manifest->effectiveParameters(request.parameters));
    spec.models = request.models;
    for (ModelSpec& model : spec.models)
        if (model.hash.empty()) {
            PL_TRY(model.hash, modelHash(model.path));
        }
    for (const ModelNeed& need : manifest->models)
        if (!need.optional && !spec.model(need.role))
            return fail(Code::InvalidInput, fmt::format("{} needs a model in the role '{}'", manifest->title, need.role),
                        "Choose one: start, run:NAME or a folder.");
    spec.device = request.device;
    spec.seed = request.seed;
    spec.threads = request.threads;
    spec.datasetHash = request.datasetHash;
    spec.resident = request.resident;
    spec.createdMs = nowMs();
    spec.conventions = shared::conventionsOf(*manifest);

    std::lock_guard guard(m_state->mutex);
    // The next free number; a folder that is no bundle keeps its number too.
    int64_t number = request.number;
    PL_TRY(auto names, os::listDir(m_state->runsDir));
    for (const std::string& name : names)
        number = std::max<int64_t>(number, std::atoi(name.c_str()) + 1);
    spec.name = fmt::format("{:04d}-{}", std::max<int64_t>(number, 1), manifest->id);
    const std::string dir = os::joinPath(m_state->runsDir, spec.name);
    // Made aside and renamed when whole: a run folder that can be seen is a complete bundle.
    const std::string aside = os::joinPath(m_state->runsDir, ".new-" + spec.uuid);
    for (const auto& [file, source] : request.dataFiles) {
        PL_TRY(spec.data[file], sha256File(source));
    }
    for (const auto& [file, text] : request.dataTexts)
        spec.data[file] = sha256Hex(text);
    auto filled = [&]() -> Status {
        PL_TRY(Bundle bundle, Bundle::create(aside, spec));
        for (const auto& [file, source] : request.dataFiles)
            PL_CHECK(os::linkOrCopy(source, bundle.dataPath(file)));
        for (const auto& [file, text] : request.dataTexts)
            PL_CHECK(os::writeFileAtomic(bundle.dataPath(file), text));
        if (!request.images.empty())
            PL_CHECK(os::makeDirs(bundle.dataPath("images")));
        for (const auto& [ref, source] : request.images) {
            if (!isImageRef(ref))
                return fail(Code::Internal, fmt::format("\"{}\" is no reference to an image", ref));
            PL_CHECK(os::linkOrCopy(source, bundle.dataPath(ref)));
        }
        return os::renamePath(aside, dir);
    };
    if (auto made = filled(); !made) {
        (void)os::removeTree(aside);
        return tl::unexpected<Error>(made.error());
    }
    m_state->addKnown(spec.name);
    Run& run = *m_state->runs.at(spec.name);
    run.info.shortJob = request.shortJob;
    run.info.note = request.note;
    PL_CHECK(m_state->saveDesk(run));
    return spec.name;
}

namespace {

tl::unexpected<Error> noRun(const std::string& name) {
    return fail(Code::NotFound, fmt::format("there is no run '{}'", name), "See `pairlab-cli runs`.");
}

} // namespace

Status Supervisor::pause(const std::string& name) {
    std::lock_guard guard(m_state->mutex);
    Run* run = m_state->find(name);
    if (!run)
        return noRun(name);
    if (ended(run->info.state))
        return fail(Code::InvalidInput, fmt::format("run {} has ended ({})", name, runStateName(run->info.state)));
    run->want = "pause";
    run->info.preempted = false;
    if (run->info.state == RunState::Queued)
        run->info.state = RunState::Paused;
    else if (run->info.state == RunState::Running)
        PL_CHECK(sendControl(run->info.dir, "pause"));
    run->delivered = false;
    return m_state->saveDesk(*run);
}

Status Supervisor::resume(const std::string& name) {
    std::lock_guard guard(m_state->mutex);
    Run* run = m_state->find(name);
    if (!run)
        return noRun(name);
    if (run->info.state == RunState::Finished)
        return fail(Code::InvalidInput, fmt::format("run {} has finished; train further from its checkpoint instead", name));
    if (run->info.state == RunState::Running && run->want == "run")
        return {};
    PL_TRY([[maybe_unused]] const Bundle bundle, Bundle::open(run->info.dir)); // a broken one says why
    run->want = "run";
    if (run->info.state != RunState::Running) {
        run->info.state = RunState::Paused; // waits for the device
        run->info.reason = "waiting for the device";
    }
    run->delivered = false;
    return m_state->saveDesk(*run);
}

Status Supervisor::stop(const std::string& name) {
    std::lock_guard guard(m_state->mutex);
    Run* run = m_state->find(name);
    if (!run)
        return noRun(name);
    if (ended(run->info.state))
        return {};
    run->want = "stop";
    run->info.preempted = false;
    if (run->info.state != RunState::Running) {
        run->info.state = RunState::Stopped;
        run->info.reason = run->info.startedMs ? "stopped while paused" : "stopped before it started";
        run->delivered = false;
        return m_state->saveDesk(*run);
    }
    PL_CHECK(m_state->saveDesk(*run));
    if (run->stopping)
        return {};
    run->stopping = true;
    const std::string dir = run->info.dir;
    const int pid = run->info.pid;
    const SupervisorOptions& options = m_state->options;
    State* state = m_state.get();
    m_state->reapers.emplace_back([dir, pid, options, state] {
        auto process = os::Process::attach(pid, os::startTimeOf(pid));
        if (!process)
            return;
        // Waiting in slices, so that closing the window does not wait for the ladder; the wish itself stays in the bundle.
        auto waits = [&](int ms) {
            for (int waited = 0; waited < ms && process->isRunning() && !state->leaving; waited += 50)
                process->wait(50);
            return !process->isRunning() || state->leaving;
        };
        sendControl(dir, "stop");
        if (waits(options.askMs))
            return;
        process->signal(SIGTERM);
        if (waits(options.termMs))
            return;
        process->signalGroup(SIGKILL);
    });
    return {};
}

Status Supervisor::kill(const std::string& name) {
    std::lock_guard guard(m_state->mutex);
    Run* run = m_state->find(name);
    if (!run)
        return noRun(name);
    if (run->info.state != RunState::Running || !run->process)
        return fail(Code::InvalidInput, fmt::format("run {} is not running", name));
    run->want = "stop";
    return run->process->signalGroup(SIGKILL);
}

Status Supervisor::checkpoint(const std::string& name) {
    std::lock_guard guard(m_state->mutex);
    Run* run = m_state->find(name);
    if (!run)
        return noRun(name);
    if (run->info.state != RunState::Running)
        return fail(Code::InvalidInput, fmt::format("run {} is not running", name));
    PL_CHECK(sendControl(run->info.dir, "checkpoint"));
    return {};
}

Result<std::string> Supervisor::request(const std::string& name, const Json& payload) {
    std::lock_guard guard(m_state->mutex);
    Run* run = m_state->find(name);
    if (!run)
        return noRun(name);
    if (!run->info.resident)
        return fail(Code::InvalidInput, fmt::format("run {} is not resident and takes no requests", name));
    PL_TRY(std::string id, sendControl(run->info.dir, "request", payload));
    if (run->info.state != RunState::Running || run->stopping) {
        // It has left (idle or to make room): the request waits in its control file and it is started again.
        run->want = "run";
        if (run->info.state != RunState::Running)
            run->info.state = RunState::Queued;
        run->stopping = false;
        run->delivered = false;
        PL_CHECK(m_state->saveDesk(*run));
    }
    return id;
}

std::vector<RunInfo> Supervisor::runs() const {
    std::lock_guard guard(m_state->mutex);
    std::vector<RunInfo> all;
    for (const auto& [name, run] : m_state->runs)
        all.push_back(run->info);
    return all;
}

std::optional<RunInfo> Supervisor::find(const std::string& name) const {
    std::lock_guard guard(m_state->mutex);
    const Run* run = m_state->find(name);
    if (!run)
        return std::nullopt;
    return run->info;
}

Result<RunInfo> Supervisor::waitFor(const std::string& name, const std::function<bool()>& keepGoing) {
    std::unique_lock guard(m_state->mutex);
    for (;;) {
        const Run* run = m_state->find(name);
        if (!run)
            return noRun(name);
        if (ended(run->info.state) && run->delivered)
            return run->info;
        if (keepGoing && !keepGoing())
            return run->info;
        m_state->changed.wait_for(guard, std::chrono::milliseconds(100));
    }
}

Result<Json> Supervisor::waitForAck(const std::string& name, const std::string& id, int timeoutMs) {
    std::unique_lock guard(m_state->mutex);
    const int64_t end = nowMs() + timeoutMs;
    for (;;) {
        Run* run = m_state->find(name);
        if (!run)
            return noRun(name);
        if (auto it = run->acks.find(id); it != run->acks.end())
            return it->second;
        if (run->info.state == RunState::Failed)
            return fail(Code::Internal, fmt::format("run {} failed: {}", name, run->info.reason));
        if (nowMs() > end)
            return fail(Code::Busy, fmt::format("run {} has not answered within {} s", name, timeoutMs / 1000));
        m_state->changed.wait_for(guard, std::chrono::milliseconds(50));
    }
}

} // namespace pl::desk

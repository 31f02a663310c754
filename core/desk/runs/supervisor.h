// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/manifest.h"

namespace pl::desk {

/// What to run. The parameters are checked against the manifest and completed when submitted.
struct RunRequest {
    std::string plugin;
    Json parameters = Json::object();
    std::vector<ModelSpec> models; ///< a missing hash is computed
    std::string device = "cpu";
    uint64_t seed = 1;
    int threads = 0; ///< 0: all cores
    std::string datasetHash;
    std::map<std::string, std::string> dataFiles; ///< name in data/ -> existing file, hard-linked
    std::map<std::string, std::string> dataTexts; ///< name in data/ -> content, written (prompt lists)
    /// References of image rows ("images/<sha>.png") -> existing file, hard-linked below data/. The rows name each by its
    /// SHA-256, so run.json does not list them.
    std::map<std::string, std::string> images;
    bool resident = false;
    bool shortJob = false; ///< may go before a long one on the same device
    int64_t number = 0;    ///< of the run's folder name; 0: the next free one
    Json note = Json::object(); ///< kept for the desk in desk.json: what to do with the outcome
};

/// A run as the desk knows it. Cheap to copy.
struct RunInfo {
    std::string name; ///< "0042-dpo"
    std::string dir;
    std::string plugin, title, pluginVersion, device, datasetHash;
    Json parameters;
    std::vector<ModelSpec> models;
    uint64_t seed = 0;
    RunState state = RunState::Queued;
    bool preempted = false;  ///< paused by the queue for a short job: goes on by itself
    bool shortJob = false, resident = false;
    bool stalled = false;    ///< running, but silent for a minute
    int pid = 0;
    std::string reason;      ///< why it ended, or what it waits for
    std::string lastCheckpoint;
    std::vector<std::string> logTail; ///< of a failed run
    int64_t step = 0, of = 0;
    double etaSeconds = -1;
    std::map<std::string, double> metrics; ///< last value by name (NaN kept)
    std::map<std::string, double> result;  ///< of the result event
    int64_t createdMs = 0, startedMs = 0, endedMs = 0;
    int alerts = 0;
    Json note;
};

struct SupervisorOptions {
    std::string worker;                     ///< path of pairlab-worker; empty: beside this program
    std::vector<std::string> pluginFolders; ///< empty: defaultPluginFolders()
    int pollMs = 100;
    int quantumMs = 20000; ///< a long run works at least this long before it is paused for a short one
    int askMs = 30000;     ///< stop ladder: waits after asking, ...
    int termMs = 30000;    ///< ... and after SIGTERM, before SIGKILL to the group
};

/// Starts, watches and stops the runs of one project's runs/ folder, on a thread of its own. Runs outlive it: the destructor
/// lets go, and a new Supervisor re-attaches to those still alive. At most one worker a device is started by it at a time
/// (resident workers and the per-user device lock taken by the workers themselves order the rest). All functions are
/// thread-safe and return at once unless they say otherwise.
class Supervisor {
public:
    /// Called on the supervisor's thread after a change; `events` are new lines of the run's events.jsonl, in order. When a
    /// run is met for the first time all its events so far are delivered.
    using Listener = std::function<void(const RunInfo&, const std::vector<Event>& events)>;

    static Result<std::unique_ptr<Supervisor>> start(const std::string& projectDir, const SupervisorOptions& options,
                                                     Listener listener = {});
    ~Supervisor();

    const PluginCatalog& catalog() const { return m_catalog; }

    /// Creates the bundle and queues it; returns the run's name.
    Result<std::string> submit(const RunRequest& request);
    /// Checkpoint, release the device, wait until resumed.
    Status pause(const std::string& name);
    /// Continues a paused, stopped or failed run from its last checkpoint.
    Status resume(const std::string& name);
    /// Ask, SIGTERM, SIGKILL, on a thread of its own. A queued run is simply marked stopped.
    Status stop(const std::string& name);
    Status kill(const std::string& name);
    Status checkpoint(const std::string& name);
    /// Asks a resident run; the answer comes as an ack event with the returned id. Starts it again when it has left.
    Result<std::string> request(const std::string& name, const Json& payload);

    std::vector<RunInfo> runs() const;
    std::optional<RunInfo> find(const std::string& name) const;
    /// Blocks until the run has ended (finished, stopped or failed) or keepGoing returns false.
    Result<RunInfo> waitFor(const std::string& name, const std::function<bool()>& keepGoing = {});
    /// Blocks until an ack for this request has come.
    Result<Json> waitForAck(const std::string& name, const std::string& id, int timeoutMs);

private:
    struct State;
    explicit Supervisor(std::unique_ptr<State> state);
    PluginCatalog m_catalog;
    std::unique_ptr<State> m_state;
};

/// A tar file of the bundle with its links resolved: copy it to another machine and give it to pairlab-worker.
Status packRun(const std::string& bundleDir, const std::string& tarFile);

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace pl {

/// A model given to a job: role as in the manifest ("policy", "reference", "judge", "model"), a folder in Hugging Face
/// layout, and the SHA-256 over its weights, config and tokenizer (modelHash).
struct ModelSpec {
    std::string role;
    std::string path; ///< absolute
    std::string hash;
    std::string name; ///< what a person calls it: "start", "dpo-0042 step 800"
};

/// run.json: everything a job is told. Written once by the desk (atomically), never changed by the job.
struct RunSpec {
    static constexpr int kVersion = 1;
    std::string uuid;
    std::string name;   ///< folder name: "0042-dpo"
    std::string plugin; ///< id
    std::string pluginVersion;
    std::string pluginDir; ///< where the manifest lies
    std::string buildTag;
    Json parameters = Json::object(); ///< effective: validated, defaults filled in
    std::vector<ModelSpec> models;
    std::string device = "cpu"; ///< cpu | cuda | cuda:N
    uint64_t seed = 1;
    int threads = 0; ///< 0: the worker decides
    std::string datasetHash;
    std::map<std::string, std::string> data; ///< file name in data/ -> sha256
    bool resident = false;
    int64_t createdMs = 0;
    Json conventions = Json::object(); ///< what is a mean, what a sum

    Json toJson() const;
    static Result<RunSpec> fromJson(const Json& json, std::string_view what);
    const ModelSpec* model(std::string_view role) const;
};

/// SHA-256 over the names and contents of config.json, tokenizer.json, tokenizer_config.json and *.safetensors of a folder.
/// Corrupt when a checkpoint's file is not the one its DONE was written for.
Result<std::string> modelHash(const std::string& modelDir);

/// The folder between the two sides (DESIGN section 1).
class Bundle {
public:
    /// Creates the folder with data/, checkpoints/, samples/ and run.json; fails when it exists. An empty uuid, name or
    /// time is filled in.
    static Result<Bundle> create(const std::string& dir, const RunSpec& spec);
    static Result<Bundle> open(const std::string& dir);

    const std::string& dir() const { return m_dir; }
    const RunSpec& spec() const { return m_spec; }
    std::string eventsPath() const;
    std::string controlPath() const;
    std::string lockPath() const;
    std::string logPath() const;
    std::string dataPath(const std::string& file) const;
    std::string checkpointsDir() const;
    std::string samplesDir() const;

private:
    Bundle(std::string dir, RunSpec spec) : m_dir(std::move(dir)), m_spec(std::move(spec)) {}
    std::string m_dir;
    RunSpec m_spec;
};

// --- control.jsonl -------------------------------------------------------------------------------------------------

/// A wish of the desk, answered by an ack event with the same id.
struct Control {
    std::string id;
    std::string type; ///< pause | resume | checkpoint | stop | request
    Json payload = Json::object();
};
/// Appends one line to control.jsonl and returns its id.
Result<std::string> sendControl(const std::string& bundleDir, const std::string& type, Json payload = Json::object());
/// Complete new lines from `offset` on, which is moved forward; malformed lines are skipped.
Result<std::vector<Control>> readControl(const std::string& bundleDir, uint64_t& offset);

// --- how a run ended -----------------------------------------------------------------------------------------------

enum class RunState { Queued, Running, Paused, Finished, Stopped, Failed };
const char* runStateName(RunState state);
Result<RunState> runStateOf(std::string_view name);

struct RunEnding {
    RunState state = RunState::Queued;
    std::string reason;          ///< of run.end, or "the worker ended without saying so (signal 9)"
    std::string lastCheckpoint;  ///< relative path of the newest complete one, empty when none
    std::vector<std::string> logTail; ///< last lines of worker.log
};
/// The three truths: the lock, run.end, and (when known) the exit status. A run whose last run.end says stopped with
/// reason "paused" is Paused. Only events after the last run.start count. Cheap: reads the end of events.jsonl, hashes nothing.
RunEnding inspectRun(const std::string& bundleDir, const std::optional<std::string>& exitStatus = std::nullopt);

/// Newest checkpoint folder with a DONE file whose hashes match, as a path relative to the bundle; empty when none.
std::string newestCheckpoint(const std::string& bundleDir);
/// Names ("step-000200") of checkpoints with a DONE file and every file it lists, with their step, oldest first. Hashes are
/// not compared: see verifyCheckpoint.
std::vector<std::pair<int64_t, std::string>> completeCheckpoints(const std::string& bundleDir);

/// Closes a checkpoint: syncs and hashes every file below the folder, then writes DONE, last and atomically:
/// {"step": N, "files": {"name": "sha256"}, "best": bool, "metric": number|null}; `extra` may set best, metric and more.
Status writeDone(const std::string& checkpointDir, int64_t step, Json extra = Json::object());
/// DONE of a checkpoint whose files all match their hashes; Corrupt names the first file that does not.
Result<Json> verifyCheckpoint(const std::string& checkpointDir);

} // namespace pl

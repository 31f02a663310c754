// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/bundle.h"
#include "core/base/events.h"

namespace pl::learn {

/// What a plugin sees of its run: the spec, the events to write, the wishes of the desk. Made by the worker; thread-safe.
class Job {
public:
    Job(Bundle bundle, std::unique_ptr<EventWriter> events);
    ~Job();

    const RunSpec& spec() const { return m_bundle.spec(); }
    const Bundle& bundle() const { return m_bundle; }
    /// Validated, with the manifest's defaults filled in.
    const Json& parameters() const { return m_parameters; }
    void setParameters(Json parameters) { m_parameters = std::move(parameters); } ///< by the worker, before validate
    EventWriter& events() { return *m_events; }

    /// The host thread reads control.jsonl every 100 ms; plugins ask at every micro-batch and decode step.
    enum class Wish { None, Checkpoint, Pause, Stop };
    Wish wish() const { return m_wish.load(std::memory_order_relaxed); }
    bool mustLeave() const { return wish() == Wish::Pause || wish() == Wish::Stop; }
    /// After a checkpoint asked for was written: answers it with an ack.
    void checkpointDone(const std::string& relativePath);
    /// "stopped by the user", "paused", "SIGTERM"
    std::string stopReason() const;

    /// Resident jobs: next request, waiting up to idleMs; nullopt when idle too long or asked to leave.
    std::optional<Control> nextRequest(int idleMs);
    /// Answers a request. A payload too large for one event is written to samples/ by the event log.
    void acknowledge(const std::string& id, bool ok, const std::string& text = {}, const Json& payload = Json());

    void progress(int64_t step, int64_t of, double etaSeconds = -1);
    void logLine(const std::string& level, const std::string& text);
    void alert(const std::string& level, const std::string& name, const std::string& text, int64_t step);

    void startControlThread(); ///< called by the worker
    void stopControlThread();  ///< requests still waiting are refused

private:
    struct State;
    void handle(const Control& control);
    void raise(Wish wish, const std::string& reason);
    Bundle m_bundle;
    std::unique_ptr<EventWriter> m_events;
    Json m_parameters;
    std::atomic<Wish> m_wish{Wish::None};
    std::unique_ptr<State> m_state;
};

/// Once, from main(), before any thread is started: stop signals, log, no core files. Here and not in the program, because
/// the program's own copy of the base layer would keep these settings from this library.
void prepareProcess();

/// What a plugin's source defines. `PAIRLAB_PLUGIN(id, version, validate, run)` exports the C entry around these two,
/// translating exceptions (c10::Error, bad_alloc, ...) into statuses.
using PluginFunction = Status (*)(Job&);
int runGuarded(const char* phase, PluginFunction function, void* host, void* job);

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
#include "core/learn/host/job.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <set>
#include <thread>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/os/process.h"
#include "core/learn/models/flops.h"

namespace pl::learn {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(100);
constexpr int64_t kProgressIntervalNs = 200'000'000; // a fast loop may report every step

} // namespace

struct Job::State {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Control> requests;
    std::vector<std::string> checkpointIds; ///< asked for, not yet written
    std::string reason;
    std::set<std::string> answered; ///< ids acknowledged by an earlier attempt at this run
    uint64_t offset = 0;
    bool quit = false;
    std::thread thread;
    int64_t lastProgressNs = 0;
    bool signalSeen = false;
};

void prepareProcess() {
    os::disableCoreDumps(); // a dump would hold the weights and people's texts
    os::installStopSignals();
    log::init(log::Level::Info);
}

Job::Job(Bundle bundle, std::unique_ptr<EventWriter> events)
    : m_bundle(std::move(bundle)), m_events(std::move(events)), m_parameters(m_bundle.spec().parameters),
      m_state(std::make_unique<State>()) {
    takeFlops(); // a run counts its own work
}

Job::~Job() { stopControlThread(); }

void Job::raise(Wish wish, const std::string& reason) { // under the lock
    if (wish > m_wish.load(std::memory_order_relaxed)) {
        m_wish.store(wish, std::memory_order_relaxed);
        if (wish != Wish::Checkpoint)
            m_state->reason = reason;
    }
}

void Job::handle(const Control& control) {
    std::unique_lock lock(m_state->mutex);
    if (m_state->answered.count(control.id))
        return;
    if (control.type == "checkpoint") {
        m_state->checkpointIds.push_back(control.id);
        raise(Wish::Checkpoint, {});
        return; // answered by checkpointDone
    }
    if (control.type == "request") {
        m_state->requests.push_back(control);
        m_state->wake.notify_all();
        return; // answered by the plugin
    }
    std::string text;
    bool known = true;
    if (control.type == "pause") {
        raise(Wish::Pause, "paused");
        text = "leaving after this step";
    } else if (control.type == "stop") {
        raise(Wish::Stop, "stopped by the user");
        text = "stopping after this step";
    } else if (control.type == "resume") {
        Wish pause = Wish::Pause;
        if (m_wish.compare_exchange_strong(pause, m_state->checkpointIds.empty() ? Wish::None : Wish::Checkpoint))
            m_state->reason.clear();
        text = "running";
    } else {
        known = false;
        text = fmt::format("unknown control '{}'", control.type.substr(0, 64));
    }
    m_state->wake.notify_all();
    lock.unlock();
    acknowledge(control.id, known, text);
}

void Job::startControlThread() {
    // What an earlier attempt has answered is not done a second time; what nobody answered still stands.
    if (const auto events = readEvents(m_bundle.eventsPath()))
        for (const Event& event : *events)
            if (event.type == event::kAck && event.body.contains("id") && event.body["id"].is_string())
                m_state->answered.insert(event.body["id"].get<std::string>());
    m_state->quit = false;
    m_state->thread = std::thread([this] {
        std::unique_lock lock(m_state->mutex);
        while (!m_state->quit) {
            lock.unlock();
            if (auto controls = readControl(m_bundle.dir(), m_state->offset))
                for (const Control& control : *controls)
                    handle(control);
            const bool signalled = os::stopSignalSeen();
            lock.lock();
            if (signalled && !m_state->signalSeen) {
                m_state->signalSeen = true;
                raise(Wish::Stop, "SIGTERM");
                m_state->wake.notify_all();
            }
            if (!m_state->quit)
                m_state->wake.wait_for(lock, kPollInterval, [this] { return m_state->quit; });
        }
    });
}

void Job::stopControlThread() {
    {
        std::lock_guard lock(m_state->mutex);
        m_state->quit = true;
        m_state->wake.notify_all();
    }
    if (!m_state->thread.joinable())
        return;
    m_state->thread.join();
    for (const Control& request : m_state->requests)
        acknowledge(request.id, false, "the job has ended");
    for (const std::string& id : m_state->checkpointIds)
        acknowledge(id, false, "the job has ended");
    m_state->requests.clear();
    m_state->checkpointIds.clear();
}

void Job::checkpointDone(const std::string& relativePath) {
    std::vector<std::string> ids;
    {
        std::lock_guard lock(m_state->mutex);
        ids.swap(m_state->checkpointIds);
        Wish checkpoint = Wish::Checkpoint;
        m_wish.compare_exchange_strong(checkpoint, Wish::None);
    }
    for (const std::string& id : ids)
        acknowledge(id, true, "checkpoint written", {{"path", relativePath}});
}

std::string Job::stopReason() const {
    std::lock_guard lock(m_state->mutex);
    return m_state->reason;
}

std::optional<Control> Job::nextRequest(int idleMs) {
    std::unique_lock lock(m_state->mutex);
    m_state->wake.wait_for(lock, std::chrono::milliseconds(idleMs),
                           [this] { return !m_state->requests.empty() || mustLeave() || m_state->quit; });
    if (mustLeave() || m_state->requests.empty())
        return std::nullopt;
    Control request = std::move(m_state->requests.front());
    m_state->requests.pop_front();
    return request;
}

void Job::acknowledge(const std::string& id, bool ok, const std::string& text, const Json& payload) {
    Json fields{{"id", id}, {"ok", ok}};
    if (!text.empty())
        fields["text"] = text;
    if (!payload.is_null())
        fields["payload"] = payload;
    if (const auto written = m_events->write(event::kAck, std::move(fields)); !written)
        log::error("{}", written.error().toString());
}

void Job::progress(int64_t step, int64_t of, double etaSeconds) {
    {
        std::lock_guard lock(m_state->mutex);
        const int64_t now = monotonicNs();
        if (m_state->lastProgressNs != 0 && step != of && now - m_state->lastProgressNs < kProgressIntervalNs)
            return;
        m_state->lastProgressNs = now;
    }
    Json fields{{"step", step}, {"of", of}};
    if (etaSeconds >= 0)
        fields["eta_s"] = jsonNumber(etaSeconds);
    if (const auto written = m_events->write(event::kProgress, std::move(fields)); !written)
        log::error("{}", written.error().toString());
}

void Job::logLine(const std::string& level, const std::string& text) {
    log::write(level == "error" ? log::Level::Error : level == "warn" ? log::Level::Warning : log::Level::Info, text);
    if (const auto written = m_events->write(event::kLog, {{"level", level}, {"text", text}}); !written)
        log::error("{}", written.error().toString());
}

void Job::alert(const std::string& level, const std::string& name, const std::string& text, int64_t step) {
    log::write(level == "error" ? log::Level::Error : log::Level::Warning, fmt::format("{}: {}", name, text));
    const auto written =
        m_events->write(event::kAlert, {{"step", step}, {"level", level}, {"name", name}, {"text", text}});
    if (!written)
        log::error("{}", written.error().toString());
}

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
// A job without torch: it takes answers from a server that speaks OpenAI's protocol. Every answer is an event as soon as it is there; a run that was
// stopped goes on where it was, because an answer is known by its prompt and its number.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/base/records.h"
#include "plugins/generate_server/http.h"

namespace pl::server {
namespace {

constexpr size_t kMostAnswer = size_t{1} << 20; ///< bytes of one answer
constexpr size_t kMostSaid = 300;               ///< bytes of the server's own words that are repeated
constexpr int kPollMs = 100;
constexpr long kLongestWait = 300; ///< seconds between two tries, whatever the server asks
constexpr int kAlerts = 20;

struct Settings {
    std::string url, model, endpoint = "chat", keyEnv, keyring, system;
    int64_t n = 2, maxTokens = 512, concurrency = 4, timeout = 300, retries = 5, backoffMs = 1000;
    double temperature = 1, topP = 1;
    bool sendSeed = true;
    bool chat() const { return endpoint == "chat"; }
};

Result<Settings> settingsOf(const Json& p) {
    Settings s;
    const char* what = "the parameters";
    PL_TRY(s.url, fieldOr<std::string>(p, "url", "", what));
    PL_TRY(s.model, fieldOr<std::string>(p, "model", "", what));
    PL_TRY(s.endpoint, fieldOr<std::string>(p, "endpoint", s.endpoint, what));
    PL_TRY(s.keyEnv, fieldOr<std::string>(p, "key_env", "", what));
    PL_TRY(s.keyring, fieldOr<std::string>(p, "keyring", "", what));
    PL_TRY(s.system, fieldOr<std::string>(p, "system", "", what));
    PL_TRY(s.n, fieldOr<int64_t>(p, "n", s.n, what));
    PL_TRY(s.maxTokens, fieldOr<int64_t>(p, "max_new_tokens", s.maxTokens, what));
    PL_TRY(s.concurrency, fieldOr<int64_t>(p, "concurrency", s.concurrency, what));
    PL_TRY(s.timeout, fieldOr<int64_t>(p, "timeout_s", s.timeout, what));
    PL_TRY(s.retries, fieldOr<int64_t>(p, "retries", s.retries, what));
    PL_TRY(s.backoffMs, fieldOr<int64_t>(p, "backoff_ms", s.backoffMs, what));
    PL_TRY(s.temperature, fieldOr<double>(p, "temperature", s.temperature, what));
    PL_TRY(s.topP, fieldOr<double>(p, "top_p", s.topP, what));
    PL_TRY(s.sendSeed, fieldOr<bool>(p, "send_seed", s.sendSeed, what));
    if (s.model.empty())
        return fail(Code::InvalidInput, "no model is named", "Say which of the server's models is to answer.");
    s.concurrency = std::clamp<int64_t>(s.concurrency, 1, 64);
    return s;
}

/// From the environment or the keyring; never from the parameters, which are written down.
Result<std::string> keyOf(const Settings& s) {
    std::string key;
    if (!s.keyEnv.empty()) {
        key = os::environment(s.keyEnv.c_str());
        if (key.empty())
            return fail(Code::InvalidInput, fmt::format("the environment variable {} holds no key", s.keyEnv), "Set it where PairLab is started.");
    } else if (!s.keyring.empty()) {
        // What it says on the way (libraries warn on stderr) is no part of the key.
        os::SpawnOptions lookup;
        lookup.arguments = {"sh", "-c", "exec secret-tool lookup service \"$1\" 2>/dev/null", "sh", s.keyring};
        const int64_t seconds = std::min<int64_t>(s.timeout, 60); // a locked keyring asks the person for its password
        const auto out = os::runToEnd(lookup, static_cast<int>(seconds * 1000));
        if (!out || (!out->status.signalled && out->status.code == 127))
            return fail(Code::InvalidInput, "secret-tool, which reads the keyring, is not installed", "Install it (Debian: libsecret-tools), or name a variable of the environment.");
        if (out->status.signalled)
            return fail(Code::InvalidInput, fmt::format("the keyring did not answer within {} s", seconds), "Unlock it, and start the run again.");
        if (out->status.code != 0 || out->text.empty())
            return fail(Code::InvalidInput, fmt::format("the keyring has no key for the service {}, or is locked", s.keyring),
                        fmt::format("Unlock it, or store the key: secret-tool store --label=PairLab service {}", s.keyring));
        key = out->text;
    }
    while (!key.empty() && std::isspace(static_cast<unsigned char>(key.back())))
        key.pop_back();
    if (key.find_first_of("\r\n") != std::string::npos || key.find('\0') != std::string::npos)
        return fail(Code::InvalidInput, "the key holds a line end", "Store it again, on one line.");
    return key;
}

struct Task {
    size_t prompt = 0;
    int64_t index = 0;
};

class Generation {
public:
    Generation(const Bundle& bundle, EventWriter& events, Settings settings, Address address, std::string key)
        : m_bundle(bundle), m_events(events), m_settings(std::move(settings)), m_address(std::move(address)), m_key(std::move(key)) {}

    Status load() {
        PL_CHECK(forEachJsonLine(m_bundle.dataPath("prompts.jsonl"), [&](const Json& row, size_t line) -> Status {
            const std::string where = fmt::format("prompts.jsonl line {}", line);
            Asked asked;
            PL_TRY(asked.id, field<std::string>(row, "id", where));
            Json prompt = row.value("prompt", Json());
            if (prompt.is_string()) {
                asked.text = prompt.get<std::string>();
                if (!asked.text.empty() && asked.text[0] == '[') { // several turns, in their canonical form
                    Json turns = Json::parse(asked.text, nullptr, false);
                    if (turns.is_array() && !turns.empty() && turns[0].is_object() && turns[0].contains("role"))
                        prompt = std::move(turns);
                }
            }
            asked.turns = prompt.is_array() ? prompt : Json::array({{{"role", "user"}, {"content", asked.text}}});
            asked.several = asked.turns.size() > 1;
            m_prompts.push_back(std::move(asked));
            return {};
        }));
        std::set<std::pair<std::string, int64_t>> done;
        PL_TRY(const auto before, readEvents(m_bundle.eventsPath()));
        for (const Event& event : before)
            if (event.type == event::kCandidate && event.body.contains("prompt_id") && event.body["prompt_id"].is_string() &&
                event.body.contains("index") && event.body["index"].is_number_integer())
                done.emplace(event.body["prompt_id"].get<std::string>(), event.body["index"].get<int64_t>());
        for (int64_t index = 0; index < m_settings.n; ++index) // every prompt once, then again
            for (size_t p = 0; p < m_prompts.size(); ++p) {
                ++m_total;
                if (done.count({m_prompts[p].id, index}))
                    ++m_done;
                else
                    m_tasks.push_back({p, index});
            }
        return {};
    }

    void start() {
        const auto threads = std::min<size_t>(static_cast<size_t>(m_settings.concurrency), m_tasks.size());
        m_busy = threads;
        for (size_t i = 0; i < threads; ++i)
            m_threads.emplace_back([this] { work(); });
    }
    void stop() {
        m_stop = true;
        m_wake.notify_all();
    }
    bool isBusy() const { return m_busy > 0; }
    void join() {
        for (std::thread& each : m_threads)
            each.join();
        m_threads.clear();
    }
    Status report() {
        int64_t done = 0, tokens = 0;
        std::map<std::string, double> values;
        {
            std::lock_guard guard(m_mutex);
            done = m_done;
            tokens = m_tokens;
            if (m_fresh) {
                values = {{"completions/clipped_ratio", static_cast<double>(m_clipped) / static_cast<double>(m_fresh)},
                          {"requests/retried", static_cast<double>(m_retried)},
                          {"requests/left_out", static_cast<double>(m_leftOut)}};
                if (m_counted) {
                    values["completions/mean_length"] = static_cast<double>(m_tokens) / static_cast<double>(m_counted);
                    values["num_tokens"] = static_cast<double>(m_tokens);
                }
            }
        }
        PL_CHECK(m_events.write(event::kProgress, {{"step", done}, {"of", m_total}, {"eta_s", -1}}));
        if (!values.empty())
            PL_CHECK(m_events.metrics(done, 0, tokens, values));
        return {};
    }
    /// Why the run cannot go on; empty when it can.
    std::string fatal() {
        std::lock_guard guard(m_mutex);
        return m_fatal;
    }
    int64_t leftOut() const { return m_leftOut; }
    int64_t done() const { return m_done; }

private:
    struct Asked {
        std::string id, text;
        Json turns;
        bool several = false;
    };
    enum class Next { Done, Again, LeaveOut, Fatal, Stopped };

    void work() {
        while (!m_stop) {
            Task task;
            {
                std::lock_guard guard(m_mutex);
                if (m_next >= m_tasks.size() || !m_fatal.empty())
                    break;
                task = m_tasks[m_next++];
            }
            answer(task);
        }
        --m_busy;
    }

    uint64_t seedOf(const Task& task) const {
        return hashSeed(m_bundle.spec().seed, fmt::format("{}\n{}", m_prompts[task.prompt].id, task.index)) >> 33; // servers take 31 bits
    }

    std::string requestOf(const Task& task) const {
        const Asked& asked = m_prompts[task.prompt];
        Json body{{"model", m_settings.model}, {"temperature", m_settings.temperature}, {"max_tokens", m_settings.maxTokens}, {"n", 1}, {"stream", false}};
        if (m_settings.topP < 1)
            body["top_p"] = m_settings.topP;
        if (m_settings.sendSeed)
            body["seed"] = seedOf(task);
        if (m_settings.chat()) {
            body["messages"] = asked.turns;
            if (!m_settings.system.empty() && asked.turns[0]["role"] != "system")
                body["messages"].insert(body["messages"].begin(), Json{{"role", "system"}, {"content", m_settings.system}});
        } else {
            body["prompt"] = (m_settings.system.empty() ? "" : m_settings.system + "\n\n") + asked.turns[0]["content"].get<std::string>();
        }
        return dumpJson(body);
    }

    void answer(const Task& task) {
        if (!m_settings.chat() && m_prompts[task.prompt].several)
            return leaveOut(task, "the prompt has several turns, which the completions endpoint has no form for");
        const std::string body = requestOf(task);
        std::string why;
        for (int64_t attempt = 0; !m_stop; ++attempt) {
            const Reply reply = post(m_address, m_settings.chat() ? "/chat/completions" : "/completions", body, m_key,
                                     static_cast<long>(m_settings.timeout), m_stop);
            const Next next = read(task, reply, why);
            if (next == Next::Done || next == Next::Stopped)
                return;
            if (next == Next::LeaveOut)
                return leaveOut(task, why);
            if (next == Next::Fatal || attempt >= m_settings.retries) {
                std::lock_guard guard(m_mutex);
                if (m_fatal.empty())
                    m_fatal = next == Next::Fatal ? why : fmt::format("{}, {} times", why, attempt + 1);
                return;
            }
            ++m_retried;
            // Twice as long each time, and not all at once; the server's own wish comes first.
            const double spread = 0.75 + 0.5 * static_cast<double>(seedOf(task) % 1000) / 1000.0;
            double wait = static_cast<double>(m_settings.backoffMs) * static_cast<double>(1 << std::min<int64_t>(attempt, 10)) * spread;
            wait = std::clamp(wait, static_cast<double>(reply.retryAfter) * 1000.0, static_cast<double>(kLongestWait) * 1000.0);
            std::unique_lock guard(m_mutex);
            m_wake.wait_for(guard, std::chrono::milliseconds(static_cast<int64_t>(wait)), [this] { return m_stop.load(); });
        }
    }

    Next read(const Task& task, const Reply& reply, std::string& why) {
        if (reply.stopped)
            return Next::Stopped;
        if (reply.tooLarge) {
            why = reply.problem;
            return Next::LeaveOut;
        }
        if (reply.status == 0) {
            why = fmt::format("the server at {} did not answer: {}", m_address.base, clean(reply.problem));
            return Next::Again;
        }
        if (reply.status >= 300 && reply.status < 400) {
            why = fmt::format("the server redirects to {}, which is not followed: a key would go there, too", clean(reply.location));
            return Next::Fatal;
        }
        if (reply.status != 200) {
            why = fmt::format("the server says {}{}", reply.status, saidIn(reply.body));
            if (reply.status == 408 || reply.status == 429 || reply.status >= 500)
                return Next::Again;
            return reply.status == 400 || reply.status == 413 || reply.status == 422 ? Next::LeaveOut : Next::Fatal;
        }
        const auto json = parseJson(reply.body, "the reply", {kMostReply, 32});
        if (!json) {
            why = "the server's reply is no JSON: " + clean(json.error().message);
            return Next::LeaveOut;
        }
        const Json* choice = json->is_object() && json->contains("choices") && (*json)["choices"].is_array() && !(*json)["choices"].empty()
                                 ? &(*json)["choices"][0]
                                 : nullptr;
        const Json* content = nullptr;
        if (choice && choice->is_object()) {
            if (!m_settings.chat() && choice->contains("text"))
                content = &(*choice)["text"];
            else if (m_settings.chat() && choice->contains("message") && (*choice)["message"].is_object() && (*choice)["message"].contains("content"))
                content = &(*choice)["message"]["content"];
        }
        if (!content || !content->is_string()) {
            why = "the server's reply has no text of an answer";
            return Next::LeaveOut;
        }
        std::string text = withoutKey(content->get<std::string>());
        if (text.find_first_not_of(" \t\r\n") == std::string::npos || text.find('\0') != std::string::npos || text.size() > kMostAnswer) {
            why = text.size() > kMostAnswer ? "the answer is larger than 1 MiB" : "the answer is empty, or holds a NUL character";
            return Next::LeaveOut;
        }
        const Json& ended = choice->contains("finish_reason") ? (*choice)["finish_reason"] : Json();
        const bool clipped = ended == "length";
        int64_t tokens = -1;
        if (const auto usage = json->find("usage"); usage != json->end() && usage->is_object() && usage->contains("completion_tokens") &&
                                                    (*usage)["completion_tokens"].is_number_integer())
            tokens = std::clamp<int64_t>((*usage)["completion_tokens"].get<int64_t>(), -1, int64_t{1} << 30);
        Json params{{"temperature", m_settings.temperature}, {"top_p", m_settings.topP}, {"max_new_tokens", m_settings.maxTokens},
                    {"endpoint", m_settings.endpoint}};
        if (!m_settings.system.empty())
            params["system"] = m_settings.system;
        const Asked& asked = m_prompts[task.prompt];
        Json candidate{{"prompt_id", asked.id},
                       {"prompt", asked.text},
                       {"content", std::move(text)},
                       {"model", {{"role", "server"}, {"name", m_settings.model}, {"hash", ""}, {"path", m_address.base}}},
                       {"params", std::move(params)},
                       {"seed", m_settings.sendSeed ? seedOf(task) : 0},
                       {"index", task.index},
                       {"tokens", tokens},
                       {"finished", !clipped}};
        if (const auto written = m_events.write(event::kCandidate, std::move(candidate)); !written) {
            why = written.error().toString();
            return Next::Fatal;
        }
        std::lock_guard guard(m_mutex);
        ++m_done;
        ++m_fresh;
        m_clipped += clipped;
        if (tokens >= 0) {
            m_tokens += tokens;
            ++m_counted;
        }
        return Next::Done;
    }

    void leaveOut(const Task& task, const std::string& why) {
        const int64_t n = ++m_leftOut;
        if (n <= kAlerts)
            (void)m_events.write(event::kAlert, {{"step", m_done.load()}, {"level", "warn"}, {"name", "left_out"},
                                                 {"text", fmt::format("answer {} to \"{}\" was left out: {}", task.index + 1,
                                                                      m_prompts[task.prompt].text.substr(0, completeHead(m_prompts[task.prompt].text)), why)}});
    }
    /// Bytes of the first 60, not cutting a character.
    static size_t completeHead(const std::string& text) {
        size_t n = std::min<size_t>(text.size(), 60);
        while (n > 0 && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80)
            --n;
        return n;
    }

    /// A server may send back what it was sent.
    std::string withoutKey(std::string text) const {
        if (m_key.size() >= 4)
            for (size_t at = 0; (at = text.find(m_key, at)) != std::string::npos;)
                text.replace(at, m_key.size(), "[key]");
        return text;
    }
    std::string clean(std::string text) const {
        text = withoutKey(std::move(text));
        for (char& c : text)
            c = static_cast<unsigned char>(c) < 32 || c == 127 ? ' ' : c;
        return text.size() > kMostSaid ? text.substr(0, kMostSaid) + " ..." : text;
    }
    std::string saidIn(const std::string& body) const {
        const auto json = parseJson(body, "the reply", {kMostReply, 32});
        std::string said;
        if (json && json->is_object() && json->contains("error")) {
            const Json& error = (*json)["error"];
            const Json& message = error.is_object() && error.contains("message") ? error["message"] : error;
            said = message.is_string() ? message.get<std::string>() : "";
        }
        return said.empty() ? "" : ": " + clean(said);
    }

    const Bundle& m_bundle;
    EventWriter& m_events;
    const Settings m_settings;
    const Address m_address;
    const std::string m_key;
    std::vector<Asked> m_prompts;
    std::vector<Task> m_tasks;
    std::vector<std::thread> m_threads;
    std::mutex m_mutex;
    std::condition_variable m_wake;
    std::atomic<bool> m_stop = false;
    std::atomic<size_t> m_busy = 0;
    std::atomic<int64_t> m_leftOut = 0, m_retried = 0, m_done = 0;
    size_t m_next = 0;
    int64_t m_total = 0, m_fresh = 0, m_clipped = 0, m_tokens = 0, m_counted = 0;
    std::string m_fatal;
};

/// The state of run.end and its reason.
struct Ending {
    std::string state, reason;
};

Result<Ending> generate(const Bundle& bundle, EventWriter& events) {
    PL_TRY(Settings settings, settingsOf(bundle.spec().parameters));
    PL_TRY(Address address, Address::parse(settings.url));
    PL_TRY(std::string key, keyOf(settings));
    if (!key.empty() && !address.tls && !address.thisMachine)
        return fail(Code::InvalidInput, fmt::format("the key would travel to {} unencrypted", address.host), "Use https, or a server on this machine.");
    Generation work(bundle, events, std::move(settings), std::move(address), std::move(key));
    PL_CHECK(work.load());
    uint64_t offset = 0;
    if (const auto size = os::fileSize(bundle.controlPath()))
        offset = *size; // what an earlier attempt was asked is answered
    PL_CHECK(work.report());
    work.start();
    std::string asked;
    for (int turn = 0; work.isBusy(); ++turn) {
        os::sleepMs(kPollMs);
        if (auto controls = readControl(bundle.dir(), offset))
            for (const Control& control : *controls) {
                const bool known = control.type == "stop" || control.type == "pause" || control.type == "resume" || control.type == "checkpoint";
                PL_CHECK(events.write(event::kAck, {{"id", control.id}, {"ok", known}}));
                if (control.type == "stop" || control.type == "pause")
                    asked = control.type == "pause" ? "paused" : "stopped on request";
            }
        if (os::stopSignalSeen() && asked.empty())
            asked = "stopped on request";
        if (!asked.empty())
            work.stop();
        if (turn % 10 == 9)
            PL_CHECK(work.report());
    }
    work.join();
    PL_CHECK(work.report());
    if (const std::string why = work.fatal(); !why.empty() && asked.empty())
        return Ending{"failed", why + fmt::format(". {} answers are kept; resume goes on with the others", work.done())};
    if (!asked.empty())
        return Ending{"stopped", asked};
    if (work.done() == 0)
        return Ending{"failed", "the server gave no answer that can be used; the alerts say why"};
    return Ending{"finished", work.leftOut() ? fmt::format("{} answers were left out", work.leftOut()) : ""};
}

int run(const std::string& dir) {
    const auto bundle = Bundle::open(dir);
    if (!bundle) {
        std::fprintf(stderr, "generate_server: %s\n", bundle.error().toString().c_str());
        return exitCodeOf(bundle.error().code);
    }
    auto events = EventWriter::open(dir);
    if (!events) {
        std::fprintf(stderr, "generate_server: %s\n", events.error().toString().c_str());
        return exitCodeOf(events.error().code);
    }
    const RunSpec& spec = bundle->spec();
    (void)(*events)->write(event::kRunStart, {{"protocol", 1}, {"plugin", spec.plugin}, {"plugin_version", spec.pluginVersion}, {"host", os::hostName()},
                                              {"pid", os::currentPid()}, {"device", spec.device}});
    const auto ended = generate(*bundle, **events);
    const Ending ending = ended ? *ended : Ending{"failed", ended.error().toString()};
    if (const auto written = (*events)->write(event::kRunEnd, {{"state", ending.state}, {"reason", ending.reason}}); !written || !(*events)->sync())
        return 11;
    return ending.state == "finished" ? 0 : ending.state == "stopped" ? 3 : ended ? 11 : exitCodeOf(ended.error().code);
}

} // namespace
} // namespace pl::server

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s BUNDLE\n", argv[0]);
        return 2;
    }
    pl::os::disableCoreDumps(); // it would hold the key
    pl::os::installStopSignals();
    if (const auto ready = pl::server::startHttp(); !ready) {
        std::fprintf(stderr, "generate_server: %s\n", ready.error().toString().c_str());
        return 70;
    }
    return pl::server::run(argv[1]);
}

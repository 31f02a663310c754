// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/os/files.h"

namespace pl {

/// Names of the event types of DESIGN section 1. Readers skip what they do not know.
namespace event {
inline constexpr const char* kRunStart = "run.start";
inline constexpr const char* kProgress = "progress";   ///< step, of, eta_s
inline constexpr const char* kMetrics = "metrics";     ///< step, epoch, tokens, values{name: number}
inline constexpr const char* kQuantiles = "quantiles"; ///< step, name, q[], values[]
inline constexpr const char* kHistogram = "histogram"; ///< step, name, edges[], counts[]
inline constexpr const char* kSample = "sample";       ///< step, prompt_id, prompt, response (or image), tokens, finished, reward?, kl?, tag?
inline constexpr const char* kCandidate = "candidate"; ///< prompt_id, prompt, content (or image, sha256), model{}, params{}, seed, tokens, finished, logp, request?
inline constexpr const char* kOutcome = "outcome";     ///< prompt_id, a{}, b{}, winner a|b|tie, judge{}, score_a, score_b
inline constexpr const char* kCheckpoint = "checkpoint"; ///< step, path (relative to the bundle), best, reason
inline constexpr const char* kAlert = "alert";         ///< step, level warn|error, name, text
inline constexpr const char* kLog = "log";             ///< level, text
inline constexpr const char* kAck = "ack";             ///< id, ok, text?, payload?  (answers control.jsonl)
inline constexpr const char* kRewind = "rewind";       ///< to_step
inline constexpr const char* kResult = "result";       ///< values{}: the job's final figures (evaluate)
inline constexpr const char* kRunEnd = "run.end";      ///< state finished|stopped|failed, reason
} // namespace event

/// The largest line of events.jsonl in bytes, newline included.
inline constexpr size_t kMaxEventLine = 64 * 1024;

/// Appends to events.jsonl: one write(2) a line, "seq" from 1 on, continuing after what is there, "t" in ms. Thread-safe. A string
/// payload that would make the line too long goes to samples/ and the event refers to it ("<key>_file"; see eventText).
class EventWriter {
public:
    /// bundleDir/events.jsonl; rank > 0 writes events.<rank>.jsonl. A torn last line is closed first.
    static Result<std::unique_ptr<EventWriter>> open(const std::string& bundleDir, int rank = 0);
    /// `fields` must be an object; type, seq and t are added. Fails with Io (disk full).
    Status write(const char* type, Json fields);
    /// Numbers of `values` may be NaN or infinite.
    Status metrics(int64_t step, double epoch, int64_t tokens, const std::map<std::string, double>& values);
    Status sync();

private:
    EventWriter(os::AppendFile file, std::string dir, int rank, uint64_t nextSeq);
    Status spill(Json& event, std::string& line);
    std::mutex m_mutex;
    os::AppendFile m_file;
    std::string m_dir;
    int m_rank;
    uint64_t m_nextSeq;
};

/// One line, as read.
struct Event {
    uint64_t seq = 0;
    int64_t t = 0;
    std::string type;
    Json body; ///< the whole object
};

/// Follows a growing events file: each poll() returns the complete new lines. A torn last line is left for later; a line
/// that is not a JSON object with seq and type is skipped and counted. Not thread-safe.
class EventReader {
public:
    explicit EventReader(std::string path, uint64_t offset = 0);
    /// At most maxEvents; an absent file is an empty list.
    Result<std::vector<Event>> poll(size_t maxEvents = 100000);
    uint64_t offset() const { return m_offset; }
    uint64_t skippedLines() const { return m_skipped; }

private:
    std::string m_path;
    uint64_t m_offset;
    uint64_t m_skipped = 0;
    bool m_oversize = false; ///< inside a line too long to be an event
};

/// The string at body[key], or the content of the file that body[key + "_file"] names below the bundle's samples/.
/// Empty when the event has neither; a path that leaves samples/ is refused.
Result<std::string> eventText(const std::string& bundleDir, const Json& body, const std::string& key);

/// All complete events of a file.
Result<std::vector<Event>> readEvents(const std::string& path);

} // namespace pl

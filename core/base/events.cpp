// SPDX-License-Identifier: Apache-2.0
#include "core/base/events.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"

namespace pl {
namespace {

constexpr size_t kMaxForeignLine = size_t{16} << 20;

Result<Event> parseEvent(std::string_view line) {
    PL_TRY(Json body, parseJson(line, "event", {kMaxForeignLine, 64}));
    if (!body.is_object())
        return fail(Code::Corrupt, "an event must be a JSON object");
    Event event;
    const auto seq = body.find("seq");
    if (seq == body.end() || !seq->is_number_integer() || (!seq->is_number_unsigned() && seq->get<int64_t>() < 0))
        return fail(Code::Corrupt, "an event needs \"seq\"");
    event.seq = seq->get<uint64_t>();
    PL_TRY(event.type, field<std::string>(body, "type", "event"));
    if (const auto t = body.find("t"); t != body.end() && t->is_number_integer())
        event.t = t->get<int64_t>();
    event.body = std::move(body);
    return event;
}

bool isBlank(std::string_view line) {
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

/// The largest seq of the last part of a file that holds a complete event; 0 when there is none.
Result<uint64_t> lastSeq(const std::string& path) {
    if (!os::exists(path))
        return uint64_t{0};
    PL_TRY(const uint64_t size, os::fileSize(path));
    for (uint64_t window = 4 * kMaxEventLine;; window *= 4) {
        const uint64_t from = size > window ? size - window : 0;
        PL_TRY(const std::string text, os::readFrom(path, from, static_cast<size_t>(size - from)));
        size_t begin = 0;
        if (from > 0) {
            begin = text.find('\n');
            begin = begin == std::string::npos ? text.size() : begin + 1;
        }
        uint64_t last = 0;
        bool found = false;
        for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
            if (const auto event = parseEvent(std::string_view(text).substr(begin, end - begin))) {
                last = std::max(last, event->seq);
                found = true;
            }
        if (found || from == 0)
            return last;
    }
}

std::string fileKey(const std::string& key) {
    std::string name = key.substr(0, 40);
    for (char& c : name)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            c = '_';
    return name;
}

} // namespace

EventWriter::EventWriter(os::AppendFile file, std::string dir, int rank, uint64_t nextSeq)
    : m_file(std::move(file)), m_dir(std::move(dir)), m_rank(rank), m_nextSeq(nextSeq) {}

Result<std::unique_ptr<EventWriter>> EventWriter::open(const std::string& bundleDir, int rank) {
    const std::string name = rank > 0 ? fmt::format("events.{}.jsonl", rank) : std::string("events.jsonl");
    const std::string path = os::joinPath(bundleDir, name);
    PL_TRY(const uint64_t last, lastSeq(path));
    PL_TRY(os::AppendFile file, os::AppendFile::open(path));
    return std::unique_ptr<EventWriter>(new EventWriter(std::move(file), bundleDir, rank, last + 1));
}

Status EventWriter::spill(Json& event, std::string& line) {
    const uint64_t seq = event["seq"].get<uint64_t>();
    while (line.size() + 1 > kMaxEventLine) {
        // Texts go first, the longest of them; then whatever is largest.
        std::string largest;
        size_t size = 0;
        for (const bool onlyText : {true, false}) {
            for (const auto& [key, value] : event.items()) {
                if (key == "seq" || key == "t" || key == "type" || value.is_string() != onlyText)
                    continue;
                const size_t bytes = value.is_string() ? value.get_ref<const std::string&>().size()
                                     : value.is_structured() ? dumpJson(value).size()
                                                             : 0;
                if (bytes > size && bytes > 256) {
                    size = bytes;
                    largest = key;
                }
            }
            if (!largest.empty())
                break;
        }
        if (largest.empty())
            return fail(Code::InvalidInput, fmt::format("an event of type {} is too long: {} bytes",
                                                        event["type"].get<std::string>(), line.size()));
        const Json value = std::move(event[largest]);
        event.erase(largest);
        const std::string rank = m_rank > 0 ? fmt::format("r{}-", m_rank) : std::string();
        const std::string relative = fmt::format("samples/event-{}{:08}-{}.{}", rank, seq, fileKey(largest),
                                                 value.is_string() ? "txt" : "json");
        PL_CHECK(os::makeDirs(os::joinPath(m_dir, "samples")));
        // Raw bytes of a text: half a character is replaced in a line, but kept here.
        PL_CHECK(os::writeFileAtomic(os::joinPath(m_dir, relative),
                                     value.is_string() ? value.get<std::string>() : dumpJson(value)));
        event[largest + "_file"] = relative;
        line = dumpJson(event);
    }
    return {};
}

Status EventWriter::write(const char* type, Json fields) {
    if (fields.is_null())
        fields = Json::object();
    if (!fields.is_object())
        return fail(Code::Internal, fmt::format("the fields of an event of type {} are not an object", type));
    std::lock_guard lock(m_mutex);
    // Counted even when the write fails: a torn line may have got through up to its newline.
    fields["seq"] = m_nextSeq++;
    fields["t"] = nowMs();
    fields["type"] = type;
    std::string line = dumpJson(fields);
    PL_CHECK(spill(fields, line));
    return m_file.appendLine(line);
}

Status EventWriter::metrics(int64_t step, double epoch, int64_t tokens, const std::map<std::string, double>& values) {
    Json numbers = Json::object();
    for (const auto& [name, value] : values)
        numbers[name] = jsonNumber(value);
    return write(event::kMetrics,
                 {{"step", step}, {"epoch", jsonNumber(epoch)}, {"tokens", tokens}, {"values", std::move(numbers)}});
}

Status EventWriter::sync() {
    std::lock_guard lock(m_mutex);
    return m_file.sync();
}

EventReader::EventReader(std::string path, uint64_t offset) : m_path(std::move(path)), m_offset(offset) {}

Result<std::vector<Event>> EventReader::poll(size_t maxEvents) {
    std::vector<Event> events;
    size_t window = size_t{1} << 20;
    while (events.size() < maxEvents) {
        auto text = os::readFrom(m_path, m_offset, window);
        if (!text) {
            if (text.error().code == Code::NotFound)
                return events;
            return tl::unexpected<Error>(std::move(text).error());
        }
        size_t begin = 0;
        for (size_t end; events.size() < maxEvents && (end = text->find('\n', begin)) != std::string::npos;
             begin = end + 1) {
            const std::string_view line = std::string_view(*text).substr(begin, end - begin);
            if (std::exchange(m_oversize, false))
                continue; // the end of a line that was skipped
            if (isBlank(line))
                continue;
            if (auto event = parseEvent(line))
                events.push_back(std::move(*event));
            else
                ++m_skipped;
        }
        m_offset += begin;
        if (begin > 0) {
            if (text->size() < window)
                break;
            continue;
        }
        if (text->size() < window)
            break; // a torn last line, or nothing new
        if (window < kMaxForeignLine) {
            window = kMaxForeignLine;
            continue;
        }
        if (!m_oversize)
            ++m_skipped;
        m_oversize = true;
        m_offset += text->size();
    }
    return events;
}

Result<std::string> eventText(const std::string& bundleDir, const Json& body, const std::string& key) {
    if (!body.is_object())
        return std::string();
    if (const auto found = body.find(key); found != body.end() && found->is_string())
        return found->get<std::string>();
    const auto file = body.find(key + "_file");
    if (file == body.end() || !file->is_string())
        return std::string();
    const auto& path = file->get_ref<const std::string&>();
    if (path.rfind("samples/", 0) != 0 || path.find("..") != std::string::npos || path.find('\0') != std::string::npos)
        return fail(Code::Corrupt, fmt::format("an event refers to a file outside samples/: {}", path.substr(0, 200)));
    return os::readFile(os::joinPath(bundleDir, path), uint64_t{64} << 20);
}

Result<std::vector<Event>> readEvents(const std::string& path) {
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("there is no {}", path));
    EventReader reader(path);
    std::vector<Event> all;
    while (true) {
        PL_TRY(auto part, reader.poll());
        if (part.empty())
            return all;
        std::move(part.begin(), part.end(), std::back_inserter(all));
    }
}

} // namespace pl

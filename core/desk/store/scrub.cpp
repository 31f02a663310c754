// SPDX-License-Identifier: Apache-2.0
#include "core/desk/store/scrub.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/store/event_rows.h"
#include "core/desk/store/run_erasure.h"

namespace pl::desk {

namespace fs = std::filesystem;

namespace {

constexpr size_t kPairDigits = 32;

/// What an event says besides words.
const std::set<std::string> kKept{"type", "prompt_id", "id", "uuid", "split", "kind", "tag", "winner", "provenance", "state", "format",
                                  "name", "hash", "checkpoint", "run", "plugin", "role"};

/// What a person said in a row of a dataset, beside what the row is about.
constexpr const char* kSaid[] = {"rationale", "reasons", "spans", "regions", "attributes"};

bool ends(const std::string& name, std::string_view suffix) {
    return name.size() >= suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool isWeights(const std::string& name) {
    return ends(name, ".safetensors") || ends(name, ".pt") || ends(name, ".bin") || ends(name, ".gguf");
}

/// Leaves numbers and choices of a side.
void dropWords(Json& value) {
    if (!value.is_object())
        return;
    for (auto at = value.begin(); at != value.end();) {
        dropWords(*at);
        const bool word = at->is_array() || (at->is_string() && *at != "chosen" && *at != "rejected" && *at != "tie");
        at = word ? value.erase(at) : std::next(at);
    }
}

class Files {
public:
    Files(const Scrub& scrub, bool dryRun) : m_scrub(scrub), m_dryRun(dryRun) {}
    int64_t rows = 0;

    /// From here on files are of this bundle; empty: of none.
    void enter(const std::string& bundle) {
        m_bundle = bundle;
        m_noted = bundle.empty() || m_dryRun;
    }

    /// A file of a dataset, or of a bundle's data/.
    Result<bool> data(const std::string& path) {
        const std::string name = os::baseName(path);
        if (ofImage(path))
            return remove(path);
        if (!ends(name, ".jsonl") && name != "images.sha256")
            return false;
        return rewrite(path, [&](const std::string& line, std::string& out) {
            if (name == "images.sha256") {
                if (!m_scrub.images.count(line.substr(0, 64)))
                    return false;
                out.clear();
                return true;
            }
            Json json = Json::parse(line, nullptr, false);
            if (!json.is_object())
                return false;
            const auto by = json.find("annotator");
            const auto name = by != json.end() && by->is_string() ? m_scrub.renamed.find(by->get_ref<const std::string&>()) : m_scrub.renamed.end();
            const bool theirs = name != m_scrub.renamed.end();
            if (theirs) {
                json["annotator"] = name->second;
                for (const char* words : {"rationale", "reasons", "spans", "regions"})
                    json.erase(words);
                if (json.contains("attributes"))
                    dropWords(json["attributes"]);
            }
            Json what = json;
            for (const char* words : kSaid)
                what.erase(words);
            if (isOurs(json) || m_scrub.blank(what) || namesImage(json)) {
                out.clear();
                return true;
            }
            bool quoted = false; // in somebody's words on something else: the row stays
            for (const char* words : kSaid)
                if (json.contains(words))
                    quoted = m_scrub.blank(json[words]) || quoted;
            if (!theirs && !quoted)
                return false;
            out = dumpJson(json) + "\n";
            return true;
        });
    }

    /// Any other file of a bundle.
    Result<bool> bundle(const std::string& path, const std::string& root) {
        const std::string name = os::baseName(path);
        if (ofImage(path))
            return remove(path);
        if (isWeights(name) || ends(name, ".png") || ends(name, ".jpg") || ends(name, ".webp"))
            return false;
        const bool events = ends(name, ".jsonl");
        return rewrite(path, [&](const std::string& line, std::string& out) {
            Json json = events ? Json::parse(line, nullptr, false) : Json();
            if (!json.is_object()) {
                out = line;
                return m_scrub.blankIn(out);
            }
            if (isOurs(json)) {
                forget(json, root);
                silence(json, {});
            } else if (!m_scrub.blank(json)) {
                return false;
            }
            out = dumpJson(json);
            out.resize(std::max(out.size(), line.size() - 1), ' ');
            out += '\n';
            return true;
        });
    }

private:
    bool ofImage(const std::string& path) const {
        const std::string name = os::baseName(path);
        return name.size() >= 64 && m_scrub.images.count(name.substr(0, 64));
    }
    bool namesImage(const Json& json) const {
        if (m_scrub.images.empty())
            return false;
        const std::string line = dumpJson(json);
        return std::any_of(m_scrub.images.begin(), m_scrub.images.end(), [&](const std::string& sha) { return line.find(sha) != std::string::npos; });
    }
    bool isOurs(const Json& json) const {
        for (const char* key : {"id", "prompt_id"})
            if (const auto at = json.find(key); at != json.end() && at->is_string()) {
                const auto& id = at->get_ref<const std::string&>();
                if (m_scrub.ids.count(id) || m_scrub.pairs.count(id.substr(0, kPairDigits)))
                    return true;
            }
        return false;
    }
    static void silence(Json& value, const std::string& key) {
        if (value.is_string()) {
            if (!kKept.count(key))
                value = "";
        } else if (value.is_array()) {
            for (Json& each : value)
                silence(each, key);
        } else if (value.is_object()) {
            for (auto& [name, each] : value.items())
                silence(each, name);
        }
    }
    /// The files an event refers to, inside the bundle's samples/.
    void forget(const Json& event, const std::string& root) {
        for (const auto& [key, value] : event.items()) {
            if (!value.is_string() || (key != "image" && !ends(key, "_file")))
                continue;
            const fs::path relative(value.get<std::string>());
            const bool inside = !relative.is_absolute() && std::none_of(relative.begin(), relative.end(), [](const fs::path& p) { return p == ".."; });
            if (!inside || m_dryRun)
                continue; // this file's own change is noted before it is written; what it names goes with it
            for (const std::string& base : {root, os::joinPath(root, "samples")})
                if (const std::string path = os::joinPath(base, relative.string()); os::isRegularFile(path))
                    (void)os::removeTree(path);
        }
    }
    /// Whoever finds the bundle half done must be told, too.
    Status note() {
        if (m_noted)
            return {};
        m_noted = true;
        return noteErasure(m_bundle, m_scrub.tombstone, !m_scrub.renamed.empty(), m_scrub.timeMs, 0, 0);
    }
    Result<bool> remove(const std::string& path) {
        PL_CHECK(note());
        if (!m_dryRun)
            PL_CHECK(os::removeTree(path));
        return true;
    }
    /// `change(line with its newline, out)`: true when the line becomes `out`.
    template<class F>
    Result<bool> rewrite(const std::string& path, F change) {
        PL_TRY(const std::string bytes, os::readFile(path));
        std::string fresh, out;
        int64_t changed = 0;
        for (size_t at = 0; at < bytes.size();) {
            const size_t end = std::min(bytes.find('\n', at), bytes.size() - 1);
            const std::string line = bytes.substr(at, end + 1 - at);
            const bool differs = change(line, out);
            changed += differs;
            fresh += differs ? out : line;
            at = end + 1;
        }
        if (!changed)
            return false;
        rows += changed;
        PL_CHECK(note());
        if (m_dryRun)
            return true;
        const std::string sha = sha256Hex(fresh);
        const auto same = m_written.find(sha);
        if (same == m_written.end()) {
            PL_CHECK(os::writeFileAtomic(path, fresh));
            m_written[sha] = path;
            return true;
        }
        const std::string aside = path + ".partial";
        (void)os::removeTree(aside);
        PL_CHECK(os::linkOrCopy(same->second, aside));
        PL_CHECK(os::renamePath(aside, path));
        return true;
    }

    const Scrub& m_scrub;
    bool m_dryRun, m_noted = true;
    std::string m_bundle;
    std::map<std::string, std::string> m_written;
};

/// Regular files below a folder; links are not followed.
std::vector<std::string> filesBelow(const std::string& folder) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (at->symlink_status(error).type() == fs::file_type::regular)
            files.push_back(at->path().string());
    std::sort(files.begin(), files.end());
    return files;
}

} // namespace

void Scrub::add(const std::string& text) {
    if (text.empty() || !m_whole.insert(text).second)
        return;
    m_texts.push_back(text);
    m_telling.add(text);
    if (text.size() >= kLong)
        m_long.add(text);
}

bool Scrub::holds(const std::string& text) const {
    return m_whole.count(text) || quotes(text);
}

bool Scrub::quotes(const std::string& text) const {
    return m_long.in(text);
}

std::string Scrub::without(const std::string& text) const {
    std::string out;
    size_t at = 0;
    for (const auto& [begin, end] : m_long.placesIn(text)) {
        out += text.substr(at, begin - at) + kErasedWords;
        at = end;
    }
    return out + text.substr(at);
}

Scrub Scrub::longOnly() const {
    Scrub out;
    for (const std::string& text : m_texts)
        if (text.size() >= kLong)
            out.add(text);
    return out;
}

bool Scrub::blankIn(std::string& bytes) const {
    const auto places = m_telling.placesIn(bytes);
    for (const auto& [begin, end] : places)
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), end - begin, ' ');
    return !places.empty();
}

bool Scrub::blank(Json& value) const {
    bool changed = false;
    if (value.is_string() && !value.get_ref<const std::string&>().empty() && holds(value.get<std::string>())) {
        value = "";
        changed = true;
    } else if (value.is_structured()) {
        // A conversation is kept as the list of its turns, but hashed and compared as text.
        if (value.is_array() && holds(dumpJson(value))) {
            value = Json::array();
            return true;
        }
        for (Json& each : value)
            changed = blank(each) || changed;
    }
    return changed;
}

Result<ScrubResult> scrubFiles(const std::string& datasetsDir, const std::string& runsDir, const Scrub& scrub, bool dryRun) {
    ScrubResult result;
    Files files(scrub, dryRun);
    PL_TRY(const auto datasets, os::listDir(datasetsDir));
    for (const std::string& name : datasets)
        for (const std::string& path : filesBelow(os::joinPath(datasetsDir, name))) {
            PL_TRY(const bool changed, files.data(path));
            if (changed)
                result.datasets.insert(name);
        }
    PL_TRY(const auto runs, os::listDir(runsDir));
    for (const std::string& name : runs) {
        const std::string root = os::joinPath(runsDir, name), data = os::joinPath(root, "data") + "/";
        files.enter(root);
        int64_t rows = 0, lines = 0;
        for (const std::string& path : filesBelow(root)) {
            if (!os::exists(path)) { // an event named it, and it went with the event
                result.runs.insert(name);
                continue;
            }
            const bool inData = path.compare(0, data.size(), data) == 0;
            const int64_t before = files.rows;
            PL_TRY(const bool changed, inData ? files.data(path) : files.bundle(path, root));
            if (!changed)
                continue;
            result.runs.insert(name);
            (inData ? rows : lines) += std::max<int64_t>(1, files.rows - before); // a file that goes whole is one
        }
        if (result.runs.count(name) && !dryRun)
            PL_CHECK(noteErasure(root, scrub.tombstone, !scrub.renamed.empty(), scrub.timeMs, rows, lines));
    }
    result.rows = files.rows;
    return result;
}

std::vector<std::string> filesWith(const std::string& folder, const Needles& texts) {
    std::vector<std::string> found;
    for (const std::string& path : filesBelow(folder)) {
        const std::string name = path.substr(folder.size() + 1);
        if (isWeights(path) || name.rfind("project.", 0) == 0)
            continue;
        const auto bytes = os::readFile(path);
        if (bytes && texts.in(*bytes))
            found.push_back(name);
    }
    return found;
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/import.h"

#include <algorithm>

#include <fmt/format.h>
#include <zlib.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/column_map.h"
#include "core/desk/exchange/image_import.h"
#include "core/desk/exchange/rows.h"
#include "core/desk/exchange/text_formats.h"
#include "core/text/utf8.h"

namespace pl::desk {

namespace {

constexpr std::pair<ImportFormat, const char*> kFormats[] = {{ImportFormat::Auto, "auto"},
                                                             {ImportFormat::Trl, "trl"},
                                                             {ImportFormat::Hh, "hh"},
                                                             {ImportFormat::Prompts, "prompts"},
                                                             {ImportFormat::UltraFeedback, "ultrafeedback"},
                                                             {ImportFormat::HelpSteer2, "helpsteer2"},
                                                             {ImportFormat::HelpSteer2Preference, "helpsteer2_preference"},
                                                             {ImportFormat::HelpSteer3, "helpsteer3"},
                                                             {ImportFormat::LmArena, "lmarena"},
                                                             {ImportFormat::RewardBench, "reward_bench"},
                                                             {ImportFormat::RewardBench2, "reward_bench_2"},
                                                             {ImportFormat::LlamaFactory, "llama_factory"},
                                                             {ImportFormat::Argilla, "argilla"},
                                                             {ImportFormat::LabelStudio, "label_studio"},
                                                             {ImportFormat::Mapped, "mapped"},
                                                             {ImportFormat::PickAPic, "pick_a_pic"},
                                                             {ImportFormat::HpdV2, "hpd_v2"},
                                                             {ImportFormat::ImageRewardDb, "image_reward_db"},
                                                             {ImportFormat::TrlImages, "trl_images"},
                                                             {ImportFormat::Folder, "folder"}};
constexpr const char* kHuman = "\n\nHuman:";
constexpr const char* kAssistant = "\n\nAssistant:";
constexpr size_t kMostReasons = 200;
constexpr size_t kReasonsTold = 3; ///< in the message of a refused file

/// A row that cannot be used, with its reason.
tl::unexpected<Error> reject(std::string why) { return fail(Code::InvalidInput, std::move(why)); }

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Status finish(ImportRow& row) {
    for (const std::string& text : {row.prompt.content, row.chosen.value_or(""), row.rejected.value_or("")})
        if (text.find('\0') != std::string::npos)
            return reject("a text holds a NUL character");
    for (const ImportText& text : row.texts) {
        if (text.text.find('\0') != std::string::npos)
            return reject("a text holds a NUL character");
        if (trimmed(text.text).empty())
            return reject("an answer is empty");
    }
    if (trimmed(row.prompt.content).empty())
        return reject("the prompt is empty");
    if (row.chosen && (trimmed(*row.chosen).empty() || trimmed(*row.rejected).empty()))
        return reject("an answer is empty");
    if (row.chosen && *row.chosen == *row.rejected)
        return reject("both answers are identical");
    return {};
}

// --- Anthropic HH ----------------------------------------------------------------------------------------------------

/// "\n\nHuman: x\n\nAssistant: y\n\nHuman: z" as turns.
Result<Json> turnsOf(const std::string& transcript) {
    Json turns = Json::array();
    size_t at = 0;
    while (at < transcript.size()) {
        const bool human = transcript.compare(at, 8, kHuman) == 0;
        if (!human && transcript.compare(at, 12, kAssistant) != 0)
            return reject("the dialogue does not start with Human");
        const size_t start = at + (human ? 8 : 12);
        const size_t end = std::min({transcript.find(kHuman, start), transcript.find(kAssistant, start), transcript.size()});
        turns.push_back(
            {{"role", human ? "user" : "assistant"}, {"content", trimmed(transcript.substr(start, end - start))}});
        at = end;
    }
    return turns;
}

Result<ImportRow> hhRow(const Json& json) {
    if (!json.is_object() || !json.contains("chosen") || !json.contains("rejected") || !json["chosen"].is_string() ||
        !json["rejected"].is_string())
        return reject("it has no texts \"chosen\" and \"rejected\"");
    const std::string chosen = json["chosen"].get<std::string>(), rejected = json["rejected"].get<std::string>();
    if (chosen == rejected)
        return reject("both answers are identical");
    // The common beginning may run into the answers or be a whole side: cut it back to the last turn of the assistant.
    const size_t common =
        static_cast<size_t>(std::mismatch(chosen.begin(), chosen.begin() + std::min(chosen.size(), rejected.size()),
                                          rejected.begin())
                                .first -
                            chosen.begin());
    const size_t cut = chosen.substr(0, common).rfind(kAssistant);
    if (cut == std::string::npos)
        return reject("the two dialogues have no common beginning up to a turn of the assistant");
    const size_t answer = cut + std::string_view(kAssistant).size();
    ImportRow row;
    row.chosen = trimmed(chosen.substr(answer));
    row.rejected = trimmed(rejected.substr(answer));
    for (const std::string* side : {&*row.chosen, &*row.rejected})
        if (side->find(kHuman) != std::string::npos || side->find(kAssistant) != std::string::npos)
            return reject("the dialogues differ before their last answer");
    PL_TRY(const Json turns, turnsOf(chosen.substr(0, cut)));
    PL_TRY(row.prompt.content, canonicalPrompt(turns));
    PL_CHECK(finish(row));
    return row;
}

// --- TRL -------------------------------------------------------------------------------------------------------------

bool isChat(const Json& value) {
    return value.is_array() && !value.empty() && value[0].is_object() && value[0].contains("role") &&
           value[0].contains("content");
}

Result<std::string> singleAnswer(const Json& turns, const char* key) {
    if (turns.size() != 1 || !turns[0].is_object() || turns[0].value("role", "") != "assistant" ||
        !turns[0].contains("content") || !turns[0]["content"].is_string())
        return reject(fmt::format("\"{}\" is not one turn of the assistant after the prompt", key));
    return turns[0]["content"].get<std::string>();
}

Json tail(const Json& list, size_t from) {
    Json rest = Json::array();
    for (size_t i = from; i < list.size(); ++i)
        rest.push_back(list[i]);
    return rest;
}

/// Text of one side, with the prompt's turns taken off when they are repeated there.
Result<std::string> sideOf(const Json& value, const Json& prompt, const char* key) {
    if (value.is_string())
        return value.get<std::string>();
    if (!isChat(value))
        return reject(fmt::format("\"{}\" is neither a text nor a list of turns", key));
    Json turns = value;
    const Json asked =
        prompt.is_string() ? Json::array({{{"role", "user"}, {"content", prompt}}}) : prompt;
    if (turns.size() > asked.size() && std::equal(asked.begin(), asked.end(), turns.begin()))
        turns = tail(turns, asked.size());
    return singleAnswer(turns, key);
}

/// Rule, judge or model where "provenance" says so: such a vote must not become a human one.
std::optional<AnnotatorKind> judgedBy(const Json& json) {
    if (!json.contains("provenance") || !json["provenance"].is_string())
        return std::nullopt;
    const std::string& said = json["provenance"].get_ref<const std::string&>();
    if (said == "simulated")
        return AnnotatorKind::Rule;
    const auto kind = annotatorKindOf(said);
    return kind && *kind != AnnotatorKind::Human ? std::optional(*kind) : std::nullopt;
}

Result<ImportRow> trlRow(const Json& json, bool implicit) {
    if (!json.is_object())
        return reject("it is not an object");
    const bool tie = json.contains("a") && json.contains("b") && json.contains("tie_kind");
    const char* first = tie ? "a" : "chosen";
    const char* second = tie ? "b" : "rejected";
    if (!json.contains(first) || !json.contains(second))
        return reject("it has no \"chosen\" and \"rejected\"");
    const Json& x = json[first];
    const Json& y = json[second];
    ImportRow row;
    row.tie = tie;
    if (json.contains("prompt")) {
        PL_TRY(row.prompt.content, canonicalPrompt(json["prompt"]));
        PL_TRY(row.chosen, sideOf(x, json["prompt"], first));
        PL_TRY(row.rejected, sideOf(y, json["prompt"], second));
    } else if (isChat(x) && isChat(y)) {
        size_t common = 0;
        while (common + 1 < x.size() && common + 1 < y.size() && x[common] == y[common])
            ++common;
        if (common == 0)
            return reject("the two conversations have no common beginning");
        Json turns = Json::array();
        for (size_t i = 0; i < common; ++i)
            turns.push_back(x[i]);
        PL_TRY(row.prompt.content, canonicalPrompt(turns));
        PL_TRY(row.chosen, singleAnswer(tail(x, common), first));
        PL_TRY(row.rejected, singleAnswer(tail(y, common), second));
    } else if (x.is_string() && y.is_string()) {
        if (!implicit)
            return fail(Code::InvalidInput, "it has no \"prompt\", and where two texts part is a guess",
                        "Say --implicit to take their common beginning as the prompt.");
        const std::string a = x.get<std::string>(), b = y.get<std::string>();
        size_t common = 0;
        while (common < a.size() && common < b.size() && a[common] == b[common])
            ++common;
        const size_t cut = a.substr(0, common).find_last_of(" \n\t");
        if (cut == std::string::npos)
            return reject("the two texts have no common beginning");
        row.prompt.content = trimmed(a.substr(0, cut + 1));
        row.chosen = a.substr(cut + 1);
        row.rejected = b.substr(cut + 1);
    } else {
        return reject("\"chosen\" and \"rejected\" are neither texts nor lists of turns");
    }
    const auto number = [&](const char* key) {
        return json.contains(key) && json[key].is_number() ? std::optional<double>(json[key].get<double>())
                                                           : std::nullopt;
    };
    const auto better = number("score_chosen"), worse = number("score_rejected");
    if (better && worse && *better == *worse)
        row.tie = true;
    if (better && worse && *better < *worse)
        return reject("score_chosen is below score_rejected");
    row.margin = number("margin").value_or(0);
    if (json.contains("strength") && !json["strength"].is_null()) {
        if (!json["strength"].is_number_integer() || json["strength"].get<int64_t>() < 1 ||
            json["strength"].get<int64_t>() > 3)
            return reject("\"strength\" is not 1, 2 or 3");
        row.strength = json["strength"].get<int>();
    }
    row.by = judgedBy(json);
    row.annotator = annotatorIn(json);
    row.chosenModel = textIn(json, "chosen_model");
    row.rejectedModel = textIn(json, "rejected_model");
    row.rationale = textIn(json, "rationale");
    PL_CHECK(finish(row));
    return row;
}

// --- prompts ---------------------------------------------------------------------------------------------------------

/// Two columns of answers in a row that would be read as a prompt, as "response_a" and "response_b": what they are nobody said.
std::optional<std::pair<std::string, std::string>> answersIn(const Json& row) {
    for (const char* stem : {"response", "answer", "completion", "output", "candidate", "text"})
        for (const auto& [one, other] : {std::pair("_a", "_b"), std::pair("_1", "_2"), std::pair("1", "2")})
            if (const std::string first = std::string(stem) + one, second = std::string(stem) + other; row.contains(first) && row.contains(second))
                return std::pair(first, second);
    return {};
}

Result<ImportRow> promptRow(const Json& json) {
    ImportRow row;
    if (json.is_string()) {
        row.prompt.content = json.get<std::string>();
    } else {
        if (!json.is_object() || !json.contains("prompt"))
            return reject("it has no \"prompt\"");
        if (const auto answers = answersIn(json))
            return reject(fmt::format("\"{}\" and \"{}\" would be left out: --columns proposes a mapping for --map", answers->first, answers->second));
        PL_TRY(row.prompt.content, canonicalPrompt(json["prompt"]));
        if (json.contains("kind") && json["kind"].is_string())
            row.prompt.kind = json["kind"].get<std::string>();
        if (json.contains("verifier") && json["verifier"].is_object()) {
            row.prompt.verifierKind = json["verifier"].value("kind", "");
            const Json answer = json["verifier"].value("answer", Json(""));
            row.prompt.verifierAnswer = answer.is_string() ? answer.get<std::string>() : dumpJson(answer);
        }
        if (json.contains("tags") && json["tags"].is_array())
            for (const Json& tag : json["tags"])
                if (tag.is_string())
                    row.prompt.tags.push_back(tag.get<std::string>());
    }
    PL_CHECK(finish(row));
    return row;
}

ImportFormat detect(const Json& row) {
    if (!row.is_object())
        return ImportFormat::Prompts;
    if (const ImportFormat known = detectTextFormat(row); known != ImportFormat::Auto)
        return known;
    const auto hh = [&](const char* key) { return textIn(row, key).rfind(kHuman, 0) == 0; };
    if (!row.contains("prompt") && hh("chosen") && hh("rejected"))
        return ImportFormat::Hh;
    // One side alone is a damaged preference row, not a prompt: its answer would be lost without a word.
    if (row.contains("chosen") || row.contains("rejected") || row.contains("tie_kind"))
        return ImportFormat::Trl;
    return ImportFormat::Prompts;
}

/// Does the name promise a JSON object a line?
bool saysJsonLines(std::string name) {
    if (name.ends_with(".gz"))
        name.resize(name.size() - 3);
    return name.ends_with(".jsonl") || name.ends_with(".ndjson") || name.ends_with(".json");
}

/// Does a file that begins with this line hold one JSON array? Plain prompts may begin with a bracket, too.
bool beginsArray(const std::string& line) {
    if (line[0] != '[')
        return false;
    const std::string inner = trimmed(line.substr(1));
    if (inner.empty())
        return true;
    if (inner[0] == '{') {
        const auto next = inner.find_first_not_of(" \t", 1);
        return next == std::string::npos || inner[next] == '"' || inner[next] == '}';
    }
    const auto json = inner[0] == '"' ? parseJson(line, "the first row", kRowLimits) : reject("no list of texts");
    return json && json->is_array();
}

} // namespace

const char* importFormatName(ImportFormat format) {
    for (const auto& [value, name] : kFormats)
        if (value == format)
            return name;
    return "?";
}

Result<ImportFormat> importFormatOf(std::string_view name) {
    for (const auto& [value, known] : kFormats)
        if (name == known)
            return value;
    return fail(Code::InvalidInput, fmt::format("\"{}\" is not a format of imports", name),
                fmt::format("Known are {}.", importFormatNames()));
}

std::string importFormatNames() {
    std::string out;
    for (const auto& [value, name] : kFormats)
        out += (out.empty() ? "" : value == std::end(kFormats)[-1].first ? " or " : ", ") + std::string(name);
    return out;
}

std::string annotatorIn(const Json& row) {
    for (const char* key : {"annotator", "annotator_id", "user_id", "user_hash"})
        if (const auto at = row.find(key); at != row.end() && (at->is_string() || at->is_number_integer())) {
            std::string name = at->is_string() ? at->get<std::string>() : at->dump();
            if (!name.empty())
                return name;
        }
    return {};
}

Result<std::string> readMaybeGzip(const std::string& path, uint64_t maxBytes) {
    if (os::isDir(path))
        return fail(Code::InvalidInput, fmt::format("{} is a folder", path), "Give one file in it.");
    if (!os::exists(path))
        return fail(Code::NotFound, fmt::format("there is no file {}", path), "Check the path.");
    gzFile file = gzopen(path.c_str(), "rb");
    if (!file)
        return fail(Code::Io, fmt::format("cannot read {}", path), "Check that you may read it.");
    gzbuffer(file, 1 << 18);
    std::string text;
    std::vector<char> block(size_t{1} << 20);
    int n = 0;
    while ((n = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0) {
        if (text.empty() && n >= 4 && std::string_view(block.data(), 4) == "PAR1") {
            gzclose_r(file);
            const std::string name = os::baseName(path);
            return fail(Code::Unsupported, fmt::format("{} is Parquet, which is not read here", path),
                        fmt::format("Convert it where Python's `datasets` is installed: python3 -c \"from datasets import load_dataset; "
                                    "load_dataset('parquet', data_files='{}', split='train').to_json('{}.jsonl')\"",
                                    name, name.substr(0, name.rfind(".parquet"))));
        }
        if (text.size() + static_cast<size_t>(n) > maxBytes) {
            gzclose_r(file);
            return fail(Code::InvalidInput, fmt::format("{} holds more than {} MiB of text", path, maxBytes >> 20),
                        "Split it into smaller files.");
        }
        text.append(block.data(), static_cast<size_t>(n));
    }
    int error = Z_OK;
    const std::string why = gzerror(file, &error);
    const int closed = gzclose_r(file);
    if (n < 0 || closed != Z_OK)
        return fail(Code::Corrupt, fmt::format("{} is damaged: {}", path, why.empty() ? "it ends too early" : why),
                    "Download it again.");
    return text;
}

namespace {

bool saysTable(const std::string& name) {
    return name.ends_with(".csv") || name.ends_with(".csv.gz") || name.ends_with(".tsv") || name.ends_with(".tsv.gz");
}

/// Does a text that is neither JSON Lines nor an array begin with the header of a table of ours?
bool beginsTable(const std::string& whole) {
    const auto header = headerOf(whole);
    const auto named = [&](const char* name) { return std::find(header.begin(), header.end(), name) != header.end(); };
    return named("prompt") && (named("chosen") || named("response_a"));
}

/// Every line of a binary file without line ends would be a prompt.
Status checkText(const std::string& whole, const std::string& name) {
    const std::string_view begin = std::string_view(whole).substr(0, 2);
    if (begin == "\xff\xfe" || begin == "\xfe\xff")
        return fail(Code::InvalidInput, fmt::format("{} is UTF-16", name), "Save it as UTF-8.");
    if (const size_t at = whole.find('\0'); at != std::string::npos)
        return fail(Code::InvalidInput, fmt::format("{} is no text: byte {} is NUL", name, at), "Give JSON Lines, JSON, CSV or plain lines, in UTF-8.");
    return {};
}

/// One file on its way into rows.
class Parser {
public:
    Parser(const std::string& name, const ImportOptions& options) : m_name(name), m_options(options) { m_parsed.format = options.format; }

    Result<ParsedFile> parse(const std::string& whole) {
        PL_CHECK(checkText(whole, m_name));
        if (m_options.map) {
            PL_CHECK(m_options.map->check());
            PL_CHECK(checkUtf8(whole, m_name));
            m_parsed.format = ImportFormat::Mapped;
            m_rows = mappedRows(*m_options.map);
            m_begun = true;
            m_parsed.note = tableNote(whole);
            each(whole);
            return finished();
        }
        if (m_options.format == ImportFormat::Mapped)
            return fail(Code::InvalidInput, fmt::format("{} cannot be read without a mapping of its columns", m_name), "Give one with --map.");
        const RowForm form = rowFormOf(whole);
        const size_t first = whole.find_first_not_of(" \t\r\n\xef\xbb\xbf");
        const bool named = m_options.format != ImportFormat::Auto && m_options.format != ImportFormat::Prompts;
        const bool array = form == RowForm::Array && (named || (m_options.format == ImportFormat::Auto &&
                                                                beginsArray(trimmed(whole.substr(first, whole.find('\n', first) - first)))));
        const bool table = form == RowForm::Csv && (named || m_options.format == ImportFormat::Auto) &&
                           (saysTable(m_name) || (whole[first] != '"' && beginsTable(whole)));
        if (array || table) {
            PL_CHECK(checkUtf8(whole, m_name));
            m_parsed.note = tableNote(whole);
            each(whole);
        } else {
            PL_CHECK(lines(whole));
        }
        if (m_rows)
            keep(m_rows->rest());
        return finished();
    }

private:
    void each(const std::string& whole) {
        forEachRow(whole, [this](Row row) {
            m_line = row.line;
            ++m_parsed.read;
            if (row.json)
                take(*row.json);
            else
                bad(row.json.error());
            return true;
        });
    }

    void bad(const Error& error) {
        if (!error.hint.empty())
            m_hint = error.hint;
        ++m_parsed.rejectedCount;
        if (m_parsed.rejected.size() < kMostReasons)
            m_parsed.rejected.push_back({m_line, error.message});
    }

    /// Lines of JSON, or of plain prompts.
    Status lines(const std::string& whole) {
        bool plainText = false, begun = false;
        size_t at = whole.compare(0, 3, "\xef\xbb\xbf") == 0 ? 3 : 0;
        while (at < whole.size()) {
            const size_t end = std::min(whole.find('\n', at), whole.size());
            const std::string text = trimmed(whole.substr(at, end - at));
            at = end + 1;
            ++m_line;
            if (text.empty())
                continue;
            ++m_parsed.read;
            if (!text::isValidUtf8(text)) {
                if (m_parsed.note.empty()) { // once, by the whole of it
                    const Error why = checkUtf8(whole, "The file").error();
                    m_parsed.note = why.toString();
                    m_hint = why.hint;
                }
                bad({Code::InvalidInput, "it is not UTF-8", {}});
                continue;
            }
            const bool json = text[0] == '{' || text[0] == '"';
            if (!begun) { // the first row that can be read says what the file is
                begun = true;
                plainText = !json && (m_options.format == ImportFormat::Auto || m_options.format == ImportFormat::Prompts);
                if (plainText && m_options.format == ImportFormat::Auto && saysJsonLines(m_name))
                    return fail(Code::InvalidInput, fmt::format("{}: line {} is no JSON object or text", m_name, m_line),
                                "Copy the file again; if every line is a prompt as it stands, say --format prompts.");
                if (plainText)
                    m_parsed.format = ImportFormat::Prompts;
            }
            if (plainText) {
                ImportRow row;
                row.prompt.content = text;
                std::vector<ImportRow> one;
                one.push_back(std::move(row));
                keep(std::move(one));
                continue;
            }
            const auto parsed = parseJson(text, "row", kRowLimits);
            if (!parsed) {
                bad({Code::InvalidInput, parsed.error().message, {}});
                continue;
            }
            take(*parsed);
        }
        return {};
    }

    void take(const Json& json) {
        if (m_parsed.format == ImportFormat::Auto)
            m_parsed.format = detect(json);
        if (!m_begun) {
            m_begun = true;
            m_rows = textRows(m_parsed.format);
        }
        if (m_rows) {
            auto rows = json.is_object() ? read(json) : reject("it is not an object");
            if (!rows)
                return bad(rows.error());
            for (ImportRow& row : *rows)
                common(json, row);
            return keep(std::move(*rows));
        }
        auto row = m_parsed.format == ImportFormat::Hh    ? hhRow(json)
                   : m_parsed.format == ImportFormat::Trl ? trlRow(json, m_options.implicit)
                                                          : promptRow(json);
        if (!row)
            return bad(row.error());
        common(json, *row);
        std::vector<ImportRow> one;
        one.push_back(std::move(*row));
        keep(std::move(one));
    }

    /// What any row may say beside its format's own columns; tools of labelling keep it in the data or metadata of a record.
    void common(const Json& json, ImportRow& row) const {
        if (!json.is_object() || m_parsed.format == ImportFormat::Mapped)
            return;
        for (const char* where : {"", "data", "metadata"}) {
            const Json& at = *where && json.contains(where) ? json[where] : json;
            if (!at.is_object())
                continue;
            if (!row.prompt.split && at.contains("split") && at["split"].is_string())
                if (const auto split = splitOf(at["split"].get<std::string>()))
                    row.prompt.split = *split;
            if (!row.by)
                row.by = judgedBy(at);
        }
    }

    /// A row of a foreign format; a key that it lacks is a reason, never an exception.
    Result<std::vector<ImportRow>> read(const Json& json) {
        if (m_parsed.format != ImportFormat::Mapped && detectTextFormat(json) != m_parsed.format)
            return reject(fmt::format("it lacks what a row of {} has", importFormatName(m_parsed.format)));
        return m_rows->add(json);
    }

    void keep(std::vector<ImportRow> rows) {
        for (ImportRow& row : rows) {
            if (const auto usable = finish(row); !usable) {
                bad(usable.error());
                continue;
            }
            row.line = m_line;
            row.prompt.source = os::baseName(m_name);
            if (m_options.split)
                row.prompt.split = m_options.split;
            m_parsed.rows.push_back(std::move(row));
        }
    }

    Result<ParsedFile> finished() {
        if (m_parsed.read == 0)
            return fail(Code::InvalidInput, fmt::format("{} is empty", m_name), "Choose another file.");
        if (m_parsed.format == ImportFormat::Auto) // no row could be read
            m_parsed.format = ImportFormat::Prompts;
        if (m_options.implicit && m_parsed.format != ImportFormat::Trl && !m_parsed.rows.empty())
            return fail(Code::InvalidInput,
                        fmt::format("{} holds rows of the format {}, where no prompt has to be found in the answers", m_name, importFormatName(m_parsed.format)),
                        "Leave --implicit out.");
        if (m_parsed.rows.empty() ||
            static_cast<double>(m_parsed.rejectedCount) > m_options.maxRejectedShare * static_cast<double>(m_parsed.read)) {
            std::string why;
            for (size_t i = 0; i < std::min(m_parsed.rejected.size(), kReasonsTold); ++i)
                why += fmt::format("; line {}: {}", m_parsed.rejected[i].line, m_parsed.rejected[i].reason);
            const bool recognised = !m_parsed.rows.empty() || (m_options.format == ImportFormat::Auto &&
                                                               m_parsed.format != ImportFormat::Prompts);
            if (m_hint.empty())
                m_hint = m_options.map ? "Change the mapping, or mend these rows." : recognised ? "Mend these rows or take them out." : "Choose another --format.";
            return fail(Code::InvalidInput,
                        fmt::format("{}: {} of {} rows cannot be used as {}{}", m_name, m_parsed.rejectedCount, m_parsed.read,
                                    importFormatName(m_parsed.format), why),
                        m_hint);
        }
        return std::move(m_parsed);
    }

    const std::string& m_name;
    const ImportOptions& m_options;
    ParsedFile m_parsed;
    std::unique_ptr<TextRows> m_rows;
    std::string m_hint;
    size_t m_line = 0;
    bool m_begun = false;
};

} // namespace

std::string tableNote(std::string_view text) {
    if (rowFormOf(text) != RowForm::Csv)
        return {};
    const char separator = separatorOf(text);
    return separator == ',' ? "" : fmt::format("Cells parted by {}, as the header says", separator == ';' ? "semicolons" : "tabs");
}

Result<ParsedFile> parseImport(const std::string& whole, const std::string& name, const ImportOptions& options) {
    return Parser(name, options).parse(whole);
}

Json ImportReport::toJson() const {
    Json rows = Json::array();
    for (const auto& row : rejected)
        rows.push_back({{"line", row.line}, {"reason", row.reason}});
    return {{"file", file},
            {"sha256", sha},
            {"format", format},
            {"dry_run", dryRun},
            {"read", read},
            {"accepted", counts.rows},
            {"prompts", counts.prompts},
            {"candidates", counts.candidates},
            {"pairs", counts.pairs},
            {"votes", counts.votes},
            {"duplicates", counts.duplicates},
            {"differing", counts.differing},
            {"kept_split", counts.keptSplit},
            {"rejected", rejectedCount},
            {"images_left_out", imagesLeftOut},
            {"layout", layout},
            {"note", note},
            {"reasons", rows}};
}

Result<ImportReport> importFile(Project& project, const std::string& path, const ImportOptions& options) {
    if (!options.map && isImageFormat(options.format))
        return importImages(project, path, options.format, options);
    if (!options.map && options.format == ImportFormat::Auto && os::isDir(path))
        return importImages(project, path, ImportFormat::Folder, options);
    if (!options.layout.empty())
        return fail(Code::InvalidInput, fmt::format("a layout says how the paths in a folder of images are made up, and {} is a file", path),
                    "Leave --layout out.");
    PL_TRY(const std::string text, readMaybeGzip(path, options.maxBytes));
    if (!options.map && options.format == ImportFormat::Auto)
        if (const ImportFormat images = detectImages(text); isImageFormat(images))
            return importImages(project, path, images, options);
    if (!options.images.empty())
        return fail(Code::InvalidInput, fmt::format("a folder of images was given, and the rows of {} name none", path), "Leave --images out.");
    PL_TRY(ParsedFile parsed, parseImport(text, path, options));
    ImportReport report;
    report.file = path;
    report.sha = sha256Hex(text);
    report.format = importFormatName(parsed.format);
    report.dryRun = options.dryRun;
    report.read = parsed.read;
    report.rejectedCount = parsed.rejectedCount;
    report.rejected = std::move(parsed.rejected);
    report.note = parsed.note;
    const Project::ImportMeta meta{os::baseName(path), report.sha, report.format, options.task, options.annotatorName};
    PL_TRY(report.counts, project.importRows(meta, parsed.rows, options.dryRun));
    return report;
}

} // namespace pl::desk

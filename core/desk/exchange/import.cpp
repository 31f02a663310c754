// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/import.h"

#include <algorithm>

#include <fmt/format.h>
#include <zlib.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/image_import.h"
#include "core/text/utf8.h"

namespace pl::desk {

namespace {

constexpr std::pair<ImportFormat, const char*> kFormats[] = {{ImportFormat::Auto, "auto"},
                                                             {ImportFormat::Trl, "trl"},
                                                             {ImportFormat::Hh, "hh"},
                                                             {ImportFormat::Prompts, "prompts"},
                                                             {ImportFormat::PickAPic, "pick_a_pic"},
                                                             {ImportFormat::HpdV2, "hpd_v2"},
                                                             {ImportFormat::ImageRewardDb, "image_reward_db"},
                                                             {ImportFormat::TrlImages, "trl_images"},
                                                             {ImportFormat::Folder, "folder"}};
constexpr const char* kHuman = "\n\nHuman:";
constexpr const char* kAssistant = "\n\nAssistant:";
constexpr size_t kMostReasons = 200;
constexpr size_t kReasonsTold = 3; ///< in the message of a refused file
constexpr JsonLimits kRowLimits{size_t{16} << 20, 32};

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
    PL_CHECK(finish(row));
    return row;
}

// --- prompts ---------------------------------------------------------------------------------------------------------

Result<ImportRow> promptRow(const Json& json) {
    ImportRow row;
    if (json.is_string()) {
        row.prompt.content = json.get<std::string>();
    } else {
        if (!json.is_object() || !json.contains("prompt"))
            return reject("it has no \"prompt\"");
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

ImportFormat detect(const std::string& line) {
    const auto json = parseJson(line, "the first row", kRowLimits);
    if (!json || !json->is_object())
        return ImportFormat::Prompts;
    const auto hh = [&](const char* key) {
        return json->contains(key) && (*json)[key].is_string() &&
               (*json)[key].get_ref<const std::string&>().rfind(kHuman, 0) == 0;
    };
    if (!json->contains("prompt") && hh("chosen") && hh("rejected"))
        return ImportFormat::Hh;
    // One side alone is a damaged preference row, not a prompt: its answer would be lost without a word.
    if (json->contains("chosen") || json->contains("rejected") || json->contains("tie_kind"))
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
                "Known are auto, trl, hh, prompts, pick_a_pic, hpd_v2, image_reward_db, trl_images, folder.");
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

Result<ParsedFile> parseImport(const std::string& whole, const std::string& name, const ImportOptions& options) {
    ParsedFile parsed;
    parsed.format = options.format;
    size_t line = 0;
    bool plainText = false, begun = false;
    std::string hint;
    const auto bad = [&](const std::string& why) {
        ++parsed.rejectedCount;
        if (parsed.rejected.size() < kMostReasons)
            parsed.rejected.push_back({line, why});
    };
    size_t at = whole.compare(0, 3, "\xef\xbb\xbf") == 0 ? 3 : 0;
    while (at < whole.size()) {
        size_t end = whole.find('\n', at);
        if (end == std::string::npos)
            end = whole.size();
        const std::string text = trimmed(whole.substr(at, end - at));
        at = end + 1;
        ++line;
        if (text.empty())
            continue;
        ++parsed.read;
        if (!text::isValidUtf8(text)) {
            bad("it is not UTF-8");
            continue;
        }
        if (!begun) { // the first row that can be read says what the file is
            begun = true;
            if (parsed.format == ImportFormat::Auto)
                parsed.format = detect(text);
            plainText = parsed.format == ImportFormat::Prompts && text[0] != '{' && text[0] != '"';
            if (text == "[" || (text[0] == '[' && parsed.format != ImportFormat::Prompts) ||
                (options.format == ImportFormat::Auto && beginsArray(text)))
                return fail(Code::Unsupported, fmt::format("{} is one JSON array", name),
                            "Write it as JSON Lines: one object a line.");
            if (plainText && options.format == ImportFormat::Auto && saysJsonLines(name))
                return fail(Code::InvalidInput, fmt::format("{}: line {} is no JSON object or text", name, line),
                            "Copy the file again; if every line is a prompt as it stands, say --format prompts.");
        }
        Result<ImportRow> row = ImportRow();
        if (plainText) {
            row->prompt.content = text;
            if (const auto usable = finish(*row); !usable)
                row = tl::unexpected<Error>(usable.error());
        } else {
            const auto json = parseJson(text, "row", kRowLimits);
            if (!json) {
                bad(json.error().message);
                continue;
            }
            row = parsed.format == ImportFormat::Hh    ? hhRow(*json)
                  : parsed.format == ImportFormat::Trl ? trlRow(*json, options.implicit)
                                                       : promptRow(*json);
            if (row && json->is_object() && json->contains("split") && (*json)["split"].is_string())
                if (const auto split = splitOf((*json)["split"].get<std::string>()))
                    row->prompt.split = *split;
        }
        if (!row) {
            if (!row.error().hint.empty())
                hint = row.error().hint;
            bad(row.error().message);
            continue;
        }
        row->line = line;
        row->prompt.source = os::baseName(name);
        if (options.split)
            row->prompt.split = options.split;
        parsed.rows.push_back(std::move(*row));
    }
    if (parsed.read == 0)
        return fail(Code::InvalidInput, fmt::format("{} is empty", name), "Choose another file.");
    if (parsed.rows.empty() ||
        static_cast<double>(parsed.rejectedCount) > options.maxRejectedShare * static_cast<double>(parsed.read)) {
        std::string why;
        for (size_t i = 0; i < std::min(parsed.rejected.size(), kReasonsTold); ++i)
            why += fmt::format("; line {}: {}", parsed.rejected[i].line, parsed.rejected[i].reason);
        const bool recognised = !parsed.rows.empty() || (options.format == ImportFormat::Auto &&
                                                         parsed.format != ImportFormat::Prompts);
        if (hint.empty())
            hint = recognised ? "Mend these rows or take them out." : "Choose another --format.";
        return fail(Code::InvalidInput,
                    fmt::format("{}: {} of {} rows cannot be used as {}{}", name, parsed.rejectedCount, parsed.read,
                                importFormatName(parsed.format), why),
                    hint);
    }
    return parsed;
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
    if (isImageFormat(options.format))
        return importImages(project, path, options.format, options);
    if (options.format == ImportFormat::Auto && os::isDir(path))
        return importImages(project, path, ImportFormat::Folder, options);
    PL_TRY(const std::string text, readMaybeGzip(path, options.maxBytes));
    if (options.format == ImportFormat::Auto)
        if (const ImportFormat images = detectImages(text); isImageFormat(images))
            return importImages(project, path, images, options);
    PL_TRY(ParsedFile parsed, parseImport(text, path, options));
    ImportReport report;
    report.file = path;
    report.sha = sha256Hex(text);
    report.format = importFormatName(parsed.format);
    report.dryRun = options.dryRun;
    report.read = parsed.read;
    report.rejectedCount = parsed.rejectedCount;
    report.rejected = std::move(parsed.rejected);
    const Project::ImportMeta meta{os::baseName(path), report.sha, report.format, options.task, options.annotatorName};
    PL_TRY(report.counts, project.importRows(meta, parsed.rows, options.dryRun));
    return report;
}

} // namespace pl::desk

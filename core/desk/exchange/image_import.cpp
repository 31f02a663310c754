// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/image_import.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/image_info.h"
#include "core/base/os/files.h"
#include "core/text/utf8.h"

namespace pl::desk {

namespace {

namespace fs = std::filesystem;

constexpr JsonLimits kRowLimits{size_t{16} << 20, 32};
constexpr size_t kMostReasons = 200;
constexpr size_t kMostImages = 100; ///< of one row
constexpr size_t kMostFiles = 1'000'000;
constexpr const char* kPromptKind = "scene";

tl::unexpected<Error> reject(std::string why) { return fail(Code::InvalidInput, std::move(why)); }

/// A row whose images are still paths.
struct Draft {
    size_t line = 0;
    std::string prompt;
    struct Side {
        std::string file, model;
        uint64_t seed = 0;
    };
    std::vector<Side> sides;
    std::vector<int> ranks;
    std::optional<int> strength;
    std::optional<Split> split;
    std::optional<AnnotatorKind> by;
    std::string annotator;
};

// --- rows ------------------------------------------------------------------------------------------------------------

struct Row {
    size_t line;
    Result<Json> json;
};

/// RFC 4180: quotes, doubled quotes, line ends inside quotes. A cell that begins a list or an object is read as JSON.
std::vector<Row> csvRows(const std::string& text) {
    std::vector<std::vector<std::string>> table;
    std::vector<size_t> lines;
    std::vector<std::string> cells(1);
    bool quoted = false, any = false;
    size_t line = 1, begun = 1;
    const auto endRow = [&] {
        if (any) {
            table.push_back(std::move(cells));
            lines.push_back(begun);
        }
        cells.assign(1, {});
        any = false;
    };
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '"' && i + 1 < text.size() && text[i + 1] == '"')
                cells.back() += text[++i];
            else if (c == '"')
                quoted = false;
            else
                cells.back() += c;
        } else if (c == '"' && cells.back().empty()) {
            quoted = any = true;
        } else if (c == ',') {
            cells.emplace_back();
            any = true;
        } else if (c == '\n') {
            endRow();
            begun = line + 1;
        } else if (c != '\r') {
            cells.back() += c;
            any = true;
        }
        line += c == '\n';
    }
    endRow();
    std::vector<Row> rows;
    for (size_t r = 1; r < table.size(); ++r) {
        if (table[r].size() != table[0].size()) {
            rows.push_back({lines[r], reject(fmt::format("it has {} cells, the header {}", table[r].size(), table[0].size()))});
            continue;
        }
        Json row = Json::object();
        for (size_t c = 0; c < table[r].size(); ++c) {
            const std::string& cell = table[r][c];
            if (cell.empty())
                continue;
            auto parsed = cell[0] == '[' || cell[0] == '{' ? parseJson(cell, "cell", kRowLimits) : reject("");
            row[table[0][c]] = parsed ? std::move(*parsed) : Json(cell);
        }
        rows.push_back({lines[r], std::move(row)});
    }
    return rows;
}

std::vector<Row> rowsOf(const std::string& whole) {
    const std::string text = whole.compare(0, 3, "\xef\xbb\xbf") == 0 ? whole.substr(3) : whole;
    const size_t first = text.find_first_not_of(" \t\r\n");
    std::vector<Row> rows;
    if (first == std::string::npos)
        return rows;
    if (!text::isValidUtf8(text)) {
        rows.push_back({1, reject("the file is not UTF-8")});
        return rows;
    }
    if (text[first] == '[') {
        auto all = parseJson(text, "the file", {size_t{1} << 30, 32});
        if (!all || !all->is_array()) {
            rows.push_back({1, reject(all ? "it is no list of objects" : all.error().message)});
            return rows;
        }
        for (size_t i = 0; i < all->size(); ++i)
            rows.push_back({i + 1, std::move((*all)[i])});
        return rows;
    }
    if (text[first] != '{')
        return csvRows(text);
    size_t line = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        ++line;
        const std::string_view one = std::string_view(text).substr(at, end - at);
        if (one.find_first_not_of(" \t\r") != std::string_view::npos)
            rows.push_back({line, parseJson(one, "row", kRowLimits)});
        at = end + 1;
    }
    return rows;
}

std::string textIn(const Json& row, const char* key) {
    const auto at = row.find(key);
    if (at == row.end() || at->is_null())
        return {};
    return at->is_string() ? at->get<std::string>() : at->is_number_integer() ? at->dump() : std::string();
}

/// A number, also one written as text (CSV).
std::optional<double> numberIn(const Json& value) {
    if (value.is_number())
        return value.get<double>();
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
        return std::nullopt;
    char* end = nullptr;
    const std::string& text = value.get_ref<const std::string&>();
    const double number = std::strtod(text.c_str(), &end);
    return *end == 0 && std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}
std::optional<double> numberIn(const Json& row, const char* key) {
    const auto at = row.find(key);
    return at == row.end() ? std::nullopt : numberIn(*at);
}
uint64_t seedIn(const Json& row, const char* key) {
    const auto number = numberIn(row, key);
    return number && *number >= 0 && *number < 0x1p63 ? static_cast<uint64_t>(*number) : 0;
}
bool saysNo(const Json& row, const char* key) {
    const auto at = row.find(key);
    return at != row.end() && (*at == false || *at == 0 || *at == "False" || *at == "false" || *at == "0");
}

/// 1, 2, ... in the order of the values (lower is better), equal ones share the lowest: {2.5, 1, 2.5} -> {2, 1, 2}.
std::vector<int> ranksOf(const std::vector<double>& values) {
    std::vector<int> ranks;
    for (const double value : values)
        ranks.push_back(1 + static_cast<int>(std::count_if(values.begin(), values.end(), [&](double v) { return v < value; })));
    return ranks;
}

Result<std::vector<double>> numbersIn(const Json& row, const char* key, size_t count) {
    std::vector<double> values;
    for (const Json& each : row.at(key)) {
        const auto number = numberIn(each);
        if (!number)
            return reject(fmt::format("\"{}\" holds something that is no number", key));
        values.push_back(*number);
    }
    if (values.size() != count)
        return reject(fmt::format("\"{}\" has {} numbers for {} images", key, values.size(), count));
    return values;
}

bool isList(const Json& row, const char* key) { return row.contains(key) && row[key].is_array(); }

Result<std::vector<std::string>> pathsIn(const Json& row, const char* key) {
    std::vector<std::string> paths;
    for (const Json& each : row.at(key)) {
        if (!each.is_string())
            return reject(fmt::format("\"{}\" holds something that is no path", key));
        paths.push_back(each.get<std::string>());
    }
    if (paths.empty() || paths.size() > kMostImages)
        return reject(fmt::format("\"{}\" lists {} images, not 1 to {}", key, paths.size(), kMostImages));
    return paths;
}

// --- formats ---------------------------------------------------------------------------------------------------------

Result<Draft> pickAPic(const Json& row) {
    Draft draft;
    draft.prompt = textIn(row, "caption");
    for (const char* i : {"0", "1"}) {
        Draft::Side side;
        for (const std::string& key : {std::string("image_") + i, std::string("jpg_") + i, fmt::format("image_{}_uid", i)}) {
            side.file = textIn(row, key.c_str());
            if (side.file.empty() && row.contains(key) && row[key].is_object())
                side.file = textIn(row[key], "path");
            if (!side.file.empty())
                break;
        }
        if (side.file.empty())
            return reject(fmt::format("it names no image {}", i));
        side.model = textIn(row, (std::string("model_") + i).c_str());
        side.seed = seedIn(row, (std::string("seed_") + i).c_str());
        draft.sides.push_back(std::move(side));
    }
    if (saysNo(row, "has_label"))
        return draft;
    const auto a = numberIn(row, "label_0"), b = numberIn(row, "label_1");
    if (!a && !b)
        return draft;
    if (!a || !b || *a + *b != 1)
        return reject("label_0 and label_1 do not add up to 1");
    draft.ranks = ranksOf({-*a, -*b});
    return draft;
}

Result<Draft> hpd(const Json& row) {
    Draft draft;
    draft.prompt = textIn(row, "prompt");
    const char* key = isList(row, "file_path") ? "file_path" : "image_path";
    if (!isList(row, key))
        return reject("it has no list \"file_path\" or \"image_path\"");
    PL_TRY(const auto paths, pathsIn(row, key));
    for (const std::string& path : paths)
        draft.sides.push_back({path, {}, 0});
    if (isList(row, "human_preference")) {
        PL_TRY(auto preferred, numbersIn(row, "human_preference", paths.size()));
        for (double& value : preferred)
            value = -value;
        draft.ranks = ranksOf(preferred);
    } else if (isList(row, "rank")) {
        PL_TRY(const auto ranks, numbersIn(row, "rank", paths.size()));
        draft.ranks = ranksOf(ranks);
    }
    return draft;
}

Result<Draft> imageReward(const Json& row) {
    Draft draft;
    draft.prompt = textIn(row, "prompt");
    if (isList(row, "generations") && isList(row, "ranking")) {
        PL_TRY(const auto paths, pathsIn(row, "generations"));
        for (const std::string& path : paths)
            draft.sides.push_back({path, {}, 0});
        PL_TRY(const auto ranks, numbersIn(row, "ranking", paths.size()));
        draft.ranks = ranksOf(ranks);
        return draft;
    }
    const auto rank = numberIn(row, "rank");
    if (textIn(row, "image_path").empty() || !rank || std::abs(*rank) > 1e6)
        return reject("it has no \"image_path\" and \"rank\"");
    draft.sides.push_back({textIn(row, "image_path"), {}, 0});
    draft.ranks.push_back(static_cast<int>(*rank));
    return draft;
}

/// The rows of one prompt become one ranking.
std::vector<Draft> grouped(std::vector<std::pair<std::string, Draft>> rows) {
    std::vector<Draft> out;
    std::map<std::string, size_t> at;
    std::vector<std::vector<double>> values;
    for (auto& [id, draft] : rows) {
        const auto [found, fresh] = at.try_emplace(id.empty() ? draft.prompt : id, out.size());
        if (fresh) {
            values.push_back({static_cast<double>(draft.ranks[0])});
            out.push_back(std::move(draft));
            continue;
        }
        values[found->second].push_back(static_cast<double>(draft.ranks[0]));
        out[found->second].sides.push_back(std::move(draft.sides[0]));
    }
    for (size_t i = 0; i < out.size(); ++i) {
        out[i].ranks = ranksOf(values[i]);
        if (out[i].sides.size() < 2)
            out[i].ranks.clear();
    }
    return out;
}

/// Text and images of a message, of its content, or of a plain text.
struct Parts {
    std::string text;
    int64_t images = 0;
};
Status collect(const Json& value, Parts& parts) {
    if (value.is_string()) {
        parts.text += value.get<std::string>();
        return {};
    }
    if (value.is_array()) {
        for (const Json& each : value)
            PL_CHECK(collect(each, parts));
        return {};
    }
    if (!value.is_object())
        return reject("a message is neither text nor a list of parts");
    if (value.contains("content"))
        return collect(value["content"], parts);
    if (textIn(value, "type") == "image") {
        ++parts.images;
        return {};
    }
    parts.text += textIn(value, "text");
    return {};
}

Result<Draft> trlImages(const Json& row) {
    Draft draft;
    Parts prompt, chosen, rejected;
    if (!row.contains("prompt"))
        return reject("it has no \"prompt\"");
    PL_CHECK(collect(row["prompt"], prompt));
    if (prompt.images)
        return reject("its prompt holds an image: images are compared here, not asked about");
    draft.prompt = prompt.text;
    if (!isList(row, "images"))
        return reject("it has no list \"images\"");
    PL_TRY(const auto paths, pathsIn(row, "images"));
    for (const std::string& path : paths)
        draft.sides.push_back({path, {}, 0});
    if (isList(row, "ranks")) {
        PL_TRY(const auto ranks, numbersIn(row, "ranks", paths.size()));
        draft.ranks = ranksOf(ranks);
        return draft;
    }
    if (!row.contains("chosen") || !row.contains("rejected"))
        return reject("it has no \"chosen\" and \"rejected\"");
    PL_CHECK(collect(row["chosen"], chosen));
    PL_CHECK(collect(row["rejected"], rejected));
    if (chosen.images != 1 || rejected.images != 1 || paths.size() != 2)
        return reject("chosen and rejected are not one image each");
    draft.ranks = row.contains("tie") && row["tie"] == true ? std::vector<int>{1, 1} : std::vector<int>{1, 2};
    return draft;
}

// --- folders ---------------------------------------------------------------------------------------------------------

struct Token {
    std::string literal; ///< empty: a field
    std::string field;
};

Result<std::vector<Token>> tokensOf(const std::string& layout) {
    std::vector<Token> tokens;
    std::set<std::string> seen;
    for (size_t at = 0; at < layout.size();) {
        if (layout[at] != '{') {
            const size_t end = std::min(layout.find('{', at), layout.size());
            tokens.push_back({layout.substr(at, end - at), {}});
            at = end;
            continue;
        }
        const size_t end = layout.find('}', at);
        const std::string name = end == std::string::npos ? "" : layout.substr(at + 1, end - at - 1);
        if (name != "checkpoint" && name != "prompt" && name != "seed" && name != "any")
            return fail(Code::InvalidInput, fmt::format("the layout \"{}\" has an unknown field", layout),
                        "Known are {checkpoint}, {prompt}, {seed} and {any}.");
        if ((name != "any" && !seen.insert(name).second) || (!tokens.empty() && !tokens.back().field.empty()) ||
            tokens.size() > 12)
            return fail(Code::InvalidInput, fmt::format("the layout \"{}\" cannot be read back", layout),
                        "Use each field once and put something between two fields, as in {checkpoint}/{prompt}_{seed}.");
        tokens.push_back({{}, name});
        at = end + 1;
    }
    if (!seen.count("prompt"))
        return fail(Code::InvalidInput, fmt::format("the layout \"{}\" has no {{prompt}}", layout),
                    "As in {checkpoint}/{prompt}_{seed}.");
    return tokens;
}

bool fits(const std::vector<Token>& tokens, size_t token, std::string_view rest, std::map<std::string, std::string>& values) {
    if (token == tokens.size())
        return rest.empty();
    const Token& one = tokens[token];
    if (one.field.empty())
        return rest.substr(0, one.literal.size()) == one.literal &&
               fits(tokens, token + 1, rest.substr(one.literal.size()), values);
    size_t most = one.field == "seed" ? rest.find_first_not_of("0123456789") : rest.find('/');
    most = std::min({most, rest.size(), one.field == "seed" ? size_t{18} : rest.size()});
    for (size_t n = most; n > 0; --n)
        if (fits(tokens, token + 1, rest.substr(n), values)) {
            values[one.field] = std::string(rest.substr(0, n));
            return true;
        }
    return false;
}

struct Parsed {
    std::vector<Draft> drafts;
    int64_t read = 0, rejectedCount = 0;
    std::vector<RejectedRow> rejected;
    std::string sha;
    void bad(size_t line, const std::string& why) {
        ++rejectedCount;
        if (rejected.size() < kMostReasons)
            rejected.push_back({line, why});
    }
};

Result<Parsed> parseFolder(const std::string& folder, const std::string& layout) {
    PL_TRY(const auto tokens, tokensOf(layout));
    if (!os::isDir(folder))
        return fail(Code::InvalidInput, fmt::format("{} is no folder", folder), "Give the folder of the images.");
    std::vector<std::string> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (it->is_symlink(error) || !it->is_regular_file(error))
            continue; // links are not followed
        files.push_back(fs::relative(it->path(), folder, error).generic_string());
        if (files.size() > kMostFiles)
            return fail(Code::InvalidInput, fmt::format("{} holds more than {} files", folder, kMostFiles));
    }
    if (error)
        return fail(Code::Io, fmt::format("cannot read {}: {}", folder, error.message()));
    std::sort(files.begin(), files.end());
    Parsed parsed;
    std::map<std::pair<std::string, std::string>, std::vector<std::pair<std::string, Draft::Side>>> groups; // prompt, seed
    std::map<std::pair<std::string, std::string>, size_t> lines;
    const bool checkpoints = layout.find("{checkpoint}") != std::string::npos;
    std::string listing;
    for (const std::string& file : files) {
        ++parsed.read;
        const size_t line = static_cast<size_t>(parsed.read);
        listing += file + "\n";
        std::map<std::string, std::string> values;
        const std::string stem = (fs::path(file).parent_path() / fs::path(file).stem()).generic_string();
        if (!text::isValidUtf8(file) || !fits(tokens, 0, stem, values)) {
            parsed.bad(line, fmt::format("{} does not follow {}", text::isValidUtf8(file) ? file : "a file's name", layout));
            continue;
        }
        std::string prompt = values["prompt"];
        std::replace(prompt.begin(), prompt.end(), '_', ' ');
        const std::pair key{prompt, checkpoints ? values["seed"] : std::string()};
        lines.try_emplace(key, line);
        groups[key].push_back({values["checkpoint"],
                               {file, values["checkpoint"], values["seed"].empty() ? 0 : std::stoull(values["seed"])}});
    }
    parsed.sha = sha256Hex(listing);
    for (const auto& [key, images] : groups) {
        const auto add = [&](std::vector<Draft::Side> sides) {
            Draft draft;
            draft.line = lines[key];
            draft.prompt = key.first;
            draft.sides = std::move(sides);
            parsed.drafts.push_back(std::move(draft));
        };
        if (images.size() == 1) {
            add({images[0].second});
            continue;
        }
        if (!checkpoints) {
            for (size_t i = 0; i + 1 < images.size(); i += 2)
                add({images[i].second, images[i + 1].second});
            if (images.size() % 2)
                add({images.back().second});
            continue;
        }
        for (size_t i = 0; i < images.size(); ++i)
            for (size_t j = i + 1; j < images.size(); ++j)
                if (images[i].first != images[j].first)
                    add({images[i].second, images[j].second});
    }
    return parsed;
}

Result<Parsed> parseFile(const std::string& path, ImportFormat format, uint64_t maxBytes) {
    PL_TRY(const std::string text, readMaybeGzip(path, maxBytes));
    Parsed parsed;
    parsed.sha = sha256Hex(text);
    std::vector<std::pair<std::string, Draft>> single; // image_reward_db: one image a row
    for (Row& row : rowsOf(text)) {
        ++parsed.read;
        if (!row.json || !row.json->is_object()) {
            parsed.bad(row.line, row.json ? "it is no object" : row.json.error().message);
            continue;
        }
        const Json& json = *row.json;
        auto draft = format == ImportFormat::PickAPic        ? pickAPic(json)
                     : format == ImportFormat::HpdV2         ? hpd(json)
                     : format == ImportFormat::ImageRewardDb ? imageReward(json)
                                                             : trlImages(json);
        if (draft && draft->prompt.find_first_not_of(" \t\r\n") == std::string::npos)
            draft = reject("it has no prompt");
        if (!draft) {
            parsed.bad(row.line, draft.error().message);
            continue;
        }
        draft->line = row.line;
        if (const auto split = splitOf(textIn(json, "split")))
            draft->split = *split;
        if (const auto by = annotatorKindOf(textIn(json, "provenance")); by && *by != AnnotatorKind::Human) {
            draft->by = *by;
            draft->annotator = textIn(json, "annotator").substr(0, 200);
        }
        if (const auto strength = numberIn(json, "strength"); strength && *strength >= 1 && *strength <= 3)
            draft->strength = static_cast<int>(*strength);
        if (format == ImportFormat::ImageRewardDb && !isList(json, "generations"))
            single.emplace_back(textIn(json, "prompt_id"), std::move(*draft));
        else
            parsed.drafts.push_back(std::move(*draft));
    }
    for (Draft& draft : grouped(std::move(single)))
        parsed.drafts.push_back(std::move(draft));
    return parsed;
}

// --- files -----------------------------------------------------------------------------------------------------------

/// Image files below one folder; each is looked at once.
class Files {
public:
    explicit Files(const std::string& root) : m_root(root) {
        std::error_code error;
        m_real = fs::weakly_canonical(root, error);
    }
    struct Found {
        std::string path, sha;
        ImageInfo info;
    };
    Result<Found> find(const std::string& name) {
        const auto known = m_found.find(name);
        if (known != m_found.end())
            return known->second;
        return m_found.emplace(name, look(name)).first->second;
    }

private:
    Result<Found> look(const std::string& name) const {
        if (name.empty() || name.front() == '/' || name.find('\0') != std::string::npos || name.size() > 4096)
            return reject(fmt::format("\"{}\" is no path below the folder of images", name.substr(0, 100)));
        for (const auto& part : fs::path(name))
            if (part == "..")
                return reject(fmt::format("\"{}\" leaves the folder of images", name.substr(0, 100)));
        for (const char* folder : {"", "images/"})
            for (const char* extension : {"", ".png", ".jpg", ".jpeg", ".webp"}) {
                const std::string path = os::joinPath(m_root, folder + name + extension);
                if (!os::exists(path) || os::isDir(path))
                    continue;
                std::error_code error;
                const auto inside = fs::relative(fs::weakly_canonical(path, error), m_real, error);
                if (error || inside.empty() || *inside.begin() == "..")
                    return reject(fmt::format("\"{}\" is a link out of the folder of images", name.substr(0, 100)));
                Found found;
                found.path = path;
                PL_TRY(found.info, inspectImageFile(path));
                PL_TRY(found.sha, sha256File(path));
                return found;
            }
        return reject(fmt::format("there is no image file \"{}\"", name.substr(0, 100)));
    }
    std::string m_root;
    fs::path m_real;
    std::map<std::string, Result<Found>> m_found;
};

} // namespace

bool isImageFormat(ImportFormat format) {
    return format == ImportFormat::PickAPic || format == ImportFormat::HpdV2 || format == ImportFormat::ImageRewardDb ||
           format == ImportFormat::TrlImages || format == ImportFormat::Folder;
}

ImportFormat detectImages(const std::string& text) {
    // A file may be large and of texts: its first line says enough, but for one JSON array, of which the first object is.
    const size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
    if (first == std::string::npos)
        return ImportFormat::Auto;
    std::vector<Row> rows;
    if (text[first] == '[') {
        if (text.find("_path\"") == std::string::npos && text.find("\"generations\"") == std::string::npos &&
            text.find("\"caption\"") == std::string::npos && text.find("\"images\"") == std::string::npos)
            return ImportFormat::Auto;
        rows = rowsOf(text);
    } else {
        size_t end = text.find('\n', first);
        if (text[first] != '{' && end != std::string::npos)
            end = text.find('\n', end + 1); // the header of a CSV and a row
        rows = rowsOf(text.substr(first, end == std::string::npos ? end : end - first));
    }
    if (rows.empty() || !rows[0].json || !rows[0].json->is_object())
        return ImportFormat::Auto;
    const Json& row = *rows[0].json;
    if (row.contains("caption") && (row.contains("image_0_uid") || row.contains("image_0")))
        return ImportFormat::PickAPic;
    if (isList(row, "file_path") || isList(row, "image_path"))
        return ImportFormat::HpdV2;
    if ((row.contains("image_path") && row.contains("rank")) || (isList(row, "generations") && isList(row, "ranking")))
        return ImportFormat::ImageRewardDb;
    if (isList(row, "images") && (row.contains("chosen") || row.contains("ranks")))
        return ImportFormat::TrlImages;
    return ImportFormat::Auto;
}

Result<ImportReport> importImages(Project& project, const std::string& path, ImportFormat format, const ImportOptions& options) {
    PL_TRY(Parsed parsed, format == ImportFormat::Folder ? parseFolder(path, options.layout)
                                                         : parseFile(path, format, options.maxBytes));
    Files files(format == ImportFormat::Folder ? path
                : options.images.empty()       ? os::parentDir(os::absolutePath(path))
                                               : options.images);
    std::vector<ImportRow> rows;
    std::map<std::string, std::string> wanted; // hash -> file
    for (const Draft& draft : parsed.drafts) {
        ImportRow row;
        row.line = draft.line;
        row.prompt.content = draft.prompt;
        row.prompt.split = options.split ? options.split : draft.split;
        row.prompt.kind = kPromptKind;
        row.prompt.source = os::baseName(os::absolutePath(path));
        row.ranks = draft.ranks;
        row.strength = draft.strength;
        row.by = draft.by;
        row.annotator = draft.annotator;
        std::string why;
        std::set<std::string> seen;
        for (const Draft::Side& side : draft.sides) {
            const auto found = files.find(side.file);
            if (!found) {
                why = found.error().message;
                break;
            }
            if (!seen.insert(found->sha).second) {
                why = "two of its images are identical";
                break;
            }
            wanted.emplace(found->sha, found->path);
            row.images.push_back({found->sha, side.model, side.seed,
                                  {{"width", found->info.width},
                                   {"height", found->info.height},
                                   {"format", found->info.extension},
                                   {"file", side.file}}});
        }
        if (!why.empty())
            parsed.bad(draft.line, why);
        else
            rows.push_back(std::move(row));
    }
    const auto tried = static_cast<double>(std::max<int64_t>(parsed.read, 1));
    if (rows.empty() || static_cast<double>(parsed.rejectedCount) > options.maxRejectedShare * tried) {
        std::string why;
        for (size_t i = 0; i < std::min<size_t>(parsed.rejected.size(), 3); ++i)
            why += fmt::format("; row {}: {}", parsed.rejected[i].line, parsed.rejected[i].reason);
        return fail(Code::InvalidInput,
                    fmt::format("{}: {} of {} rows cannot be used as {}{}", path, parsed.rejectedCount, parsed.read,
                                importFormatName(format), why),
                    format == ImportFormat::Folder ? "Say how the paths are made up with --layout."
                                                   : "Give the folder of the images with --images, or another --format.");
    }
    if (!options.dryRun)
        for (const auto& [sha, file] : wanted) {
            PL_TRY(const std::string stored, project.addMedia(file));
            if (stored != sha)
                return fail(Code::Io, fmt::format("{} changed while it was read", file), "Try again.");
        }
    ImportReport report;
    report.file = path;
    report.sha = parsed.sha;
    report.format = importFormatName(format);
    report.dryRun = options.dryRun;
    report.read = parsed.read;
    report.rejectedCount = parsed.rejectedCount;
    report.rejected = std::move(parsed.rejected);
    const Project::ImportMeta meta{os::baseName(os::absolutePath(path)), report.sha, report.format, options.task,
                                   options.annotatorName};
    PL_TRY(report.counts, project.importRows(meta, rows, options.dryRun));
    return report;
}

} // namespace pl::desk

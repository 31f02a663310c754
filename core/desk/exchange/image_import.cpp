// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/image_import.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/image_file.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/image_drafts.h"
#include "core/desk/exchange/rows.h"
#include "core/text/utf8.h"

namespace pl::desk {

using namespace drafts;

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostImages = 100; ///< of one row
constexpr size_t kReasonsTold = 3; ///< in the message of a refused file
constexpr const char* kPromptKind = "scene";
constexpr const char* kUsualLayout = "{checkpoint}/{prompt}_{seed}";

// --- rows ------------------------------------------------------------------------------------------------------------

std::vector<Row> rowsOf(const std::string& text) {
    std::vector<Row> rows;
    forEachRow(text, [&](Row row) {
        rows.push_back(std::move(row));
        return true;
    });
    return rows;
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

/// HPDv2's test rows say what each annotator ranked: the average beside it is nobody's vote.
Result<std::vector<Draft>> eachAnnotator(Draft draft, const Json& row) {
    if (!isList(row, "raw_annotations") || row["raw_annotations"].empty())
        return std::vector<Draft>{std::move(draft)};
    std::vector<Draft> all;
    for (const Json& one : row["raw_annotations"]) {
        if (!one.is_object() || !isList(one, "rank"))
            return reject("\"raw_annotations\" holds something without a list \"rank\"");
        PL_TRY(const auto ranks, numbersIn(one, "rank", draft.sides.size()));
        Draft theirs = draft;
        theirs.ranks = ranksOf(ranks);
        theirs.annotator = annotatorIn(one);
        all.push_back(std::move(theirs));
    }
    return all;
}

/// The rows of one prompt, ranked by one annotator, become one ranking.
std::vector<Draft> grouped(std::vector<std::pair<std::string, Draft>> rows) {
    std::vector<Draft> out;
    std::map<std::string, size_t> at;
    std::vector<std::vector<double>> values;
    for (auto& [id, draft] : rows) {
        draft.sides[0].line = draft.line;
        const auto [found, fresh] = at.try_emplace((id.empty() ? draft.prompt : id) + '\0' + draft.annotator, out.size());
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

// --- files of rows ----------------------------------------------------------------------------------------------------

Result<Parsed> parseFile(const std::string& path, ImportFormat format, uint64_t maxBytes) {
    PL_TRY(const std::string text, readMaybeGzip(path, maxBytes));
    Parsed parsed;
    parsed.sha = sha256Hex(text);
    std::vector<std::pair<std::string, Draft>> single; // image_reward_db: one image a row
    PL_CHECK(checkUtf8(text, path));
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
        if (const auto by = annotatorKindOf(textIn(json, "provenance")); by && *by != AnnotatorKind::Human)
            draft->by = *by;
        draft->annotator = annotatorIn(json);
        if (const auto strength = numberIn(json, "strength"); strength && *strength >= 1 && *strength <= 3)
            draft->strength = static_cast<int>(*strength);
        if (format == ImportFormat::ImageRewardDb && !isList(json, "generations")) {
            single.emplace_back(textIn(json, "prompt_id"), std::move(*draft));
            continue;
        }
        auto all = eachAnnotator(std::move(*draft), json);
        if (!all) {
            parsed.bad(row.line, all.error().message);
            continue;
        }
        for (Draft& each : *all)
            parsed.drafts.push_back(std::move(each));
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
                PL_TRY(found.info, checkImageFile(path)); // a torn file is named now, not when a run needs it
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

namespace {

/// What of a draft can be used, and what is said of the rest; each thing is said once.
class Looker {
public:
    Looker(Files& files, Parsed& parsed, ImageImport& out) : m_files(files), m_parsed(parsed), m_out(out) {}

    /// The draft's images; its ranks are of those that are left. None: nothing of it can be used.
    std::vector<ImportImage> look(Draft& draft) {
        std::vector<ImportImage> images;
        std::vector<double> ranks;
        std::vector<std::string> missing;
        std::set<std::string> seen;
        for (size_t i = 0; i < draft.sides.size(); ++i) {
            const Draft::Side& side = draft.sides[i];
            const auto found = m_files.find(side.file);
            if (!found && side.line) // an image to a row: the others of it are none the worse
                bad(side.line, found.error().message);
            else if (!found)
                missing.push_back(found.error().message);
            if (!found)
                continue;
            if (!seen.insert(found->sha).second) {
                bad(draft.line, "two of its images are identical");
                return {};
            }
            m_out.files.emplace(found->sha, found->path);
            images.push_back({found->sha, side.model, side.seed,
                              {{"width", found->info.width},
                               {"height", found->info.height},
                               {"format", found->info.extension},
                               {"file", side.file}}});
            if (!draft.ranks.empty())
                ranks.push_back(draft.ranks[i]);
        }
        if (!missing.empty() && images.size() < 2) {
            bad(draft.line, missing[0]);
            return {};
        }
        for (const std::string& why : missing)
            if (m_told.insert({draft.line, why}).second) {
                ++m_parsed.imagesLeftOut;
                m_parsed.tell(draft.line, why + "; the others of the row are kept");
            }
        draft.ranks = images.size() < 2 ? std::vector<int>() : ranksOf(ranks);
        return images;
    }

private:
    void bad(size_t line, const std::string& why) {
        if (m_told.insert({line, why}).second)
            m_parsed.bad(line, why);
    }
    Files& m_files;
    Parsed& m_parsed;
    ImageImport& m_out;
    std::set<std::pair<size_t, std::string>> m_told;
};

} // namespace

Result<ImageImport> readImages(const std::string& path, ImportFormat format, const ImportOptions& options) {
    ImageImport out;
    const bool folder = format == ImportFormat::Folder;
    if (folder) {
        out.layout = options.layout;
        if (out.layout.empty()) {
            PL_TRY(const FolderLayout found, recogniseLayout(path));
            out.layout = found.layout.empty() ? kUsualLayout : found.layout;
        }
    }
    PL_TRY(Parsed parsed, folder ? parseFolder(path, out.layout) : parseFile(path, format, options.maxBytes));
    Files files(folder                   ? path
                : options.images.empty() ? os::parentDir(os::absolutePath(path))
                                         : options.images);
    Looker looker(files, parsed, out);
    std::set<std::string> used;
    std::vector<ImportRow> alone;
    for (Draft& draft : parsed.drafts) {
        const size_t sides = draft.sides.size();
        ImportRow row;
        row.images = looker.look(draft);
        if (row.images.empty())
            continue;
        row.line = draft.line;
        row.prompt.content = draft.prompt;
        row.prompt.split = options.split ? options.split : draft.split;
        row.prompt.kind = kPromptKind;
        row.prompt.source = os::baseName(os::absolutePath(path));
        row.ranks = draft.ranks;
        row.strength = draft.strength;
        row.by = draft.by;
        row.annotator = draft.annotator;
        if (row.images.size() == 1 && sides > 1) {
            alone.push_back(std::move(row)); // its pair is gone; it may be in another
            continue;
        }
        for (const ImportImage& image : row.images)
            used.insert(image.sha);
        out.rows.push_back(std::move(row));
    }
    for (ImportRow& row : alone)
        if (used.insert(row.images[0].sha).second)
            out.rows.push_back(std::move(row));
    out.path = path;
    out.sha = parsed.sha;
    out.format = format;
    out.read = parsed.read;
    out.rejectedCount = parsed.rejectedCount;
    out.rejected = std::move(parsed.rejected);
    out.others = parsed.others;
    out.imagesLeftOut = parsed.imagesLeftOut;
    out.note = std::move(parsed.note);
    return out;
}

Project::ImportMeta importMeta(const ImageImport& import, Id task, const std::string& annotator) {
    return {os::baseName(os::absolutePath(import.path)), import.sha, importFormatName(import.format), task, annotator};
}

Status storeImage(Project& project, const std::string& sha, const std::string& file) {
    PL_TRY(const std::string stored, project.addMedia(file));
    if (stored != sha)
        return fail(Code::Io, fmt::format("{} changed while it was read", file), "Try again.");
    return {};
}

Result<ImportReport> importImages(Project& project, const std::string& path, ImportFormat format, const ImportOptions& options) {
    PL_TRY(ImageImport import, readImages(path, format, options));
    // Captions beside the images say nothing of how the images are named.
    const int64_t tried = import.read - import.others, refused = import.rejectedCount - import.others;
    if (import.rows.empty() || static_cast<double>(refused) > options.maxRejectedShare * static_cast<double>(std::max<int64_t>(tried, 1))) {
        const bool folder = format == ImportFormat::Folder;
        if (folder && tried == 0)
            return fail(Code::InvalidInput, fmt::format("{} holds no PNG, JPEG or WebP file", path), "Give the folder of the images.");
        std::string why;
        size_t told = 0;
        for (const RejectedRow& row : import.rejected)
            if (!row.other && told++ < kReasonsTold)
                why += fmt::format("; {} {}: {}", folder ? "file" : "row", row.line, row.reason);
        return fail(Code::InvalidInput,
                    folder ? fmt::format("{}: {} of {} image files cannot be used, read as {}{}", path, refused, tried, import.layout, why)
                           : fmt::format("{}: {} of {} rows cannot be used as {}{}", path, refused, tried, importFormatName(import.format), why),
                    folder ? "Say how the paths are made up with --layout."
                           : "Give the folder of the images with --images, or another --format.");
    }
    if (!options.dryRun)
        for (const auto& [sha, file] : import.files)
            PL_CHECK(storeImage(project, sha, file));
    ImportReport report;
    report.file = path;
    report.sha = import.sha;
    report.format = importFormatName(format);
    report.dryRun = options.dryRun;
    report.read = import.read;
    report.rejectedCount = import.rejectedCount;
    report.rejected = std::move(import.rejected);
    report.imagesLeftOut = import.imagesLeftOut;
    report.layout = import.layout;
    report.note = import.note;
    PL_TRY(report.counts, project.importRows(importMeta(import, options.task, options.annotatorName), import.rows, options.dryRun));
    return report;
}

} // namespace pl::desk

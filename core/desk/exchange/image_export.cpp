// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/links.h"
#include "core/base/records.h"
#include "core/desk/exchange/export_parts.h"

namespace pl::desk {

namespace {

/// Which model drew an image, and from which seed.
struct Origin {
    std::string model;
    uint64_t seed = 0;
};

Result<std::map<std::string, Origin>> originsOf(Project& project) {
    std::map<std::string, Origin> origins;
    Page page;
    page.kind = CandidateKind::Image;
    page.limit = 5000;
    for (;; page.offset += page.limit) {
        PL_TRY(const auto some, project.candidates(page));
        for (const Candidate& candidate : some)
            origins.try_emplace(candidate.content, Origin{candidate.modelName, candidate.seed});
        if (static_cast<int64_t>(some.size()) < page.limit)
            return origins;
    }
}

Json imageMessage() {
    return Json::array({{{"role", "assistant"}, {"content", Json::array({{{"type", "image"}}})}}});
}

/// What every form keeps of a row.
Json kept(const Json& row, const char* split) {
    Json line{{"id", row.at("id")}, {"split", row.value("split", split)}};
    for (const char* key : {"strength", "provenance", "annotator", "votes", "margin", "rationale"})
        if (row.contains(key))
            line[key] = row[key];
    return line;
}

Json trlRow(const Json& row, const char* split, const std::string& chosen, const std::string& rejected) {
    Json line = kept(row, split);
    line["images"] = {chosen, rejected};
    line["prompt"] = Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "text"}, {"text", row.at("prompt")}}})}}});
    line["chosen"] = imageMessage();
    line["rejected"] = imageMessage();
    return line;
}

/// What every form but TRL's keeps: none of them has a strength.
Json keptWithout(const Json& row, const char* split) {
    Json line = kept(row, split);
    line.erase("strength");
    return line;
}

/// Two sides as they are written. The better one is first or second by the pair's own hash, so that a reader cannot learn that
/// the first one always wins; a tie keeps the order of its row.
struct Sides {
    std::string first, second;
    bool firstWins = false, tie = false;
    Sides(const Json& row, const std::string& winner, const std::string& loser, bool isTie)
        : firstWins(!isTie && mix64(hashSeed(0, row.at("id").get<std::string>())) % 2 == 0), tie(isTie) {
        first = firstWins || tie ? winner : loser;
        second = firstWins || tie ? loser : winner;
    }
    /// The values of a winner, a loser and a tied side, in the order of the sides.
    Json values(const Json& won, const Json& lost, const Json& tied) const {
        return tie ? Json::array({tied, tied}) : firstWins ? Json::array({won, lost}) : Json::array({lost, won});
    }
};

Json pickRow(const Json& row, const char* split, const Sides& sides, const std::map<std::string, Origin>& origins) {
    Json line = keptWithout(row, split);
    line["ranking_id"] = row.at("id");
    line["caption"] = row.at("prompt");
    line["has_label"] = line["are_different"] = true;
    line["best_image_uid"] = sides.tie ? "" : imageRefSha(sides.firstWins ? sides.first : sides.second);
    const Json labels = sides.values(1.0, 0.0, 0.5);
    for (size_t i = 0; i < 2; ++i) {
        const std::string& ref = i == 0 ? sides.first : sides.second;
        const std::string sha = imageRefSha(ref);
        line[fmt::format("image_{}", i)] = ref;
        line[fmt::format("image_{}_uid", i)] = sha;
        line[fmt::format("label_{}", i)] = labels[i];
        const auto origin = origins.find(sha);
        line[fmt::format("model_{}", i)] = origin == origins.end() ? "" : origin->second.model;
        line[fmt::format("seed_{}", i)] = origin == origins.end() ? 0 : origin->second.seed;
    }
    return line;
}

/// A list of images with a number for each, by the form's own keys.
Json listRow(const Json& row, const char* split, const char* images, const Json& refs, const char* numbers, const Json& values) {
    Json line = keptWithout(row, split);
    line["prompt"] = row.at("prompt");
    line[images] = refs;
    line[numbers] = values;
    return line;
}

/// One JSON array, an object a line.
std::string arrayOf(const std::vector<Json>& rows) {
    std::string text = "[";
    for (const Json& row : rows)
        text += (text.size() > 1 ? ",\n" : "\n") + dumpJson(row);
    return text + "\n]\n";
}
std::string linesOf(const std::vector<Json>& rows) {
    std::string text;
    for (const Json& row : rows)
        text += dumpJson(row) + "\n";
    return text;
}

constexpr std::pair<ImageForm, const char*> kForms[] = {{ImageForm::Trl, "trl"},
                                                        {ImageForm::PickAPic, "pick_a_pic"},
                                                        {ImageForm::HpdV2, "hpd_v2"},
                                                        {ImageForm::ImageRewardDb, "image_reward_db"}};

} // namespace

const char* imageFormName(ImageForm form) {
    for (const auto& [each, name] : kForms)
        if (each == form)
            return name;
    return "";
}

Result<ImageForm> imageFormOf(std::string_view name) {
    for (const auto& [form, known] : kForms)
        if (name == known)
            return form;
    return fail(Code::Unsupported, fmt::format("cannot export '{}'", name), "Formats: trl, pick_a_pic, hpd_v2, image_reward_db.");
}

Result<ExportReport> exportImages(Project& project, const DatasetSpec& spec, const std::string& out, ImageForm form) {
    DatasetSpec ofImages = spec;
    ofImages.filter.kind = CandidateKind::Image;
    PL_TRY(const DatasetInfo dataset, project.freezeDataset(ofImages));
    return writeImages(project, dataset, ofImages, out, form);
}

Status describeImages(ExportReport& report, const DatasetSpec& spec, ImageForm form) {
    const DatasetCounts& n = report.counts;
    if (n.train + n.dev + n.ties + n.unpaired + n.rankings == 0)
        return nothingToExport(n, "vote on images");
    const bool trl = form == ImageForm::Trl, pick = form == ImageForm::PickAPic, hpd = form == ImageForm::HpdV2;
    report.tiesInside = !trl && !hpd;
    report.rankingsInside = form == ImageForm::ImageRewardDb;
    report.unpairedLost = !trl;
    report.lines = report.rows + (report.tiesInside ? report.ties : 0) + (report.rankingsInside ? report.rankings : 0);
    const auto note = [&](int64_t count, const char* what) { noteLoss(report, count, what); };
    if (spec.tiePolicy == TiePolicy::Drop)
        note(n.ties, "ties were left out, as asked");
    else
        note(n.ties, trl    ? "ties are in .ties.jsonl: TRL would train a tie as a preference"
                     : pick ? "ties are rows with 0.5 for both"
                     : hpd  ? "ties are in .rankings.json: a pair of this form has a winner"
                            : "ties are rows of equal ranks");
    note(n.bothBad, trl ? "pairs with both bad are in .unpaired.jsonl" : "pairs with both bad were left out");
    noteLeftOut(report);
    note(n.unusable, "votes were left out: an image is missing or damaged");
    if (form == ImageForm::Trl || pick)
        note(n.rankings, "rankings of several images are in .rankings.jsonl");
    else if (hpd)
        note(n.rankings, "rankings of several images are in .rankings.json, as in the format's test file");
    if (!trl) {
        note(report.rows, "rows have no strength: the format has none");
        note(n.unpaired, "thumbs were left out: the format has none");
    }
    if (!pick)
        note(report.images, "images come without model and seed: the form has no place for them");
    return {};
}

Result<ExportReport> writeImages(Project& project, const DatasetInfo& dataset, const DatasetSpec& spec, const std::string& out,
                                 ImageForm form) {
    ExportReport report;
    report.file = out;
    report.dataset = dataset.sha;
    report.counts = dataset.counts;
    const bool trl = form == ImageForm::Trl, pick = form == ImageForm::PickAPic, hpd = form == ImageForm::HpdV2;
    PL_TRY(const auto origins, originsOf(project));
    std::vector<Json> rows, ties, unpaired, rankings; // beside rows: files of their own, when not empty
    const auto pair = [&](const Json& row, const char* split, const std::string& winner, const std::string& loser, bool tie) {
        const Sides sides(row, winner, loser, tie);
        const Json refs = Json::array({sides.first, sides.second});
        if (pick)
            rows.push_back(pickRow(row, split, sides, origins));
        else if (hpd && !tie)
            rows.push_back(listRow(row, split, "file_path", refs, "human_preference", sides.values(1, 0, 1)));
        else if (hpd)
            rankings.push_back(listRow(row, split, "image_path", refs, "rank", sides.values(1, 2, 1)));
        else
            rows.push_back(listRow(row, split, "generations", refs, "ranking", sides.values(1, 2, 1)));
    };
    for (const char* split : {"train", "dev", "test"}) {
        const std::string path = os::joinPath(dataset.dir, std::string(split) + ".jsonl");
        if (!os::exists(path))
            continue;
        PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t) -> Status {
            const std::string chosen = row.at("chosen"), rejected = row.at("rejected");
            if (trl)
                rows.push_back(trlRow(row, split, chosen, rejected));
            else
                pair(row, split, chosen, rejected, false);
            ++report.rows;
            return {};
        }));
    }
    PL_TRY(const TieVoters voters, TieVoters::of(project));
    PL_CHECK(forEachJsonLine(os::joinPath(dataset.dir, "ties.jsonl"), [&](const Json& row, size_t) -> Status {
        Json said = row;
        if (const char* provenance = voters.provenance(row))
            said["provenance"] = provenance;
        const std::string a = row.at("a"), b = row.at("b");
        ++report.ties;
        if (!trl) {
            pair(said, "train", a, b, true);
            return {};
        }
        Json line = trlRow(said, "train", a, b);
        line["tie"] = true;
        line["tie_kind"] = row.value("tie_kind", "");
        ties.push_back(std::move(line));
        return {};
    }));
    PL_CHECK(forEachJsonLine(os::joinPath(dataset.dir, "unpaired.jsonl"), [&](const Json& row, size_t) -> Status {
        Json line = kept(row, "train");
        line["images"] = Json::array({row.at("completion")});
        line["prompt"] = Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "text"}, {"text", row.at("prompt")}}})}}});
        line["completion"] = imageMessage();
        line["label"] = row.at("label");
        if (trl)
            unpaired.push_back(std::move(line));
        ++report.unpaired;
        return {};
    }));
    PL_CHECK(forEachJsonLine(os::joinPath(dataset.dir, "rankings.jsonl"), [&](const Json& row, size_t) -> Status {
        if (form == ImageForm::ImageRewardDb)
            rows.push_back(listRow(row, "train", "generations", row.at("images"), "ranking", row.at("ranks")));
        else
            rankings.push_back(hpd ? listRow(row, "train", "image_path", row.at("images"), "rank", row.at("ranks")) : row);
        ++report.rankings;
        return {};
    }));

    const auto names = os::listDir(os::joinPath(dataset.dir, "images"));
    report.images = names ? static_cast<int64_t>(names->size()) : 0;
    PL_CHECK(describeImages(report, spec, form));
    if (report.lines != static_cast<int64_t>(rows.size()))
        return fail(Code::Internal, fmt::format("{} rows of {} were made; nothing was written", rows.size(), report.lines),
                    "Report this, with what `pairlab-cli check` says.");
    const std::string around = os::parentDir(os::absolutePath(out)), folder = os::joinPath(around, "images");
    PL_CHECK(os::refuseLinks(around, {"images"}));
    if (names)
        PL_CHECK(os::refuseLinks(folder, *names));
    Json hashes = Json::object();
    const auto write = [&](const std::string& path, const std::string& text, bool always) -> Status {
        if (text.empty() && !always)
            return {};
        PL_CHECK(os::writeFileAtomic(path, text));
        report.files.push_back(path);
        hashes[os::baseName(path)] = sha256Hex(text);
        return {};
    };
    const bool array = hpd || form == ImageForm::ImageRewardDb;
    PL_CHECK(write(out, array ? arrayOf(rows) : linesOf(rows), true));
    PL_CHECK(write(out + ".ties.jsonl", linesOf(ties), false));
    PL_CHECK(write(out + ".unpaired.jsonl", linesOf(unpaired), false));
    if (!hpd)
        PL_CHECK(write(out + ".rankings.jsonl", linesOf(rankings), false));
    else if (!rankings.empty())
        PL_CHECK(write(out + ".rankings.json", arrayOf(rankings), true));
    PL_CHECK(removeStale(out, report.files));
    // Copies: what is handed on does not change with the project.
    PL_CHECK(os::makeDirs(folder));
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::string to = os::joinPath(folder, name), sha = imageRefSha("images/" + name);
        hashes["images/" + name] = sha;
        if (const auto there = sha256File(to); there && *there == sha)
            continue;
        PL_CHECK(os::copyFile(os::joinPath(os::joinPath(dataset.dir, "images"), name), to));
    }
    const Json manifest{{"manifest_version", 1}, {"format", imageFormName(form)},
                        {"dataset", dataset.sha}, {"files", hashes}, {"counts", dataset.counts.toJson()}, {"notes", report.notes},
                        {"project", project.uuid()}};
    const std::string path = out + ".manifest.json";
    PL_CHECK(os::writeFileAtomic(path, dumpJsonPretty(manifest) + "\n"));
    report.files.push_back(path);
    return report;
}

} // namespace pl::desk

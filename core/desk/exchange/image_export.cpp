// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"
#include "core/base/os/files.h"
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

/// The winner is image 0 or 1 by the pair's own hash, so that a reader cannot learn that the first one always wins.
Json pickRow(const Json& row, const char* split, std::string winner, std::string loser, bool tie,
             const std::map<std::string, Origin>& origins) {
    Json line = kept(row, split);
    line.erase("strength");
    line["ranking_id"] = row.at("id");
    line["caption"] = row.at("prompt");
    line["has_label"] = line["are_different"] = true;
    const bool first = tie || mix64(hashSeed(0, row.at("id").get<std::string>())) % 2 == 0;
    line["best_image_uid"] = tie ? "" : imageRefSha(winner);
    const std::pair<const char*, std::string> sides[] = {{"0", first ? winner : loser}, {"1", first ? loser : winner}};
    for (const auto& [i, ref] : sides) {
        const std::string sha = imageRefSha(ref);
        line[std::string("image_") + i] = ref;
        line[fmt::format("image_{}_uid", i)] = sha;
        line[std::string("label_") + i] = tie ? 0.5 : ref == winner ? 1.0 : 0.0;
        const auto origin = origins.find(sha);
        line[std::string("model_") + i] = origin == origins.end() ? "" : origin->second.model;
        line[std::string("seed_") + i] = origin == origins.end() ? 0 : origin->second.seed;
    }
    return line;
}

} // namespace

Result<ExportReport> exportPickAPic(Project& project, const DatasetSpec& spec, const std::string& out) {
    DatasetSpec ofImages = spec;
    ofImages.filter.kind = CandidateKind::Image;
    PL_TRY(const DatasetInfo dataset, project.freezeDataset(ofImages));
    return exportImages(project, dataset, ofImages, out, ImageForm::PickAPic);
}

Result<ExportReport> exportImages(Project& project, const DatasetInfo& dataset, const DatasetSpec& spec, const std::string& out,
                                  ImageForm form) {
    ExportReport report;
    report.file = out;
    report.dataset = dataset.sha;
    report.counts = dataset.counts;
    const DatasetCounts& n = dataset.counts;
    if (n.train + n.dev + n.ties + n.unpaired + n.rankings == 0)
        return fail(Code::InvalidInput, "there is no vote on images to export", "Label some pairs, or widen the filter.");
    PL_TRY(const auto origins, originsOf(project));
    std::string bytes, ties, unpaired, rankings;
    for (const char* split : {"train", "dev", "test"}) {
        const std::string path = os::joinPath(dataset.dir, std::string(split) + ".jsonl");
        if (!os::exists(path))
            continue;
        PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t) -> Status {
            const std::string chosen = row.at("chosen"), rejected = row.at("rejected");
            bytes += dumpJson(form == ImageForm::Trl ? trlRow(row, split, chosen, rejected)
                                                     : pickRow(row, split, chosen, rejected, false, origins)) +
                     "\n";
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
        if (form == ImageForm::PickAPic) {
            bytes += dumpJson(pickRow(said, "train", a, b, true, origins)) + "\n";
            return {};
        }
        Json line = trlRow(said, "train", a, b);
        line["tie"] = true;
        line["tie_kind"] = row.value("tie_kind", "");
        ties += dumpJson(line) + "\n";
        return {};
    }));
    PL_CHECK(forEachJsonLine(os::joinPath(dataset.dir, "unpaired.jsonl"), [&](const Json& row, size_t) -> Status {
        Json line = kept(row, "train");
        line["images"] = Json::array({row.at("completion")});
        line["prompt"] = Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "text"}, {"text", row.at("prompt")}}})}}});
        line["completion"] = imageMessage();
        line["label"] = row.at("label");
        unpaired += dumpJson(line) + "\n";
        ++report.unpaired;
        return {};
    }));
    PL_CHECK(forEachJsonLine(os::joinPath(dataset.dir, "rankings.jsonl"), [&](const Json& row, size_t) -> Status {
        rankings += dumpJson(row) + "\n";
        ++report.rankings;
        return {};
    }));

    Json hashes = Json::object();
    const auto write = [&](const std::string& path, const std::string& text, bool always) -> Status {
        if (text.empty() && !always)
            return {};
        PL_CHECK(os::writeFileAtomic(path, text));
        report.files.push_back(path);
        hashes[os::baseName(path)] = sha256Hex(text);
        return {};
    };
    PL_CHECK(write(out, bytes, true));
    PL_CHECK(write(out + ".ties.jsonl", ties, false));
    PL_CHECK(write(out + ".unpaired.jsonl", form == ImageForm::Trl ? unpaired : std::string(), false));
    PL_CHECK(write(out + ".rankings.jsonl", rankings, false));
    // Copies: what is handed on does not change with the project.
    const std::string folder = os::joinPath(os::parentDir(os::absolutePath(out)), "images");
    PL_CHECK(os::makeDirs(folder));
    const auto names = os::listDir(os::joinPath(dataset.dir, "images"));
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::string to = os::joinPath(folder, name), sha = imageRefSha("images/" + name);
        hashes["images/" + name] = sha;
        ++report.images;
        if (const auto there = sha256File(to); there && *there == sha)
            continue;
        PL_CHECK(os::copyFile(os::joinPath(os::joinPath(dataset.dir, "images"), name), to));
    }
    const auto note = [&](int64_t count, const char* what) { noteLoss(report, count, what); };
    if (spec.tiePolicy == TiePolicy::Drop)
        note(n.ties, "ties were left out, as asked");
    else
        note(n.ties, form == ImageForm::Trl ? "ties are in .ties.jsonl: TRL would train a tie as a preference"
                                            : "ties are rows with 0.5 for both");
    note(n.bothBad, form == ImageForm::Trl ? "pairs with both bad are in .unpaired.jsonl" : "pairs with both bad were left out");
    note(n.identical, "pairs called identical carry no preference");
    note(n.disagreements, "pairs whose votes cancel out were left out");
    note(n.sealedTest, "votes on sealed test prompts were kept back");
    note(n.flagged, "votes on flagged pairs were left out");
    note(n.skips, "skips carry no preference");
    note(n.unusable, "votes were left out: an image is missing or damaged");
    note(n.rankings, "rankings of several images are in .rankings.jsonl");
    if (form == ImageForm::PickAPic) {
        note(report.rows, "rows have no strength: the format has none");
        note(n.unpaired, "thumbs were left out: the format has none");
    } else {
        note(report.images, "images come without model and seed: the form has no place for them");
    }
    const Json manifest{{"manifest_version", 1}, {"format", form == ImageForm::Trl ? "trl" : "pick_a_pic"},
                        {"dataset", dataset.sha}, {"files", hashes}, {"counts", n.toJson()}, {"notes", report.notes},
                        {"project", project.uuid()}};
    const std::string path = out + ".manifest.json";
    PL_CHECK(os::writeFileAtomic(path, dumpJsonPretty(manifest) + "\n"));
    report.files.push_back(path);
    return report;
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/export.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/export_parts.h"
#include "core/desk/exchange/stepwise.h"
#include "core/desk/store/dataset_rows.h"

namespace pl::desk {

Json ExportReport::toJson() const {
    return {{"file", file},         {"dataset", dataset}, {"rows", rows},   {"ties", ties},
            {"unpaired", unpaired}, {"files", files},     {"notes", notes}, {"counts", counts.toJson()},
            {"rankings", rankings}, {"images", images},   {"lines", lines}};
}

std::string ExportReport::toString() const {
    const auto list = [](std::initializer_list<std::pair<int64_t, const char*>> parts) {
        std::string text;
        for (const auto& [n, what] : parts)
            if (n)
                text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", n, what, n == 1 ? "" : "s");
        return text;
    };
    std::string text = fmt::format("{} row{}", lines, lines == 1 ? "" : "s");
    if (lines != rows)
        text += " (" + list({{rows, "preference"}, {tiesInside ? ties : 0, "tie"}, {rankingsInside ? rankings : 0, "ranking"}}) + ")";
    const std::string beside = list({{tiesInside ? 0 : ties, "tie"},
                                     {unpairedLost ? 0 : unpaired, "unpaired row"},
                                     {rankingsInside ? 0 : rankings, "ranking"},
                                     {images, "image"}});
    return beside.empty() ? text : text + "; beside it " + beside;
}

Status describeTexts(ExportReport& report, const DatasetSpec& spec, int64_t steps) {
    const DatasetCounts& n = report.counts;
    if (report.rows == 0 && n.ties + n.unpaired == 0)
        return nothingToExport(n, "vote");
    report.lines = report.rows;
    const auto note = [&](int64_t count, const char* what) { noteLoss(report, count, what); };
    note(n.ties, spec.tiePolicy == TiePolicy::Drop ? "ties were left out, as asked"
                                                   : "ties are in .ties.jsonl: TRL would train a tie as a preference");
    note(steps, "answers with a first wrong step are in .stepwise.jsonl");
    note(n.bothBad, "pairs with both bad are in .unpaired.jsonl");
    noteLeftOut(report);
    note(n.unusable, "rankings were left out: they do not fit their answers");
    return {};
}

Result<ExportReport> countRows(Project& project, const DatasetSpec& spec, ImageForm form) {
    DatasetSpec wanted = spec;
    if (form != ImageForm::Trl)
        wanted.filter.kind = CandidateKind::Image;
    PL_TRY(const DatasetRows set, datasetRows(project, wanted));
    ExportReport report;
    report.counts = set.counts;
    report.rows = set.of("train.jsonl") + set.of("dev.jsonl") + set.of("test.jsonl");
    report.ties = set.of("ties.jsonl");
    report.unpaired = set.of("unpaired.jsonl");
    report.rankings = set.of("rankings.jsonl");
    report.images = set.images;
    if (set.ofImages) {
        PL_CHECK(describeImages(report, wanted, form));
        return report;
    }
    int64_t steps = 0;
    PL_TRY([[maybe_unused]] const std::string stepwise, stepwiseRows(project, wanted, &steps));
    PL_CHECK(describeTexts(report, wanted, steps));
    return report;
}

Result<ExportReport> exportTrl(Project& project, const DatasetSpec& spec, const std::string& out) {
    PL_TRY(const DatasetInfo dataset, project.freezeDataset(spec));
    if (dataset.isOfImages())
        return writeImages(project, dataset, spec, out, ImageForm::Trl);
    ExportReport report;
    report.file = out;
    report.dataset = dataset.sha;
    report.counts = dataset.counts;
    std::string bytes;
    for (const char* split : {"train", "dev", "test"}) {
        const std::string path = os::joinPath(dataset.dir, std::string(split) + ".jsonl");
        if (!os::exists(path))
            continue;
        PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t) -> Status {
            Json line = row;
            line["split"] = split;
            bytes += dumpJson(line) + "\n";
            ++report.rows;
            return {};
        }));
    }
    int64_t steps = 0;
    PL_TRY(const std::string stepwise, stepwiseRows(project, spec, &steps));
    PL_CHECK(describeTexts(report, spec, steps));
    PL_CHECK(os::writeFileAtomic(out, bytes));
    report.files.push_back(out);
    Json hashes{{os::baseName(out), sha256Hex(bytes)}};
    const auto beside = [&](const char* name, int64_t& rows) -> Status {
        const std::string from = os::joinPath(dataset.dir, name);
        PL_TRY(std::string text, os::readFile(from));
        rows = std::count(text.begin(), text.end(), '\n');
        if (!rows)
            return {};
        if (std::string_view(name) == "ties.jsonl") {
            PL_TRY(const TieVoters voters, TieVoters::of(project));
            text.clear();
            PL_CHECK(forEachJsonLine(from, [&](const Json& row, size_t) -> Status {
                Json line = row;
                if (const char* provenance = voters.provenance(row))
                    line["provenance"] = provenance;
                text += dumpJson(line) + "\n";
                return {};
            }));
        }
        const std::string path = out + "." + name;
        PL_CHECK(os::writeFileAtomic(path, text));
        report.files.push_back(path);
        hashes[os::baseName(path)] = sha256Hex(text);
        return {};
    };
    PL_CHECK(beside("ties.jsonl", report.ties));
    PL_CHECK(beside("unpaired.jsonl", report.unpaired));
    if (steps) {
        const std::string path = out + ".stepwise.jsonl";
        PL_CHECK(os::writeFileAtomic(path, stepwise));
        report.files.push_back(path);
        hashes[os::baseName(path)] = sha256Hex(stepwise);
    }
    PL_CHECK(removeStale(out, report.files));
    const Json manifest{{"manifest_version", 1},    {"format", "trl"},
                        {"dataset", dataset.sha},   {"files", hashes},
                        {"counts", dataset.counts.toJson()}, {"notes", report.notes},
                        {"project", project.uuid()}};
    const std::string path = out + ".manifest.json";
    PL_CHECK(os::writeFileAtomic(path, dumpJsonPretty(manifest) + "\n"));
    report.files.push_back(path);
    return report;
}

} // namespace pl::desk

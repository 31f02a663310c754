// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/export_any.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/desk/store/reader_thread.h"

namespace pl::desk {

namespace {

std::vector<ExportFormat> table() {
    std::vector<ExportFormat> all;
    all.push_back({"trl", "TRL's preference rows, to train on; ties, rankings and thumbs beside them", "jsonl", true, true, true, {}});
    all.push_back({"votes", "every event with every field, undone and replaced ones too; nothing is lost", "jsonl", true, true, false, {}});
    all.push_back({"aggregate", "one row a pair: counts of each side, majority, agreement, mean strength", "jsonl", true, true, true,
                   {"who judged is not said", "rationales, attributes, reasons, marks and edits are dropped",
                    "undone and replaced votes are left out"}});
    for (const FormInfo& form : textForms()) {
        ExportFormat each{form.name, form.array ? "one JSON array, as that tool reads it" : "JSON Lines, as that tool reads them",
                          form.array ? "json" : "jsonl", true, false, true, {}};
        for (const Part part : form.lost)
            each.losses.emplace_back(partText(part));
        all.push_back(std::move(each));
    }
    const std::vector<std::string> images{"how much better is not said where its form has no place for it",
                                          "rationales, attributes, reasons, spans, regions and struck words are dropped",
                                          "skips, flags, undone and replaced votes are left out"};
    all.push_back({"trl_stepwise", "answers with a first wrong step, as TRL's stepwise rows", "jsonl", true, false, true,
                   {"which answer was better is not said", "answers without a marked step are left out"}});
    all.push_back({"pick_a_pic", "Pick-a-Pic's rows; rankings beside them", "jsonl", false, true, true, images});
    all.push_back({"hpd_v2", "HPD v2's training form; ties and rankings beside it", "json", false, true, true, images});
    all.push_back({"image_reward_db", "ImageReward's form: pairs, ties and rankings", "json", false, true, true, images});
    return all;
}

Status checkSplits(const ExportChoice& choice, const ExportFormat& format) {
    if (choice.splits.empty() && format.splits)
        return fail(Code::InvalidInput, "no split is chosen", "Choose train, dev, or both.");
    return {};
}

DatasetSpec specOf(Project& project, const ExportChoice& choice) {
    DatasetSpec spec;
    spec.name = fmt::format("export-{}", project.counters().events);
    spec.filter.kind = choice.kind;
    spec.filter.splits = choice.splits;
    return spec;
}

Result<const ExportFormat*> formatOf(std::string_view name) {
    const ExportFormat* format = exportFormatOf(name == "auto" ? "trl" : name);
    if (!format)
        return fail(Code::InvalidInput, fmt::format("\"{}\" is not a form of exports", name),
                    "Known are votes, aggregate, trl, " + textFormNames() +
                        "; of votes on images pick_a_pic, hpd_v2, image_reward_db.");
    return format;
}

ExportDone doneOf(const TextExportReport& report) {
    ExportDone done{report.toString(), {}, {}, report.files, report.toJson()};
    for (const auto& [why, n] : report.leftOut)
        done.notes.push_back(fmt::format("{} left out: {}", n, why));
    for (const Part part : report.lost)
        done.losses.emplace_back(partText(part));
    return done;
}

} // namespace

const std::vector<ExportFormat>& exportFormats() {
    static const std::vector<ExportFormat> all = table();
    return all;
}

const ExportFormat* exportFormatOf(std::string_view name) {
    const auto& all = exportFormats();
    const auto at = std::find_if(all.begin(), all.end(), [&](const ExportFormat& each) { return each.name == name; });
    return at == all.end() ? nullptr : &*at;
}

Status checkExportFormat(std::string_view name) {
    if (const auto found = formatOf(name); !found)
        return tl::unexpected<Error>(found.error());
    return {};
}

Status checkExportPlace(Project& project, const std::string& out) {
    namespace fs = std::filesystem;
    if (out.empty())
        return fail(Code::InvalidInput, "no file is named to export to", "Name one beside the project.");
    if (os::isDir(out))
        return fail(Code::InvalidInput, fmt::format("{} is a folder", out), "Name a file in it.");
    if (os::exists(out) && !os::isRegularFile(out))
        return fail(Code::InvalidInput, fmt::format("{} is no ordinary file", out), "Name another.");
    std::error_code error;
    if (fs::is_symlink(out, error)) // /dev/stdout is one, too; what is written takes the place of its name
        return fail(Code::InvalidInput, fmt::format("{} is a link", out), "Name the file that it leads to, or another.");
    return checkBeside(project, out);
}

Status checkBeside(Project& project, const std::string& out) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::path at = fs::weakly_canonical(fs::absolute(out, error), error);
    if (error)
        return fail(Code::Io, fmt::format("cannot tell where {} is: {}", out, error.message()), "Name another file.");
    for (;; at = at.parent_path()) {
        if (fs::equivalent(at, project.dir(), error) && !error)
            return fail(Code::InvalidInput, fmt::format("{} lies in the project's own folder, {}", out, project.dir()),
                        "Export to a file beside it: what is in it is the project's, and what is erased there must not live on in an export.");
        if (!at.has_relative_path())
            return {};
    }
}

Result<ExportDone> exportAs(Project& project, const ExportChoice& choice) {
    PL_TRY(const ExportFormat* format, formatOf(choice.format));
    PL_CHECK(checkExportPlace(project, choice.out));
    TextExportFilter filter;
    filter.splits = choice.splits;
    PL_CHECK(checkSplits(choice, *format));
    if (format->name == "votes") {
        PL_TRY(const auto report, exportVotes(project, choice.out));
        return doneOf(report);
    }
    if (format->name == "aggregate") {
        PL_TRY(const auto report, exportAggregate(project, filter, choice.out));
        return doneOf(report);
    }
    if (format->name == "trl_stepwise") {
        PL_TRY(const auto report, exportStepwise(project, filter, choice.out));
        return doneOf(report);
    }
    if (const auto form = textFormOf(format->name)) {
        PL_TRY(const auto report, exportText(project, filter, choice.out, *form));
        return doneOf(report);
    }
    PL_TRY(const ImageForm form, imageFormOf(format->name));
    const DatasetSpec spec = specOf(project, choice);
    PL_TRY(const ExportReport report,
           form == ImageForm::Trl ? exportTrl(project, spec, choice.out) : exportImages(project, spec, choice.out, form));
    return ExportDone{report.toString(), report.notes, format->losses, report.files, report.toJson()};
}

std::string ExportPreview::toString() const {
    std::string out = summary;
    for (const std::string& note : notes)
        out += "; " + note;
    return out;
}

Result<ExportPreview> previewExport(Project& project, const ExportChoice& choice) {
    PL_TRY(const ExportFormat* format, formatOf(choice.format));
    TextExportFilter filter;
    filter.splits = choice.splits;
    PL_CHECK(checkSplits(choice, *format));
    const auto of = [](const Result<TextExportReport>& report) -> Result<ExportPreview> {
        if (!report)
            return tl::unexpected(report.error());
        const ExportDone done = doneOf(*report);
        return ExportPreview{report->lines, done.summary, done.notes};
    };
    if (format->name == "votes")
        return of(countVotes(project));
    if (format->name == "aggregate")
        return of(countAggregate(project, filter));
    if (format->name == "trl_stepwise")
        return of(countStepwise(project, filter));
    if (const auto form = textFormOf(format->name))
        return of(countText(project, filter, choice.out, *form));
    PL_TRY(const ImageForm form, imageFormOf(format->name));
    const DatasetSpec spec = specOf(project, choice);
    PL_TRY(const ExportReport report, countRows(project, spec, form));
    return ExportPreview{report.lines, report.toString(), report.notes};
}

void exportBeside(ReaderThread& reader, const ExportChoice& choice, std::function<void(Result<ExportDone>)> done, std::function<void()> begun) {
    reader.read(
        [choice, done, begun](Result<Project*> project) {
            if (!project)
                return done(tl::unexpected(project.error()));
            if (begun)
                begun();
            done(exportAs(**project, choice));
        },
        [choice](Project& project) -> Status {
            PL_CHECK(checkExportPlace(project, choice.out));
            return os::makeDirs(os::parentDir(os::absolutePath(choice.out)));
        });
}

void previewBeside(ReaderThread& reader, const ExportChoice& choice, std::function<void(Result<ExportPreview>)> done, std::function<bool()> wanted) {
    reader.read([choice, done](Result<Project*> project) { done(project ? previewExport(**project, choice) : tl::unexpected(project.error())); }, {},
                wanted ? std::move(wanted) : [] { return true; });
}

} // namespace pl::desk

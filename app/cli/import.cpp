// SPDX-License-Identifier: Apache-2.0
// import: known formats, any columns by a mapping, two files of answers; what was imported, and taking it back.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/column_map.h"
#include "core/desk/exchange/image_import.h"
#include "core/desk/exchange/import.h"
#include "core/desk/exchange/pair_files.h"

namespace pl::cli {

namespace {

struct Arguments {
    std::string project, file, format = "auto", split, images, layout, map, saveMap, prompt, answer;
    std::vector<std::string> pair, models;
    bool dryRun = false, json = false, implicit = false, columns = false, batches = false, formatGiven = false;
    int64_t revert = 0;
};

/// Why an option would do nothing beside the others, or with this file; empty: each does something.
std::string idle(const Arguments& a) {
    struct Way {
        bool taken;
        const char* option;
        std::vector<const char*> may; ///< beside it
    };
    const Way ways[] = {{a.batches, "--batches", {"--json"}},
                        {a.revert != 0, "--revert", {"--json"}},
                        {a.columns, "--columns", {"file", "--json"}},
                        {!a.pair.empty(), "--pair", {"--prompt-column", "--answer-column", "--models", "--split", "--dry-run", "--json"}}};
    const std::pair<const char*, bool> given[] = {{"file", !a.file.empty()},      {"--format", a.formatGiven},         {"--map", !a.map.empty()},
                                                  {"--save-map", !a.saveMap.empty()}, {"--columns", a.columns},        {"--pair", !a.pair.empty()},
                                                  {"--images", !a.images.empty()}, {"--layout", !a.layout.empty()},    {"--split", !a.split.empty()},
                                                  {"--implicit", a.implicit},      {"--dry-run", a.dryRun},            {"--batches", a.batches},
                                                  {"--revert", a.revert != 0}};
    for (const Way& way : ways) {
        if (!way.taken)
            continue;
        for (const auto& [name, is] : given)
            if (is && name != std::string(way.option) && std::none_of(way.may.begin(), way.may.end(), [&](const char* may) { return name == std::string(may); }))
                return fmt::format("{} does nothing with {}", name == std::string("file") ? "a file" : name, way.option);
        return {};
    }
    const bool folder = os::isDir(a.file), anyFormat = a.format == "auto";
    const auto with = [&](const char* option) { return fmt::format("{} does nothing with {}", option, a.map.empty() ? "--format " + a.format : "--map"); };
    if (!a.layout.empty() && (!a.map.empty() || !(anyFormat || a.format == "folder")))
        return with("--layout");
    if (!a.layout.empty() && !folder)
        return fmt::format("--layout says how the paths in a folder of images are made up, and {} is no folder", a.file);
    if (a.implicit && (!a.map.empty() || !(anyFormat || a.format == "trl")))
        return with("--implicit");
    if (a.implicit && folder)
        return fmt::format("--implicit finds prompts in pairs of texts, and {} is a folder", a.file);
    const auto format = desk::importFormatOf(a.format);
    if (!a.images.empty() && (!a.map.empty() || (!anyFormat && format && !desk::isImageFormat(*format))))
        return with("--images");
    if (!a.images.empty() && (folder || a.format == "folder"))
        return fmt::format("--images is for rows that name image files, and {} is the folder of images itself", a.file);
    return {};
}

long long count(int64_t n) { return static_cast<long long>(n); }

void sayLeftOut(const desk::ImportReport& report) {
    for (const auto& row : report.rejected)
        std::printf("  %s %zu: %s\n", report.layout.empty() ? "line" : "file", row.line, row.reason.c_str());
    if (report.rejectedCount > static_cast<int64_t>(report.rejected.size()))
        std::printf("  and %lld more\n", count(report.rejectedCount - static_cast<int64_t>(report.rejected.size())));
}

/// The columns of a file and what they probably are; nothing is imported.
Result<int> columns(const Arguments& a) {
    PL_TRY(const std::string text, desk::readMaybeGzip(a.file, desk::ImportOptions().maxBytes));
    PL_TRY(const desk::ColumnPreview preview, desk::previewColumns(text, a.file));
    const Json guess = preview.guess.toJson();
    if (a.json) {
        Json list = Json::array();
        for (const auto& column : preview.columns)
            list.push_back({{"path", column.path}, {"filled", column.filled}, {"values", column.values}});
        printJson({{"rows", preview.rows}, {"columns", list}, {"guess", guess}, {"note", preview.note}});
        return 0;
    }
    if (!preview.note.empty())
        std::printf("%s: %s\n", a.file.c_str(), preview.note.c_str());
    for (const auto& column : preview.columns)
        std::printf("%-28s %4d of %d rows   %.100s\n", column.path.c_str(), column.filled, preview.rows,
                    column.values.empty() ? "" : column.values[0].c_str());
    const Status usable = preview.guess.check();
    std::printf("a mapping to begin with%s:\n%s\n", usable ? "" : (" (incomplete: " + usable.error().message + ")").c_str(), dumpJson(guess).c_str());
    return 0;
}

Result<int> pairUp(const Arguments& a) {
    desk::PairFilesOptions options;
    options.prompt = a.prompt;
    options.answer = a.answer;
    options.dryRun = a.dryRun;
    if (a.models.size() == 2) {
        options.modelA = a.models[0];
        options.modelB = a.models[1];
    }
    if (!a.split.empty()) {
        PL_TRY(options.split, splitArgument(a.split));
    }
    PL_TRY(desk::Project project, openProject(a.project));
    desk::PairedFiles paired;
    PL_TRY(const desk::ImportReport report, desk::importPaired(project, a.pair[0], a.pair[1], options, &paired));
    PL_CHECK(project.close());
    if (a.json) {
        Json json = report.toJson();
        json["matched"] = paired.rows.size();
        json["only_a"] = paired.onlyA;
        json["only_b"] = paired.onlyB;
        json["identical"] = paired.identical;
        printJson(json);
        return 0;
    }
    std::printf("%s%s: %zu pairs by prompt, %lld of them new.\n", a.dryRun ? "Dry run, nothing written. " : "", report.file.c_str(),
                paired.rows.size(), count(report.counts.pairs));
    std::printf("  %lld answers only in %s, %lld only in %s, %lld the same on both sides, %lld rows left out\n", count(paired.onlyA),
                a.pair[0].c_str(), count(paired.onlyB), a.pair[1].c_str(), count(paired.identical), count(report.rejectedCount));
    sayLeftOut(report);
    return 0;
}

Json batchJson(const desk::ImportBatch& batch) {
    return {{"batch", batch.id}, {"uuid", batch.uuid}, {"source", batch.source}, {"sha256", batch.sha}, {"format", batch.format},
            {"created_ms", batch.createdMs}, {"reverted_ms", batch.revertedMs}, {"prompts", batch.prompts}, {"candidates", batch.candidates},
            {"pairs", batch.pairs}, {"votes", batch.votes}};
}

Result<int> batches(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const auto all, project.importBatches());
    PL_CHECK(project.close());
    Json list = Json::array();
    for (const desk::ImportBatch& batch : all) {
        list.push_back(batchJson(batch));
        if (!a.json)
            std::printf("%4lld  %s  %s (%s): %lld prompts, %lld pairs, %lld votes%s\n", count(batch.id), formatTime(batch.createdMs).c_str(),
                        batch.source.c_str(), batch.format.c_str(), count(batch.prompts), count(batch.pairs), count(batch.votes),
                        batch.revertedMs ? (", taken back " + formatTime(batch.revertedMs)).c_str() : "");
    }
    if (a.json)
        printJson({{"batches", list}});
    else if (all.empty())
        std::printf("Nothing was imported.\n");
    return 0;
}

Result<int> revert(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const auto all, project.importBatches());
    const auto found = std::find_if(all.begin(), all.end(), [&](const desk::ImportBatch& batch) { return batch.id == a.revert; });
    if (found == all.end())
        return fail(Code::NotFound, fmt::format("there is no import {} in this project", a.revert),
                    all.empty() ? "Nothing was imported." : fmt::format("`pairlab-cli import {} --batches` lists them.", a.project));
    const desk::Counters before = project.counters();
    PL_CHECK(project.revertImport(a.revert));
    const desk::Counters after = project.counters();
    PL_CHECK(project.close());
    const int64_t votes = before.current - after.current, pairs = before.comparisons - after.comparisons, prompts = before.prompts - after.prompts;
    if (a.json) {
        Json json = batchJson(*found);
        json["gone"] = {{"votes", votes}, {"pairs", pairs}, {"prompts", prompts}};
        printJson(json);
        return 0;
    }
    std::printf("Import %lld (%s) is taken back: %lld votes, %lld pairs and %lld prompts are gone; what something else uses stays.\n", count(a.revert),
                found->source.c_str(), count(votes), count(pairs), count(prompts));
    return 0;
}

Result<int> import(const Arguments& a) {
    if (a.batches)
        return batches(a);
    if (a.revert)
        return revert(a);
    if (!a.pair.empty())
        return pairUp(a);
    if (a.columns)
        return columns(a);
    if (!a.saveMap.empty() && a.map.empty())
        return fail(Code::InvalidInput, "--save-map needs a mapping", "Give it with --map.");
    desk::ImportOptions options;
    PL_TRY(options.format, desk::importFormatOf(a.format));
    options.dryRun = a.dryRun;
    options.implicit = a.implicit;
    options.images = a.images;
    options.layout = a.layout;
    if (!a.split.empty()) {
        PL_TRY(options.split, splitArgument(a.split));
    }
    PL_TRY(desk::Project project, openProject(a.project));
    if (!a.map.empty()) {
        PL_TRY(desk::ColumnMap map, desk::columnMapOf(project, a.map));
        options.map = std::make_shared<const desk::ColumnMap>(std::move(map));
    }
    PL_TRY(desk::ImportReport report, desk::importFile(project, a.file, options));
    if (!a.saveMap.empty() && !a.dryRun)
        PL_CHECK(desk::saveMap(project, a.saveMap, *options.map));
    PL_CHECK(project.close());
    if (a.json) {
        printJson(report.toJson());
        return 0;
    }
    std::printf("%s%s (%s): %lld rows read, %lld prompts, %lld pairs, %lld votes new, %lld known, %lld rejected.\n",
                a.dryRun ? "Dry run, nothing written. " : "", a.file.c_str(), report.format.c_str(), count(report.read),
                count(report.counts.prompts), count(report.counts.pairs), count(report.counts.votes), count(report.counts.duplicates),
                count(report.rejectedCount));
    const auto say = [](int64_t n, const char* one, const char* many) {
        if (n)
            std::printf("  %lld %s\n", count(n), n == 1 ? one : many);
    };
    say(report.counts.differing, "differs from a vote that is here already; kept the earlier",
        "differ from a vote that is here already; kept the earlier");
    say(report.counts.keptSplit, "prompt was here already and keeps its split", "prompts were here already and keep their split");
    say(report.imagesLeftOut, "image was left out of a ranking; the others of it are ranked",
        "images were left out of rankings; the others of them are ranked");
    if (!report.layout.empty())
        std::printf("  paths read as %s\n", report.layout.c_str());
    if (!report.note.empty())
        std::printf("  %s\n", report.note.c_str());
    sayLeftOut(report);
    return 0;
}

} // namespace

void addImportCommand(Commands& commands) {
    auto i = std::make_shared<Arguments>();
    auto* sub = commands.add("import", "Read preference data or prompts", [i] { return import(*i); });
    sub->add_option("project", i->project, "Project folder")->required();
    auto* file = sub->add_option("file", i->file, "JSON Lines, a JSON array, CSV or TSV (also .gz), a text file with a prompt a line, or a folder of images");
    auto* format = sub->add_option("--format", i->format, desk::importFormatNames());
    auto* map = sub->add_option("--map", i->map,
                                "Which column is what: a file of JSON, JSON such as '{\"prompt\": \"q\", \"a\": \"x[0].text\", \"b\": \"x[1].text\", "
                                "\"winner\": \"choice\", \"winner_values\": {\"left\": \"a\", \"right\": \"b\"}}', or a name kept with --save-map");
    map->excludes(format);
    sub->add_option("--save-map", i->saveMap, "Keep the mapping in the project under this name");
    sub->add_flag("--columns", i->columns, "Show the file's columns and a mapping to begin with; nothing is imported");
    auto* pair = sub->add_option("--pair", i->pair, "Two files of answers, joined by their prompts into pairs to judge")->expected(2);
    sub->add_option("--prompt-column", i->prompt, "With --pair: the column of the prompt")->needs(pair);
    sub->add_option("--answer-column", i->answer, "With --pair: the column of the answer")->needs(pair);
    sub->add_option("--models", i->models, "With --pair: who wrote them; else a column \"model\" or the file's name")->expected(2)->needs(pair);
    sub->add_option("--images", i->images, "Folder of the image files that rows name; else that of the file");
    sub->add_option("--layout", i->layout,
                    "How the paths in a folder of images are made up, as {checkpoint}/{prompt}_{seed}; recognised unless said");
    sub->add_option("--split", i->split, "Put every prompt into this split")->check(splitName(false));
    sub->add_flag("--implicit", i->implicit, "Plain texts without a prompt: their common beginning becomes the prompt");
    sub->add_flag("--dry-run", i->dryRun, "Say what would happen");
    sub->add_flag("--batches", i->batches, "List what was imported so far, each file a batch with a number");
    sub->add_option("--revert", i->revert, "Take the batch of this number back: its votes, and what nothing else uses")
        ->check(wholeNumber(1, std::numeric_limits<int64_t>::max()));
    sub->add_flag("--json", i->json, "JSON");
    sub->parse_complete_callback([i, file, format] {
        i->formatGiven = format->count() > 0;
        if (i->file.empty() && i->pair.empty() && !i->batches && !i->revert)
            throw CLI::RequiredError(file->get_name());
        if (const std::string why = idle(*i); !why.empty()) // before the project is opened
            throw CLI::ValidationError("import", why + ".");
    });
}

} // namespace pl::cli

// SPDX-License-Identifier: Apache-2.0
// new, export, stats, check, backup.
#include <cmath>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/export_any.h"
#include "core/desk/stats/quality.h"
#include "core/desk/store/audit.h"

namespace pl::cli {

namespace {

struct Arguments {
    std::string project, format = "auto", out, name, starter = "none", kind;
    bool json = false, audit = false, losses = false;
};

Result<int> create(const Arguments& a) {
    desk::ProjectOptions options;
    options.name = a.name;
    options.program = "pairlab-cli";
    PL_TRY(const desk::Starter starter, desk::starterOf(a.starter));
    PL_TRY(desk::Project project, desk::createProject(a.project, options, starter));
    const auto counters = project.counters();
    PL_CHECK(project.close());
    if (a.json)
        printJson({{"project", os::absolutePath(a.project)}, {"prompts", counters.prompts}, {"pairs", counters.comparisons}});
    else
        std::printf("%s: %lld prompts, %lld pairs ready to label.\n", a.project.c_str(),
                    static_cast<long long>(counters.prompts), static_cast<long long>(counters.comparisons));
    return 0;
}

Result<int> exportData(const Arguments& a) {
    if (a.losses) {
        std::printf("%s", a.json ? (dumpJson(desk::lossTableJson()) + "\n").c_str() : desk::lossTableText().c_str());
        return 0;
    }
    desk::ExportChoice choice;
    choice.format = a.format;
    choice.out = a.out;
    if (!a.kind.empty()) {
        PL_TRY(choice.kind, desk::candidateKindOf(a.kind));
    }
    PL_CHECK(desk::checkExportFormat(a.format)); // before a project is opened for it
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const desk::ExportDone done, desk::exportAs(project, choice));
    PL_CHECK(project.close());
    if (a.json) {
        printJson(done.json);
        return 0;
    }
    std::printf("%s: %s.\n", a.out.c_str(), done.summary.c_str());
    for (const std::string& note : done.notes)
        std::printf("  %s\n", note.c_str());
    if (!done.losses.empty()) {
        std::printf("What this form cannot carry:\n");
        for (const std::string& loss : done.losses)
            std::printf("  %s\n", loss.c_str());
    }
    return 0;
}

Result<int> check(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(desk::CheckReport report, project.check());
    std::optional<desk::AuditReport> audited;
    if (a.audit) {
        PL_TRY(audited, desk::audit(project));
    }
    const bool sound = report.ok() && (!audited || audited->ok());
    if (a.json) {
        Json json{{"ok", sound}, {"problems", report.problems}, {"events", report.events}, {"chains", report.chains}, {"current", report.current}};
        if (audited)
            json["audit"] = audited->toJson();
        printJson(json);
    } else {
        if (audited) {
            for (const desk::BadEvent& event : audited->first)
                std::printf("first bad event: %s\n", event.toString().c_str());
            for (const std::string& problem : audited->problems)
                std::printf("audit: %s\n", problem.c_str());
            std::printf("audited %lld events in %lld chains and %lld texts; of %lld events only hashes are left, their words were erased\n",
                        static_cast<long long>(audited->events), static_cast<long long>(audited->chains),
                        static_cast<long long>(audited->contents), static_cast<long long>(audited->erased));
        }
        for (const std::string& problem : report.problems)
            std::printf("problem: %s\n", problem.c_str());
        std::printf("%lld judgement events in %lld chains, %lld current votes: %s\n",
                    static_cast<long long>(report.events), static_cast<long long>(report.chains),
                    static_cast<long long>(report.current), sound ? "sound" : "NOT sound");
    }
    return sound ? 0 : 11;
}

Result<int> backup(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(std::string file, project.backup());
    std::printf("%s\n", file.c_str());
    return 0;
}

Result<int> stats(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(desk::VoteSummary summary, desk::summarize(project));
    PL_TRY(const desk::QualityReport quality, desk::qualityOf(project));
    Json json = summary.toJson();
    json["quality"] = quality.toJson();
    json["strata"] = quality.strata;
    const auto c = project.counters();
    json["judgements"] = c.events;
    json["current"] = c.current;
    json["prompts"] = c.prompts;
    json["candidates"] = c.candidates;
    json["pairs"] = c.comparisons;
    json["runs"] = c.runs;
    PL_TRY(json["test_openings"], project.testOpenings());
    if (a.json) {
        printJson(json);
        return 0;
    }
    std::printf("%lld prompts, %lld candidates, %lld pairs, %lld runs; %lld judgements, %lld of them current\n",
                static_cast<long long>(c.prompts), static_cast<long long>(c.candidates),
                static_cast<long long>(c.comparisons), static_cast<long long>(c.runs), static_cast<long long>(c.events),
                static_cast<long long>(c.current));
    std::printf("%lld votes, %lld skips, %lld flags\n", static_cast<long long>(summary.votes),
                static_cast<long long>(summary.skips), static_cast<long long>(summary.flags));
    auto rate = [](const char* name, const desk::Rate& r) {
        if (!r.n)
            std::printf("  %-22s none to count\n", name);
        else
            std::printf("  %-22s %.3f [%.3f, %.3f], n = %lld%s\n", name, *r.value(), r.interval().low, r.interval().high,
                        static_cast<long long>(r.n), r.n < 30 ? ", too few" : "");
    };
    rate("left side chosen", summary.left);
    rate("ties", summary.ties);
    rate("longer answer wins", summary.longerWins);
    rate("agreement of two", summary.agreement);
    rate("self-consistency", summary.selfConsistency);
    rate("gold judged rightly", quality.gold);
    if (summary.medianActiveMs)
        std::printf("  %-22s %.1f s\n", "median time a vote", *summary.medianActiveMs * 1e-3);
    for (const auto& person : summary.people)
        std::printf("  by %s (%s): %lld votes, %lld skips, %lld flags\n", person.name.c_str(), person.kind.c_str(),
                    static_cast<long long>(person.votes), static_cast<long long>(person.skips),
                    static_cast<long long>(person.flags));
    for (const auto& [stratum, votes] : quality.strata)
        std::printf("  %-22s %lld votes\n", ("from the queue: " + stratum).c_str(), static_cast<long long>(votes));
    const auto alpha = [](const char* name, const desk::Coefficient& c) {
        if (c.pairs && std::isnan(c.value))
            std::printf("  %-22s undefined: all votes say the same, n = %lld pairs\n", name, static_cast<long long>(c.pairs));
        else if (c.pairs)
            std::printf("  %-22s %.3f [%.3f, %.3f], n = %lld pairs, %.0f %% agree%s\n", name, c.value, c.interval.low, c.interval.high,
                        static_cast<long long>(c.pairs), c.raw * 100, c.pairs < 30 ? ", too few" : "");
    };
    alpha("alpha of people", quality.agreement.winner);
    alpha("alpha without ties", quality.agreement.decided);
    alpha("alpha of strength", quality.agreement.strength);
    std::printf("  %s\n", quality.positionPower().c_str());
    if (quality.agreement.disputed.size() + static_cast<size_t>(quality.agreement.adjudicated) > 0)
        std::printf("  %zu pairs on which people differ wait for a verdict (`adjudicate`), %lld have one\n", quality.agreement.disputed.size(),
                    static_cast<long long>(quality.agreement.adjudicated));
    for (const auto& term : quality.style)
        std::printf("  %-22s odds %.2f [%.2f, %.2f] of having it against not, n = %lld\n", term.name.c_str(), std::exp(term.logOdds.value),
                    std::exp(term.logOdds.interval().low), std::exp(term.logOdds.interval().high), static_cast<long long>(term.matches));
    if (!quality.cycles.empty())
        std::printf("  %zu cycles: A better than B, B than C, C than A\n", quality.cycles.size());
    if (!quality.models.names.empty()) {
        std::printf("models by votes of people (1000 is an average one, 400 more is ten to one):\n");
        for (size_t i = 0; i < quality.models.names.size(); ++i) {
            const auto& model = quality.models.ratings.models[i];
            const auto bounds = quality.models.interval(i);
            const auto [best, worst] = quality.models.places(i);
            std::printf("  %-22s %.0f [%.0f, %.0f], place %zu to %zu, n = %lld\n", quality.models.names[i].c_str(),
                        desk::ModelRating::elo(model.strength.value), desk::ModelRating::elo(bounds.low),
                        desk::ModelRating::elo(bounds.high), best, worst, static_cast<long long>(model.matches));
        }
        if (!quality.models.warning.empty())
            std::printf("  %s\n", quality.models.warning.c_str());
    }
    return 0;
}

} // namespace

void addProjectCommands(Commands& commands) {
    auto n = std::make_shared<Arguments>();
    auto* sub = commands.add("new", "Make a project", [n] { return create(*n); });
    auto* folder = sub->add_option("project", n->project, "Folder to make");
    sub->add_option("--starter", n->starter, "With the starter model, its prompts and pairs: text (also without a word) or images")
        ->expected(0, 1)
        ->default_str("text");
    sub->parse_complete_callback([n, folder] {
        // `new --starter FOLDER`: the word after --starter is the folder when no other is given.
        if (n->project.empty() && !desk::starterOf(n->starter))
            n->project = std::exchange(n->starter, "text");
        if (n->project.empty())
            throw CLI::RequiredError(folder->get_name());
    });
    sub->add_option("--name", n->name, "Its name; else the folder's");
    sub->add_flag("--json", n->json, "JSON");

    addImportCommand(commands);

    auto e = std::make_shared<Arguments>();
    sub = commands.add("export", "Write the votes", [e] { return exportData(*e); });
    auto* from = sub->add_option("project", e->project, "Project folder");
    sub->add_option("--format", e->format,
                    "votes (every event, every field), aggregate (one row a pair), trl (to train on; also of images); of votes on texts " +
                        desk::textFormNames() + ", or trl_stepwise (first wrong steps); of votes on images pick_a_pic, hpd_v2 or image_reward_db");
    sub->add_flag("--losses", e->losses, "Print what each form cannot carry");
    sub->add_option("--kind", e->kind, "Votes on pairs of text or image; needed where a project has both");
    auto* out = sub->add_option("--out", e->out, "File to write");
    sub->add_flag("--json", e->json, "JSON");
    sub->parse_complete_callback([e, from, out] {
        if (!e->losses && (e->project.empty() || e->out.empty()))
            throw CLI::RequiredError((e->project.empty() ? from : out)->get_name());
    });

    auto s = std::make_shared<Arguments>();
    sub = commands.add("stats", "What the votes say", [s] { return stats(*s); });
    sub->add_option("project", s->project, "Project folder")->required();
    sub->add_flag("--json", s->json, "JSON");

    auto c = std::make_shared<Arguments>();
    sub = commands.add("check", "Verify the database: integrity, counters, chains, current votes", [c] { return check(*c); });
    sub->add_option("project", c->project, "Project folder")->required();
    sub->add_flag("--audit", c->audit, "Name the first bad event of every chain, and texts that are not what was judged");
    sub->add_flag("--json", c->json, "JSON");

    auto b = std::make_shared<Arguments>();
    sub = commands.add("backup", "Write a backup now", [b] { return backup(*b); });
    sub->add_option("project", b->project, "Project folder")->required();
}

} // namespace pl::cli

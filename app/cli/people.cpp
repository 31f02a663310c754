// SPDX-License-Identifier: Apache-2.0
// package make|open|return|merge|list, people list, erase person|prompt|list.
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/desk/exchange/export_any.h"
#include "core/desk/store/erase.h"
#include "core/desk/store/packages.h"

namespace pl::cli {

namespace {

struct Arguments {
    std::string project, out, task, split, kind, why, who, what;
    std::vector<std::string> people, files;
    int64_t pairs = 100, shared = 0, sets = 0, sharedSets = 0;
    uint64_t seed = 1;
    bool judged = false, dryRun = false, yes = false, json = false;
};

template<class... T>
void say(const char* format, T... values) {
    std::printf("%s\n", fmt::format(fmt::runtime(format), values...).c_str());
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "none" : text;
}

/// "12 pairs", "12 pairs and 3 sets", "3 sets".
std::string work(int64_t pairs, int64_t sets) {
    const std::string both = fmt::format("{} pairs", pairs), ranked = fmt::format("{} sets", sets);
    return sets == 0 ? both : pairs == 0 ? ranked : both + " and " + ranked;
}

Result<int> make(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    desk::DealOptions options;
    options.people = a.people;
    options.pairs = a.pairs;
    options.shared = a.shared;
    options.sets = a.sets;
    options.sharedSets = a.sharedSets;
    options.seed = a.seed;
    options.judged = a.judged;
    options.out = a.out;
    if (!a.split.empty()) {
        PL_TRY(options.split, splitArgument(a.split));
    }
    if (!a.kind.empty()) {
        PL_TRY(options.kind, desk::candidateKindOf(a.kind));
    }
    if (!a.task.empty()) {
        PL_TRY(const auto tasks, project.tasks());
        for (const desk::Task& task : tasks)
            if (task.name == a.task)
                options.task = task.id;
        if (!options.task)
            return fail(Code::NotFound, fmt::format("there is no task \"{}\"", a.task));
    }
    PL_CHECK(desk::checkBeside(project, options.out));
    PL_TRY(const auto dealt, desk::dealPackages(project, options));
    PL_CHECK(project.close());
    Json rows = Json::array();
    for (const desk::DealtPackage& each : dealt) {
        rows.push_back({{"package", each.uuid}, {"person", each.person}, {"person_uuid", each.personUuid}, {"file", each.file},
                        {"pairs", each.pairs}, {"shared", each.shared}, {"sets", each.sets}, {"shared_sets", each.sharedSets}});
        if (!a.json)
            say("{}: {}, {} of them everybody's: {}", each.person, work(each.pairs, each.sets), work(each.shared, each.sharedSets), each.file);
    }
    if (a.json)
        printJson({{"packages", rows}});
    return 0;
}

Result<int> open(const Arguments& a) {
    desk::ProjectOptions options;
    options.program = "pairlab-cli";
    PL_TRY(desk::Project project, desk::openPackage(a.what, a.project, options));
    PL_TRY(const auto order, desk::workOrder(project));
    PL_CHECK(project.close());
    if (a.json)
        printJson({{"project", os::absolutePath(a.project)}, {"package", order->package}, {"person", order->personName}, {"pairs", order->pairs}, {"sets", order->sets}});
    else
        say("{}: {} for {}. Label them with `pairlab {}`, then `pairlab-cli package return {} --out FILE`.", a.project,
            work(order->pairs, order->sets), order->personName, a.project, a.project);
    return 0;
}

Result<int> giveBack(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    if (!os::isDir(a.out))
        PL_CHECK(desk::checkExportPlace(project, a.out));
    PL_TRY(const desk::ReturnedWork done, desk::writeReturn(project, a.out));
    PL_CHECK(project.close());
    if (a.json)
        printJson({{"file", done.file}, {"events", done.events}, {"presentations", done.presentations}, {"judged", done.judged}, {"pairs", done.pairs},
                   {"ranked", done.ranked}, {"sets", done.sets}});
    else
        say("{}: {} of {} judged, {} events.", done.file, work(done.judged, done.ranked), work(done.pairs, done.sets), done.events);
    return 0;
}

Result<int> merge(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    Json rows = Json::array();
    for (const std::string& file : a.files) {
        auto merged = desk::mergeReturn(project, file, a.dryRun);
        if (!merged)
            return tl::unexpected(std::move(merged).error().with(fmt::format("{} files before it were {}", rows.size(), a.dryRun ? "read" : "merged")));
        Json row = merged->toJson();
        row["file"] = file;
        rows.push_back(row);
        if (!a.json)
            say("{}{} (by {}): {} of {} events new, {} edited answers{}", a.dryRun ? "Dry run, nothing written. " : "", file, merged->person,
                merged->fresh, merged->events, merged->edited,
                merged->erased ? fmt::format(", {} without the words that were erased here", merged->erased) : "");
    }
    PL_CHECK(project.close());
    if (a.json)
        printJson({{"merged", rows}, {"dry_run", a.dryRun}});
    return 0;
}

Result<int> list(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const auto rows, desk::packages(project));
    Json all = Json::array();
    for (const desk::PackageRow& row : rows) {
        all.push_back(row.toJson());
        if (!a.json)
            say("{}  {:<20} {}: {} of {} judged ({} shared), {}", row.uuid.substr(0, 8), row.person, row.task, work(row.judged, row.ranked),
                work(row.pairs, row.sets), row.shared + row.sharedSets,
                row.returns ? fmt::format("{} returned, last {}", row.returns, formatTime(row.returnedMs)) : std::string("nothing returned"));
    }
    if (a.json)
        printJson({{"packages", all}});
    else if (rows.empty())
        say("No package was dealt.");
    return 0;
}

Result<int> people(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const auto everybody, project.annotators());
    PL_TRY(const auto dealt, desk::packages(project));
    std::map<desk::Id, int64_t> votes;
    for (const desk::CurrentVote& vote : project.currentVotes())
        votes[vote.annotator] += vote.kind == desk::EventKind::Vote && vote.occasion == 0;
    Json all = Json::array();
    for (const desk::Annotator& person : everybody) {
        int64_t out = 0, returned = 0;
        for (const desk::PackageRow& row : dealt)
            if (row.personUuid == person.uuid) {
                ++out;
                returned += row.returns > 0;
            }
        all.push_back({{"uuid", person.uuid}, {"name", person.name}, {"kind", desk::annotatorKindName(person.kind)}, {"votes", votes[person.id]},
                       {"packages", out}, {"returned", returned}});
        if (!a.json)
            say("{}  {:<24} {:<6} {} votes, {} packages, {} of them returned", person.uuid, person.name, desk::annotatorKindName(person.kind),
                votes[person.id], out, returned);
    }
    if (a.json)
        printJson({{"people", all}});
    return 0;
}

Result<int> erase(const Arguments& a, desk::Erasable kind) {
    PL_TRY(desk::Project project, openProject(a.project));
    desk::EraseOptions options;
    options.kind = kind;
    options.what = a.what;
    options.why = a.why;
    options.who = a.who;
    options.dryRun = !a.yes || a.dryRun;
    PL_TRY(const desk::EraseReport report, desk::erase(project, options));
    PL_CHECK(project.close());
    if (a.json) {
        Json json = report.toJson();
        json["dry_run"] = options.dryRun;
        printJson(json);
        return report.left.empty() ? 0 : 11;
    }
    if (report.already)
        say("{} was erased before; nothing of it is left to do.", report.uuid);
    if (options.dryRun && !report.already)
        say("Dry run, nothing changed. {} ({})", report.name, report.uuid);
    say("{}: {} events keep no word ({} had some), {} answers and {} pairs, {} images, {} rows of frozen files, {} backups",
        options.dryRun ? "Would be erased" : "Erased", report.votes, report.words, report.answers, report.pairs, report.media, report.rows,
        report.backups);
    say("datasets: {}", listed(report.datasets));
    say("runs: {} (what they learned is not undone)", listed(report.runs));
    if (options.dryRun && !report.already)
        say("It cannot be undone. To do it: --yes --why \"...\"");
    for (const std::string& file : report.left)
        say("still found in {}: look there yourself", file);
    return report.left.empty() ? 0 : 11;
}

Result<int> erased(const Arguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const auto stones, desk::tombstones(project));
    Json all = Json::array();
    for (const desk::Tombstone& stone : stones) {
        all.push_back(stone.toJson());
        if (!a.json)
            say("{} {} {}{}: {}. Datasets: {}. Runs: {}", formatTime(stone.createdMs), stone.kind, stone.uuid,
                stone.who.empty() ? "" : " by " + stone.who, stone.why, listed(stone.datasets), listed(stone.runs));
    }
    if (a.json)
        printJson({{"erased", all}});
    else if (stones.empty())
        say("Nothing was erased.");
    return 0;
}

} // namespace

void addPeopleCommands(Commands& commands) {
    const auto withProject = [](CLI::App* sub, const std::shared_ptr<Arguments>& a) {
        sub->add_option("project", a->project, "Project folder")->required();
        sub->add_flag("--json", a->json, "JSON");
        return sub;
    };
    auto* packages = commands.app.add_subcommand("package", "Deal pairs and sets out to people, open a package, give back, merge. Exit codes: 10 a "
                                                            "return of another project, package or person; 11 damaged or tampered with");
    packages->require_subcommand(1);
    auto m = std::make_shared<Arguments>();
    auto* sub = withProject(commands.add("make", "A file for each person, of pairs and sets nobody has judged or was dealt", [m] { return make(*m); }, packages), m);
    sub->add_option("--person", m->people, "Name; again for each")->required();
    auto* pairs = sub->add_option("--pairs", m->pairs, "Of each person; none where only sets are asked for")->check(wholeNumber(0, kMostAsked))->capture_default_str();
    auto* shared = sub->add_option("--shared", m->shared, "Of them the same for everybody")->check(wholeNumber(0, kMostAsked))->capture_default_str();
    sub->add_option("--sets", m->sets, "Sets of three answers or more of each person, to be ranked (`sets` makes them)")
        ->check(wholeNumber(0, kMostAsked))
        ->capture_default_str();
    sub->add_option("--shared-sets", m->sharedSets, "Of them the same for everybody")->check(wholeNumber(0, kMostAsked))->capture_default_str();
    sub->add_option("--seed", m->seed, "Of the draw")->capture_default_str();
    sub->add_option("--task", m->task, "Its name; else the first one");
    sub->add_option("--split", m->split, "Of prompts in this split")->check(CLI::IsMember({"train", "dev", "test"}));
    sub->add_option("--kind", m->kind, "Only of text, or of image");
    sub->add_flag("--judged", m->judged, "Also what others have judged or were dealt");
    sub->add_option("--out", m->out, "Folder for the files")->required();
    sub->parse_complete_callback([m, pairs, shared] {
        if (m->sets + m->sharedSets > 0 && pairs->count() + shared->count() == 0)
            m->pairs = 0;
    });

    auto o = std::make_shared<Arguments>();
    sub = commands.add("open", "Make an annotator's project of a package", [o] { return open(*o); }, packages);
    sub->add_option("file", o->what, "The package")->required();
    sub->add_option("project", o->project, "Folder to make")->required();
    sub->add_flag("--json", o->json, "JSON");

    auto r = std::make_shared<Arguments>();
    sub = withProject(commands.add("return", "Write what was judged so far into a file", [r] { return giveBack(*r); }, packages), r);
    sub->add_option("--out", r->out, "File to write, or a folder")->required();

    auto g = std::make_shared<Arguments>();
    sub = commands.add("merge", "Take returns over, in any order and as often as you like", [g] { return merge(*g); }, packages);
    sub->add_option("project", g->project, "Project folder")->required();
    sub->add_option("file", g->files, "The returns")->required();
    sub->add_flag("--dry-run", g->dryRun, "Verify and say what would come in");
    sub->add_flag("--json", g->json, "JSON");

    auto l = std::make_shared<Arguments>();
    withProject(commands.add("list", "Packages that are out, and what came back", [l] { return list(*l); }, packages), l);

    auto* folk = commands.app.add_subcommand("people", "Who judged here");
    folk->require_subcommand(1);
    auto p = std::make_shared<Arguments>();
    withProject(commands.add("list", "With their votes and packages", [p] { return people(*p); }, folk), p);

    auto* erasing = commands.app.add_subcommand("erase", "Erase a person's words or a prompt from the whole project; a dry run unless --yes is said");
    erasing->require_subcommand(1);
    for (const auto& [name, kind, help] : {std::tuple{"person", desk::Erasable::Person, "Name or uuid"},
                                           std::tuple{"prompt", desk::Erasable::Prompt, "Number or uuid"}}) {
        auto e = std::make_shared<Arguments>();
        sub = withProject(commands.add(name, fmt::format("Of a {}: datasets, bundles and backups too; a tombstone stays", name),
                                       [e, kind = kind] { return erase(*e, kind); }, erasing),
                          e);
        sub->add_option(name, e->what, help)->required();
        sub->add_option("--why", e->why, "Kept in the tombstone");
        sub->add_option("--who", e->who, "Who erases, kept in the tombstone");
        sub->add_flag("--yes", e->yes, "Do it");
        sub->add_flag("--dry-run", e->dryRun, "Only say what would go (also without --yes)");
    }
    auto t = std::make_shared<Arguments>();
    withProject(commands.add("list", "What was erased", [t] { return erased(*t); }, erasing), t);
}

} // namespace pl::cli

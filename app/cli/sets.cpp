// SPDX-License-Identifier: Apache-2.0
// sets: three answers or more to one prompt, to be put into an order on the Label page.
#include <cstdio>
#include <memory>

#include "app/cli/desk.h"
#include "core/desk/store/rankings.h"

namespace pl::cli {

namespace {

struct Arguments {
    std::string project, split, kind;
    int64_t size = 4, limit = 0;
    bool json = false;
};

Result<int> make(const Arguments& a) {
    desk::MakeRankingsOptions options;
    options.size = static_cast<size_t>(a.size);
    options.maxSets = a.limit;
    if (!a.split.empty()) {
        PL_TRY(options.split, splitArgument(a.split));
    }
    if (!a.kind.empty()) {
        PL_TRY(options.kind, desk::candidateKindOf(a.kind));
    }
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const auto made, desk::makeRankings(project, options));
    PL_CHECK(project.close());
    if (a.json)
        printJson({{"sets", made.sets}, {"duplicates", made.duplicates}, {"too_few", made.tooFew}});
    else
        std::printf("%lld sets made, %lld were there, %lld prompts have fewer than three different answers.\n",
                    static_cast<long long>(made.sets), static_cast<long long>(made.duplicates), static_cast<long long>(made.tooFew));
    return 0;
}

} // namespace

void addSetCommands(Commands& commands) {
    auto a = std::make_shared<Arguments>();
    CLI::App* sub = commands.add("sets", "Make sets of answers to rank: one a prompt that has three or more", [a] { return make(*a); });
    sub->add_option("project", a->project, "Project folder")->required();
    sub->add_option("--size", a->size, "Answers of a set")->check(wholeNumber(3, desk::Ranking::kMost));
    sub->add_option("--split", a->split, "Of these prompts; without it train and dev")->check(splitName(false));
    sub->add_option("--kind", a->kind, "text or image")->check(CLI::IsMember({"text", "image"}));
    sub->add_option("--limit", a->limit, "At most so many sets; 0: all")->check(wholeNumber(0, kMostAsked));
    sub->add_flag("--json", a->json, "JSON");
}

} // namespace pl::cli

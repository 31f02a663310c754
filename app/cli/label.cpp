// SPDX-License-Identifier: Apache-2.0
// label: simulated annotators and the queue.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/os/process.h"
#include "core/desk/queue/pair_queue.h"
#include "core/desk/queue/queue_mix.h"
#include "core/desk/simulate/annotator.h"

namespace pl::cli {

namespace {

struct LabelArguments {
    std::string project, simulate;
    int64_t count = 100;
    std::optional<double> flip;
    std::optional<uint64_t> seed; ///< else that of the file, else 1
    bool acks = false, json = false;
    std::string split;
};

using Splits = std::vector<std::optional<desk::Split>>; ///< nullopt: train and dev

/// Up to `limit` pairs, the next one last. Several splits are drawn from in proportion to what is left in them, in an order
/// of the seed and the pairs' contents; the propensity of a pair is that within its split.
Result<std::vector<desk::LabelItem>> nextOf(desk::Project& project, desk::Project::NextOptions options, const Splits& splits,
                                            int64_t limit) {
    std::vector<int64_t> left;
    for (const auto& split : splits) {
        PL_TRY(const int64_t open, project.remaining(options.task, options.annotator, split));
        left.push_back(open);
    }
    const int64_t all = std::max<int64_t>(1, std::accumulate(left.begin(), left.end(), int64_t{0}));
    std::vector<desk::LabelItem> items;
    for (size_t i = 0; i < splits.size(); ++i) {
        options.split = splits[i];
        options.limit = static_cast<size_t>((limit * left[i] + all - 1) / all);
        if (options.limit == 0)
            continue;
        PL_TRY(auto some, project.next(options));
        std::move(some.begin(), some.end(), std::back_inserter(items));
    }
    if (splits.size() > 1) {
        const auto key = [&](const desk::LabelItem& item) {
            return mix64(mix64(options.seed) ^ desk::hashPrefix(item.comparison.sha));
        };
        std::sort(items.begin(), items.end(), [&](const auto& x, const auto& y) { return key(x) < key(y); });
    }
    std::reverse(items.begin(), items.end());
    return items;
}

Result<int> label(const LabelArguments& a) {
    desk::SimulatedPanel panel;
    if (a.simulate.size() > 5 && a.simulate.substr(a.simulate.size() - 5) == ".json") {
        PL_TRY(Json json, readJsonFile(a.simulate));
        PL_TRY(panel, desk::panelFromJson(json, a.simulate));
        if (a.flip)
            return fail(Code::InvalidInput, "--flip and a file of people: each person in it has a share of its own",
                        "Write \"flip_rate\" into " + a.simulate + ".");
    } else {
        PL_TRY(panel, desk::panelOfTaste(a.simulate, a.flip.value_or(0), 1));
    }
    if (a.seed)
        panel.seed = *a.seed;
    // Without a word about it the test prompts stay sealed, here as in the window.
    Splits splits = {std::nullopt};
    if (a.split == "all") {
        splits.push_back(desk::Split::Test);
    } else if (!a.split.empty()) {
        PL_TRY(splits.front(), splitArgument(a.split));
    }
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(desk::Task task, project.defaultTask());
    if (splits.back() == desk::Split::Test) {
        PL_TRY([[maybe_unused]] auto openings, project.openTestSplit("label"));
    }

    // Every simulated person is an annotator of kind "rule": never mistaken for a human.
    struct Person {
        const desk::SimulatedPerson* rule;
        desk::Id id, session;
    };
    std::map<std::string, Person> people;
    for (const desk::SimulatedPerson& rule : panel.people) {
        PL_TRY(desk::Id id, project.annotator(desk::AnnotatorKind::Rule, "simulated:" + rule.name, desk::toJson(rule)));
        PL_TRY(desk::Id session, project.beginSession(id, task.id));
        people[rule.name] = {&rule, id, session};
    }
    int64_t done = 0, ties = 0;
    std::map<std::string, int64_t> byPerson;
    std::map<std::string, std::vector<desk::LabelItem>> ready;
    std::map<std::string, std::vector<desk::Id>> unfit; // pairs that a person has no taste for or cannot see
    int64_t unread = 0;
    bool otherKind = false; // texts where pictures are judged, or the other way round
    bool dry = false;
    // Each person draws from the queue in turn by share; the pair's identity decides the noise.
    size_t turn = 0;
    while (done < a.count && !dry && !os::stopSignalSeen()) {
        const desk::SimulatedPerson& rule =
            panel.people.size() == 1 ? panel.people.front() : desk::personFor(panel, std::to_string(turn));
        ++turn;
        Person& person = people.at(rule.name);
        auto& queue = ready[rule.name];
        if (queue.empty()) {
            desk::Project::NextOptions next;
            next.task = task.id;
            next.annotator = person.id;
            next.session = person.session;
            next.rule = desk::QueueRule::Random;
            next.seed = panel.seed;
            next.skip = unfit[rule.name];
            PL_TRY(queue, nextOf(project, next, splits, std::min<int64_t>(64, a.count - done)));
        }
        if (queue.empty()) {
            dry = true;
            for (auto& [name, other] : people) {
                int64_t left = -static_cast<int64_t>(unfit[name].size());
                for (const auto& split : splits)
                    left += project.remaining(task.id, other.id, split).value_or(0);
                dry = dry && left <= 0;
            }
            if (turn > static_cast<size_t>(a.count) * 50 + 1000)
                dry = true;
            continue;
        }
        desk::LabelItem item = std::move(queue.back());
        queue.pop_back();
        const auto said = simulatedVote(project, rule, item, panel.seed);
        if (!said) {
            unfit[rule.name].push_back(item.comparison.id);
            otherKind = otherKind || !judges(rule, item);
            if (judges(rule, item) && ++unread <= 5)
                std::fprintf(stderr, "pairlab-cli: pair %lld left out: %s\n", static_cast<long long>(item.comparison.id),
                             said.error().toString().c_str());
            continue;
        }
        const desk::SimulatedVote& vote = *said;
        PL_TRY(desk::Ack ack, project.presentAndJudge(item.presentation, inputOf(vote)));
        ++done;
        ++byPerson[rule.name];
        ties += vote.winner == desk::VoteWinner::Tie;
        if (a.acks) {
            std::printf("ack %lld %s\n", static_cast<long long>(ack.judgements), ack.uuid.c_str());
            std::fflush(stdout);
        }
    }
    for (auto& [name, person] : people)
        PL_CHECK(project.endSession(person.session));
    const auto counters = project.counters();
    if (done == 0 && dry && otherKind)
        return fail(Code::InvalidInput,
                    fmt::format("the pairs that are left are not of the kind that {} judges", a.simulate),
                    "Texts are judged by such as concise, pictures by such as larger: `pairlab-cli label --help`.");
    if (a.json) {
        printJson({{"labelled", done}, {"unreadable", unread}, {"ties", ties}, {"by_person", byPerson}, {"ran_out", dry}, {"stopped", os::stopSignalSeen()},
                   {"judgements", counters.events}, {"current", counters.current}});
    } else {
        std::printf("%lld pairs labelled by rule (%lld ties)%s.\n", static_cast<long long>(done),
                    static_cast<long long>(ties),
                    dry                    ? "; the pairs ran out: generate more with `pairlab-cli generate`"
                    : os::stopSignalSeen() ? "; stopped on request"
                                           : "");
    }
    PL_CHECK(project.close());
    return done < a.count && !dry ? 3 : 0;
}

/// "uncertain=60,random=20,second=10,repeat=5,gold=5"; "fifo": none.
Result<Json> mixArgument(const std::string& text) {
    Json mix = Json::object();
    if (text == "fifo")
        return mix;
    size_t at = 0;
    while (at <= text.size()) {
        const size_t end = std::min(text.find(',', at), text.size());
        const std::string part = text.substr(at, end - at);
        const size_t sign = part.find('=');
        const std::string name = part.substr(0, sign);
        bool known = name == "votes";
        for (size_t i = 0; i < desk::kMixed; ++i)
            known = known || name == desk::stratumName(static_cast<desk::Stratum>(i));
        char* rest = nullptr;
        const double share = sign == std::string::npos ? -1 : std::strtod(part.c_str() + sign + 1, &rest);
        if (!known || !rest || *rest || !(share >= 0 && share <= 1e9))
            return fail(Code::InvalidInput, fmt::format("'{}' is no share of a mix", part),
                        "Write --mix uncertain=60,random=20,second=10,repeat=5,gold=5, or --mix fifo.");
        mix[name] = name == "votes" ? Json(static_cast<int64_t>(share)) : Json(share);
        at = end + 1;
    }
    if (desk::QueueMix::of(mix).empty())
        return fail(Code::InvalidInput, fmt::format("the mix '{}' has no share above 0", text));
    return mix;
}

Result<int> queue(const std::string& dir, int64_t limit, const std::string& mixText, bool json) {
    PL_TRY(desk::Project project, openProject(dir));
    PL_TRY(desk::Task task, project.defaultTask());
    if (!mixText.empty()) {
        PL_TRY(task.queueMix, mixArgument(mixText));
        PL_CHECK(project.updateTask(task));
    }
    const desk::QueueMix mix = desk::QueueMix::of(task.queueMix);
    PL_TRY(desk::Id person, project.annotator(desk::AnnotatorKind::Human, "You"));
    PL_TRY(int64_t left, project.remaining(task.id, person));
    desk::Project::NextOptions next;
    next.task = task.id;
    next.annotator = person;
    next.rule = desk::QueueRule::Mixed; // in order where there is no mix
    next.limit = static_cast<size_t>(limit);
    PL_TRY(auto items, project.next(next));
    if (json) {
        Json rows = Json::array();
        for (const auto& item : items)
            rows.push_back({{"comparison", item.comparison.uuid}, {"prompt", item.prompt.content},
                            {"rule", desk::queueRuleName(item.presentation.rule)},
                            {"stratum", item.presentation.stratum},
                            {"propensity", item.presentation.propensity}});
        printJson({{"remaining", left}, {"mix", task.queueMix}, {"next", rows}});
    } else {
        std::printf("%lld pairs left to judge in \"%s\".\n", static_cast<long long>(left), task.name.c_str());
        std::printf("%s\n", mix.empty() ? "They come in order." : mix.toString().c_str());
        for (const auto& item : items)
            std::printf("  %-10s %s\n", item.presentation.stratum.c_str(), item.prompt.content.substr(0, 100).c_str());
    }
    return 0;
}

} // namespace

void addLabelCommands(Commands& commands) {
    auto a = std::make_shared<LabelArguments>();
    auto* sub = commands.add("label", "Label pairs with a simulated annotator (marked as a rule, never as a person)",
                             [a] { return label(*a); });
    sub->add_option("project", a->project, "Project folder")->required();
    sub->add_option("--simulate", a->simulate,
                    "A taste of texts (concise, warm, vivid, ...) or pictures (larger, warm_light, ...) or FILE.json describing people")
        ->required();
    sub->add_option("--count", a->count, "How many judgements")->check(wholeNumber(1, kMostAsked));
    sub->add_option("--flip", a->flip, "Share of votes written down for the other side")->check(share());
    sub->add_option("--seed", a->seed, "Seed of sides and noise; without it the file's own, else 1")->check(seedNumber());
    sub->add_option("--split", a->split,
                    "Only pairs of this split; without it train and dev. Test is sealed: votes on it stay out of datasets, and "
                    "each opening is counted")
        ->check(splitName(true));
    sub->add_flag("--acks", a->acks, "One line a judgement, printed after its commit");
    sub->add_flag("--json", a->json, "JSON summary");

    struct QueueArguments {
        std::string project, mix;
        int64_t limit = 5;
        bool json = false;
    };
    auto q = std::make_shared<QueueArguments>();
    sub = commands.add("queue", "What comes next", [q] { return queue(q->project, q->limit, q->mix, q->json); });
    sub->add_option("project", q->project, "Project folder")->required();
    sub->add_option("--mix", q->mix, "From now on mix so: shares of uncertain, random, second, repeat and gold, as in uncertain=60,random=40; or fifo");
    sub->add_option("--limit", q->limit, "How many to show")->check(wholeNumber(1, 1000000));
    sub->add_flag("--json", q->json, "JSON");
}

} // namespace pl::cli

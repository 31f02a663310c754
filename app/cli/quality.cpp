// SPDX-License-Identifier: Apache-2.0
// score, gold, adjudicate, label-doctor: what comes next and which labels are to be trusted.
#include <algorithm>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "app/cli/desk.h"
#include "core/base/os/process.h"
#include "core/desk/runs/preflight.h"
#include "core/desk/runs/scoring.h"
#include "core/desk/stats/quality.h"
#include "core/desk/store/adjudication.h"
#include "core/desk/store/gold.h"
#include "core/desk/store/scores.h"

namespace pl::cli {

namespace {

std::string headLine(const std::string& text) {
    std::string out;
    for (const char c : text.substr(0, 70))
        out += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
    return out;
}

Result<desk::Winner> winnerArgument(const std::string& text) {
    auto winner = desk::winnerOf(text);
    if (!winner)
        return fail(Code::InvalidInput, fmt::format("'{}' is no verdict", text), "Say a, b or tie, as `export` and `adjudicate P` name the sides.");
    return winner;
}

// --- score ---------------------------------------------------------------------------------------------------------------

struct ScoreArguments {
    std::string project, device = "cpu";
    std::vector<std::string> models;
    int64_t limit = 0;
    int threads = 0;
    bool json = false;
};

Result<int> score(const ScoreArguments& a) {
    PL_TRY(auto desk, Desk::open(a.project));
    PL_TRY(const desk::Task task, desk->project().defaultTask());
    if (a.models.empty()) {
        PL_TRY(const auto scorers, desk::queueScorers(desk->project()));
        if (a.json)
            printJson({{"models", scorers.models}, {"pairs", scorers.pairs}, {"run", scorers.run}});
        else if (scorers.models.empty())
            std::printf("No reward model has scored yet: give --model run:ID.\n");
        else
            std::printf("%s scored both answers of %lld pairs.\n", fmt::format("{}", fmt::join(scorers.models, ", ")).c_str(),
                        static_cast<long long>(scorers.pairs));
        return 0;
    }
    PL_CHECK(desk::checkDevice(a.device));
    desk::ScoreRequest request;
    request.models = a.models;
    request.task = task.id;
    request.limit = a.limit;
    request.threads = a.threads;
    request.device = a.device;
    PL_TRY(const std::string run, desk::startScore(desk->project(), desk->supervisor(), request));
    PL_TRY(const desk::RunInfo info, desk->wait(run, !a.json));
    PL_TRY(const auto scorers, desk::queueScorers(desk->project()));
    if (a.json) {
        Json out = runJson(info);
        out["pairs"] = scorers.pairs;
        out["models"] = scorers.models;
        printJson(out);
    } else if (info.state == RunState::Finished) {
        std::printf("%s: scores for %lld pairs by %s.\n", run.c_str(), static_cast<long long>(scorers.pairs),
                    fmt::format("{}", fmt::join(scorers.models, ", ")).c_str());
    } else {
        std::fprintf(stderr, "pairlab-cli: run %s %s: %s\n", run.c_str(), runStateName(info.state), info.reason.c_str());
    }
    return exitCodeOfRun(info);
}

// --- gold ----------------------------------------------------------------------------------------------------------------

struct GoldArguments {
    std::string project, winner, person = "You";
    int64_t add = 0, remove = 0, most = 0;
    int promote = 0;
    bool json = false;
};

Result<int> gold(const GoldArguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const desk::Task task, project.defaultTask());
    desk::GoldPromotion promoted;
    if (a.add) {
        PL_TRY(const desk::Winner winner, winnerArgument(a.winner));
        PL_TRY(const desk::Id by, project.annotator(desk::AnnotatorKind::Human, a.person));
        PL_CHECK(desk::setGold(project, task.id, a.add, winner, desk::GoldSource::Hand, by));
    }
    if (a.remove)
        PL_CHECK(desk::removeGold(project, task.id, a.remove));
    if (a.promote) {
        PL_TRY(promoted, desk::promoteGold(project, task.id, a.promote, a.most));
    }
    PL_TRY(const auto pairs, desk::goldPairs(project, task.id));
    if (a.json) {
        Json list = Json::array();
        for (const desk::GoldPair& pair : pairs)
            list.push_back({{"pair", pair.comparison}, {"winner", desk::winnerName(pair.winner)}, {"source", desk::goldSourceName(pair.source)},
                            {"met", pair.met}, {"right", pair.right}});
        printJson({{"gold", list}, {"promoted", {{"adjudicated", promoted.adjudicated}, {"unanimous", promoted.unanimous}}}});
        return 0;
    }
    if (a.promote)
        std::printf("%lld adjudicated and %lld unanimous pairs are gold from now on.\n", static_cast<long long>(promoted.adjudicated),
                    static_cast<long long>(promoted.unanimous));
    std::printf("%zu gold pairs in \"%s\".\n", pairs.size(), task.name.c_str());
    for (const desk::GoldPair& pair : pairs)
        std::printf("  %6lld  %-3s  %-11s  right %lld of %lld  %s\n", static_cast<long long>(pair.comparison), desk::winnerName(pair.winner),
                    desk::goldSourceName(pair.source), static_cast<long long>(pair.right), static_cast<long long>(pair.met),
                    headLine(pair.promptHead).c_str());
    return 0;
}

// --- adjudicate ----------------------------------------------------------------------------------------------------------

struct AdjudicateArguments {
    std::string project, winner, cause, person = "You", why;
    int64_t pair = 0, limit = 20;
    int strength = 0;
    bool json = false;
};

Json voteJson(const desk::AnonymousVote& vote) {
    Json out{{"winner", vote.skipped ? "skip" : desk::winnerName(vote.winner)}};
    if (vote.strength)
        out["strength"] = *vote.strength;
    if (!vote.rationale.empty())
        out["rationale"] = vote.rationale;
    return out;
}

std::string voteWords(const desk::AnonymousVote& vote) {
    if (vote.skipped)
        return "skipped (" + vote.skipReason + ")";
    const char* strengths[] = {"", " slightly", "", " much"};
    if (vote.winner == desk::Winner::Tie)
        return "tie";
    return std::string(vote.winner == desk::Winner::A ? "a" : "b") + strengths[vote.strength ? *vote.strength : 0] + " better" +
           (vote.rationale.empty() ? "" : ": " + headLine(vote.rationale));
}

Result<int> adjudicate(const AdjudicateArguments& a) {
    PL_TRY(desk::Project project, openProject(a.project));
    PL_TRY(const desk::Task task, project.defaultTask());
    if (a.pair && !a.winner.empty()) {
        PL_TRY(const desk::Cause cause, desk::causeOf(a.cause));
        desk::Judgement verdict;
        PL_TRY(verdict.winner, winnerArgument(a.winner));
        if (a.strength)
            verdict.strength = a.strength;
        verdict.rationale = a.why;
        PL_TRY(const desk::Id person, project.annotator(desk::AnnotatorKind::Human, a.person));
        PL_TRY(const desk::Ack ack, desk::adjudicate(project, task.id, person, a.pair, true, verdict, cause));
        if (a.json)
            printJson({{"pair", a.pair}, {"event", ack.uuid}});
        else
            std::printf("The verdict on pair %lld is saved; datasets take it instead of the votes.\n", static_cast<long long>(a.pair));
        return 0;
    }
    std::vector<desk::Id> wanted;
    int64_t open = 0;
    if (a.pair) {
        wanted = {a.pair};
    } else {
        desk::QualityOptions options;
        options.task = task.id;
        options.bootstrap = 0;
        PL_TRY(const auto report, desk::qualityOf(project, options));
        open = static_cast<int64_t>(report.agreement.disputed.size());
        for (const desk::Id pair : report.agreement.disputed)
            if (static_cast<int64_t>(wanted.size()) < a.limit)
                wanted.push_back(pair);
    }
    Json list = Json::array();
    for (const desk::Id pair : wanted) {
        PL_TRY(const desk::LabelItem item, project.pairItem(pair));
        PL_TRY(const auto votes, desk::anonymousVotes(project, task.id, pair));
        Json said = Json::array();
        if (!a.json)
            std::printf("pair %lld  %s\n", static_cast<long long>(pair), headLine(item.prompt.content).c_str());
        if (!a.json && a.pair)
            std::printf("--- a\n%s\n--- b\n%s\n---\n", item.a.content.c_str(), item.b.content.c_str());
        for (size_t i = 0; i < votes.size(); ++i) {
            said.push_back(voteJson(votes[i]));
            if (!a.json)
                std::printf("  voter %zu: %s\n", i + 1, voteWords(votes[i]).c_str());
        }
        list.push_back({{"pair", pair}, {"prompt", item.prompt.content}, {"votes", said}});
    }
    if (a.json)
        printJson(a.pair ? Json{{"pairs", list}} : Json{{"disputed", open}, {"pairs", list}});
    else if (!a.pair)
        std::printf("%lld pairs on which people differ wait for a verdict.\n", static_cast<long long>(open));
    return 0;
}

// --- label doctor ----------------------------------------------------------------------------------------------------------

struct DoctorArguments {
    std::string project, model = "start", device = "cpu";
    std::vector<std::string> set;
    int folds = 3, threads = 0;
    uint64_t seed = 1;
    int64_t limit = 20, send = 0;
    bool report = false, json = false;
};

Result<desk::LabelCheck> checkById(desk::Project& project, desk::Id id) {
    PL_TRY(const auto all, desk::labelChecks(project));
    for (const desk::LabelCheck& check : all)
        if (id == 0 || check.id == id)
            return check;
    return fail(Code::NotFound, "no check of labels was made yet", "Make one: `pairlab-cli label-doctor P`.");
}

Result<int> labelDoctor(const DoctorArguments& a) {
    PL_TRY(auto desk, Desk::open(a.project));
    desk::Project& project = desk->project();
    PL_TRY(const desk::Task task, project.defaultTask());
    desk::Id id = 0;
    if (!a.report) {
        PL_CHECK(desk::checkDevice(a.device));
        const Manifest* manifest = desk->supervisor().catalog().find("reward_model");
        if (!manifest)
            return fail(Code::NotFound, "there is no plugin 'reward_model'", "See `pairlab-cli plugins list`.");
        desk::DoctorRequest request;
        request.model = a.model;
        request.task = task.id;
        request.folds = a.folds;
        for (const std::string& assignment : a.set)
            PL_CHECK(manifest->setFromText(request.parameters, assignment));
        request.seed = a.seed;
        request.threads = a.threads;
        request.device = a.device;
        PL_TRY(id, desk::startLabelCheck(project, desk->supervisor(), request));
        for (;;) {
            PL_TRY(const desk::LabelCheck check, checkById(project, id));
            if (check.state != "training" && check.state != "scoring")
                break;
            const auto& waits = check.state == "training" ? check.runs : std::vector<std::string>{check.scoreRun};
            for (const std::string& run : waits) {
                PL_TRY([[maybe_unused]] const auto info, desk->wait(run, !a.json));
            }
            PL_CHECK(desk::advanceLabelChecks(project, desk->supervisor()));
        }
    }
    PL_TRY(const desk::LabelCheck check, checkById(project, id));
    if (check.state == "failed")
        return fail(Code::Internal, "the check of labels failed: " + check.reason, "See `pairlab-cli runs P`.");
    PL_TRY(const desk::DoctorReport report, desk::doctorReport(project, check.id));
    int64_t sent = 0;
    if (a.send > 0) {
        std::vector<desk::Id> pairs;
        for (const desk::DoubtedVote& vote : report.votes)
            if (static_cast<int64_t>(pairs.size()) < a.send && !vote.waiting &&
                std::find(pairs.begin(), pairs.end(), vote.comparison) == pairs.end())
                pairs.push_back(vote.comparison);
        PL_TRY(sent, desk::askSecondLook(project, task.id, pairs, fmt::format("label check {}", check.id)));
    }
    PL_TRY(const int64_t waiting, desk::waitingLooks(project, task.id));
    PL_TRY(const auto people, project.annotators());
    std::map<desk::Id, std::string> names;
    for (const desk::Annotator& person : people)
        names[person.id] = person.name;
    if (a.json) {
        Json votes = Json::array(), reliability = Json::object();
        for (const desk::DoubtedVote& vote : report.votes) {
            if (static_cast<int64_t>(votes.size()) >= a.limit)
                break;
            PL_TRY(const desk::LabelItem item, project.pairItem(vote.comparison));
            votes.push_back({{"pair", vote.comparison}, {"annotator", names[vote.annotator]}, {"winner", desk::winnerName(vote.winner)},
                             {"margin", jsonNumber(vote.margin)}, {"right", vote.right}, {"waiting", vote.waiting},
                             {"prompt", item.prompt.content}, {"a", item.a.content}, {"b", item.b.content}});
        }
        for (const auto& [person, share] : report.reliability)
            reliability[names[person]] = share;
        printJson({{"check", check.id}, {"labels", report.labels}, {"right", report.overall}, {"reliability", reliability},
                   {"votes", votes}, {"sent", sent}, {"waiting", waiting}, {"runs", check.runs}, {"score_run", check.scoreRun}});
        return 0;
    }
    std::printf("%lld labels checked by models that were not trained on them; about %.0f %% of them are right.\n",
                static_cast<long long>(report.labels), report.overall * 100);
    int64_t shown = 0;
    for (const desk::DoubtedVote& vote : report.votes)
        if (shown++ < a.limit)
            std::printf("  pair %6lld  %s by %s  right with %2.0f %%  margin %+.2f%s  %s\n", static_cast<long long>(vote.comparison),
                        desk::winnerName(vote.winner), names[vote.annotator].c_str(), vote.right * 100, vote.margin,
                        vote.waiting ? "  (sent back)" : "", headLine(vote.promptHead).c_str());
    if (a.send > 0)
        std::printf("%lld pairs come back for a second look; %lld wait.\n", static_cast<long long>(sent), static_cast<long long>(waiting));
    return 0;
}

} // namespace

void addQualityCommands(Commands& commands) {
    auto s = std::make_shared<ScoreArguments>();
    auto* sub = commands.add("score", "Let reward models say which pairs are uncertain; without --model, which do", [s] { return score(*s); });
    sub->add_option("project", s->project, "Project folder")->required();
    sub->add_option("--model", s->models, "run:ID of a reward model; several: where they disagree is uncertain");
    sub->add_option("--limit", s->limit, "Answers at most; 0: all of pairs without a vote")->check(wholeNumber(0, kMostAsked));
    sub->add_option("--device", s->device, "Where it runs")->check(deviceName());
    sub->add_option("--threads", s->threads, "Processor threads; 0: all")->check(wholeNumber(0, 1024));
    sub->add_flag("--json", s->json, "JSON");

    auto g = std::make_shared<GoldArguments>();
    sub = commands.add("gold", "Pairs whose right verdict is known, hidden among the others", [g] { return gold(*g); });
    sub->add_option("project", g->project, "Project folder")->required();
    auto* add = sub->add_option("--add", g->add, "Make this pair gold (its number)")->check(wholeNumber(1, INT64_MAX));
    auto* winner = sub->add_option("--winner", g->winner, "Its verdict: a, b or tie");
    add->needs(winner);
    winner->needs(add);
    sub->add_option("--by", g->person, "Who decided it, and so never meets it");
    sub->add_option("--remove", g->remove, "Make this pair an ordinary one again")->check(wholeNumber(1, INT64_MAX));
    auto* promote = sub->add_option("--promote", g->promote, "Make gold of adjudicated pairs and of those on which so many people agree")
                        ->check(wholeNumber(2, 100));
    sub->add_option("--most", g->most, "New ones at most; 0: all")->check(wholeNumber(0, kMostAsked))->needs(promote);
    sub->add_flag("--json", g->json, "JSON");

    auto j = std::make_shared<AdjudicateArguments>();
    sub = commands.add("adjudicate", "Pairs on which people differ, with what they said and not who said it; or a verdict", [j] { return adjudicate(*j); });
    sub->add_option("project", j->project, "Project folder")->required();
    auto* pair = sub->add_option("--pair", j->pair, "Its number: shown whole, or judged with --winner")->check(wholeNumber(1, INT64_MAX));
    auto* verdict = sub->add_option("--winner", j->winner, "The verdict: a, b or tie")->needs(pair);
    auto* cause = sub->add_option("--cause", j->cause, "guideline_unclear, mistake, truly_split or bad_pair (which leaves the pair out of datasets)");
    verdict->needs(cause);
    sub->add_option("--strength", j->strength, "1 slight to 3 much")->check(wholeNumber(1, 3))->needs(verdict);
    sub->add_option("--why", j->why, "In words");
    sub->add_option("--by", j->person, "Who gives the verdict");
    sub->add_option("--limit", j->limit, "Pairs listed at most")->check(wholeNumber(1, kMostAsked));
    sub->add_flag("--json", j->json, "JSON");

    auto d = std::make_shared<DoctorArguments>();
    sub = commands.add("label-doctor", "Find probably wrong labels with reward models that were not trained on them", [d] { return labelDoctor(*d); });
    sub->add_option("project", d->project, "Project folder")->required();
    sub->add_option("--folds", d->folds, "Parts, and so reward models to train")->check(wholeNumber(2, 8));
    sub->add_option("--model", d->model, "What they begin as");
    sub->add_option("--set", d->set, "NAME=VALUE of the reward model trainer (see `plugins describe reward_model`)");
    sub->add_option("--seed", d->seed, "Random seed")->check(seedNumber());
    sub->add_option("--device", d->device, "Where it runs")->check(deviceName());
    sub->add_option("--threads", d->threads, "Processor threads; 0: all")->check(wholeNumber(0, 1024));
    sub->add_flag("--report", d->report, "The last check again, with the votes of now; trains nothing");
    sub->add_option("--limit", d->limit, "Votes listed at most")->check(wholeNumber(1, kMostAsked));
    sub->add_option("--send", d->send, "Send so many of the most doubtful back for a second look")->check(wholeNumber(1, kMostAsked));
    sub->add_flag("--json", d->json, "JSON");
}

} // namespace pl::cli

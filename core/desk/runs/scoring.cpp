// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/scoring.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/image_info.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/runs/shared.h"
#include "core/desk/stats/label_doctor.h"
#include "core/desk/store/label_checks.h"
#include "core/desk/store/scores.h"

namespace pl::desk {

using namespace shared;

namespace {

constexpr size_t kMostModels = 8; ///< roles of the plugin `score`
constexpr int64_t kFewestLabels = 60;

std::string roleOf(size_t index) { return index == 0 ? "policy" : fmt::format("policy_{}", index + 1); }

/// Which part a prompt belongs to, the same in every check.
int foldOf(const std::string& promptSha, int folds) {
    return static_cast<int>(hashSeed(0, "fold\n" + promptSha) % static_cast<uint64_t>(folds));
}

Json requestJson(const DoctorRequest& request) {
    return {{"model", request.model},     {"parameters", request.parameters}, {"seed", request.seed},
            {"threads", request.threads}, {"device", request.device}};
}

LabelCheck checkOf(const LabelCheckRow& row) {
    return {row.id, row.task, row.datasetSha, row.folds, row.runs, row.scoreRun, row.state, row.reason, row.createdMs};
}

/// Every fold is trained: one job in which each model scores the part it does not know, and all of them the dev pairs.
Result<std::string> startFoldScores(Project& project, Supervisor& supervisor, const LabelCheckRow& check) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, "score"));
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters["purpose"] = "doctor";
    run.device = check.request.value("device", std::string("cpu"));
    run.threads = check.request.value("threads", 0);
    for (size_t i = 0; i < check.runs.size(); ++i) {
        PL_TRY(ModelSpec model, resolveModel(project, "run:" + check.runs[i] + "@last", roleOf(i)));
        run.models.push_back(std::move(model));
    }
    PL_TRY(const auto votes, checkedVotes(project, check.task));
    std::set<std::string> seen;
    std::string& lines = run.dataTexts["items.jsonl"];
    for (const CheckedVote& vote : votes)
        for (const auto& [id, text] : {std::pair{vote.uuidA, vote.contentA}, {vote.uuidB, vote.contentB}}) {
            if (!seen.insert(id).second)
                continue;
            Json line{{"id", id}, {"prompt", vote.prompt}, {"response", text}};
            if (vote.split == Split::Train)
                line["by"] = Json::array({roleOf(static_cast<size_t>(foldOf(vote.promptSha, check.folds)))});
            lines += dumpJson(line) + "\n";
        }
    if (lines.empty())
        return fail(Code::NotFound, "no decided vote is left to be checked");
    run.note = {{"label_check", check.id}};
    return submitAndRecord(project, supervisor, std::move(run), *manifest);
}

} // namespace

Result<std::string> startScore(Project& project, Supervisor& supervisor, const ScoreRequest& request) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, "score"));
    if (request.models.empty() || request.models.size() > kMostModels)
        return fail(Code::InvalidInput, fmt::format("{} models cannot score", request.models.size()),
                    fmt::format("Name one to {} reward models: run:ID of a reward_model run.", kMostModels));
    RunRequest run;
    run.plugin = manifest->id;
    run.device = request.device;
    run.threads = request.threads;
    run.shortJob = true;
    std::optional<bool> image;
    std::vector<std::string> hashes;
    for (const std::string& name : request.models) {
        PL_TRY(ModelSpec model, resolveModel(project, name, roleOf(run.models.size())));
        if (!isRewardModelDir(model.path))
            return fail(Code::InvalidInput, fmt::format("'{}' is no reward model", name),
                        "Train one: pairlab-cli train P --plugin reward_model.");
        if (image && *image != isImageModelDir(model.path))
            return fail(Code::InvalidInput, "the models score different things: texts and images", "Name models of one kind.");
        image = isImageModelDir(model.path);
        if (std::find(hashes.begin(), hashes.end(), model.hash) != hashes.end())
            return fail(Code::InvalidInput, fmt::format("'{}' is named twice", name), "An ensemble is of different models.");
        hashes.push_back(model.hash);
        run.models.push_back(std::move(model));
    }
    PL_TRY(const auto items, itemsToScore(project, request.task, *image ? CandidateKind::Image : CandidateKind::Text, hashes, request.limit));
    if (items.empty())
        return fail(Code::NotFound, "every answer of a pair without a vote has its scores already",
                    "Generate more pairs, or score with other models.");
    std::string& lines = run.dataTexts["items.jsonl"];
    for (const ScoreItem& item : items) {
        Json line{{"id", item.id}, {"prompt", item.prompt}};
        if (*image) {
            const std::string file = project.mediaPath(item.content);
            const auto info = inspectImageFile(file);
            if (!info)
                continue; // `check` names it
            const std::string ref = imageRef(item.content, info->extension);
            run.images[ref] = file;
            line["image"] = ref;
        } else {
            line["response"] = item.content;
        }
        lines += dumpJson(line) + "\n";
    }
    if (lines.empty())
        return fail(Code::NotFound, "none of the images can be read", "`pairlab-cli check P` names them; import whole copies.");
    run.note = {{"models", request.models}};
    return submitAndRecord(project, supervisor, std::move(run), *manifest);
}

Result<Id> startLabelCheck(Project& project, Supervisor& supervisor, const DoctorRequest& request) {
    if (request.folds < 2 || request.folds > static_cast<int>(kMostModels))
        return fail(Code::InvalidInput, fmt::format("{} parts cannot be checked by each other", request.folds),
                    fmt::format("Use 2 to {} folds.", kMostModels));
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, "reward_model"));
    PL_CHECK(manifestOf(supervisor, "score"));
    DatasetSpec spec;
    spec.name = "label check";
    spec.filter.task = request.task;
    spec.filter.kind = CandidateKind::Text;
    PL_TRY(const DatasetInfo dataset, project.freezeDataset(spec));
    if (dataset.counts.trainPairs() < kFewestLabels)
        return fail(Code::InvalidInput,
                    fmt::format("a check of labels needs {} decided pairs of train prompts, and there are {}", kFewestLabels,
                                dataset.counts.trainPairs()),
                    "Label some more first.");
    // Rows of the frozen data by the part their prompt is in.
    std::vector<std::string> parts(static_cast<size_t>(request.folds));
    PL_CHECK(forEachJsonLine(os::joinPath(dataset.dir, "train.jsonl"), [&](const Json& row, size_t line) -> Status {
        PL_TRY(const PairRow pair, pairRowOf(row, fmt::format("train.jsonl line {}", line)));
        parts[static_cast<size_t>(foldOf(promptSha(pair.prompt), request.folds))] += dumpJson(row) + "\n";
        return {};
    }));
    for (const std::string& part : parts)
        if (part.empty())
            return fail(Code::InvalidInput, fmt::format("the votes are on too few prompts for {} parts", request.folds), "Use fewer folds.");
    PL_TRY(const ModelSpec start, resolveModel(project, request.model, "policy"));
    PL_CHECK(checkModality(*manifest, start));
    LabelCheckRow check;
    check.task = request.task;
    check.datasetSha = dataset.sha;
    check.folds = request.folds;
    check.request = requestJson(request);
    PL_TRY(check.id, addLabelCheck(project, check));
    for (int fold = 0; fold < request.folds; ++fold) {
        RunRequest run;
        run.plugin = manifest->id;
        run.parameters = request.parameters;
        run.models = {start};
        run.seed = request.seed + static_cast<uint64_t>(fold);
        run.threads = request.threads;
        run.device = request.device;
        run.datasetHash = dataset.sha;
        // No dev pairs: they would choose the checkpoint, and they are checked, too.
        for (int other = 0; other < request.folds; ++other)
            if (other != fold)
                run.dataTexts["train.jsonl"] += parts[static_cast<size_t>(other)];
        run.note = {{"label_check", check.id}, {"fold", fold}};
        auto name = submitAndRecord(project, supervisor, std::move(run), *manifest);
        if (!name) {
            for (const std::string& started : check.runs)
                (void)supervisor.stop(started);
            check.state = "failed";
            check.reason = name.error().toString();
            PL_CHECK(updateLabelCheck(project, check));
            return tl::unexpected<Error>(std::move(name).error());
        }
        check.runs.push_back(*name);
        PL_CHECK(updateLabelCheck(project, check));
    }
    return check.id;
}

Status advanceLabelChecks(Project& project, Supervisor& supervisor) {
    PL_TRY(auto rows, labelCheckRows(project));
    for (LabelCheckRow& check : rows) {
        if (check.state != "training" && check.state != "scoring")
            continue;
        const auto ended = [&](const std::string& reason) {
            check.state = "failed";
            check.reason = reason;
            return updateLabelCheck(project, check);
        };
        bool all = check.runs.size() == static_cast<size_t>(check.folds);
        std::string problem;
        const std::vector<std::string> waits = check.state == "training" ? check.runs : std::vector<std::string>{check.scoreRun};
        for (const std::string& run : waits) {
            const auto info = supervisor.find(run);
            if (!info)
                problem = fmt::format("its run {} is gone", run);
            else if (info->state == RunState::Failed || info->state == RunState::Stopped)
                problem = fmt::format("its run {} {}: {}", run, runStateName(info->state), info->reason);
            all = all && info && info->state == RunState::Finished;
            // Its events must have been taken over: what is in the database counts.
            if (const auto row = project.findRun(run); all && (!row || row->state != "finished"))
                all = false;
        }
        if (!problem.empty()) {
            PL_CHECK(ended(problem));
            continue;
        }
        if (!all)
            continue;
        if (check.state == "scoring") {
            check.state = "finished";
            PL_CHECK(updateLabelCheck(project, check));
            continue;
        }
        auto run = startFoldScores(project, supervisor, check);
        if (!run) {
            PL_CHECK(ended(run.error().toString()));
            continue;
        }
        check.scoreRun = *run;
        check.state = "scoring";
        PL_CHECK(updateLabelCheck(project, check));
    }
    return {};
}

Result<std::vector<LabelCheck>> labelChecks(Project& project) {
    PL_TRY(const auto rows, labelCheckRows(project));
    std::vector<LabelCheck> out;
    for (const LabelCheckRow& row : rows)
        out.push_back(checkOf(row));
    return out;
}

Result<DoctorReport> doctorReport(Project& project, Id id, size_t limit) {
    PL_TRY(const auto rows, labelCheckRows(project));
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const LabelCheckRow& each) { return each.id == id; });
    if (row == rows.end())
        return fail(Code::NotFound, fmt::format("there is no check {} of labels", id));
    if (row->state != "finished")
        return fail(Code::InvalidInput, fmt::format("check {} of labels is not finished: {}", id, row->reason.empty() ? row->state : row->reason));
    PL_TRY(auto models, scoresOfRun(project, row->scoreRun));
    PL_TRY(const auto votes, checkedVotes(project, row->task));
    // Models of different parts differ in scale: each in standard deviations of its own scores.
    for (auto& scores : models) {
        double sum = 0, squares = 0;
        for (const auto& [candidate, score] : scores)
            sum += score;
        const double mean = sum / static_cast<double>(std::max<size_t>(1, scores.size()));
        for (const auto& [candidate, score] : scores)
            squares += (score - mean) * (score - mean);
        const double deviation = std::sqrt(squares / static_cast<double>(std::max<size_t>(1, scores.size())));
        for (auto& [candidate, score] : scores)
            score = deviation > 0 ? score / deviation : 0;
    }
    std::vector<const CheckedVote*> checked;
    std::vector<ScoredLabel> labels;
    for (const CheckedVote& vote : votes) {
        double margin = 0;
        int n = 0;
        for (const auto& scores : models) {
            const auto a = scores.find(vote.a), b = scores.find(vote.b);
            if (a == scores.end() || b == scores.end())
                continue;
            margin += a->second - b->second;
            ++n;
        }
        if (n == 0)
            continue; // judged after the check
        margin /= n;
        checked.push_back(&vote);
        labels.push_back({vote.vote.annotator, vote.vote.winner == Winner::A ? margin : -margin});
    }
    const LabelDoubts doubts = doubtLabels(labels);
    DoctorReport out;
    out.labels = static_cast<int64_t>(labels.size());
    out.overall = doubts.overall;
    out.reliability = doubts.reliability;
    for (const size_t at : mostDoubtful(doubts, limit ? limit : labels.size())) {
        const CheckedVote& vote = *checked[at];
        out.votes.push_back({vote.vote.comparison, vote.vote.annotator, vote.vote.event, vote.vote.winner, labels[at].margin,
                             doubts.right[at], vote.waiting, vote.promptHead});
    }
    return out;
}

} // namespace pl::desk

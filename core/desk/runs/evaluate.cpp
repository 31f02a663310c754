// SPDX-License-Identifier: Apache-2.0
// What a model or a reward model is worth: pairs labelled by a rule, prompts, and who judges.
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/image_file.h"
#include "core/base/log.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/runs/shared.h"
#include "core/rules/image_taste.h"
#include "core/rules/taste.h"

namespace pl::desk {

using namespace shared;

namespace {

// The two sides of a pair as a rule sees them, and as a row names them.
struct Sides {
    double scoreA = 0, scoreB = 0;
    std::string a, b;
};

// Pairs of a split and kind, labelled by the noiseless rule; those inside its tie band, and those without sides, are left out.
Result<std::string> goldPairs(Project& project, Split split, CandidateKind kind, double tieBand, const Json& more,
                              const std::function<std::optional<Sides>(const LabelItem&)>& sidesOf) {
    std::string text;
    Page page;
    page.split = split;
    page.kind = kind;
    page.limit = 1000;
    for (;;) {
        PL_TRY(auto rows, project.pairs(page));
        for (const PairPageRow& row : rows) {
            PL_TRY(LabelItem item, project.pairItem(row.comparison.id));
            const auto sides = sidesOf(item);
            if (!sides || std::abs(sides->scoreA - sides->scoreB) <= tieBand)
                continue;
            const bool first = sides->scoreA > sides->scoreB;
            Json line{{"id", row.comparison.uuid},
                      {"prompt", item.prompt.content},
                      {"chosen", first ? sides->a : sides->b},
                      {"rejected", first ? sides->b : sides->a}};
            line.update(more);
            text += dumpJson(line) + "\n";
        }
        if (static_cast<int64_t>(rows.size()) < page.limit)
            break;
        page.offset += page.limit;
    }
    if (text.empty())
        return fail(Code::NotFound,
                    fmt::format("no pairs of {} of the {} split to measure on", kind == CandidateKind::Image ? "images" : "texts",
                                splitName(split)),
                    fmt::format("Generate some: pairlab-cli generate P --split {} --n 2.", splitName(split)));
    return text;
}

Result<std::string> goldTexts(Project& project, Split split, const rules::Taste& taste) {
    return goldPairs(project, split, CandidateKind::Text, taste.tieBand, {{"annotator", "rule:" + taste.name}},
                     [&](const LabelItem& item) -> std::optional<Sides> {
                         return Sides{rules::score(taste, item.prompt.content, item.a.content),
                                      rules::score(taste, item.prompt.content, item.b.content), item.a.content, item.b.content};
                     });
}

// Those whose file cannot be read, or is not what its name says, are left out and counted. `images` gets the files that the rows name.
Result<std::string> goldImages(Project& project, Split split, const rules::ImageTaste& taste,
                               std::map<std::string, std::string>& images, int64_t& leftOut) {
    const auto whole = [&](const std::string& file, const std::string& sha) {
        const auto actual = sha256File(file);
        return actual && *actual == sha;
    };
    const auto sidesOf = [&](const LabelItem& item) -> std::optional<Sides> {
        const std::string fileA = project.mediaPath(item.a.content), fileB = project.mediaPath(item.b.content);
        const auto a = readImage(fileA), b = readImage(fileB);
        const auto infoA = inspectImageFile(fileA), infoB = inspectImageFile(fileB);
        if (!a || !b || !infoA || !infoB || !whole(fileA, item.a.content) || !whole(fileB, item.b.content)) {
            ++leftOut;
            return std::nullopt;
        }
        Sides out{rules::score(taste, item.prompt.content, *a), rules::score(taste, item.prompt.content, *b),
                  imageRef(item.a.content, infoA->extension), imageRef(item.b.content, infoB->extension)};
        if (std::abs(out.scoreA - out.scoreB) > taste.tieBand) {
            images[out.a] = fileA;
            images[out.b] = fileB;
        }
        return out;
    };
    auto pairs = goldPairs(project, split, CandidateKind::Image, taste.tieBand,
                           {{"modality", "image"}, {"annotator", "rule:" + taste.name}}, sidesOf);
    if (!pairs && leftOut > 0)
        return fail(Code::InvalidInput,
                    fmt::format("no pair of images of the {} split can be measured on: the images of {} cannot be read or were changed",
                                splitName(split), leftOut == 1 ? "1 pair" : fmt::format("{} pairs", leftOut)),
                    "`pairlab-cli check P` names them; import whole copies.");
    if (leftOut > 0)
        log::warn("{} pairs of images of the {} split are left out of the measurement: their images cannot be read or were changed", leftOut,
                  splitName(split));
    return pairs;
}

// A judge that was trained on the same votes as the policy it judges knows them by heart: said with every figure.
std::string sawSameLabels(Project& project, const std::string& model, const std::string& judge) {
    if (model.rfind("run:", 0) != 0 || judge.rfind("run:", 0) != 0)
        return "no";
    auto bare = [](std::string text) { return text.substr(4, text.find('@') - 4); };
    auto policy = project.findRun(bare(model)), rm = project.findRun(bare(judge));
    if (!policy || !rm)
        return "unknown";
    if (!policy->datasetHash.empty() && policy->datasetHash == rm->datasetHash)
        return "yes";
    // A policy trained against this very judge has optimised it.
    for (const Json& each : policy->models)
        for (const Json& other : rm->models)
            if (each.value("hash", "") == other.value("hash", "x") && each.value("role", "").rfind("ref:", 0) == 0)
                return "yes";
    if (policy->parameters.dump().find(judge) != std::string::npos)
        return "yes";
    return "no";
}

} // namespace

Result<std::string> startEvaluate(Project& project, Supervisor& supervisor, const EvaluateRequest& request) {
    PL_TRY(const Manifest* manifest, manifestOf(supervisor, "evaluate"));
    RunRequest run;
    run.plugin = manifest->id;
    run.parameters = request.parameters;
    run.seed = request.seed;
    run.threads = request.threads;
    run.device = request.device;
    run.shortJob = true;
    PL_TRY(ModelSpec model, resolveModel(project, request.model, "policy"));
    PL_CHECK(checkModality(*manifest, model));
    const bool rewardModel = isRewardModelDir(model.path), image = isImageModelDir(model.path);
    run.models.push_back(model);
    run.parameters["judge_name"] = request.judge;
    std::optional<rules::Taste> textTaste;
    std::optional<rules::ImageTaste> imageTaste;
    if (image) {
        if (auto found = rules::imageTasteByName(request.judge))
            imageTaste = std::move(*found);
    } else if (auto found = rules::tasteByName(request.judge)) {
        textTaste = std::move(*found);
    }
    const bool taste = textTaste || imageTaste;
    if (rewardModel) {
        run.parameters["mode"] = "reward_accuracy";
        if (imageTaste) {
            int64_t unreadable = 0;
            PL_TRY(run.dataTexts["pairs.jsonl"], goldImages(project, request.split, *imageTaste, run.images, unreadable));
        } else if (textTaste) {
            PL_TRY(run.dataTexts["pairs.jsonl"], goldTexts(project, request.split, *textTaste));
        } else if (request.judge.empty() || request.judge == "votes") {
            if (request.split != Split::Dev)
                return fail(Code::InvalidInput,
                            fmt::format("votes on {} prompts cannot measure a reward model: those of train it has learnt from, those of test "
                                        "stay sealed", splitName(request.split)),
                            "Use --split dev, or --judge TASTE on the test prompts.");
            PL_TRY(const DatasetInfo dataset, datasetFor(project, "", image));
            if (dataset.counts.dev == 0)
                return fail(Code::NotFound, "no pair of the dev prompts is decided: there is nothing to measure by",
                            "Label some pairs of dev prompts, or use --judge TASTE.");
            run.dataFiles["pairs.jsonl"] = os::joinPath(dataset.dir, "dev.jsonl");
            PL_CHECK(addImages(dataset, run));
            run.datasetHash = dataset.sha;
        } else {
            return fail(Code::InvalidInput, fmt::format("a reward model is measured by a taste or by votes, not by '{}'", request.judge),
                        "Use --judge votes or a taste's name.");
        }
    } else {
        if (request.judge.empty())
            return fail(Code::InvalidInput, "evaluating a model needs a judge", "Give --judge TASTE, verifier or run:ID.");
        PromptChoice choice{"auto", image};
        if (request.judge == "verifier") {
            run.parameters["mode"] = "verifier";
            if (!image) // what a caption says of a picture can always be read off it
                choice.kind = "verify";
        } else {
            run.parameters["mode"] = "win_rate";
            if (taste) {
                run.parameters["judge"] = "rule";
                run.parameters["taste"] = request.judge;
            } else {
                run.parameters["judge"] = "reward_model";
                PL_TRY(ModelSpec judge, resolveModel(project, request.judge, "judge"));
                if (!isRewardModelDir(judge.path) || isImageModelDir(judge.path) != image)
                    return fail(Code::InvalidInput,
                                fmt::format("'{}' cannot judge '{}': it is no reward model of {}", request.judge,
                                            request.model, image ? "images" : "texts"),
                                image ? "Give --judge TASTE (such as larger) or run:ID of an image_reward_model run."
                                      : "Give --judge TASTE (such as concise) or run:ID of a reward_model run.");
                run.parameters["judge_name"] = judge.name;
                run.models.push_back(judge);
                run.parameters["judge_saw_same_labels"] = sawSameLabels(project, request.model, request.judge);
                // The judge's agreement with the votes of the dev split, beside its verdict.
                if (auto dataset = datasetFor(project, "", image); dataset && dataset->counts.dev > 0) {
                    run.dataFiles["judge_pairs.jsonl"] = os::joinPath(dataset->dir, "dev.jsonl");
                    PL_CHECK(addImages(*dataset, run));
                }
            }
        }
        if (!request.against.empty()) {
            PL_TRY(ModelSpec against, resolveModel(project, request.against, "against"));
            PL_CHECK(checkModality(*manifest, against));
            if (isImageModelDir(against.path) != image)
                return fail(Code::InvalidInput,
                            fmt::format("'{}' and '{}' make different things: texts and images", request.model,
                                        request.against),
                            "Compare two models of one kind.");
            run.models.push_back(against);
        }
        PL_TRY(run.dataTexts["prompts.jsonl"], promptsOf(project, request.split, choice, request.prompts));
    }
    Json controls = Json::object();
    for (const ModelSpec& each : run.models) {
        PL_TRY(const std::string control, controlOf(project, each.path));
        if (!control.empty())
            controls[each.role == "policy" ? "model" : each.role] = control;
    }
    run.note = {{"split", splitName(request.split)}, {"model", request.model}, {"against", request.against},
                {"judge", request.judge},            {"controls", controls}};
    PL_TRY(std::string name, submitAndRecord(project, supervisor, std::move(run), *manifest));
    // What could not start has opened nothing.
    if (request.split == Split::Test) {
        if (auto opened = project.openTestSplit("evaluate " + request.model); !opened) {
            (void)supervisor.kill(name);
            return tl::unexpected<Error>(std::move(opened).error());
        }
    }
    return name;
}

} // namespace pl::desk

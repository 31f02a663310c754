// SPDX-License-Identifier: Apache-2.0
// Projects and what they begin with.
#include <filesystem>

#include <fmt/format.h>

#include "core/base/bundle.h"
#include "core/base/os/files.h"
#include "core/base/os/lock.h"
#include "core/base/records.h"
#include "core/desk/domain/questions.h"
#include "core/desk/runs/shared.h"

namespace pl::desk {

std::string resourcesDir() {
    const std::string given = os::environment("PAIRLAB_RESOURCES");
    if (!given.empty())
        return given;
    return os::joinPath(os::parentDir(os::programDir()), "share/pairlab/resources");
}

Result<Starter> starterOf(std::string_view name) {
    if (name == "none" || name == "text" || name == "images")
        return name == "none" ? Starter::None : name == "text" ? Starter::Text : Starter::Images;
    return fail(Code::InvalidInput, fmt::format("there is no starter \"{}\"", name), "Known: text, images.");
}

Status addStarter(Project& project, Starter which) {
    if (which == Starter::None)
        return {};
    const bool image = which == Starter::Images;
    const std::string dir = os::joinPath(resourcesDir(), image ? "starter_images" : "starter");
    if (!shared::looksLikeModel(os::joinPath(dir, "model")))
        return fail(Code::NotFound, fmt::format("the starter model is not in {}", dir),
                    "Set PAIRLAB_RESOURCES to the resources folder of PairLab.");
    PL_TRY([[maybe_unused]] std::string model, addModel(project, os::joinPath(dir, "model"), "start"));
    if (image) {
        PL_TRY(Task task, project.defaultTask());
        const Asked& asked = firstAsked(CandidateKind::Image);
        task.name = asked.name;
        task.question = asked.question;
        task.guideline = asked.guideline;
        PL_CHECK(project.updateTask(task));
    }
    std::vector<NewPrompt> prompts;
    std::map<std::string, size_t> byText;
    PL_CHECK(forEachJsonLine(os::joinPath(dir, "prompts.jsonl"), [&](const Json& json, size_t line) -> Status {
        PL_TRY(PromptRow row, promptRowOf(json, fmt::format("prompts.jsonl line {}", line)));
        NewPrompt prompt;
        prompt.content = row.prompt;
        PL_TRY(prompt.split, splitOf(row.split));
        prompt.kind = json.value("kind", std::string(image ? "scene" : "chat"));
        prompt.verifierKind = row.verifierKind;
        prompt.verifierAnswer = row.verifierAnswer;
        prompt.source = "starter";
        byText[prompt.content] = prompts.size();
        prompts.push_back(std::move(prompt));
        return {};
    }));
    PL_TRY(auto ids, project.addPrompts(prompts));
    // Answers written by the starter model, beside the seed and parameters that made them.
    const std::string pairsFile = os::joinPath(dir, "pairs.jsonl");
    if (!os::exists(pairsFile))
        return {};
    std::vector<NewCandidate> candidates;
    PL_TRY(std::string hash, modelHash(os::joinPath(project.modelsDir(), "start")));
    PL_CHECK(forEachJsonLine(pairsFile, [&](const Json& json, size_t line) -> Status {
        const std::string where = fmt::format("pairs.jsonl line {}", line);
        PL_TRY(std::string prompt, field<std::string>(json, "prompt", where));
        const auto at = byText.find(prompt);
        if (at == byText.end() || !json.contains("candidates") || !json["candidates"].is_array())
            return fail(Code::Corrupt, where + ": unknown prompt or no candidates");
        for (const Json& each : json["candidates"]) {
            NewCandidate candidate;
            candidate.prompt = ids[at->second];
            if (image) {
                PL_TRY(const std::string ref, field<std::string>(each, "image", where));
                if (!isImageRef(ref))
                    return fail(Code::Corrupt, fmt::format("{}: \"{}\" is no image of the starter", where, ref));
                candidate.kind = CandidateKind::Image;
                PL_TRY(candidate.content, project.addMedia(os::joinPath(dir, ref)));
            } else {
                PL_TRY(candidate.content, field<std::string>(each, "content", where));
            }
            candidate.modelName = "start";
            candidate.modelHash = hash;
            candidate.params = each.value("params", Json::object());
            candidate.seed = each.value("seed", uint64_t{0});
            candidate.tokens = each.value("tokens", int64_t{-1});
            if (each.contains("finished"))
                candidate.finished = each["finished"] == Json(true);
            candidates.push_back(std::move(candidate));
        }
        return {};
    }));
    PL_TRY([[maybe_unused]] auto added, project.addCandidates(candidates));
    MakePairsOptions pairs;
    pairs.source = "starter";
    PL_TRY([[maybe_unused]] auto made, project.makePairs(pairs));
    return {};
}

Result<Project> createProject(const std::string& dir, const ProjectOptions& options, Starter starter) {
    const bool existed = os::exists(dir);
    PL_TRY(Project project, Project::create(dir, options));
    if (auto added = addStarter(project, starter); !added) {
        // While the project is open nobody else can have begun one here; its lock file goes last.
        const std::string path = project.dir();
        const auto clear = [&] {
            const auto entries = os::listDir(path);
            for (const std::string& entry : entries ? *entries : std::vector<std::string>())
                if (entry != "project.lock")
                    (void)os::removeTree(os::joinPath(path, entry));
        };
        clear();
        (void)project.close();
        const auto lock = os::FileLock::tryAcquire(os::joinPath(path, "project.lock"));
        if (lock && !Project::isProject(path)) { // else another program has taken the folder since
            clear();
            (void)os::removeTree(os::joinPath(path, "project.lock"));
            std::error_code ignored;
            if (!existed)
                std::filesystem::remove(path, ignored); // only when empty
        }
        return tl::unexpected<Error>(std::move(added).error());
    }
    return project;
}

} // namespace pl::desk

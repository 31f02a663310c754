// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/manifest.h"
#include "core/desk/runs/actions.h"

/// What the files of runs/ share; nobody else includes it.
namespace pl::desk::shared {

/// Which prompts a job takes by their kind: empty takes all; "auto" takes chat for language models, and for image models whatever
/// is not there to be verified, since any text may be a caption.
struct PromptChoice {
    std::string kind;
    bool image = false;
    bool takes(const Prompt& prompt) const;
};
/// prompts.jsonl of a bundle (core/base/records.h); a limit of 0 is none.
std::string promptLines(const std::vector<Prompt>& prompts, const PromptChoice& choice, int64_t limit);
/// The same for a split of the project; NotFound when there is no such prompt.
Result<std::string> promptsOf(Project& project, std::optional<Split> split, const PromptChoice& choice, int64_t limit);

/// Every model a parameter names (also inside reward terms) becomes a model of the bundle with role "ref:<text>".
Status addReferredModels(Project& project, const Manifest& manifest, const Json& parameters, std::vector<ModelSpec>& models);
Result<const Manifest*> manifestOf(Supervisor& supervisor, const std::string& plugin);
bool hasRole(const Manifest& manifest, const char* role);
bool takesImages(const Manifest& manifest);
/// The job reads and makes models of one kind; another is refused by name.
Status checkModality(const Manifest& manifest, const ModelSpec& model);

inline constexpr const char* kImageType = "pairlab_image_"; ///< what the model_type of image models begins with
bool isRewardModelDir(const std::string& dir);
/// config.json and weights of any kind.
bool looksLikeModel(const std::string& dir);
/// Makes the folder and copies a model's files into it, what links lead to included.
Status copyModel(const std::string& from, const std::string& to);

/// Writes into the folder's card what a model of no run would no longer say by itself; nothing for an empty one.
Status markControl(const std::string& dir, const std::string& control);
/// A LoRA adapter by itself, in PEFT's layout: adapter_config.json without the model below it.
bool isBareAdapter(const std::string& dir);
/// Makes `target` a model folder of that adapter and the project's model it was trained on (hard links), found by the hash or name
/// its adapter_config.json says; returns what the project calls that model. Fails naming it where the project has none.
Result<std::string> withItsBase(Project& project, const std::string& dir, const std::string& target);
/// Such a folder in cache/, made when it is not there.
Result<std::string> cachedWithItsBase(Project& project, const std::string& dir);

/// resolveModel without the hash, which reads every weight.
Result<ModelSpec> locateModel(Project& project, const std::string& text, const std::string& role);

/// The dataset by name, or the votes of now on pairs of this kind when the name is empty.
Result<DatasetInfo> datasetFor(Project& project, const std::string& name, bool image);
/// Every image of a frozen dataset comes with its rows.
Status addImages(const DatasetInfo& dataset, RunRequest& run);

/// What controlledRuns() says of the model in this folder, or controlOfFolder() when no run of the project made it; empty for
/// most.
Result<std::string> controlOf(Project& project, const std::string& path);

Result<std::string> submitAndRecord(Project& project, Supervisor& supervisor, RunRequest request, const Manifest& manifest);

/// What run.json says of a mean and a sum in this plugin's figures.
Json conventionsOf(const Manifest& manifest);

} // namespace pl::desk::shared

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/desk/runs/supervisor.h"
#include "core/desk/store/project.h"

/// What a person asks of a project, in terms of jobs: shared by the window and the command line.
namespace pl::desk {

/// <program>/../share/pairlab/resources, or $PAIRLAB_RESOURCES.
std::string resourcesDir();

enum class Starter { None, Text, Images };
Result<Starter> starterOf(std::string_view name); ///< none text images

/// The starter model, called "start", its prompts and pairs ready to label. Fails clearly when the resources are absent.
Status addStarter(Project& project, Starter which = Starter::Text);
/// A new project, with a starter on demand. Leaves nothing behind when it fails.
Result<Project> createProject(const std::string& dir, const ProjectOptions& options, Starter starter);

/// A model a person can choose.
struct ModelChoice {
    std::string text;  ///< how it is named: "start", "run:42", "run:42@400", a folder
    std::string label; ///< "start", "0042-dpo step 400"
    std::string path;
    bool rewardModel = false;
    int64_t run = 0, step = -1;
    bool image = false; ///< makes or scores images
    std::string control; ///< of a model that learnt from labels dealt out at random: "shuffled labels" (controls.h)
};
/// models/ of the project, then complete checkpoints of its runs (best or last first).
Result<std::vector<ModelChoice>> modelChoices(Project& project);
/// "start", "run:ID" (its best checkpoint, else its last), "run:ID@STEP", "run:ID@last", the name of a folder in models/, or
/// a path: of a model, or of a LoRA adapter alone. The hash is computed.
Result<ModelSpec> resolveModel(Project& project, const std::string& text, const std::string& role);
/// The folder's config.json has a model_type that begins with "pairlab_image_".
bool isImageModelDir(const std::string& dir);
/// Looks at a model folder as far as can be told without loading it: config.json, whether the weights are a whole
/// safetensors file with every tensor the config asks for; of a language model also tokenizer and chat template.
Status checkModelFolder(const std::string& dir);
/// What is wrong in models/ and in the checkpoints of every run (their hashes too), each with one next step; what a
/// live run is just writing is left alone.
Result<std::vector<Error>> checkModels(Project& project);
/// Copies a Hugging Face folder or an image model's folder into models/NAME after looking at its files; returns the name. A folder
/// with a LoRA adapter alone (PEFT) is taken when the model it was trained on is in the project, and is used merged with it.
Result<std::string> addModel(Project& project, const std::string& path, const std::string& name = {});
Status exportModel(Project& project, const std::string& model, const std::string& toDir);

struct GenerateRequest {
    std::vector<std::string> models{"start"};
    std::optional<Split> split = Split::Train;
    std::string kind = "auto";  ///< prompts of this kind; auto: chat, or of an image model all but verify; empty: all
    int64_t prompts = 0;        ///< at most; 0: all of the split
    int64_t n = 2;              ///< answers per prompt and model
    Json parameters = Json::object();
    uint64_t seed = 1;
    int threads = 0;            ///< 0: all
    std::string device = "cpu";
    bool acrossModels = false;  ///< pair one answer of each of two models
    bool makePairs = true;
    bool shortJob = false;
    int64_t bestOf = 1;         ///< images: draw so many a prompt and keep the n that the judge likes best
    std::string judge;          ///< an image reward model (run:ID, ...) or a taste of pictures
};
/// A language model writes texts, an image model draws images; the models of one request are of one kind.
Result<std::string> startGenerate(Project& project, Supervisor& supervisor, const GenerateRequest& request);

/// What a request will cost, before it starts.
struct GenerateEstimate {
    int64_t prompts = 0, samples = 0; ///< samples: all that will be drawn, those that best-of-N throws away included
    /// Of the newest finished run of this kind on this device; below 0: there is none. Of images it counts for the steps and
    /// guidance of the request, where it names them.
    double secondsEach = -1;
    std::string basis;                ///< that run's name
    double seconds() const { return secondsEach < 0 ? -1 : secondsEach * static_cast<double>(samples); }
};
/// Whether the request's best of N can be: its judge, how many are kept.
Status checkBestOf(Project& project, const GenerateRequest& request);
Result<GenerateEstimate> estimateGenerate(Project& project, const GenerateRequest& request);

struct TrainRequest {
    std::string plugin;
    std::string model = "start"; ///< the policy
    std::string dataset;         ///< name, sha or empty: freeze the current votes now
    std::string sftFile;         ///< sft: JSONL rows {"prompt","completion"} instead of a dataset
    std::string promptKind = "auto"; ///< grpo: which prompts to train on
    int64_t prompts = 0;
    Json parameters = Json::object();
    uint64_t seed = 1;
    int threads = 0;             ///< 0: all
    std::string device = "cpu";
};
Result<std::string> startTrain(Project& project, Supervisor& supervisor, const TrainRequest& request);

struct EvaluateRequest {
    std::string model;           ///< run:ID, ...
    std::string against = "start"; ///< empty: none
    std::string judge;           ///< a taste's name, "verifier", or run:ID of a reward model
    Split split = Split::Dev;    ///< Test is sealed: each opening is counted
    int64_t prompts = 0;
    Json parameters = Json::object();
    uint64_t seed = 1;
    int threads = 0;            ///< 0: all
    std::string device = "cpu";
};
/// A reward model under test is measured by its ranking accuracy on the split's pairs labelled by the noiseless rule (pairs
/// inside the tie band left out) or, with judge "votes", by the dev votes; a policy by paired answers.
/// The test split is opened, and that is counted, only when it is asked for and everything else is in order.
Result<std::string> startEvaluate(Project& project, Supervisor& supervisor, const EvaluateRequest& request);

/// Keeps the database's rows in step with the bundles: call it for everything the supervisor's listener brings. When a
/// generating run has finished, its candidates become pairs (once); returns how many.
Result<MakePairsResult> recordRun(Project& project, const RunInfo& info, const std::vector<Event>& events);
/// Takes over everything that happened while no desk was there.
Status catchUp(Project& project, Supervisor& supervisor);

/// "Keep N pairs ready": starts a generating run when an enabled order has fewer pairs left and none of its runs is alive.
/// Returns the new run's name, empty when nothing was to be done.
Result<std::string> serveStandingOrders(Project& project, Supervisor& supervisor, Id annotator);

/// "run:42" or "42" -> the run's row.
Result<RunRow> runOf(Project& project, const std::string& text);

} // namespace pl::desk

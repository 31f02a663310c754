// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/shared.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/base/records.h"

namespace pl::desk::shared {

bool PromptChoice::takes(const Prompt& prompt) const {
    const std::string its = prompt.kind.empty() ? "chat" : prompt.kind;
    return kind.empty() || (kind != "auto" ? its == kind : image ? its != "verify" : its == "chat");
}

std::string promptLines(const std::vector<Prompt>& prompts, const PromptChoice& choice, int64_t limit) {
    std::string text;
    int64_t taken = 0;
    for (const Prompt& prompt : prompts) {
        if (!choice.takes(prompt))
            continue;
        if (limit > 0 && taken >= limit)
            break;
        ++taken;
        Json row{{"id", prompt.uuid}, {"prompt", prompt.content}, {"split", splitName(prompt.split)}};
        if (!prompt.verifierKind.empty())
            row["verifier"] = {{"kind", prompt.verifierKind}, {"answer", prompt.verifierAnswer}};
        text += dumpJson(row) + "\n";
    }
    return text;
}

Result<std::string> promptsOf(Project& project, std::optional<Split> split, const PromptChoice& choice, int64_t limit) {
    PL_TRY(auto prompts, project.promptsForJob(split, 0));
    std::string text = promptLines(prompts, choice, limit);
    if (text.empty())
        return fail(Code::NotFound,
                    fmt::format("the project has no {}{}{}", split ? std::string(splitName(*split)) + " " : "",
                                choice.kind.empty() || choice.kind == "auto" ? "" : choice.kind + " ",
                                choice.kind != "auto" ? "prompts"
                                : choice.image        ? "prompts that an image model could draw"
                                                      : "chat prompts"),
                    "Import some on the Data page or with `pairlab-cli import`.");
    return text;
}

Status addReferredModels(Project& project, const Manifest& manifest, const Json& parameters,
                         std::vector<ModelSpec>& models) {
    auto add = [&](const Json& value) -> Status {
        if (!value.is_string() || value.get<std::string>().empty())
            return {};
        const std::string role = "ref:" + value.get<std::string>();
        for (const ModelSpec& model : models)
            if (model.role == role)
                return {};
        PL_TRY(ModelSpec model, resolveModel(project, value.get<std::string>(), role));
        models.push_back(std::move(model));
        return {};
    };
    for (const Parameter& parameter : manifest.parameters) {
        if (!parameters.contains(parameter.name))
            continue;
        const Json& value = parameters[parameter.name];
        if (parameter.type == ParamType::ModelRef)
            PL_CHECK(add(value));
        if (parameter.type != ParamType::Variants || !value.is_array())
            continue;
        for (const Json& item : value) {
            if (!item.is_object())
                continue;
            for (const Variant& variant : parameter.variants) {
                if (item.value("type", std::string()) != variant.name)
                    continue;
                for (const Parameter& inner : variant.parameters)
                    if (inner.type == ParamType::ModelRef && item.contains(inner.name))
                        PL_CHECK(add(item[inner.name]));
            }
        }
    }
    return {};
}

Result<const Manifest*> manifestOf(Supervisor& supervisor, const std::string& plugin) {
    if (const Manifest* manifest = supervisor.catalog().find(plugin))
        return manifest;
    std::string known;
    for (const Manifest& each : supervisor.catalog().plugins)
        known += (known.empty() ? "" : ", ") + each.id;
    return fail(Code::NotFound, fmt::format("there is no plugin '{}'", plugin), "Known: " + known + ".");
}

bool hasRole(const Manifest& manifest, const char* role) {
    return std::any_of(manifest.models.begin(), manifest.models.end(),
                       [&](const ModelNeed& need) { return need.role == role; });
}

bool takesImages(const Manifest& manifest) {
    return manifest.modalities == std::vector<std::string>{"image"};
}

Status checkModality(const Manifest& manifest, const ModelSpec& model) {
    const char* kind = isImageModelDir(model.path) ? "image" : "text";
    const auto& known = manifest.modalities; // none said: text
    if (known.empty() ? *kind == 't' : std::find(known.begin(), known.end(), kind) != known.end())
        return {};
    return fail(Code::InvalidInput,
                fmt::format("{} works on {} models, and '{}' is {}", manifest.title,
                            takesImages(manifest) ? "image" : "language", model.name,
                            *kind == 'i' ? "an image model" : "a language model"),
                *kind == 'i' ? "Choose one of the image_... plugins, or a language model." : "Choose an image model.");
}

bool isRewardModelDir(const std::string& dir) {
    auto config = readJsonFile(os::joinPath(dir, "config.json"));
    if (!config || !config->is_object())
        return false;
    if (config->contains("model_type") && (*config)["model_type"] == "pairlab_image_reward")
        return true;
    if (!config->contains("architectures") || !(*config)["architectures"].is_array())
        return false;
    for (const Json& each : (*config)["architectures"])
        if (each.is_string() && each.get<std::string>().find("SequenceClassification") != std::string::npos)
            return true;
    return false;
}

bool looksLikeModel(const std::string& dir) {
    return os::exists(os::joinPath(dir, "config.json")) && hasWeights(dir);
}

Result<DatasetInfo> datasetFor(Project& project, const std::string& name, bool image) {
    const char* kind = image ? "images" : "texts";
    if (!name.empty()) {
        PL_TRY(DatasetInfo dataset, project.findDataset(name));
        if (dataset.counts.votes && dataset.isOfImages() != image)
            return fail(Code::InvalidInput,
                        fmt::format("the dataset '{}' compares {}, and this job works on {}", dataset.name,
                                    image ? "texts" : "images", kind),
                        "Choose another dataset, or none: the votes of now are taken.");
        return dataset;
    }
    DatasetSpec spec;
    spec.name = fmt::format("votes-{}{}", project.counters().events, image ? "-images" : "");
    spec.filter.kind = image ? CandidateKind::Image : CandidateKind::Text;
    return project.freezeDataset(spec);
}

Status addImages(const DatasetInfo& dataset, RunRequest& run) {
    const std::string folder = os::joinPath(dataset.dir, "images");
    if (!os::isDir(folder))
        return {};
    PL_TRY(const auto names, os::listDir(folder));
    for (const std::string& name : names)
        if (const std::string ref = "images/" + name; isImageRef(ref))
            run.images[ref] = os::joinPath(folder, name);
    return {};
}

Result<std::string> submitAndRecord(Project& project, Supervisor& supervisor, RunRequest request,
                                    const Manifest& manifest) {
    PL_TRY(Id number, project.reserveRun());
    request.number = number;
    PL_TRY(std::string name, supervisor.submit(request));
    RunRow row;
    row.id = std::atoll(name.c_str());
    row.name = name;
    row.plugin = manifest.id;
    row.pluginVersion = manifest.version;
    row.kind = pluginKindName(manifest.kind);
    row.datasetHash = request.datasetHash;
    row.device = request.device;
    row.seed = request.seed;
    row.createdMs = nowMs();
    if (auto info = supervisor.find(name)) {
        row.parameters = info->parameters;
        row.models = Json::array();
        for (const ModelSpec& model : info->models)
            row.models.push_back({{"role", model.role}, {"name", model.name}, {"hash", model.hash}, {"path", model.path}});
    }
    if (auto bundle = Bundle::open(os::joinPath(project.runsDir(), name)))
        row.uuid = bundle->spec().uuid;
    PL_TRY([[maybe_unused]] Id id, project.insertRun(row));
    return name;
}

Json conventionsOf(const Manifest& manifest) {
    Json out{{"loss", "mean over pairs or tokens of the whole step"},
             {"logps", "sum over completion tokens, end token included"},
             {"grad_norm", "L2 before clipping"}};
    const auto makes = [&](const char* modality) {
        return std::find(manifest.modalities.begin(), manifest.modalities.end(), modality) != manifest.modalities.end();
    };
    if (makes("image")) {
        // Papers write sums over an image's elements; published code, its betas and its clip ranges are in means.
        out.update({{"denoising_error", "mean over the elements of an image of the squared error"},
                    {"step_logp", "mean over the elements of an image of the log-density of one denoising step"},
                    {"log_ratio", "new minus old step_logp; times the number of elements: the sum convention"},
                    {"clip_range", "of exp(log_ratio), so in units of the mean convention"}});
        if (!makes("text"))
            out.erase("logps");
    }
    return out;
}

} // namespace pl::desk::shared

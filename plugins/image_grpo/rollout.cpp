// SPDX-License-Identifier: Apache-2.0
#include "plugins/image_grpo/rollout.h"

#include <fmt/format.h>
#include <torch/torch.h>

namespace pl::image_grpo {

namespace {

constexpr const char* kKey = "rollout";
constexpr const char* kPrefix = "rollout.";
constexpr std::string_view kWhat = "the rollout in the checkpoint";

std::string stateName(size_t batch, size_t step) {
    return fmt::format("{}x.{}.{}", kPrefix, batch, step);
}
std::string logpName(size_t batch, size_t step) {
    return fmt::format("{}logp.{}.{}", kPrefix, batch, step);
}

Result<torch::Tensor> taken(const learn::TensorMap& tensors, const std::string& name) {
    const auto at = tensors.find(name);
    if (at == tensors.end())
        return fail(Code::Corrupt, fmt::format("{} lacks the tensor {}", kWhat, name),
                    "Remove this checkpoint to continue from the one before.");
    return at->second;
}

} // namespace

void Rollout::forget(Json& extra, learn::TensorMap& tensors) {
    extra.erase(kKey);
    std::erase_if(tensors, [](const auto& item) { return item.first.starts_with(kPrefix); });
}

void Rollout::keep(Json& extra, learn::TensorMap& tensors) const {
    forget(extra, tensors);
    extra[kKey] = {{"round", round}, {"prompts", prompts}, {"prompt_ids", promptIds}, {"steps", Json::array()}};
    const auto put = [&](const char* name, const torch::Tensor& value) { tensors[kPrefix + std::string(name)] = value; };
    put("images", images);
    put("rewards", rewards);
    put("advantages", advantages);
    put("weights", weights);
    put("kept", kept.to(torch::kUInt8));
    for (size_t b = 0; b < batches.size(); ++b) {
        extra[kKey]["steps"].push_back(batches[b].size());
        for (size_t i = 0; i < batches[b].size(); ++i) {
            const auto& step = batches[b][i];
            tensors[stateName(b, i)] = step.x;
            if (i + 1 == batches[b].size())
                tensors[stateName(b, i + 1)] = step.next;
            if (step.logp.defined())
                tensors[logpName(b, i)] = step.logp;
        }
    }
}

Result<Rollout> Rollout::resumed(const Json& extra, const learn::TensorMap& tensors, const std::vector<int64_t>& shape,
                                 const torch::Device& device) {
    Rollout out;
    const auto at = extra.find(kKey);
    if (at == extra.end())
        return out;
    PL_TRY(out.round, field<int64_t>(*at, "round", kWhat));
    std::vector<size_t> steps;
    try {
        out.prompts = at->at("prompts").get<std::vector<std::string>>();
        out.promptIds = at->at("prompt_ids").get<std::vector<std::string>>();
        steps = at->at("steps").get<std::vector<size_t>>();
    } catch (const Json::exception& e) {
        return fail(Code::Corrupt, fmt::format("{} cannot be read: {}", kWhat, e.what()));
    }
    const auto get = [&](const char* name) { return taken(tensors, kPrefix + std::string(name)); };
    PL_TRY(out.images, get("images"));
    PL_TRY(out.rewards, get("rewards"));
    PL_TRY(out.advantages, get("advantages"));
    PL_TRY(out.weights, get("weights"));
    PL_TRY(out.kept, get("kept"));
    out.kept = out.kept.to(torch::kBool);
    const auto n = static_cast<int64_t>(out.prompts.size());
    auto expected = shape;
    expected.insert(expected.begin(), n);
    bool fits = out.images.sizes() == expected && out.promptIds.size() == out.prompts.size();
    for (const auto& column : {out.rewards, out.advantages, out.weights, out.kept})
        fits = fits && column.sizes() == torch::IntArrayRef{n};
    int64_t drawn = 0;
    for (size_t b = 0; fits && b < steps.size(); ++b) {
        out.batches.emplace_back();
        for (size_t i = 0; i < steps[b]; ++i) {
            learn::Transition step;
            step.i = static_cast<int64_t>(i);
            PL_TRY(step.x, taken(tensors, stateName(b, i)));
            PL_TRY(step.next, taken(tensors, stateName(b, i + 1)));
            fits = fits && step.x.dim() == 4 && step.x.sizes() == step.next.sizes() && step.x.sizes().slice(1) == shape;
            step.x = step.x.to(device);
            step.next = step.next.to(device);
            if (const auto logp = tensors.find(logpName(b, i)); logp != tensors.end()) {
                fits = fits && logp->second.sizes() == torch::IntArrayRef{step.x.size(0)};
                step.logp = logp->second.to(device);
            }
            out.batches.back().push_back(std::move(step));
        }
        drawn += fits && !out.batches.back().empty() ? out.batches.back().front().x.size(0) : 0;
    }
    if (!fits || (!steps.empty() && drawn != n))
        return fail(Code::Corrupt, fmt::format("{} does not fit the run", kWhat),
                    "Remove this checkpoint to continue from the one before.");
    return out;
}

} // namespace pl::image_grpo

// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/image_policy.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/hash.h"
#include "plugins/sdk/image_watch.h"
#include "plugins/sdk/setup.h"

namespace pl::sdk {

Result<ImagePolicy> setUpImagePolicy(learn::Job& job) {
    ImagePolicy out;
    PL_TRY(static_cast<learn::LoadedImageModel&>(out), setUpImageModel(job, "policy"));
    PL_TRY(const auto spec, modelFor(job, "policy"));
    out.name = spec.name.empty() ? spec.path : spec.name;
    PL_TRY(const auto options, adapterOptions(job.parameters()));
    if (!options)
        return out;
    PL_TRY(out.adapters, learn::Adapters::attach(*out.model, out.model->adaptable(), *options, hashSeed(job.spec().seed, "adapters")));
    int64_t trained = 0;
    for (const auto& [name, parameter] : out.adapters->parameters())
        trained += parameter.numel();
    job.logLine("info", fmt::format("adapters of rank {} on {} layers: {} parameters are trained", options->rank,
                                    out.adapters->layers().size(), trained));
    return out;
}

learn::Trainable ImagePolicy::trainable() const {
    return adapters ? learn::trainable(model, *adapters, {name, hash}) : learn::trainable(model);
}

Result<ImageReference> ImageReference::make(learn::Job& job, const ImagePolicy& policy) {
    ImageReference out;
    if (policy.adapters && !job.spec().model("reference")) {
        out.m_model = policy.model;
        out.m_adapters = policy.adapters;
        job.logLine("info", "reference: the policy with its adapters off");
        return out;
    }
    PL_TRY(out.m_model, frozenReference(job));
    const auto &mine = out.m_model->config(), &its = policy.config;
    if (mine.prediction != its.prediction || mine.size != its.size)
        return fail(Code::InvalidInput, "the reference predicts something else than the policy",
                    "Choose the model the policy started from.");
    return out;
}

torch::Tensor ImageReference::predict(const torch::Tensor& x, const torch::Tensor& times, const torch::Tensor& ids) {
    torch::NoGradGuard noGrad;
    const auto off = scope();
    return m_model->predict(x, times, m_model->encode(ids));
}

} // namespace pl::sdk

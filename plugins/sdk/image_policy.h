// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/learn/host/job.h"
#include "core/learn/images/image_model.h"

/// An image generator that is trained, and the frozen one it is compared with. With adapters both are one network.
namespace pl::sdk {

/// The generator given for the role "policy". Without adapters all of its weights are trained.
struct ImagePolicy : learn::LoadedImageModel {
    std::string name;
    std::optional<learn::Adapters> adapters;

    /// What TrainLoop::start and averages of the weights need.
    learn::Trainable trainable() const;
};
/// Sets threads and loads it. The parameter adapter_rank above 0 (absent: 0) puts adapters on the layers that adapter_targets
/// names, scaled by adapter_alpha / adapter_rank.
Result<ImagePolicy> setUpImagePolicy(learn::Job& job);

/// What the policy was before it was trained: the policy with its adapters off, or a frozen copy. A model of its own for the
/// role "reference" is always a copy.
class ImageReference {
public:
    ImageReference() = default;
    /// Fails when the reference does not predict what the policy does.
    static Result<ImageReference> make(learn::Job& job, const ImagePolicy& policy);

    /// Does it share the policy's weights (and so needs no memory of its own)?
    bool shared() const { return m_adapters.has_value(); }
    /// While the result lives, model() is the reference (and a policy that shares its weights is, too):
    ///     const auto off = reference.scope();
    [[nodiscard]] learn::AdaptersOff scope() const { return m_adapters ? m_adapters->off() : learn::AdaptersOff(); }
    learn::ImageModel& model() { return m_model; }
    /// Its prediction, without gradient: ImageModel::predict of encoded ids.
    torch::Tensor predict(const torch::Tensor& x, const torch::Tensor& times, const torch::Tensor& ids);

private:
    learn::ImageModel m_model{nullptr};
    std::optional<learn::Adapters> m_adapters; ///< the policy's
};

} // namespace pl::sdk

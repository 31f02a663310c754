// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/trainable.h"

#include <algorithm>

#include <torch/torch.h>

#include "core/base/os/files.h"

namespace pl::learn {

Trainable trainable(Decoder model, const std::string& tokenizerDir) {
    Trainable out;
    for (const auto& item : model->named_parameters())
        out.parameters.emplace_back(item.key(), item.value());
    out.save = [model, tokenizerDir](const std::string& dir) { return saveModel(model, dir, tokenizerDir); };
    return out;
}

Trainable trainable(Decoder model, const std::string& tokenizerDir, const Adapters& adapters, const AdapterBase& base) {
    Trainable out;
    out.parameters = adapters.parameters();
    out.file = os::joinPath(kAdapterFolder, kAdapterWeights);
    out.save = [model, tokenizerDir, adapters, base](const std::string& dir) -> Status {
        PL_CHECK(saveModel(model, dir, tokenizerDir, &adapters));
        return adapters.save(os::joinPath(dir, kAdapterFolder), base);
    };
    return out;
}

Ema::Ema(NamedParameters parameters, double decay) : m_parameters(std::move(parameters)), m_decay(decay) {
    for (const auto& [name, parameter] : m_parameters)
        m_averages.push_back(parameter.detach().clone());
}

void Ema::update(int64_t step) {
    torch::NoGradGuard noGrad;
    const auto s = static_cast<double>(step);
    const double keep = std::min(m_decay, (1 + s) / (10 + s));
    std::vector<torch::Tensor> values;
    for (const auto& [name, parameter] : m_parameters)
        values.push_back(parameter);
    at::_foreach_lerp_(m_averages, values, 1 - keep);
}

void Ema::swap() {
    torch::NoGradGuard noGrad;
    for (size_t i = 0; i < m_averages.size(); ++i) {
        auto parameter = m_parameters[i].second;
        const auto own = parameter.detach().clone();
        parameter.copy_(m_averages[i]);
        m_averages[i].copy_(own);
    }
}

} // namespace pl::learn

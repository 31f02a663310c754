// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/learn/models/decoder.h"
#include "core/learn/training/optimizer.h"

namespace pl::learn {

/// What training has to know of a model, whatever it makes: texts, scores or images.
struct Trainable {
    /// Every parameter of `file` by its name there. The tensors are the model's own; those that ask for a gradient are trained.
    NamedParameters parameters;
    /// Of the folder that save() writes: what continuing a run needs. The model's weights, or those of its adapters.
    std::string file = "model.safetensors";
    /// Writes the folder of a model with the present values; the folder is there.
    std::function<Status(const std::string& dir)> save;
};

/// A decoder; checkpoints take their tokenizer files from `tokenizerDir`.
Trainable trainable(Decoder model, const std::string& tokenizerDir);
/// Only its adapters are trained (and the modules they train whole). Checkpoints are ordinary models, the adapters merged in,
/// with the adapters themselves in the folder kAdapterFolder.
Trainable trainable(Decoder model, const std::string& tokenizerDir, const Adapters& adapters, const AdapterBase& base);

/// Exponential moving average of the trained parameters. After update s (from 1) its decay is min(decay, (1 + s) / (10 + s)):
/// the first steps are forgotten quickly.
class Ema {
public:
    Ema(NamedParameters parameters, double decay);

    /// After the optimiser's step s.
    void update(int64_t step);
    /// Exchanges the average with the model's own values; the second call takes it back, bit for bit.
    void swap();
    const NamedParameters& parameters() const { return m_parameters; }

private:
    NamedParameters m_parameters;
    std::vector<torch::Tensor> m_averages;
    double m_decay;
};

/// While it lives the model holds its averaged weights. Nothing happens without an average.
class Averaged {
public:
    explicit Averaged(Ema* ema) : m_ema(ema) {
        if (m_ema)
            m_ema->swap();
    }
    ~Averaged() {
        if (m_ema)
            m_ema->swap();
    }
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

private:
    Ema* m_ema;
};

} // namespace pl::learn

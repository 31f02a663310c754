// SPDX-License-Identifier: Apache-2.0
#include "core/base/memory_estimate.h"

#include <algorithm>

namespace pl {

namespace {

constexpr double kFloat = 4;
constexpr double kProgram = 330e6;        ///< resident set of the worker with libtorch before a model is there, measured
constexpr double kLogitsChunk = 1 << 19;  ///< elements; as core/learn/models/kernels.cpp cuts them
constexpr double kLogitsRows = 16;        ///< at least
constexpr double kKeptProbabilities = 1 << 26; ///< elements; as there
constexpr double kWorking = 0.6; ///< of what a layer keeps: what going back through it has besides
constexpr double kFits = 0.75, kTight = 0.95;

double d(int64_t n) { return static_cast<double>(n); }

/// Floats that are kept of what comes after attention: both residuals, the normed input of the MLP and its middle.
double readPerLayer(const ModelConfig& m, bool half) {
    const double middle = m.mlp == Mlp::Plain ? 2 : m.activation == Activation::Silu ? 3 : 4; // silu(gate) is not kept
    return (half ? 2.5 : 3) * d(m.hiddenSize) + (middle - (half ? 0.5 : 0)) * d(m.intermediateSize);
}

/// Floats one layer keeps of one position for the backward pass.
double keptPerLayer(const ModelConfig& m, bool packed, bool half) {
    const double queries = d(m.heads * m.headDim), keys = d(m.kvHeads * m.headDim);
    double kept = d(m.hiddenSize) + readPerLayer(m, half);
    if (half) // the normed inputs and the MLP's middle by half, and what attention gives once more, as the next layer reads it
        kept += 0.5 * queries - 0.5 * d(m.hiddenSize);
    if (packed)
        return kept + 2 * queries + 2 * keys + d(m.heads) + (m.qkNorm ? queries + keys : 0);
    // Keys and values are repeated for every query head where heads share them; then both forms are alive.
    return kept + 5 * queries + (m.kvHeads == m.heads ? 0 : 2 * keys) + (m.qkNorm ? 2 * queries : 0);
}

} // namespace

const char* trainMethodName(TrainMethod method) {
    switch (method) {
    case TrainMethod::Sft:
        return "SFT";
    case TrainMethod::RewardModel:
        return "Reward model";
    case TrainMethod::Dpo:
        return "DPO";
    case TrainMethod::Grpo:
        return "GRPO";
    }
    return "";
}

MemoryPlan MemoryPlan::usual(TrainMethod method, int64_t adapterRank) {
    MemoryPlan plan;
    plan.method = method;
    plan.adapterRank = adapterRank;
    if (method == TrainMethod::Grpo)
        plan.positions = 4096;
    plan.referenceBeside = method == TrainMethod::Dpo; // until every pair was met once
    return plan;
}

MemoryPlan MemoryPlan::on(std::string_view device) const {
    MemoryPlan plan = *this;
    plan.onGpu = device.starts_with("cuda");
    plan.packed = packed && !plan.onGpu;
    return plan;
}

namespace {

/// Activations and the head where nothing but tensors counts: what is kept when the way back begins, and what the first part of it needs besides.
void countTensors(MemoryEstimate& out, const ModelConfig& model, const MemoryPlan& plan) {
    const double positions = kFloat * d(plan.positions), read = plan.method == TrainMethod::RewardModel ? 0 : plan.read;
    const double layer = keptPerLayer(model, plan.packed, plan.half), unread = (1 - read) * readPerLayer(model, plan.half);
    const double kept = plan.recompute ? d(model.layers) * d(model.hiddenSize) + layer : d(model.layers) * layer - unread;
    const double working = positions * kWorking * layer;
    out.activations = positions * (kept + 2 * d(model.hiddenSize)) + working;
    if (plan.method == TrainMethod::RewardModel)
        return;
    const double vocab = d(model.vocabSize), rows = std::max(kLogitsChunk / std::max(vocab, 1.0), kLogitsRows);
    const double probabilities = read * d(plan.positions) * vocab; // kept for the backward pass up to a size
    out.head = read * positions * d(model.hiddenSize) + (probabilities <= kKeptProbabilities ? kFloat * probabilities : 0) +
               std::max(0.0, kFloat * 2 * rows * vocab - working);
}

} // namespace

int64_t adapterParameters(const ModelConfig& m, int64_t rank) {
    const int64_t queries = m.heads * m.headDim, keys = m.kvHeads * m.headDim;
    const int64_t attention = (m.hiddenSize + queries) * 2 + (m.hiddenSize + keys) * 2;
    const int64_t mlp = (m.hiddenSize + m.intermediateSize) * (m.mlp == Mlp::Gated ? 3 : 2);
    return rank * m.layers * (attention + mlp);
}

MemoryEstimate estimateMemory(const ModelConfig& model, const MemoryPlan& plan) {
    MemoryEstimate out;
    const double parameters = d(model.parameterCount());
    const double trained = plan.adapterRank > 0 ? d(adapterParameters(model, plan.adapterRank)) : parameters;
    const double positions = d(plan.positions);
    out.program = kProgram;
    out.weights = kFloat * (plan.half ? 1.5 : 1.0) * (parameters + (plan.adapterRank > 0 ? trained : 0));
    out.gradients = kFloat * trained;
    out.optimizer = kFloat * trained * (plan.average ? 3 : 2);
    if (plan.referenceBeside && plan.adapterRank == 0)
        out.reference = kFloat * (plan.half ? 1.5 : 1.0) * parameters;
    const double cache = plan.method == TrainMethod::Grpo
                             ? kFloat * 2 * d(model.layers * model.kvHeads * model.headDim) * d(plan.sequences) * d(plan.longest)
                             : 0; // answers are written and trained on by turns
    if (plan.onGpu) {
        countTensors(out, model, plan);
        out.activations = std::max(out.activations, cache);
        return out;
    }
    const double layer = keptPerLayer(model, plan.packed, plan.half);
    // What the layer that the backward pass is in works on: packed rows, of which no two batches are alike, as much again as it keeps.
    const double working = plan.packed ? 1 : kWorking;
    out.activations = kFloat * positions *
                      ((plan.recompute ? d(model.layers) * d(model.hiddenSize) + 3 * layer : (d(model.layers) + working) * layer) +
                       2 * d(model.hiddenSize));
    // Of the last layer's MLP a reward model reads next to nothing. Packed, nearly all positions are answers.
    const double read = plan.method == TrainMethod::RewardModel ? 0 : plan.packed ? 1 : plan.read;
    if (!plan.recompute)
        out.activations -= (1 - read) * kFloat * positions * readPerLayer(model, plan.half);
    out.activations = std::max(out.activations, cache);
    if (plan.method != TrainMethod::RewardModel) {
        const double rows = std::max(kLogitsChunk / std::max(d(model.vocabSize), 1.0), kLogitsRows);
        const double probabilities = read * positions * d(model.vocabSize); // kept for the backward pass up to a size
        out.head = kFloat * (2 * rows * d(model.vocabSize) + 2 * read * positions * d(model.hiddenSize) +
                             (probabilities <= kKeptProbabilities ? probabilities : 0));
    }
    return out;
}

Checkpointing checkpointingOf(std::string_view name) {
    return name == "on" ? Checkpointing::On : name == "off" ? Checkpointing::Off : Checkpointing::Auto;
}

MemoryPlan decided(const ModelConfig& model, MemoryPlan plan, Checkpointing wanted, double memory) {
    plan.recompute = false;
    plan.recompute = wanted == Checkpointing::On ||
                     (wanted == Checkpointing::Auto && fitOf(estimateMemory(model, plan).total(), memory) != Fit::Fits);
    return plan;
}

Fit fitOf(double bytes, double memory) {
    return bytes <= kFits * memory ? Fit::Fits : bytes <= kTight * memory ? Fit::Tight : Fit::No;
}

const char* fitName(Fit fit) { return fit == Fit::Fits ? "fits" : fit == Fit::Tight ? "tight" : "no"; }

} // namespace pl

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/memory_estimate.h"
#include "core/learn/host/job.h"
#include "core/learn/models/decoder.h"
#include "core/learn/training/label_control.h"
#include "core/learn/training/text_data.h"
#include "core/learn/training/trainable.h"

namespace pl::sdk {

/// The parameters adapter_rank, adapter_alpha, adapter_targets and adapter_rslora; nullopt when the rank is 0 or not said.
Result<std::optional<learn::AdapterOptions>> adapterOptions(const Json& parameters);

/// A model of the run with what is needed to feed it.
struct Setup {
    learn::LoadedModel loaded;
    learn::TextEncoder encoder;
    torch::Device device = torch::kCPU;
    std::string name;
    std::optional<learn::Adapters> adapters; ///< of the policy, when the run trains those and not its weights

    /// What TrainLoop::start needs.
    learn::Trainable trainable() const;
};

struct SetupOptions {
    bool rewardHead = false;
    bool fromScratch = false; ///< only config and tokenizer of the folder; weights drawn from the run's seed
};
/// Sets threads, then loads the model given for `role`, which computes in the parameter precision. adapter_rank above 0 puts adapters on the role "policy"; a reward head
/// is trained beside them.
Result<Setup> setUp(learn::Job& job, const std::string& role, const SetupOptions& options = {});
/// What the policy was before it was trained, for log-ratios: the policy with its adapters off, or a frozen copy. A model of its
/// own for the role "reference" is always a copy.
class FrozenPolicy {
public:
    FrozenPolicy() = default;
    static Result<FrozenPolicy> make(learn::Job& job, const Setup& policy);

    bool empty() const { return m_model.is_empty(); }
    /// completionLogps without a gradient.
    learn::CompletionLogps logps(const learn::RowBatch& batch, double temperature = 1);

private:
    learn::Decoder m_model{nullptr};
    std::optional<learn::Adapters> m_adapters; ///< the policy's
};
/// Does the run's reference share the policy's weights?
bool sharesReference(const learn::Job& job, const Setup& policy);

/// The parameter packing: on, off, or what is faster on the device.
Result<learn::RowLayout> rowLayout(const Json& parameters, const torch::Device& device);

/// The parameters micro_batch_tokens, packing, precision and adapter_rank as a plan, for decideCheckpointing().
Result<MemoryPlan> memoryPlan(const Json& parameters, TrainMethod method, const learn::RowLayout& layout, const Setup& setup);
/// The parameter activation_checkpointing, switched on or off in the model and said in the log. auto: by the plan against the memory
/// that is free, the model's own included; on a GPU, whose memory is not known here, off.
Status decideCheckpointing(learn::Job& job, Setup& setup, const MemoryPlan& plan);

/// The spec of a role; fails naming the role.
Result<ModelSpec> modelFor(learn::Job& job, const std::string& role);
/// The smaller of max_length and what the model has positions for.
Result<int64_t> maxLength(const Json& parameters, const learn::ModelConfig& config);

/// data/<file> of the bundle, empty when the run has none.
std::string dataFile(const learn::Job& job, const std::string& file);

/// train.jsonl and, with `ties` "soft", the train ties as soft labels of 1/2; dev.jsonl when present. What was dropped is
/// logged. The parameter label_control acts on the training pairs only, and is said with an alert.
struct PairData {
    std::vector<learn::TokenizedPair> train, dev;
    learn::LabelControl control = learn::LabelControl::None;
    learn::LabelControlReport controlled;

    /// The dev metric that decides which checkpoint is the best. None when a control is on: dev labels are real, and
    /// choosing by them would teach the model what the shuffle took away. The last checkpoint counts then.
    std::string decidingMetric(const char* metric) const {
        return control == learn::LabelControl::None ? metric : std::string();
    }
    /// Figures to report before the first step: label_control/exchanged, the share of labels that point the other way.
    std::map<std::string, double> controlMetrics() const;
};
Result<PairData> readPairData(learn::Job& job, const learn::TextEncoder& encoder, int64_t maxLength, bool softTies);

/// One number of each pair as an fp32 tensor [n] on the device.
torch::Tensor column(const std::vector<learn::TokenizedPair>& pairs, const std::vector<size_t>& indices,
                     double learn::TokenizedPair::*member, const torch::Device& device);
/// Share of the pairs' positions that are answers, when rows are padded to their longest.
double answerShare(const std::vector<learn::TokenizedPair>& pairs);
/// 0, 1, ..., n - 1
std::vector<size_t> allIndices(size_t n);

/// Writes answers to the first few dev prompts of data/prompts.jsonl (if there) as sample events: always the same prompts
/// and seed, so that one can watch them change.
Status writeSamples(learn::Job& job, learn::Decoder& model, const learn::TextEncoder& encoder, int64_t step);

/// The parameter device_graphs: are decode steps replayed where the device can? True where it is not there or "auto", false for "off".
Result<bool> replaysOf(const Json& parameters);

/// Adds name, name_low, name_high (Wilson, 95 %) and name_n.
void addRate(std::map<std::string, double>& values, const std::string& name, double successes, double n);

} // namespace pl::sdk

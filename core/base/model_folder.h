// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/model_config.h"
#include "core/base/result.h"
#include "core/base/safetensors_header.h"

/// A model's folder in Hugging Face layout, by everything that can be said of it without reading a weight. Untrusted input.
namespace pl {

/// Path of a file of the folder. It is an ordinary file there, or a link to one: inside the folder, or, as the Hugging Face cache
/// makes them, from <repository>/snapshots/<revision>/ to <repository>/blobs/. Any other link is refused (Unsupported).
/// NotFound when there is none.
Result<std::string> modelFile(const std::string& dir, const std::string& name);

/// Names of the files with weights: model.safetensors, or those that model.safetensors.index.json names. An index naming something
/// else than files of this folder is Corrupt; Python pickle is Unsupported.
Result<std::vector<std::string>> weightFileNames(const std::string& dir);
/// Are weights there in one of the two forms?
bool hasWeights(const std::string& dir);

/// A folder beside weights that a LoRA adapter in PEFT's layout lies in, to be merged into them when the model is loaded. (A
/// trainer's checkpoint has its adapter in "adapter": there the weights hold it already.)
inline constexpr const char* kAppliedAdapter = "apply_adapter";

/// Names of the other files a model is used with, in the order they are copied in: config.json, tokenizer, chat template, ...
const std::vector<std::string>& modelSideFiles();

/// config.json of a language model.
Result<ModelConfig> readModelConfig(const std::string& dir);

/// Ids that end what the model writes: eos_token_id, a number or a list, of generation_config.json and of config.json, each once.
/// Real models have several (Llama 3: end of turn, of message, of text). An id that is none of the model's is refused.
Result<std::vector<int64_t>> stopTokenIds(const std::string& dir);

/// A tensor of the folder.
struct WeightPart {
    std::string file;  ///< path
    TensorEntry entry; ///< with its name there
};
/// By ModelConfig's names; those it asks for are there once, with its shapes, as floating-point numbers, and nothing else is.
/// lm_head.weight may be there when it is tied, and without `needScore` score.weight may lack and lm_head.weight be left over.
Result<std::map<std::string, WeightPart>> checkWeights(const std::string& dir, const ModelConfig& config, bool needScore = true);

} // namespace pl

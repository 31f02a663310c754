// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bundle.h"
#include "core/base/result.h"

/// What the files of the export to TRL share; nobody else includes it.
namespace pl::desk::trl {

enum class Method { Sft, Reward, Dpo, Grpo };
/// Of a run's plugin; Unsupported for what TRL has no trainer for.
Result<Method> methodOf(const RunSpec& spec);
/// Unsupported, naming the parameter, for what neither TRL nor a few lines of the script can express.
Status checkParameters(const RunSpec& spec, Method method);

/// The rows a run trained on, and when.
struct Rows {
    std::vector<Json> rows;                    ///< {"prompt","chosen","rejected"} or {"prompt","completion"}, and what is special about one
    std::vector<std::vector<uint32_t>> order;  ///< indices of each step's rows (not of GRPO, whose rows come in order)
    int64_t steps = 0;                         ///< of the whole run
    int64_t tooLong = 0, identical = 0, withIds = 0;
    bool weights = false, labels = false, margins = false; ///< do rows have them?
    bool oldLogps = false;                     ///< answers with the log-probabilities of the policy that wrote them
    int64_t end = 0;                           ///< id of the token that ends an answer
    std::string endText;
};
/// Tokenises as the trainers do, to leave out what they leave out. A text whose tokens transformers' tokenizer would not give by
/// itself comes with them ("prompt_ids", "chosen_ids", ...), the end token not included.
Result<Rows> readRows(const Bundle& bundle, Method method);
/// The answers in `file` (plugins/grpo: rollouts.jsonl) with their prompts, in the order they are trained on.
Result<Rows> readRecorded(const Bundle& bundle, const std::string& file, bool withLogps);

/// What the script is written from.
struct Script {
    const RunSpec* spec = nullptr;
    Method method = Method::Sft;
    const Rows* rows = nullptr;
    std::string model = "model";  ///< folder: absolute, or relative to the script
    std::string reference;        ///< the same; empty: what the policy starts from
    bool adapters = false;
    int64_t steps = 0;            ///< that are trained: all, or as many as there are recorded answers for
    int64_t checked = 0;          ///< that --check compares
    bool sampled = false;         ///< the run wrote its answers itself
    std::string losses;           ///< where the expected ones come from
    std::string missing;          ///< what the run lost by erasure; empty: nothing
};
std::string trainPy(const Script& script);
std::string readmeMd(const Script& script);
std::string requirementsTxt(const Script& script);

} // namespace pl::desk::trl

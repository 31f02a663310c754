// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/records.h"
#include "core/learn/training/batches.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::learn {

/// Tokenizer and chat template of a model folder: the one way prompts and completions become ids in training.
struct TextEncoder {
    text::Tokenizer tokenizer;
    text::ChatTemplate chat;
    std::vector<int64_t> stopIds; ///< end what the model writes: the template's end token first, then the model's own (stopTokenIds)
    static Result<TextEncoder> load(const std::string& modelDir);
    /// Fails when the tokenizer knows ids the model has no row for.
    Status checkFits(const ModelConfig& config, const std::string& modelDir) const;
    /// One user turn and the header of the answer. Fails when the chat template refuses it.
    Result<std::vector<int64_t>> promptIds(const std::string& prompt) const;
    /// What the model wrote, without the token that ended it; broken UTF-8 becomes U+FFFD.
    std::string answer(std::vector<int64_t> ids, bool finished) const;
    /// The prompt followed by the completion and exactly one end token: the template's.
    Result<TokenizedRow> row(const std::string& prompt, const std::string& completion) const;
};

struct TokenizedPair {
    TokenizedRow chosen, rejected;
    double weight = 1, softLabel = 1, margin = 0;
    bool tie() const { return softLabel == 0.5; }
    int64_t longest() const { return std::max(chosen.length(), rejected.length()); }
};

/// What became of the rows; shown to the person.
struct TokenReport {
    int64_t rows = 0, kept = 0, tooLong = 0, identical = 0, ties = 0, longest = 0;
    std::string toString(const std::string& file) const;
};

/// Rows longer than maxLength ids are dropped and counted, never cut: a cut answer has no end. An empty completion is
/// refused by row (Code::InvalidInput).
Result<std::vector<TokenizedRow>> tokenizeSft(const std::vector<SftRow>& rows, const TextEncoder& encoder,
                                              int64_t maxLength, TokenReport& report);
/// A pair is dropped when either side is too long. Identical sides are counted and kept out.
Result<std::vector<TokenizedPair>> tokenizePairs(const std::vector<PairRow>& rows, const TextEncoder& encoder,
                                                 int64_t maxLength, TokenReport& report);

/// Micro-batches of at most tokenBudget positions, at least one pair each, whose sides stay together: padded, or packed with each pair's
/// prompt once.
std::vector<std::vector<size_t>> pairParts(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& batch,
                                           const RowLayout& layout, int64_t tokenBudget);
/// The rows of some pairs, first all chosen sides and then all rejected ones.
RowBatch pairBatch(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& batch, const torch::Device& device,
                   const RowLayout& layout);

/// Share of pairs (ties left out) where the longer chosen side would have been guessed right by length in tokens; equal
/// lengths count half. The baseline every ranking accuracy is read against. NaN without pairs.
double longerWinsAccuracy(const std::vector<TokenizedPair>& pairs);

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/text_data.h"

#include <cmath>

#include <fmt/format.h>

#include "core/base/model_folder.h"

namespace pl::learn {

Result<TextEncoder> TextEncoder::load(const std::string& modelDir) {
    PL_TRY(auto tokenizer, text::Tokenizer::load(modelDir));
    PL_TRY(auto chat, text::ChatTemplate::load(modelDir, tokenizer));
    PL_TRY(const auto own, stopTokenIds(modelDir));
    std::vector<int64_t> stops{chat.endId()};
    for (const int64_t id : own)
        if (id != stops.front())
            stops.push_back(id);
    return TextEncoder{std::move(tokenizer), std::move(chat), std::move(stops)};
}

std::string TextEncoder::answer(std::vector<int64_t> ids, bool finished) const {
    if (finished && !ids.empty())
        ids.pop_back();
    return tokenizer.decode(ids);
}

Status TextEncoder::checkFits(const ModelConfig& config, const std::string& modelDir) const {
    if (tokenizer.vocabSize() > config.vocabSize)
        return fail(Code::InvalidInput,
                    fmt::format("the tokenizer of {} has {} ids, but the model has {} rows for them", modelDir,
                                tokenizer.vocabSize(), config.vocabSize),
                    "Use the tokenizer the model was trained with.");
    return {};
}

Result<std::vector<int64_t>> TextEncoder::promptIds(const std::string& prompt) const {
    return chat.renderIds(tokenizer, {{"user", prompt}}, true);
}

Result<TokenizedRow> TextEncoder::row(const std::string& prompt, const std::string& completion) const {
    TokenizedRow out;
    PL_TRY(out.ids, promptIds(prompt));
    out.start = static_cast<int64_t>(out.ids.size());
    PL_TRY(const auto answer, chat.completionIds(tokenizer, {{"user", prompt}}, completion));
    out.ids.insert(out.ids.end(), answer.begin(), answer.end());
    return out;
}

std::string TokenReport::toString(const std::string& file) const {
    std::string text = fmt::format("{}: {} of {} rows used, the longest {} tokens", file, kept, rows, longest);
    if (tooLong)
        text += fmt::format("; {} dropped as longer than max_length", tooLong);
    if (identical)
        text += fmt::format("; {} dropped as their sides are identical", identical);
    if (ties)
        text += fmt::format("; {} of them ties", ties);
    return text;
}

namespace {

Status checkCompletion(const TokenizedRow& row, const std::string& id, size_t number, const char* side) {
    // One token is the end token alone: there is nothing to learn from, and means over its length mislead.
    if (row.completionLength() <= 1)
        return fail(Code::InvalidInput,
                    fmt::format("row {} ({}) has a {} without any token", number, id.empty() ? "no id" : id, side),
                    "Remove empty answers from the data set.");
    return {};
}

} // namespace

Result<std::vector<TokenizedRow>> tokenizeSft(const std::vector<SftRow>& rows, const TextEncoder& encoder,
                                              int64_t maxLength, TokenReport& report) {
    std::vector<TokenizedRow> out;
    out.reserve(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
        PL_TRY(auto row, encoder.row(rows[i].prompt, rows[i].completion));
        PL_CHECK(checkCompletion(row, rows[i].id, i + 1, "completion"));
        ++report.rows;
        if (row.length() > maxLength) {
            ++report.tooLong;
            continue;
        }
        report.longest = std::max(report.longest, row.length());
        out.push_back(std::move(row));
    }
    report.kept += static_cast<int64_t>(out.size());
    return out;
}

Result<std::vector<TokenizedPair>> tokenizePairs(const std::vector<PairRow>& rows, const TextEncoder& encoder,
                                                 int64_t maxLength, TokenReport& report) {
    std::vector<TokenizedPair> out;
    out.reserve(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
        const auto& source = rows[i];
        TokenizedPair pair;
        PL_TRY(pair.chosen, encoder.row(source.prompt, source.chosen));
        PL_TRY(pair.rejected, encoder.row(source.prompt, source.rejected));
        PL_CHECK(checkCompletion(pair.chosen, source.id, i + 1, "chosen side"));
        PL_CHECK(checkCompletion(pair.rejected, source.id, i + 1, "rejected side"));
        ++report.rows;
        if (pair.longest() > maxLength) {
            ++report.tooLong;
            continue;
        }
        if (pair.chosen.ids == pair.rejected.ids) {
            ++report.identical;
            continue;
        }
        pair.weight = source.weight;
        pair.softLabel = source.softLabel;
        report.ties += pair.tie();
        report.longest = std::max(report.longest, pair.longest());
        // Strength 1 asks for no margin, 3 for one nat of log-odds (used only where a trainer asks for margins).
        pair.margin = source.strength ? 0.5 * (*source.strength - 1) : 0.0;
        out.push_back(std::move(pair));
    }
    report.kept += static_cast<int64_t>(out.size());
    return out;
}

std::vector<std::vector<size_t>> pairParts(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& batch,
                                           const RowLayout& layout, int64_t tokenBudget) {
    std::vector<int64_t> costs;
    for (const size_t i : batch) {
        const auto& pair = pairs[i];
        const int64_t both = pair.chosen.length() + pair.rejected.length();
        costs.push_back(!layout.packed ? 2 * pair.longest() : both - (layout.sharePrompts ? pair.chosen.start : 0));
    }
    return layout.packed ? packedParts(batch, costs, {}, tokenBudget) : microBatches(batch, costs, tokenBudget);
}

RowBatch pairBatch(const std::vector<TokenizedPair>& pairs, const std::vector<size_t>& batch, const torch::Device& device,
                   const RowLayout& layout) {
    std::vector<const TokenizedRow*> rows;
    rows.reserve(batch.size() * 2);
    for (const size_t i : batch)
        rows.push_back(&pairs[i].chosen);
    for (const size_t i : batch)
        rows.push_back(&pairs[i].rejected);
    return rowBatch(rows, device, layout);
}

double longerWinsAccuracy(const std::vector<TokenizedPair>& pairs) {
    double right = 0, n = 0;
    for (const auto& pair : pairs) {
        if (pair.tie())
            continue;
        const auto chosen = pair.chosen.completionLength();
        const auto rejected = pair.rejected.completionLength();
        const double guess = chosen == rejected ? 0.5 : chosen > rejected ? 1.0 : 0.0;
        right += pair.softLabel > 0.5 ? guess : 1 - guess;
        n += 1;
    }
    return n > 0 ? right / n : std::nan("");
}

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/desk/exchange/import.h"

/// Preference data of texts as other tools and public corpora write it (reference/annotation.md section 2). A row may hold several
/// votes: each named or numbered rater's is one, so that agreement can be computed; what nobody judged stays a pair to judge.
///
///   ultrafeedback    instruction, completions[{model, response, overall_score, annotations}]: a ranking by a judge's scores. A row with
///                    an overall score of 10 whose ratings by aspect average 2 or less is refused: a 1 was read as 10 there.
///   helpsteer2       prompt, response, helpfulness .. verbosity (0-4, or lists of raters): every two rows of one prompt are a pair
///   helpsteer2_preference   prompt, response_1, response_2, preference_strength (-3..3, negative: the first is better) and
///                    all_preferences_unprocessed, each a rater's vote
///   helpsteer3       context, response1, response2, overall_preference, individual_preference (the same sign)
///   lmarena          model_a, model_b, winner, conversation_a, conversation_b (also FastChat's cleaned battles); or LMSYS's CSV of
///                    prompt, response_a, response_b, winner_model_a/b/tie
///   reward_bench     prompt, chosen, chosen_model, rejected, rejected_model, subset: plain texts; the subset becomes a tag
///   reward_bench_2   prompt, chosen[], rejected[]: a ranking of two places
///   llama_factory    instruction, input, system, history, chosen, rejected; or conversations with from and value
///   argilla          records of Argilla 2 (flat or nested) and 1: a text field "prompt" or "instruction", fields of answers, and a ranking or
///                    label question over their names; only submitted responses count
///   label_studio     tasks with data and annotations: pairwise left/right, where the answers stand in the order of their names, and
///                    rankers; cancelled annotations and drafts count as nothing
namespace pl::desk {

/// Reads rows of one format in their order; some formats join rows.
class TextRows {
public:
    virtual ~TextRows() = default;
    /// What this row completes: votes and pairs, or nothing yet.
    virtual Result<std::vector<ImportRow>> add(const Json& row) = 0;
    /// What is left at the end of the file.
    virtual std::vector<ImportRow> rest() { return {}; }
};
/// Null for the formats that import.cpp reads itself.
std::unique_ptr<TextRows> textRows(ImportFormat format);
/// The format of a first row; Auto when it is none of these.
ImportFormat detectTextFormat(const Json& row);

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/desk/exchange/import.h"

/// The forms that votes on texts are written in, and what each cannot carry. One table for the exporters, their reports and
/// manifests, the manual (`export --losses`) and the tests.
namespace pl::desk {

enum class TextForm {
    Hh, UltraFeedbackBinarized, HelpSteer2, HelpSteer2Preference, HelpSteer3, LmArena, RewardBench, RewardBench2, LlamaFactory, Argilla,
    LabelStudio, TrlExplicit, TrlImplicit, TrlConversational, TrlImplicitConversational, TrlUnpaired, TrlPromptOnly
};

/// A part of the canonical record (DESIGN section 4). The prompt, its split, the answers, which is better and what kind of judge said so
/// are in every form.
enum class Part {
    Turns,          ///< prompts of several turns: such rows are left out
    OuterBlanks,    ///< texts with blanks at an end: such rows are left out
    Ties,           ///< left out
    TieKind,        ///< a tie stays, but not whether both were good, or identical
    BothBad,        ///< a tie stays, but not that both were bad
    Strength,
    StrengthUnsaid, ///< that no strength was given: it is written as 2, plainly better
    BadMarks,       ///< one answer marked unacceptable
    Rankings,       ///< k-way orders: left out
    RankingTies,    ///< k-way orders with ties, or of a part of the answers: left out
    RankingOrder,   ///< only the best of a ranking is told from the others
    Votes,          ///< each person's vote: the majority is written
    Annotator,      ///< who judged
    Rationale,
    Attributes,
    OtherAttributes, ///< all but helpfulness, correctness, coherence, complexity and verbosity
    NoHelpfulness,  ///< votes without a helpfulness of both answers: left out
    Models,         ///< who wrote the answers
    Tags,           ///< the kind and the tags of the prompt
    Reasons, Flags, Edits, Spans, ///< flagged pairs are left out of every form
    Skips, Task, Presentation, History, Unjudged
};
const char* partName(Part part); ///< snake_case
const char* partText(Part part); ///< "ties are left out"

struct FormInfo {
    TextForm form;
    const char* name;
    ImportFormat readAs;    ///< Auto: no reader takes it back whole
    bool array = false;     ///< one JSON array, not JSON Lines
    std::vector<Part> lost; ///< in the order of Part
    bool loses(Part part) const;
};
const std::vector<FormInfo>& textForms();
const FormInfo& formInfo(TextForm form);
/// hh ultrafeedback_binarized helpsteer2 helpsteer2_preference helpsteer3 lmarena reward_bench reward_bench_2 llama_factory argilla
/// label_studio trl_explicit trl_implicit trl_conversational trl_implicit_conversational trl_unpaired trl_prompt_only
Result<TextForm> textFormOf(std::string_view name);
/// "hh, ... or trl_prompt_only"
std::string textFormNames();
/// The table as JSON: {form: {"lost": {part: text}}}; and as a table of Markdown.
Json lossTableJson();
std::string lossTableText();

/// What a vote says, in a form that does not depend on the order of the answers: {"prompt", "split", "by", "annotator", "tie", "tie_kind",
/// "strength", "rationale", "answers": {text: {"model", "place", "bad", "attributes"}}}.
Json canonicalVote(const ImportRow& row);
/// The same without what the form loses.
Json withoutLost(Json canonical, const FormInfo& form);

} // namespace pl::desk

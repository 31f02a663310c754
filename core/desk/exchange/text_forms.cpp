// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/text_forms.h"

#include <algorithm>

#include <fmt/format.h>

namespace pl::desk {

namespace {

struct PartInfo {
    Part part;
    const char *name, *text;
};
constexpr PartInfo kParts[] = {
    {Part::Turns, "turns", "prompts of several turns are left out"},
    {Part::OuterBlanks, "outer_blanks", "texts that begin or end with a blank are left out"},
    {Part::Ties, "ties", "ties are left out"},
    {Part::TieKind, "tie_kind", "of a tie it is not said whether both were good, or identical"},
    {Part::BothBad, "both_bad", "both bad becomes a tie like any other"},
    {Part::Strength, "strength", "how much better is not said"},
    {Part::StrengthUnsaid, "strength_unsaid", "a vote without a strength is written as 2, plainly better"},
    {Part::BadMarks, "bad_marks", "that one answer was marked unacceptable is not said"},
    {Part::Rankings, "rankings", "rankings of three and more are left out"},
    {Part::RankingTies, "ranking_ties", "rankings with ties, or of a part of the answers, are left out"},
    {Part::RankingOrder, "ranking_order", "of a ranking only the best are told from the others"},
    {Part::Votes, "votes", "the votes of several people become their majority; what cancels out is left out"},
    {Part::Annotator, "annotator", "who judged is not said"},
    {Part::Rationale, "rationale", "rationales are dropped"},
    {Part::Attributes, "attributes", "attributes are dropped"},
    {Part::OtherAttributes, "other_attributes", "attributes other than helpfulness, correctness, coherence, complexity, verbosity are dropped"},
    {Part::NoHelpfulness, "no_helpfulness", "votes without a helpfulness from 0 to 4 of both answers are left out"},
    {Part::Models, "models", "who wrote the answers is not said"},
    {Part::Tags, "tags", "kind and tags of the prompt are dropped"},
    {Part::Reasons, "reasons", "reason chips are dropped"},
    {Part::Flags, "flags", "flagged pairs are left out"},
    {Part::Edits, "edits", "that an answer is an edited version is not said"},
    {Part::Spans, "spans", "spans, regions and struck words are dropped"},
    {Part::Skips, "skips", "skips are left out"},
    {Part::Task, "task", "task, question and guideline are not said"},
    {Part::Presentation, "presentation", "sides, queue rule, times and hidden repeats are not said"},
    {Part::History, "history", "undone and replaced votes are left out"},
    {Part::Unjudged, "unjudged", "pairs that nobody judged are left out"}};

/// These are in no form of other tools; `export --format votes` has them.
std::vector<Part> lost(std::initializer_list<Part> own) {
    std::vector<Part> all(own);
    all.insert(all.end(), {Part::Tags, Part::Reasons, Part::Flags, Part::Edits, Part::Spans, Part::Skips, Part::Task, Part::Presentation,
                           Part::History, Part::Unjudged});
    return all;
}

std::vector<FormInfo> table() {
    using enum Part;
    std::vector<FormInfo> t;
    const auto add = [&](TextForm form, const char* name, ImportFormat readAs, std::vector<Part> lost, bool array = false) {
        t.push_back({form, name, readAs, array, std::move(lost)});
    };
    add(TextForm::Hh, "hh", ImportFormat::Hh,
        lost({OuterBlanks, Ties, TieKind, BothBad, Strength, BadMarks, Rankings, Votes, Annotator, Rationale, Attributes, Models}));
    add(TextForm::UltraFeedbackBinarized, "ultrafeedback_binarized", ImportFormat::Trl,
        lost({Turns, TieKind, BothBad, Strength, BadMarks, Rankings, Votes, Annotator, Rationale, Attributes, Models}));
    add(TextForm::HelpSteer2, "helpsteer2", ImportFormat::HelpSteer2,
        lost({TieKind, BothBad, Strength, BadMarks, Rankings, Votes, Annotator, Rationale, OtherAttributes, NoHelpfulness, Models}));
    add(TextForm::HelpSteer2Preference, "helpsteer2_preference", ImportFormat::HelpSteer2Preference,
        lost({TieKind, BothBad, StrengthUnsaid, BadMarks, Rankings, Annotator, Attributes, Models}));
    add(TextForm::HelpSteer3, "helpsteer3", ImportFormat::HelpSteer3,
        lost({TieKind, BothBad, StrengthUnsaid, BadMarks, Rankings, Annotator, Attributes, Models}));
    add(TextForm::LmArena, "lmarena", ImportFormat::LmArena, lost({TieKind, Strength, BadMarks, Rankings, Rationale, Attributes}));
    add(TextForm::RewardBench, "reward_bench", ImportFormat::RewardBench,
        lost({Turns, Ties, TieKind, BothBad, Strength, BadMarks, Rankings, Votes, Annotator, Rationale, Attributes}));
    add(TextForm::RewardBench2, "reward_bench_2", ImportFormat::RewardBench2,
        lost({Turns, Ties, TieKind, BothBad, Strength, BadMarks, RankingOrder, Votes, Annotator, Rationale, Attributes}));
    add(TextForm::LlamaFactory, "llama_factory", ImportFormat::LlamaFactory,
        lost({Ties, TieKind, BothBad, Strength, BadMarks, Rankings, Votes, Annotator, Rationale, Attributes, Models}));
    add(TextForm::Argilla, "argilla", ImportFormat::Argilla,
        lost({TieKind, BothBad, Strength, BadMarks, RankingTies, Annotator, Rationale, Attributes, Models}), true);
    add(TextForm::LabelStudio, "label_studio", ImportFormat::LabelStudio,
        lost({Ties, TieKind, BothBad, Strength, BadMarks, RankingTies, Rationale, Attributes, Models}), true);
    const std::vector<Part> trl = lost({Ties, TieKind, BothBad, Strength, BadMarks, Rankings, Votes, Annotator, Rationale, Attributes, Models});
    std::vector<Part> plain = trl;
    plain.insert(plain.begin(), Turns);
    add(TextForm::TrlExplicit, "trl_explicit", ImportFormat::Trl, plain);
    add(TextForm::TrlImplicit, "trl_implicit", ImportFormat::Auto, plain); // where the prompt ends is gone
    add(TextForm::TrlConversational, "trl_conversational", ImportFormat::Trl, trl);
    add(TextForm::TrlImplicitConversational, "trl_implicit_conversational", ImportFormat::Trl, trl);
    add(TextForm::TrlUnpaired, "trl_unpaired", ImportFormat::Auto, trl);
    add(TextForm::TrlPromptOnly, "trl_prompt_only", ImportFormat::Prompts, trl);
    return t;
}

constexpr const char* kHelpSteer[] = {"helpfulness", "correctness", "coherence", "complexity", "verbosity"};

} // namespace

const char* partName(Part part) {
    for (const PartInfo& each : kParts)
        if (each.part == part)
            return each.name;
    return "?";
}
const char* partText(Part part) {
    for (const PartInfo& each : kParts)
        if (each.part == part)
            return each.text;
    return "?";
}

bool FormInfo::loses(Part part) const { return std::find(lost.begin(), lost.end(), part) != lost.end(); }

const std::vector<FormInfo>& textForms() {
    static const std::vector<FormInfo> all = table();
    return all;
}

const FormInfo& formInfo(TextForm form) {
    return *std::find_if(textForms().begin(), textForms().end(), [&](const FormInfo& each) { return each.form == form; });
}

Result<TextForm> textFormOf(std::string_view name) {
    for (const FormInfo& each : textForms())
        if (name == each.name)
            return each.form;
    return fail(Code::InvalidInput, fmt::format("\"{}\" is not a form of exports", name), fmt::format("Known are {}.", textFormNames()));
}

std::string textFormNames() {
    std::string out;
    for (const FormInfo& each : textForms())
        out += (out.empty() ? "" : &each == &textForms().back() ? " or " : ", ") + std::string(each.name);
    return out;
}

Json lossTableJson() {
    Json out = Json::object();
    for (const FormInfo& form : textForms()) {
        Json parts = Json::object();
        for (const Part part : form.lost)
            parts[partName(part)] = partText(part);
        out[form.name]["lost"] = std::move(parts);
    }
    return out;
}

std::string lossTableText() {
    std::string out = "| |";
    for (const FormInfo& form : textForms())
        out += fmt::format(" {} |", form.name);
    out += "\n|---|" + std::string();
    for (size_t i = 0; i < textForms().size(); ++i)
        out += "---|";
    out += "\n";
    for (const PartInfo& part : kParts) {
        out += fmt::format("| {} |", part.text);
        for (const FormInfo& form : textForms())
            out += form.loses(part.part) ? " x |" : " |";
        out += "\n";
    }
    return out;
}

Json canonicalVote(const ImportRow& row) {
    Json out{{"prompt", row.prompt.content},
             {"split", row.prompt.split ? splitName(*row.prompt.split) : ""},
             {"by", row.by ? annotatorKindName(*row.by) : "human"},
             {"annotator", row.annotator},
             {"tie", row.tie},
             {"tie_kind", row.tieKind == TieKind::Unspecified ? "" : tieKindName(row.tieKind)},
             {"strength", row.strength && !row.tie ? Json(*row.strength) : Json()},
             {"rationale", row.rationale}};
    const auto answer = [&](const std::string& text, const std::string& model, int place, bool bad, const Json& attributes) {
        out["answers"][text] = {{"model", model}, {"place", place}, {"bad", bad}, {"attributes", attributes.is_object() ? attributes : Json::object()}};
    };
    if (row.chosen) {
        answer(*row.chosen, row.chosenModel, 1, row.chosenBad, row.chosenAttributes);
        answer(*row.rejected, row.rejectedModel, row.tie ? 1 : 2, row.rejectedBad, row.rejectedAttributes);
    }
    for (size_t i = 0; i < row.texts.size(); ++i)
        answer(row.texts[i].text, row.texts[i].model, row.ranks.empty() ? 0 : row.ranks[i], false, Json::object());
    if (row.texts.size() == 2 && !row.ranks.empty())
        out["tie"] = row.ranks[0] == row.ranks[1];
    return out;
}

Json withoutLost(Json vote, const FormInfo& form) {
    using enum Part;
    constexpr std::pair<Part, const char*> kWhole[] = {{Annotator, "annotator"}, {Strength, "strength"}, {Rationale, "rationale"}};
    for (const auto& [part, key] : kWhole)
        if (form.loses(part))
            vote.erase(key);
    if (form.loses(StrengthUnsaid) && vote["strength"].is_null() && vote["tie"] == false)
        vote["strength"] = 2;
    if (form.loses(TieKind) && vote["tie_kind"] != "both_bad")
        vote["tie_kind"] = "";
    if (form.loses(BothBad))
        vote["tie_kind"] = "";
    if (vote.contains("answers"))
        for (auto& answer : vote["answers"]) {
            if (form.loses(Models))
                answer.erase("model");
            if (form.loses(BadMarks))
                answer.erase("bad");
            if (form.loses(Attributes))
                answer.erase("attributes");
            if (form.loses(OtherAttributes)) {
                Json kept = Json::object();
                for (const char* name : kHelpSteer)
                    if (answer["attributes"].contains(name) && answer["attributes"][name].is_number())
                        kept[name] = answer["attributes"][name].get<double>();
                answer["attributes"] = kept;
            }
            if (form.loses(RankingOrder) && answer["place"].is_number_integer() && answer["place"].get<int>() > 1)
                answer["place"] = 2;
        }
    return vote;
}

} // namespace pl::desk

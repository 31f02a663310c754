// SPDX-License-Identifier: Apache-2.0
// The rows of each form.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/desk/exchange/rows.h"
#include "core/desk/exchange/text_export_parts.h"
#include "core/text/utf8.h"

namespace pl::desk::exports {

namespace {

constexpr const char* kHelpSteer[] = {"helpfulness", "correctness", "coherence", "complexity", "verbosity"};
constexpr const char* kTurnsLeftOut = "prompts of several turns";

tl::unexpected<Error> leftOut(std::string why) { return fail(Code::Unsupported, std::move(why)); }

Json turn(const char* role, const std::string& text) { return {{"role", role}, {"content", text}}; }

Json withTurn(Json turns, const std::string& answer) {
    turns.push_back(turn("assistant", answer));
    return turns;
}

/// What every row has beside its form's own columns.
void common(Json& row, const PairVotes& pair, const Said& said, bool validation = false) {
    const char* split = splitName(pair.prompt.split);
    row["split"] = validation && pair.prompt.split == Split::Dev ? "validation" : split;
    if (said.by != AnnotatorKind::Human)
        row["provenance"] = annotatorKindName(said.by);
}

struct Sides {
    const Candidate *chosen, *rejected;
};
Sides sidesOf(const PairVotes& pair, const Said& said) {
    const bool second = said.winner == Winner::B;
    return {&pair.members[second], &pair.members[!second]};
}

Result<std::string> transcript(const Json& turns) {
    std::string out;
    for (const Json& each : turns) {
        if (each["role"] == "system")
            return leftOut("prompts with a system turn");
        out += each["role"] == "user" ? "\n\nHuman: " : "\n\nAssistant: ";
        out += each["content"].get_ref<const std::string&>();
    }
    return out;
}

/// HelpSteer2 writes later turns into the prompt.
Result<std::string> promptWithMarkers(const std::string& content) {
    const Json turns = promptTurns(content);
    std::string out;
    for (size_t i = 0; i < turns.size(); ++i) {
        if (turns[i]["role"] == "system")
            return leftOut("prompts with a system turn");
        if (i)
            out += turns[i]["role"] == "user" ? "\n<extra_id_1>User\n" : "\n<extra_id_1>Assistant\n";
        out += turns[i]["content"].get_ref<const std::string&>();
    }
    return out;
}

int pointsOf(const Said& said) {
    const int size = said.strength.value_or(2);
    return said.winner == Winner::Tie ? 0 : said.winner == Winner::A ? -size : size;
}

Result<Json> hh(const PairVotes& pair, const Said& said) {
    const auto [chosen, rejected] = sidesOf(pair, said);
    const Json turns = promptTurns(pair.prompt.content);
    PL_TRY(const std::string yes, transcript(withTurn(turns, chosen->content)));
    PL_TRY(const std::string no, transcript(withTurn(turns, rejected->content)));
    return Json{{"chosen", yes}, {"rejected", no}};
}

Result<Json> ultraFeedback(const PairVotes& pair, const Said& said) {
    const Json prompt = promptValue(pair.prompt.content);
    if (!prompt.is_string())
        return leftOut(kTurnsLeftOut);
    const auto [chosen, rejected] = sidesOf(pair, said);
    const Json turns = promptTurns(pair.prompt.content);
    const Json yes = withTurn(turns, chosen->content);
    return Json{{"prompt", prompt},
                {"prompt_id", pair.prompt.sha},
                {"chosen", yes},
                {"rejected", withTurn(turns, rejected->content)},
                {"messages", yes},
                {"score_chosen", said.winner == Winner::Tie ? 0.0 : said.strength.value_or(2) * 1.0},
                {"score_rejected", 0.0}};
}

Result<std::vector<Json>> helpSteer2(const PairVotes& pair, const Said& said) {
    PL_TRY(const std::string prompt, promptWithMarkers(pair.prompt.content));
    std::vector<Json> rows;
    for (size_t i = 0; i < 2; ++i) {
        const Json& attributes = i ? said.attributesB : said.attributesA;
        const auto number = attributes.contains("helpfulness") ? numberIn(attributes["helpfulness"]) : std::nullopt;
        if (!number || *number < 0 || *number > 4)
            return leftOut("votes without a helpfulness of both answers");
        Json row{{"prompt", prompt}, {"response", pair.members[i].content}};
        for (const char* name : kHelpSteer)
            row[name] = attributes.contains(name) && attributes[name].is_number() ? attributes[name] : Json();
        common(row, pair, said, true);
        rows.push_back(std::move(row));
    }
    return rows;
}

/// Both editions of HelpSteer's preferences: each person's points, negative where the first answer is better.
Result<std::vector<Json>> helpSteerPreference(const PairVotes& pair, const std::vector<Said>& said, bool third) {
    std::vector<Json> rows;
    for (const AnnotatorKind kind : {AnnotatorKind::Human, AnnotatorKind::Rule, AnnotatorKind::Judge, AnnotatorKind::Model}) {
        Json each = Json::array(), closest = Json::array();
        int sum = 0, n = 0;
        const Said* first = nullptr;
        for (const Said& one : said) {
            if (one.by != kind)
                continue;
            first = first ? first : &one;
            const int points = pointsOf(one);
            sum += points;
            ++n;
            each.push_back(third ? Json{{"score", points}, {"reasoning", one.rationale}, {"feedback1", ""}, {"feedback2", ""}}
                                 : Json{{"strength", points}, {"justification", one.rationale}});
            if (closest.size() < 3)
                closest.push_back({{"statement", one.rationale}, {"elaboration", ""}, {"strength", points}});
        }
        if (!n)
            continue;
        const int overall = static_cast<int>(std::lround(static_cast<double>(sum) / n));
        Json row;
        if (third) {
            row = {{"domain", ""}, {"language", ""}, {"context", promptTurns(pair.prompt.content)}, {"response1", pair.members[0].content},
                   {"response2", pair.members[1].content}, {"overall_preference", overall}, {"individual_preference", each}};
        } else {
            PL_TRY(const std::string prompt, promptWithMarkers(pair.prompt.content));
            row = {{"prompt", prompt}, {"response_1", pair.members[0].content}, {"response_2", pair.members[1].content}, {"preference_strength", overall},
                   {"preference_statement", first->rationale}, {"preference_elaboration", ""}, {"three_most_similar_preferences", closest},
                   {"all_preferences_unprocessed", each}};
        }
        common(row, pair, *first, true);
        rows.push_back(std::move(row));
    }
    return rows;
}

Result<Json> arena(const PairVotes& pair, const Said& said, const std::string& id) {
    const auto conversation = [&](const std::string& answer) {
        Json out = Json::array();
        for (const Json& each : withTurn(promptTurns(pair.prompt.content), answer))
            out.push_back({{"role", each["role"]}, {"content", {{{"type", "text"}, {"text", each["content"]}}}}});
        return out;
    };
    const bool bothBad = said.winner == Winner::Tie && said.tieKind == desk::TieKind::BothBad;
    return Json{{"id", id},
                {"model_a", pair.members[0].modelName},
                {"model_b", pair.members[1].modelName},
                {"winner", bothBad ? "both_bad" : said.winner == Winner::Tie ? "tie" : said.winner == Winner::A ? "model_a" : "model_b"},
                {"conversation_a", conversation(pair.members[0].content)},
                {"conversation_b", conversation(pair.members[1].content)},
                {"judge", said.annotator},
                {"evaluation_order", 1}};
}

Result<Json> rewardBench(const PairVotes& pair, const Said& said, const std::string& id) {
    const Json prompt = promptValue(pair.prompt.content);
    if (!prompt.is_string())
        return leftOut(kTurnsLeftOut);
    const auto [chosen, rejected] = sidesOf(pair, said);
    return Json{{"id", id},
                {"prompt", prompt},
                {"chosen", chosen->content},
                {"chosen_model", chosen->modelName},
                {"rejected", rejected->content},
                {"rejected_model", rejected->modelName},
                {"subset", pair.prompt.kind.empty() ? "pairlab" : pair.prompt.kind}};
}

Result<Json> rewardBench2(const PairVotes& pair, const Said& said, const std::string& id) {
    const Json prompt = promptValue(pair.prompt.content);
    if (!prompt.is_string())
        return leftOut(kTurnsLeftOut);
    std::vector<int> ranks = said.ranks;
    if (ranks.empty())
        ranks = {said.winner == Winner::A ? 1 : 2, said.winner == Winner::B ? 1 : 2};
    const int best = *std::min_element(ranks.begin(), ranks.end());
    Json sides[2] = {Json::array(), Json::array()}, models = Json::array();
    for (int worse = 0; worse < 2; ++worse)
        for (size_t i = 0; i < ranks.size(); ++i)
            if ((ranks[i] != best) == worse) {
                sides[worse].push_back(pair.members[i].content);
                models.push_back(pair.members[i].modelName);
            }
    if (sides[1].empty())
        return leftOut("ties");
    return Json{{"id", id},
                {"prompt", prompt},
                {"chosen", sides[0]},
                {"rejected", sides[1]},
                {"num_correct", sides[0].size()},
                {"num_incorrect", sides[1].size()},
                {"total_completions", ranks.size()},
                {"models", models},
                {"subset", pair.prompt.kind.empty() ? "pairlab" : pair.prompt.kind},
                {"additional_metadata", Json::object()}};
}

Result<Json> llamaFactory(const PairVotes& pair, const Said& said) {
    const auto [chosen, rejected] = sidesOf(pair, said);
    Json conversations = Json::array();
    std::string system;
    for (const Json& each : promptTurns(pair.prompt.content)) {
        if (each["role"] == "system") {
            if (!conversations.empty() || !system.empty())
                return leftOut("prompts with a system turn after the first");
            system = each["content"].get<std::string>();
            continue;
        }
        conversations.push_back({{"from", each["role"] == "user" ? "human" : "gpt"}, {"value", each["content"]}});
    }
    return Json{{"conversations", conversations},
                {"system", system},
                {"chosen", {{"from", "gpt"}, {"value", chosen->content}}},
                {"rejected", {{"from", "gpt"}, {"value", rejected->content}}}};
}

/// The members of a set by an order without ties.
std::vector<size_t> bestFirst(const std::vector<int>& ranks) {
    std::vector<size_t> order(ranks.size());
    for (size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t x, size_t y) { return ranks[x] < ranks[y]; });
    return order;
}

std::string argillaField(size_t member) { return fmt::format("response{}", member + 1); }

/// A record as argilla's SDK reads it; people are known by their UUIDs there.
Json argilla(const PairVotes& pair, const std::vector<Said>& said) {
    const bool set = pair.members.size() > 2;
    Json responses = Json::array(), fields{{"prompt", promptTurns(pair.prompt.content)}};
    for (size_t i = 0; i < pair.members.size(); ++i)
        fields[argillaField(i)] = pair.members[i].content;
    for (const Said& one : said) {
        Json value = one.winner == Winner::Tie ? "tie" : argillaField(one.winner == Winner::B);
        if (set) {
            value = Json::array();
            for (const size_t member : bestFirst(one.ranks))
                value.push_back(argillaField(member));
        }
        responses.push_back({{"user_id", one.annotatorUuid}, {"value", value}, {"status", "submitted"}});
    }
    Json row{{"id", pair.comparison.sha},
             {"fields", fields},
             {"metadata", {{"split", splitName(pair.prompt.split)}}},
             {"suggestions", Json::object()},
             {"responses", {{set ? "ranking" : "preference", responses}}},
             {"vectors", Json::object()},
             {"status", "completed"}};
    if (said[0].by != AnnotatorKind::Human)
        row["metadata"]["provenance"] = annotatorKindName(said[0].by);
    return row;
}

Json labelStudio(const PairVotes& pair, const std::vector<Said>& said, int64_t number) {
    const bool set = pair.members.size() > 2;
    Json annotations = Json::array();
    for (const Said& one : said) {
        Json value{{"selected", one.winner == Winner::A ? "left" : "right"}};
        if (set) {
            Json order = Json::array();
            for (const size_t member : bestFirst(one.ranks))
                order.push_back(std::to_string(member + 1));
            value = {{"ranker", {{"ranking", order}}}};
        }
        annotations.push_back({{"id", number * 1000 + static_cast<int64_t>(annotations.size()) + 1},
                               {"completed_by", {{"email", one.annotator}}},
                               {"was_cancelled", false},
                               {"ground_truth", false},
                               {"result", {{{"id", pair.comparison.sha.substr(0, 10)},
                                            {"type", set ? "ranker" : "pairwise"},
                                            {"from_name", set ? "ranking" : "preference"},
                                            {"to_name", set ? "answers" : "preference"},
                                            {"origin", "manual"},
                                            {"value", value}}}}});
    }
    Json data{{"prompt", promptValue(pair.prompt.content)}, {"split", splitName(pair.prompt.split)}};
    for (size_t i = 0; i < pair.members.size(); ++i)
        if (set)
            data["items"].push_back({{"id", std::to_string(i + 1)}, {"title", fmt::format("Answer {}", i + 1)}, {"body", pair.members[i].content}});
        else
            data[fmt::format("answer{}", i + 1)] = pair.members[i].content;
    if (said[0].by != AnnotatorKind::Human)
        data["provenance"] = annotatorKindName(said[0].by);
    return {{"id", number}, {"data", data}, {"annotations", annotations}, {"predictions", Json::array()}, {"meta", {{"pair", pair.comparison.sha}}}};
}

Result<Json> trl(TextForm form, const PairVotes& pair, const Said& said) {
    const Json prompt = promptValue(pair.prompt.content), turns = promptTurns(pair.prompt.content);
    const auto [chosen, rejected] = sidesOf(pair, said);
    switch (form) {
    case TextForm::TrlConversational:
        return Json{{"prompt", turns}, {"chosen", {turn("assistant", chosen->content)}}, {"rejected", {turn("assistant", rejected->content)}}};
    case TextForm::TrlImplicitConversational:
        return Json{{"chosen", withTurn(turns, chosen->content)}, {"rejected", withTurn(turns, rejected->content)}};
    default:
        if (!prompt.is_string())
            return leftOut(kTurnsLeftOut);
        const std::string& asked = prompt.get_ref<const std::string&>();
        if (form == TextForm::TrlImplicit)
            return Json{{"chosen", asked + "\n" + chosen->content}, {"rejected", asked + "\n" + rejected->content}};
        return Json{{"prompt", asked}, {"chosen", chosen->content}, {"rejected", rejected->content}};
    }
}

/// What marks say of each answer by itself.
std::vector<Json> unpaired(const PairVotes& pair, const Said& said) {
    const bool bothBad = said.tieKind == desk::TieKind::BothBad, bothGood = said.tieKind == desk::TieKind::BothGood;
    std::vector<Json> rows;
    const auto calledGood = [](const Json& attributes) { // one answer at a time: {"thumb": 1 or 0}, or their mean
        return attributes.contains("thumb") && numberIn(attributes["thumb"]).value_or(0) > 0.5;
    };
    for (size_t i = 0; i < 2; ++i)
        if (const bool bad = bothBad || (i ? said.badB : said.badA); bad || bothGood || calledGood(i ? said.attributesB : said.attributesA))
            rows.push_back({{"prompt", promptTurns(pair.prompt.content)}, {"completion", {turn("assistant", pair.members[i].content)}}, {"label", !bad}});
    return rows;
}

/// Each on its own by kind of judge: a row says once who judged.
std::vector<std::vector<Said>> byKind(const std::vector<Said>& said) {
    std::vector<std::vector<Said>> out;
    for (const AnnotatorKind kind : {AnnotatorKind::Human, AnnotatorKind::Rule, AnnotatorKind::Judge, AnnotatorKind::Model}) {
        std::vector<Said> some;
        std::copy_if(said.begin(), said.end(), std::back_inserter(some), [&](const Said& one) { return one.by == kind; });
        if (!some.empty())
            out.push_back(std::move(some));
    }
    return out;
}

} // namespace

Json promptValue(const std::string& content) {
    if (!content.empty() && content[0] == '[') {
        Json turns = Json::parse(content, nullptr, false);
        if (turns.is_array() && !turns.empty() && turns[0].is_object() && turns[0].contains("role"))
            return turns;
    }
    return content;
}

Json promptTurns(const std::string& content) {
    const Json value = promptValue(content);
    return value.is_array() ? value : Json::array({turn("user", content)});
}

Result<std::vector<Json>> rowsOf(TextForm form, const PairVotes& pair, const std::vector<Said>& said, int64_t number) {
    std::vector<Json> rows;
    switch (form) {
    case TextForm::HelpSteer2: return helpSteer2(pair, said[0]);
    case TextForm::HelpSteer2Preference: return helpSteerPreference(pair, said, false);
    case TextForm::HelpSteer3: return helpSteerPreference(pair, said, true);
    case TextForm::Argilla:
        for (const auto& some : byKind(said))
            rows.push_back(argilla(pair, some));
        return rows;
    case TextForm::LabelStudio:
        for (const auto& some : byKind(said))
            rows.push_back(labelStudio(pair, some, number + static_cast<int64_t>(rows.size())));
        return rows;
    case TextForm::TrlUnpaired:
        rows = unpaired(pair, said[0]);
        for (Json& row : rows)
            common(row, pair, said[0]);
        if (rows.empty())
            return leftOut("votes that mark neither answer as good or bad");
        return rows;
    default: break;
    }
    for (size_t i = 0; i < said.size(); ++i) {
        const std::string id = pair.comparison.sha.substr(0, 32) + (said.size() > 1 ? fmt::format("-{}", i) : "");
        auto row = form == TextForm::Hh                       ? hh(pair, said[i])
                   : form == TextForm::UltraFeedbackBinarized ? ultraFeedback(pair, said[i])
                   : form == TextForm::LmArena                ? arena(pair, said[i], id)
                   : form == TextForm::RewardBench            ? rewardBench(pair, said[i], id)
                   : form == TextForm::RewardBench2           ? rewardBench2(pair, said[i], id)
                   : form == TextForm::LlamaFactory           ? llamaFactory(pair, said[i])
                                                              : trl(form, pair, said[i]);
        if (!row)
            return tl::unexpected(row.error());
        common(*row, pair, said[i]);
        rows.push_back(std::move(*row));
    }
    return rows;
}

std::string besideSuffix(TextForm form, size_t members) {
    if (members <= 2 || (form != TextForm::Argilla && form != TextForm::LabelStudio))
        return {};
    return form == TextForm::LabelStudio ? ".rankings.json" : fmt::format(".rankings-{}.json", members);
}

Json argillaSettings(size_t members) {
    Json fields = Json::array({{{"name", "prompt"}, {"type", "chat"}}}), names = Json::array();
    for (size_t i = 0; i < members; ++i) {
        fields.push_back({{"name", argillaField(i)}, {"type", "text"}});
        names.push_back(argillaField(i));
    }
    Json question{{"name", "preference"}, {"type", "label_selection"}, {"options", names}};
    if (members > 2)
        question = {{"name", "ranking"}, {"type", "ranking"}, {"options", names}};
    else
        question["options"].push_back("tie");
    return {{"guidelines", members > 2 ? "Put the answers into an order, the best first." : "Which answer is better?"},
            {"fields", fields},
            {"questions", Json::array({question})},
            {"metadata", {{{"name", "split"}, {"type", "terms"}}, {{"name", "provenance"}, {"type", "terms"}}}}};
}

std::string labelStudioConfig(bool sets) {
    return sets ? R"(<View>
  <Text name="prompt" value="$prompt"/>
  <List name="answers" value="$items" title="Best first"/>
  <Ranker name="ranking" toName="answers"/>
</View>
)"
                : R"(<View>
  <Text name="prompt" value="$prompt"/>
  <Pairwise name="preference" toName="answer1,answer2" leftClass="left" rightClass="right"/>
  <Text name="answer1" value="$answer1"/>
  <Text name="answer2" value="$answer2"/>
</View>
)";
}

ImportRow importRowOf(const PairVotes& pair, const Said& said) {
    ImportRow row;
    row.prompt.content = pair.prompt.content;
    row.prompt.split = pair.prompt.split;
    row.tie = said.winner == Winner::Tie;
    row.tieKind = row.tie ? said.tieKind : desk::TieKind::None;
    row.strength = said.strength;
    row.rationale = said.rationale;
    row.annotator = said.annotator;
    if (said.by != AnnotatorKind::Human)
        row.by = said.by;
    if (pair.members.size() > 2 || !said.ranks.empty()) {
        for (const Candidate& member : pair.members)
            row.texts.push_back({member.content, member.modelName});
        row.ranks = said.ranks;
        return row;
    }
    const bool second = said.winner == Winner::B;
    const auto [chosen, rejected] = sidesOf(pair, said);
    row.chosen = chosen->content;
    row.rejected = rejected->content;
    row.chosenModel = chosen->modelName;
    row.rejectedModel = rejected->modelName;
    row.chosenBad = second ? said.badB : said.badA;
    row.rejectedBad = second ? said.badA : said.badB;
    row.chosenAttributes = second ? said.attributesB : said.attributesA;
    row.rejectedAttributes = second ? said.attributesA : said.attributesB;
    return row;
}

} // namespace pl::desk::exports

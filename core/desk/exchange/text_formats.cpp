// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/text_formats.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/desk/exchange/text_format_parts.h"

namespace pl::desk {

using namespace texts;

namespace {

/// The answer at the end of a conversation, taken off.
Result<std::string> takeAnswer(Json& turns) {
    if (turns.empty() || turns.back()["role"] != "assistant")
        return reject("a conversation does not end with an answer");
    auto text = turns.back()["content"].get<std::string>();
    turns.erase(turns.size() - 1);
    return text;
}

std::optional<Split> splitIn(const Json& row) {
    const std::string name = textIn(row, "split");
    if (name == "validation" || name == "val")
        return Split::Dev;
    const auto split = splitOf(name);
    return split ? std::optional<Split>(*split) : std::nullopt;
}

/// A pair whose first answer is better for negative points (the sign of HelpSteer): -3 much .. 3.
ImportRow pairByPoints(std::string prompt, std::string first, std::string second, double points) {
    ImportRow row;
    row.prompt.content = std::move(prompt);
    const bool secondWins = points > 0;
    row.chosen = secondWins ? second : first;
    row.rejected = secondWins ? first : second;
    row.tie = points == 0;
    if (!row.tie)
        row.strength = std::clamp(static_cast<int>(std::lround(std::abs(points))), 1, 3);
    return row;
}

/// "@Response 1" and "@Response 2" in a reason, which mean nothing once the sides are shuffled, by what they became.
std::string withoutSides(std::string text, const ImportRow& row, bool secondWins) {
    const char* names[2] = {row.tie ? "the first answer" : secondWins ? "the rejected answer" : "the chosen answer",
                            row.tie ? "the second answer" : secondWins ? "the chosen answer" : "the rejected answer"};
    for (int i = 0; i < 2; ++i)
        for (const char* form : {"@Response {}", "@response {}", "@Response_{}"}) {
            const std::string from = fmt::format(fmt::runtime(form), i + 1);
            for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += std::string_view(names[i]).size())
                text.replace(at, from.size(), names[i]);
        }
    return text;
}

/// 1, 2, ... with the highest first; equal scores share the lowest place.
std::vector<int> ranksByScore(const std::vector<double>& scores) {
    std::vector<int> ranks;
    for (const double score : scores)
        ranks.push_back(1 + static_cast<int>(std::count_if(scores.begin(), scores.end(), [&](double s) { return s > score; })));
    return ranks;
}

// --- UltraFeedback ---------------------------------------------------------------------------------------------------

class UltraFeedback : public TextRows {
    Result<Rows> add(const Json& json) override {
        ImportRow row;
        row.prompt.content = textIn(json, "instruction");
        std::vector<double> overall, aspects;
        for (const Json& one : json["completions"]) {
            if (!one.is_object() || !one.contains("response") || !one["response"].is_string())
                return reject("a completion has no text \"response\"");
            row.texts.push_back({one["response"].get<std::string>(), textIn(one, "model")});
            double sum = 0;
            int n = 0;
            if (one.contains("annotations") && one["annotations"].is_object())
                for (const auto& [aspect, said] : one["annotations"].items())
                    if (const auto rating = said.is_object() ? numberIn(said, "Rating") : std::nullopt) {
                        if (*rating < 1 || *rating > 5)
                            return reject(fmt::format("a rating of {} for {} is outside 1 to 5", *rating, aspect));
                        sum += *rating;
                        ++n;
                    }
            const double mean = n ? sum / n : NAN;
            const auto score = numberIn(one, "overall_score");
            if (score && (*score < 0 || *score > 10))
                return reject(fmt::format("an overall score of {} is outside 0 to 10", *score));
            if (score && *score == 10 && mean <= 2)
                return reject(fmt::format("an overall score of 10 stands beside ratings that average {:.1f}: one of them was misread", mean));
            overall.push_back(score.value_or(NAN));
            aspects.push_back(mean);
        }
        if (row.texts.size() < 2)
            return reject("it has fewer than two completions");
        const auto known = [](const std::vector<double>& values) {
            return std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
        };
        if (known(overall) || known(aspects)) {
            row.ranks = ranksByScore(known(overall) ? overall : aspects);
            row.by = AnnotatorKind::Judge;
            row.annotator = "UltraFeedback's judge";
        }
        PL_CHECK(merge(row));
        return Rows{std::move(row)};
    }
};

// --- HelpSteer -------------------------------------------------------------------------------------------------------

constexpr const char* kAttributes[] = {"helpfulness", "correctness", "coherence", "complexity", "verbosity"};

/// HelpSteer2 writes later turns into the prompt: "first<extra_id_1>Assistant\nanswer<extra_id_1>User\nsecond".
Result<std::string> promptWithMarkers(const std::string& text) {
    constexpr std::string_view kMark = "<extra_id_1>";
    if (text.find(kMark) == std::string::npos)
        return text;
    Json turns = Json::array();
    std::string role = "user";
    size_t at = 0;
    while (true) {
        const size_t end = std::min(text.find(kMark, at), text.size());
        std::string said = text.substr(at, end - at);
        while (!said.empty() && said.back() == '\n')
            said.pop_back();
        turns.push_back({{"role", role}, {"content", said}});
        if (end == text.size())
            break;
        at = end + kMark.size();
        const size_t line = text.find('\n', at);
        const std::string who = text.substr(at, line == std::string::npos ? line : line - at);
        if (line == std::string::npos || (who != "Assistant" && who != "User"))
            return reject("a turn marker in the prompt names neither Assistant nor User");
        role = who == "User" ? "user" : "assistant";
        at = line + 1;
    }
    if (turns.back()["role"] != "user")
        return reject("the turns in the prompt do not end with the user");
    return canonicalPrompt(turns);
}

class HelpSteer2 : public TextRows {
    struct Answer {
        std::string prompt, text;
        std::optional<Split> split;
        Json attributes = Json::object();
        double helpfulness = 0;
    };
    std::optional<Answer> m_open;

    Result<Rows> add(const Json& json) override {
        Answer answer;
        PL_TRY(answer.prompt, promptWithMarkers(textIn(json, "prompt")));
        answer.text = textIn(json, "response");
        answer.split = splitIn(json);
        for (const char* name : kAttributes) {
            const Json value = json.value(name, Json());
            std::vector<double> values;
            for (const Json& each : value.is_array() ? value : Json::array({value}))
                if (const auto number = numberIn(each)) {
                    if (*number < 0 || *number > 4)
                        return reject(fmt::format("{} of {} is outside 0 to 4", name, *number));
                    values.push_back(*number);
                }
            if (values.empty())
                continue;
            double sum = 0;
            for (const double v : values)
                sum += v;
            answer.attributes[name] = sum / static_cast<double>(values.size());
        }
        if (!answer.attributes.contains("helpfulness"))
            return reject("it has no number \"helpfulness\"");
        answer.helpfulness = answer.attributes["helpfulness"].get<double>();
        if (!m_open || m_open->prompt != answer.prompt) {
            auto left = rest();
            m_open = std::move(answer);
            return left;
        }
        auto row = pairByPoints(answer.prompt, m_open->text, answer.text, answer.helpfulness - m_open->helpfulness);
        const bool secondWins = answer.helpfulness > m_open->helpfulness;
        row.chosenAttributes = secondWins ? answer.attributes : m_open->attributes;
        row.rejectedAttributes = secondWins ? m_open->attributes : answer.attributes;
        row.annotator = "HelpSteer2's raters";
        row.prompt.split = answer.split;
        m_open.reset();
        return Rows{std::move(row)};
    }
    Rows rest() override { // an answer without a second one: kept for a pair to come
        Rows out;
        if (m_open) {
            ImportRow row;
            row.prompt.content = m_open->prompt;
            row.prompt.split = m_open->split;
            row.texts.push_back({m_open->text, {}});
            out.push_back(std::move(row));
        }
        m_open.reset();
        return out;
    }
};

/// Votes of one pair, each by a numbered rater; the overall one where there are none.
Result<Rows> byRaters(const Json& raters, const char* points, std::initializer_list<const char*> reasons, const std::string& prompt,
                      const std::string& first, const std::string& second, std::optional<Split> split, const Json& overall,
                      const std::string& overallReason) {
    Rows out;
    const auto vote = [&](double value, std::string reason, std::string who) -> Status {
        if (!(value >= -3 && value <= 3))
            return reject(fmt::format("a preference of {} is outside -3 to 3", value));
        auto row = pairByPoints(prompt, first, second, value);
        row.rationale = withoutSides(std::move(reason), row, value > 0);
        row.annotator = std::move(who);
        row.prompt.split = split;
        out.push_back(std::move(row));
        return {};
    };
    int number = 0;
    if (raters.is_array())
        for (const Json& rater : raters) {
            ++number;
            const auto value = rater.is_object() ? numberIn(rater, points) : std::nullopt;
            if (!value)
                continue; // withdrawn
            std::string reason;
            for (const char* key : reasons)
                if (reason.empty())
                    reason = textIn(rater, key);
            PL_CHECK(vote(*value, std::move(reason), fmt::format("rater {}", number)));
        }
    if (out.empty()) {
        const auto value = numberIn(overall);
        if (!value)
            return reject("it has no preference");
        PL_CHECK(vote(*value, overallReason, "raters together"));
    }
    return out;
}

class HelpSteer2Preference : public TextRows {
    Result<Rows> add(const Json& json) override {
        PL_TRY(const std::string prompt, promptWithMarkers(textIn(json, "prompt")));
        std::string why = textIn(json, "preference_statement");
        if (const std::string more = textIn(json, "preference_elaboration"); !more.empty())
            why += (why.empty() ? "" : "\n") + more;
        return byRaters(json.value("all_preferences_unprocessed", Json()), "strength", {"justification", "elaboration"}, prompt,
                        textIn(json, "response_1"), textIn(json, "response_2"), splitIn(json), json["preference_strength"], why);
    }
};

class HelpSteer3 : public TextRows {
    Result<Rows> add(const Json& json) override {
        PL_TRY(const Json turns, turnsOf(json["context"]));
        PL_TRY(const std::string prompt, canonicalPrompt(turns));
        return byRaters(json.value("individual_preference", Json()), "score", {"reasoning"}, prompt, textIn(json, "response1"),
                        textIn(json, "response2"), splitIn(json), json["overall_preference"], "");
    }
};

// --- arenas ----------------------------------------------------------------------------------------------------------

class Arena : public TextRows {
    /// Turns of LMSYS's cells: a list of the user's messages and a list of the answers.
    static Result<Json> woven(const Json& asked, const Json& answers) {
        if (!asked.is_array() || !answers.is_array() || asked.size() != answers.size())
            return reject("prompt and answers are not lists of the same length");
        Json turns = Json::array();
        for (size_t i = 0; i < asked.size(); ++i) {
            if (!asked[i].is_string() || !answers[i].is_string())
                return reject("a message is empty");
            turns.push_back({{"role", "user"}, {"content", asked[i]}});
            turns.push_back({{"role", "assistant"}, {"content", answers[i]}});
        }
        return turns;
    }
    static bool said(const Json& row, const char* key) { return numberIn(row, key).value_or(0) == 1; }

    Result<Rows> add(const Json& json) override {
        std::string winner = textIn(json, "winner");
        Json a, b;
        if (json.contains("conversation_a")) {
            PL_TRY(a, turnsOf(json["conversation_a"]));
            PL_TRY(b, turnsOf(json["conversation_b"]));
        } else {
            const auto listed = [](const Json& cell) { return cell.is_string() ? Json::array({cell}) : cell; };
            PL_TRY(a, woven(listed(json["prompt"]), listed(json["response_a"])));
            PL_TRY(b, woven(listed(json["prompt"]), listed(json["response_b"])));
            winner = said(json, "winner_model_a") ? "model_a" : said(json, "winner_model_b") ? "model_b" : said(json, "winner_tie") ? "tie" : "";
        }
        PL_TRY(const std::string answerA, takeAnswer(a));
        PL_TRY(const std::string answerB, takeAnswer(b));
        if (a != b)
            return reject("the two conversations differ before their last answer");
        ImportRow row;
        PL_TRY(row.prompt.content, canonicalPrompt(a));
        const bool second = winner == "model_b";
        row.chosen = second ? answerB : answerA;
        row.rejected = second ? answerA : answerB;
        row.chosenModel = textIn(json, second ? "model_b" : "model_a");
        row.rejectedModel = textIn(json, second ? "model_a" : "model_b");
        if (winner == "tie") {
            row.tie = true;
        } else if (winner == "both_bad" || winner == "tie (bothbad)") {
            row.tie = row.chosenBad = row.rejectedBad = true;
            row.tieKind = TieKind::BothBad;
        } else if (winner != "model_a" && winner != "model_b") {
            return reject(fmt::format("\"winner\" is \"{}\", not model_a, model_b, tie or both_bad", winner));
        }
        row.annotator = textIn(json, "judge");
        if (row.annotator.empty())
            row.annotator = annotatorIn(json);
        return Rows{std::move(row)};
    }
};

// --- RewardBench -----------------------------------------------------------------------------------------------------

class RewardBench : public TextRows {
    Result<Rows> add(const Json& json) override {
        for (const char* key : {"prompt", "chosen", "rejected"})
            if (!json[key].is_string())
                return reject(fmt::format("\"{}\" is no text", key));
        ImportRow row;
        row.prompt.content = json["prompt"].get<std::string>();
        if (const std::string subset = textIn(json, "subset"); !subset.empty())
            row.prompt.tags.push_back(subset);
        row.chosen = json["chosen"].get<std::string>();
        row.rejected = json["rejected"].get<std::string>();
        row.chosenModel = textIn(json, "chosen_model");
        row.rejectedModel = textIn(json, "rejected_model");
        row.annotator = "RewardBench";
        return Rows{std::move(row)};
    }
};

class RewardBench2 : public TextRows {
    Result<Rows> add(const Json& json) override {
        ImportRow row;
        row.prompt.content = textIn(json, "prompt");
        if (const std::string subset = textIn(json, "subset"); !subset.empty())
            row.prompt.tags.push_back(subset);
        const Json models = json.value("models", Json());
        for (const char* key : {"chosen", "rejected"})
            for (const Json& text : json[key]) {
                if (!text.is_string())
                    return reject(fmt::format("\"{}\" holds something that is no text", key));
                const size_t at = row.texts.size();
                row.texts.push_back({text.get<std::string>(), models.is_array() && at < models.size() && models[at].is_string()
                                                                  ? models[at].get<std::string>()
                                                                  : std::string()});
                row.ranks.push_back(key == std::string_view("chosen") ? 1 : 2);
            }
        row.annotator = "RewardBench 2";
        PL_CHECK(merge(row));
        return Rows{std::move(row)};
    }
};

// --- LLaMA-Factory ---------------------------------------------------------------------------------------------------

class LlamaFactory : public TextRows {
    static Result<std::string> answer(const Json& side) {
        if (side.is_string())
            return side.get<std::string>();
        if (side.is_object() && (textIn(side, "from") == "gpt" || textIn(side, "role") == "assistant"))
            return textOf(side.contains("value") ? side["value"] : side.value("content", Json()));
        return reject("\"chosen\" and \"rejected\" are neither texts nor an answer with \"value\"");
    }
    Result<Rows> add(const Json& json) override {
        ImportRow row;
        Json turns = Json::array();
        if (const std::string system = textIn(json, "system"); !system.empty())
            turns.push_back({{"role", "system"}, {"content", system}});
        if (isList(json, "conversations")) {
            PL_TRY(const Json said, turnsOf(json["conversations"]));
            turns.insert(turns.end(), said.begin(), said.end());
        } else {
            if (isList(json, "history"))
                for (const Json& turn : json["history"]) {
                    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string())
                        return reject("\"history\" is no list of [question, answer]");
                    turns.push_back({{"role", "user"}, {"content", turn[0]}});
                    turns.push_back({{"role", "assistant"}, {"content", turn[1]}});
                }
            std::string asked = textIn(json, "instruction");
            if (const std::string input = textIn(json, "input"); !input.empty())
                asked += (asked.empty() ? "" : "\n") + input;
            turns.push_back({{"role", "user"}, {"content", asked}});
        }
        PL_TRY(row.prompt.content, canonicalPrompt(turns));
        PL_TRY(row.chosen, answer(json["chosen"]));
        PL_TRY(row.rejected, answer(json["rejected"]));
        return Rows{std::move(row)};
    }
};

} // namespace

std::unique_ptr<TextRows> textRows(ImportFormat format) {
    switch (format) {
    case ImportFormat::UltraFeedback: return std::make_unique<UltraFeedback>();
    case ImportFormat::HelpSteer2: return std::make_unique<HelpSteer2>();
    case ImportFormat::HelpSteer2Preference: return std::make_unique<HelpSteer2Preference>();
    case ImportFormat::HelpSteer3: return std::make_unique<HelpSteer3>();
    case ImportFormat::LmArena: return std::make_unique<Arena>();
    case ImportFormat::RewardBench: return std::make_unique<RewardBench>();
    case ImportFormat::RewardBench2: return std::make_unique<RewardBench2>();
    case ImportFormat::LlamaFactory: return std::make_unique<LlamaFactory>();
    case ImportFormat::Argilla: return argillaRows();
    case ImportFormat::LabelStudio: return labelStudioRows();
    default: return nullptr;
    }
}

ImportFormat detectTextFormat(const Json& row) {
    if (!row.is_object())
        return ImportFormat::Auto;
    if (has(row, {"instruction", "completions"}) && row["completions"].is_array())
        return ImportFormat::UltraFeedback;
    if (has(row, {"prompt", "response", "helpfulness"}))
        return ImportFormat::HelpSteer2;
    if (has(row, {"prompt", "response_1", "response_2", "preference_strength"}))
        return ImportFormat::HelpSteer2Preference;
    if (has(row, {"context", "response1", "response2", "overall_preference"}))
        return ImportFormat::HelpSteer3;
    if ((has(row, {"winner", "conversation_a", "conversation_b"})) || has(row, {"prompt", "response_a", "response_b", "winner_tie"}))
        return ImportFormat::LmArena;
    if (has(row, {"prompt", "chosen", "chosen_model", "rejected", "rejected_model", "subset"}) && row["chosen"].is_string())
        return ImportFormat::RewardBench;
    if (has(row, {"prompt", "chosen", "rejected"}) && row["chosen"].is_array() && !row["chosen"].empty() && row["chosen"][0].is_string())
        return ImportFormat::RewardBench2;
    if (has(row, {"chosen", "rejected"}) && (has(row, {"instruction"}) || isList(row, "conversations")))
        return ImportFormat::LlamaFactory;
    if (has(row, {"data", "annotations"}) && row["annotations"].is_array())
        return ImportFormat::LabelStudio;
    if (has(row, {"fields", "responses"}))
        return ImportFormat::Argilla;
    for (const auto& [key, value] : row.items())
        if (value.is_array() && (key.ends_with(".responses") ||
                                 (!value.empty() && has(value[0], {"value", "status"})))) // its second edition, and its first
            return ImportFormat::Argilla;
    return ImportFormat::Auto;
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
// Exports of labelling tools, where which field is what is a matter of names; and what all readers of texts share.
#include <cctype>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "core/desk/exchange/text_format_parts.h"

namespace pl::desk::texts {

Result<std::string> textOf(const Json& content) {
    if (content.is_string())
        return content.get<std::string>();
    if (!content.is_array())
        return reject("a message has no text");
    std::string out;
    for (const Json& part : content) {
        if (part.is_string()) {
            out += part.get_ref<const std::string&>();
            continue;
        }
        const std::string kind = part.is_object() ? textIn(part, "type") : "";
        if (kind == "image" || kind == "image_url")
            return reject("a message holds an image, which cannot be read from here");
        if (!part.is_object() || !part.contains("text") || !part["text"].is_string())
            return reject("a message has a part that is no text");
        out += part["text"].get_ref<const std::string&>();
    }
    return out;
}

Result<Json> turnsOf(const Json& list) {
    if (!list.is_array() || list.empty())
        return reject("a conversation is no list of messages");
    Json out = Json::array();
    for (const Json& turn : list) {
        if (!turn.is_object())
            return reject("a message is no object");
        std::string role = textIn(turn, turn.contains("from") ? "from" : "role");
        if (role == "human" || role == "prompter")
            role = "user";
        if (role == "gpt")
            role = "assistant";
        if (role != "user" && role != "assistant" && role != "system")
            return reject(fmt::format("a message is by \"{}\", not by user, assistant or system", role));
        PL_TRY(std::string text, textOf(turn.contains("value") ? turn["value"] : turn.value("content", Json())));
        out.push_back({{"role", role}, {"content", std::move(text)}});
    }
    return out;
}

Status merge(ImportRow& row) {
    for (size_t i = 0; i < row.texts.size(); ++i)
        for (size_t j = i + 1; j < row.texts.size();) {
            if (row.texts[i].text != row.texts[j].text) {
                ++j;
                continue;
            }
            if (!row.ranks.empty()) {
                row.ranks[i] = std::min(row.ranks[i], row.ranks[j]);
                row.ranks.erase(row.ranks.begin() + static_cast<std::ptrdiff_t>(j));
            }
            row.texts.erase(row.texts.begin() + static_cast<std::ptrdiff_t>(j));
        }
    if (row.texts.size() < 2)
        return reject("there are fewer than two different answers");
    return {};
}

namespace {

// --- fields of answers (Argilla, Label Studio) ------------------------------------------------------------------------

/// "Response-1", "response_1" and "response1" are one name.
std::string plainName(std::string_view name) {
    std::string out;
    for (const char c : name)
        if (std::isalnum(static_cast<unsigned char>(c)))
            out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool namesAnswer(const std::string& plain) {
    for (const char* word : {"response", "answer", "completion", "generation", "output", "reply"})
        if (plain.starts_with(word))
            return true;
    return false;
}

/// The prompt and the answers among named texts; answers in the order of their names.
struct Fields {
    std::string prompt;
    std::vector<std::pair<std::string, std::string>> answers; ///< plain name, text

    static Result<Fields> of(const Json& fields) {
        Fields out;
        bool asked = false;
        for (const char* key : {"prompt", "instruction", "question", "input", "text"})
            if (!asked && fields.contains(key)) {
                if (fields[key].is_string()) {
                    out.prompt = fields[key].get<std::string>();
                } else {
                    PL_TRY(const Json turns, turnsOf(fields[key]));
                    PL_TRY(out.prompt, canonicalPrompt(turns));
                }
                asked = true;
            }
        if (!asked)
            return reject("it has no field \"prompt\", \"instruction\", \"question\" or \"input\"");
        for (const auto& [key, value] : fields.items()) // sorted by name
            if (value.is_string() && key.find('.') == std::string::npos && namesAnswer(plainName(key)))
                out.answers.emplace_back(plainName(key), value.get<std::string>());
        return out;
    }
    std::optional<size_t> find(const std::string& name) const {
        const std::string plain = plainName(name);
        for (size_t i = 0; i < answers.size(); ++i)
            if (answers[i].first == plain)
                return i;
        return std::nullopt;
    }
};

/// A vote on the answers by their places (1 best); two give a pair, more a ranking; without places nobody judged.
Result<ImportRow> rankedRow(const Fields& fields, const std::vector<int>& ranks) {
    ImportRow row;
    row.prompt.content = fields.prompt;
    if (fields.answers.size() == 2 && !ranks.empty()) {
        const bool second = ranks[1] < ranks[0];
        row.chosen = fields.answers[second].second;
        row.rejected = fields.answers[!second].second;
        row.tie = ranks[0] == ranks[1];
        return row;
    }
    for (const auto& [name, text] : fields.answers)
        row.texts.push_back({text, {}});
    row.ranks = ranks;
    PL_CHECK(merge(row));
    return row;
}

// --- Argilla ---------------------------------------------------------------------------------------------------------

class Argilla : public TextRows {
    /// What a response says of the answers; empty when it is about something else.
    static std::vector<int> ranksOf(const Json& value, const Fields& fields) {
        const size_t n = fields.answers.size();
        std::vector<int> ranks(n, 0);
        if (value.is_string()) { // a label: the better one, or a tie
            const std::string plain = plainName(value.get_ref<const std::string&>());
            if (n != 2) // of several answers a label is no order of them
                return {};
            if (plain == "tie" || plain == "equal" || plain == "both" || plain == "same")
                return {1, 1};
            const auto at = fields.find(value.get<std::string>());
            if (!at)
                return {};
            ranks.assign(n, 2);
            ranks[*at] = 1;
            return ranks;
        }
        if (!value.is_array() || value.empty())
            return {};
        int place = 0;
        for (const Json& each : value) {
            ++place;
            const std::string name = each.is_string() ? each.get<std::string>() : each.is_object() ? textIn(each, "value") : "";
            const auto at = fields.find(name);
            const auto rank = each.is_object() ? numberIn(each, "rank") : std::optional<double>(place);
            if (!at || !rank || *rank < 1 || *rank > 1000)
                return {};
            ranks[*at] = static_cast<int>(*rank);
        }
        return std::count(ranks.begin(), ranks.end(), 0) ? std::vector<int>() : ranks; // a part of them orders nothing whole
    }

    Result<Rows> add(const Json& json) override {
        PL_TRY(const Fields fields, Fields::of(json.contains("fields") && json["fields"].is_object() ? json["fields"] : json));
        if (fields.answers.size() < 2)
            return reject("it has fewer than two fields of answers (response..., answer..., completion...)");
        struct Said {
            std::string who;
            Json value;
        };
        std::vector<Said> said;
        const auto take = [&](const Json& value, const std::string& status, const std::string& who) {
            if (status.empty() || status == "submitted")
                said.push_back({who, value});
        };
        const auto list = [&](const Json& responses) { // [{value, user_id, status}], or {values: {question: {value}}} of Argilla 1
            if (!responses.is_array())
                return;
            for (const Json& one : responses)
                if (one.is_object() && one.contains("value")) {
                    const std::string who = textIn(one, "user_id");
                    take(one["value"], textIn(one, "status"), who.empty() ? textIn(one, "user") : who);
                }
        };
        if (json.contains("responses") && json["responses"].is_object()) // Argilla 2, nested
            for (const auto& [question, responses] : json["responses"].items())
                list(responses);
        for (const auto& [key, value] : json.items()) {
            if (key.ends_with(".responses") && value.is_array()) { // Argilla 2, flat: lists side by side
                const Json users = json.value(key + ".users", Json::array()), status = json.value(key + ".status", Json::array());
                const auto at = [](const Json& from, size_t i) {
                    return from.is_array() && i < from.size() && from[i].is_string() ? from[i].get<std::string>() : std::string();
                };
                for (size_t i = 0; i < value.size(); ++i)
                    take(value[i], at(status, i), at(users, i));
            } else if (value.is_array() && !value.empty() && value[0].is_object() && value[0].contains("value") && key != "responses") {
                list(value);
            }
        }
        Rows out;
        for (const Said& one : said) {
            const auto ranks = ranksOf(one.value, fields);
            if (ranks.empty())
                continue;
            PL_TRY(auto row, rankedRow(fields, ranks));
            row.annotator = one.who;
            out.push_back(std::move(row));
        }
        if (out.empty()) {
            PL_TRY(auto row, rankedRow(fields, {}));
            out.push_back(std::move(row));
        }
        return out;
    }
};

// --- Label Studio ----------------------------------------------------------------------------------------------------

class LabelStudio : public TextRows {
    static std::string person(const Json& who) {
        if (who.is_object()) {
            const std::string mail = textIn(who, "email");
            return mail.empty() ? textIn(who, "id") : mail;
        }
        return who.is_string() ? who.get<std::string>() : who.is_number_integer() ? "annotator " + who.dump() : std::string();
    }

    Result<Rows> add(const Json& json) override {
        const Json& data = json["data"];
        if (!data.is_object())
            return reject("\"data\" is no object");
        PL_TRY(Fields fields, Fields::of(data));
        std::map<std::string, size_t> items; // of a ranker: id -> place among the answers
        if (isList(data, "items"))
            for (const Json& item : data["items"]) {
                const std::string body = textIn(item, item.is_object() && item.contains("body") ? "body" : "title");
                if (!item.is_object() || body.empty())
                    return reject("an item to rank has no text");
                items[textIn(item, "id")] = fields.answers.size();
                fields.answers.emplace_back("item" + textIn(item, "id"), body);
            }
        if (fields.answers.size() < 2)
            return reject("its data have fewer than two answers (answer..., response..., items)");
        Rows out;
        for (const Json& annotation : json["annotations"]) {
            if (!annotation.is_object() || annotation.value("was_cancelled", Json(false)) == true)
                continue;
            for (const Json& result : annotation.value("result", Json::array())) {
                if (!result.is_object() || !result.contains("value") || !result["value"].is_object())
                    continue;
                const Json& value = result["value"];
                std::vector<int> ranks;
                if (textIn(result, "type") == "pairwise" && fields.answers.size() == 2) {
                    const std::string side = textIn(value, "selected");
                    if (side == "left" || side == "right")
                        ranks = side == "left" ? std::vector<int>{1, 2} : std::vector<int>{2, 1};
                } else if (textIn(result, "type") == "ranker" && value.contains("ranker") && value["ranker"].is_object()) {
                    ranks.assign(fields.answers.size(), 0);
                    for (const auto& [bucket, ids] : value["ranker"].items())
                        if (bucket != "_" && ids.is_array())
                            for (size_t place = 0; place < ids.size(); ++place)
                                if (const auto at = items.find(ids[place].is_string() ? ids[place].get<std::string>() : ids[place].dump());
                                    at != items.end())
                                    ranks[at->second] = static_cast<int>(place) + 1;
                    if (std::count(ranks.begin(), ranks.end(), 0))
                        ranks.clear(); // a part of them is not ranked
                }
                if (ranks.empty())
                    continue;
                PL_TRY(auto row, rankedRow(fields, ranks));
                row.annotator = person(annotation.value("completed_by", Json()));
                out.push_back(std::move(row));
            }
        }
        if (out.empty()) {
            PL_TRY(auto row, rankedRow(fields, {}));
            out.push_back(std::move(row));
        }
        return out;
    }
};

} // namespace

std::unique_ptr<TextRows> argillaRows() { return std::make_unique<Argilla>(); }
std::unique_ptr<TextRows> labelStudioRows() { return std::make_unique<LabelStudio>(); }

} // namespace pl::desk::texts

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/column_map.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "core/base/os/files.h"
#include "core/desk/exchange/text_format_parts.h"
#include "core/text/utf8.h"

namespace pl::desk {

using namespace texts;

namespace {

constexpr const char* kSaved = "import.maps";
constexpr size_t kMostName = 100;

struct Key {
    const char* name;
    std::string ColumnMap::*path;
};
constexpr Key kPaths[] = {{"prompt", &ColumnMap::prompt},     {"chosen", &ColumnMap::chosen},       {"rejected", &ColumnMap::rejected},
                          {"a", &ColumnMap::a},               {"b", &ColumnMap::b},                 {"winner", &ColumnMap::winner},
                          {"points", &ColumnMap::points},     {"score_a", &ColumnMap::scoreA},      {"score_b", &ColumnMap::scoreB},
                          {"strength", &ColumnMap::strength}, {"annotator", &ColumnMap::annotator}, {"rationale", &ColumnMap::rationale},
                          {"split", &ColumnMap::split},       {"kind", &ColumnMap::kind},           {"tags", &ColumnMap::tags},
                          {"model_a", &ColumnMap::modelA},    {"model_b", &ColumnMap::modelB}};

/// What a value of the winner column may stand for.
constexpr const char* kVerdicts[] = {"a", "b", "tie", "both_good", "both_bad", "identical", "none"};

/// The usual words, in small letters.
const std::map<std::string, std::string>& usualWords() {
    static const std::map<std::string, std::string> words{
        {"a", "a"},          {"b", "b"},           {"model_a", "a"},  {"model_b", "b"},    {"response_a", "a"}, {"response_b", "b"},
        {"answer_a", "a"},   {"answer_b", "b"},    {"left", "a"},     {"right", "b"},      {"first", "a"},      {"second", "b"},
        {"1", "a"},          {"2", "b"},           {"response_1", "a"}, {"response_2", "b"}, {"answer_1", "a"},   {"answer_2", "b"},
        {"tie", "tie"},      {"equal", "tie"},     {"same", "tie"},   {"draw", "tie"},     {"both", "both_good"}, {"both_good", "both_good"},
        {"both_bad", "both_bad"}, {"bothbad", "both_bad"}, {"tie (bothbad)", "both_bad"}, {"neither", "both_bad"}, {"identical", "identical"}};
    return words;
}

std::string lowered(std::string text) {
    for (char& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

/// A value as the text that value mappings speak of.
std::string wordOf(const Json& value) { return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump(); }

Result<std::map<std::string, std::string>> words(const Json& json, const char* key, std::initializer_list<const char*> may) {
    if (!json.is_object())
        return reject(fmt::format("\"{}\" of the mapping is no object of value: meaning", key));
    std::map<std::string, std::string> out;
    for (const auto& [value, meaning] : json.items()) {
        const std::string said = meaning.is_string() ? meaning.get<std::string>() : "";
        if (std::none_of(may.begin(), may.end(), [&](const char* each) { return said == each; }))
            return reject(fmt::format("\"{}\" of the mapping says that \"{}\" means {}, which is none of {}", key, value, meaning.dump(),
                                      fmt::join(may, ", ")));
        out[value] = said;
    }
    return out;
}

} // namespace

// --- paths -----------------------------------------------------------------------------------------------------------

Result<ColumnPath> ColumnPath::parse(std::string_view text) {
    ColumnPath out;
    const auto bad = [&](const char* why) { return reject(fmt::format("\"{}\" is no column: {}", text, why)); };
    if (text.empty())
        return bad("it is empty");
    for (size_t at = 0; at < text.size();) {
        if (text[at] == '[') {
            const bool quoted = at + 1 < text.size() && text[at + 1] == '"';
            const size_t end = quoted ? text.find("\"]", at + 2) : text.find(']', at);
            if (end == std::string_view::npos)
                return bad("a bracket is not closed");
            if (quoted) {
                out.m_steps.emplace_back(std::string(text.substr(at + 2, end - at - 2)));
                at = end + 2;
            } else {
                int index = 0;
                const std::string_view number = text.substr(at + 1, end - at - 1);
                const auto read = std::from_chars(number.data(), number.data() + number.size(), index);
                if (number.empty() || read.ec != std::errc() || read.ptr != number.data() + number.size())
                    return bad("between brackets stands a number, or a name in quotes");
                out.m_steps.emplace_back(index);
                at = end + 1;
            }
        } else {
            if (text[at] == '.' && (at == 0 || ++at == text.size()))
                return bad("a name is missing beside a dot");
            const size_t end = std::min(text.find_first_of(".[", at), text.size());
            if (end == at)
                return bad("a name is missing beside a dot");
            out.m_steps.emplace_back(std::string(text.substr(at, end - at)));
            at = end;
        }
    }
    return out;
}

const Json* ColumnPath::find(const Json& row) const {
    const Json* at = &row;
    for (const auto& step : m_steps) {
        if (const auto* name = std::get_if<std::string>(&step)) {
            if (!at->is_object())
                return nullptr;
            const auto next = at->find(*name);
            if (next == at->end())
                return nullptr;
            at = &*next;
        } else {
            const auto size = at->is_array() ? static_cast<int64_t>(at->size()) : 0;
            int64_t index = std::get<int>(step);
            index += index < 0 ? size : 0;
            if (index < 0 || index >= size)
                return nullptr;
            at = &(*at)[static_cast<size_t>(index)];
        }
    }
    return at->is_null() ? nullptr : at;
}

std::string ColumnPath::step(const std::string& name) {
    return name.empty() || name.find_first_of(".[]\"") != std::string::npos ? "[\"" + name + "\"]" : name;
}

// --- the mapping as JSON ------------------------------------------------------------------------------------------------

Result<ColumnMap> ColumnMap::fromJson(const Json& json) {
    if (!json.is_object())
        return reject("a mapping is a JSON object such as {\"prompt\": \"question\", \"chosen\": \"good\", \"rejected\": \"bad\"}");
    ColumnMap out;
    for (const auto& [key, value] : json.items()) {
        const auto path = std::find_if(std::begin(kPaths), std::end(kPaths), [&, &key = key](const Key& each) { return key == each.name; });
        if (path != std::end(kPaths)) {
            if (!value.is_string())
                return reject(fmt::format("\"{}\" of the mapping is no column", key));
            out.*path->path = value.get<std::string>();
        } else if (key == "winner_values") {
            PL_TRY(out.winnerValues, words(value, "winner_values", {"a", "b", "tie", "both_good", "both_bad", "identical", "none"}));
        } else if (key == "split_values") {
            PL_TRY(out.splitValues, words(value, "split_values", {"train", "dev", "test"}));
        } else if (key == "strength_values") {
            if (!value.is_object())
                return reject("\"strength_values\" of the mapping is no object of value: 1, 2 or 3");
            for (const auto& [word, number] : value.items()) {
                if (!number.is_number_integer() || number.get<int64_t>() < 1 || number.get<int64_t>() > 3)
                    return reject(fmt::format("\"strength_values\" of the mapping says that \"{}\" means {}, not 1, 2 or 3", word, number.dump()));
                out.strengthValues[word] = number.get<int>();
            }
        } else if (key == "negative_is") {
            if (value != "a" && value != "b")
                return reject("\"negative_is\" of the mapping is neither \"a\" nor \"b\"");
            out.negativeIsA = value == "a";
        } else if (key == "attributes") {
            if (!value.is_object())
                return reject("\"attributes\" of the mapping is no object of name: [column of a, column of b]");
            for (const auto& [name, columns] : value.items()) {
                if (!columns.is_array() || columns.size() != 2 || !columns[0].is_string() || !columns[1].is_string())
                    return reject(fmt::format("the attribute \"{}\" of the mapping has no two columns", name));
                out.attributes[name] = {columns[0].get<std::string>(), columns[1].get<std::string>()};
            }
        } else {
            return reject(fmt::format("\"{}\" is no key of a mapping", key));
        }
    }
    PL_CHECK(out.check());
    return out;
}

Status ColumnMap::check() const {
    const bool ab = !a.empty() || !b.empty(), cr = !chosen.empty() || !rejected.empty();
    if (ab && cr)
        return reject("the mapping names both a and b, and chosen and rejected; give one of the two");
    if (cr && (chosen.empty() || rejected.empty()))
        return reject(fmt::format("the mapping lacks the column of \"{}\"", chosen.empty() ? "chosen" : "rejected"));
    if (ab && (a.empty() || b.empty()))
        return reject(fmt::format("the mapping lacks the column of answer {}", a.empty() ? "a" : "b"));
    if (!ab && !cr && prompt.empty())
        return reject("the mapping names no column of answers and none of the prompt");
    if (!ab && (!winner.empty() || !points.empty()))
        return reject("a winner or points need the answers a and b");
    if (!ab && !cr && (!strength.empty() || !scoreA.empty() || !modelA.empty() || !modelB.empty() || !attributes.empty() || !rationale.empty()))
        return reject("the mapping says something of answers, and names none");
    if (scoreA.empty() != scoreB.empty())
        return reject("the mapping needs score_a and score_b together");
    if (ab && !winner.empty() + !points.empty() + !scoreA.empty() > 1)
        return reject("the mapping says in several ways who won; give one of winner, points and scores");
    for (const Key& key : kPaths)
        if (const std::string& path = this->*key.path; !path.empty())
            PL_CHECK(ColumnPath::parse(path).map_error([&](Error e) { return std::move(e).with(fmt::format("\"{}\" of the mapping", key.name)); }));
    for (const auto& [name, columns] : attributes)
        for (const std::string& path : columns)
            PL_CHECK(ColumnPath::parse(path).map_error([&, &name = name](Error e) {
                return std::move(e).with(fmt::format("the attribute \"{}\" of the mapping", name));
            }));
    return {};
}

Json ColumnMap::toJson() const {
    Json out = Json::object();
    for (const Key& key : kPaths)
        if (!(this->*key.path).empty())
            out[key.name] = this->*key.path;
    if (!winnerValues.empty())
        out["winner_values"] = winnerValues;
    if (!splitValues.empty())
        out["split_values"] = splitValues;
    if (!strengthValues.empty())
        out["strength_values"] = strengthValues;
    if (!points.empty())
        out["negative_is"] = negativeIsA ? "a" : "b";
    if (!attributes.empty())
        out["attributes"] = attributes;
    return out;
}

// --- rows --------------------------------------------------------------------------------------------------------------

namespace {

class Mapped : public TextRows {
public:
    explicit Mapped(const ColumnMap& map) : m_map(map) {
        for (const Key& key : kPaths)
            if (!(map.*key.path).empty())
                m_paths.emplace(key.path, ColumnPath::parse(map.*key.path).value());
        for (const auto& [name, columns] : map.attributes)
            m_attributes.emplace(name, std::array{ColumnPath::parse(columns[0]).value(), ColumnPath::parse(columns[1]).value()});
    }

private:
    using Path = std::string ColumnMap::*;
    struct Less {
        bool operator()(Path x, Path y) const { return index(x) < index(y); }
        static size_t index(Path p) {
            return static_cast<size_t>(std::find_if(std::begin(kPaths), std::end(kPaths), [&](const Key& k) { return k.path == p; }) - kPaths);
        }
    };

    const Json* at(Path path, const Json& row) const {
        const auto found = m_paths.find(path);
        return found == m_paths.end() ? nullptr : found->second.find(row);
    }
    std::string said(Path path, const Json& row) const {
        const Json* value = at(path, row);
        return value && (value->is_string() || value->is_number()) ? wordOf(*value) : std::string();
    }
    tl::unexpected<Error> lacks(Path path) const { return reject(fmt::format("it has nothing in the column {}", m_map.*path)); }

    /// A text; or the turns before its last, and its last.
    struct Side {
        std::optional<Json> turns;
        std::string text;
    };
    Result<Side> side(Path path, const Json& row) const {
        const Json* value = at(path, row);
        if (!value)
            return lacks(path);
        if (value->is_string())
            return Side{{}, value->get<std::string>()};
        if (value->is_object() && (value->contains("content") || value->contains("value"))) { // one message
            PL_TRY(std::string text, textOf(value->contains("value") ? (*value)["value"] : (*value)["content"]));
            return Side{{}, std::move(text)};
        }
        if (!value->is_array())
            return reject(fmt::format("the column {} holds neither a text nor a conversation", m_map.*path));
        PL_TRY(Json turns, turnsOf(*value));
        if (turns.back()["role"] != "assistant")
            return reject(fmt::format("the conversation in the column {} does not end with an answer", m_map.*path));
        Side out{{}, turns.back()["content"].get<std::string>()};
        turns.erase(turns.size() - 1);
        out.turns = std::move(turns);
        return out;
    }

    Result<std::string> promptOf(const Json& row, const Side* first, const Side* second) const {
        std::optional<std::string> prompt;
        if (const Json* value = at(&ColumnMap::prompt, row)) {
            if (value->is_array()) {
                PL_TRY(const Json turns, turnsOf(*value));
                PL_TRY(prompt, canonicalPrompt(turns));
            } else if (value->is_string() || value->is_number()) {
                prompt = wordOf(*value);
            } else {
                return reject(fmt::format("the column {} holds neither a text nor a conversation", m_map.prompt));
            }
        } else if (!m_map.prompt.empty()) {
            return lacks(&ColumnMap::prompt);
        }
        for (const Side* each : {first, second}) {
            if (!each || !each->turns || each->turns->empty())
                continue;
            PL_TRY(const std::string before, canonicalPrompt(*each->turns));
            if (prompt && *prompt != before)
                return reject("what stands before the answers is not the prompt, or differs between them");
            prompt = before;
        }
        if (!prompt)
            return reject("no column is the prompt, and the answers are no conversations");
        return *prompt;
    }

    Status judged(const Json& row, ImportRow& out, bool& swap, bool& judged) const {
        const auto better = [&](bool second) {
            swap = second;
            judged = true;
        };
        if (!m_map.points.empty()) {
            const Json* value = at(&ColumnMap::points, row);
            if (!value)
                return {};
            const auto points = numberIn(*value);
            if (!points)
                return reject(fmt::format("the column {} holds no number", m_map.points));
            if (std::abs(*points) > 3)
                return reject(fmt::format("{} points are outside -3 to 3", *points));
            better((*points > 0) == m_map.negativeIsA && *points != 0);
            out.tie = *points == 0;
            if (!out.tie)
                out.strength = std::clamp(static_cast<int>(std::lround(std::abs(*points))), 1, 3);
            return {};
        }
        if (!m_map.scoreA.empty()) {
            const Json *first = at(&ColumnMap::scoreA, row), *second = at(&ColumnMap::scoreB, row);
            if (!first || !second)
                return m_map.chosen.empty() ? Status() : Status(lacks(first ? &ColumnMap::scoreB : &ColumnMap::scoreA));
            const auto x = numberIn(*first), y = numberIn(*second);
            if (!x || !y)
                return reject(fmt::format("the column {} holds no number", x ? m_map.scoreB : m_map.scoreA));
            if (!m_map.chosen.empty() && *x < *y)
                return reject("the score of chosen is below that of rejected");
            better(*y > *x);
            out.tie = *x == *y;
            return {};
        }
        if (m_map.winner.empty())
            return {};
        const Json* value = at(&ColumnMap::winner, row);
        if (!value)
            return {};
        const std::string word = wordOf(*value);
        const auto& meanings = m_map.winnerValues.empty() ? usualWords() : m_map.winnerValues;
        auto meaning = meanings.find(word);
        if (meaning == meanings.end() && m_map.winnerValues.empty())
            meaning = meanings.find(lowered(word));
        if (meaning == meanings.end())
            return reject(fmt::format("\"{}\" in the column {} is a value that the mapping does not explain", text::truncateText(word, 60), m_map.winner));
        if (meaning->second == "none")
            return {};
        better(meaning->second == "b");
        out.tie = meaning->second != "a" && meaning->second != "b";
        if (out.tie && meaning->second != "tie")
            out.tieKind = *tieKindOf(meaning->second);
        return {};
    }

    Result<Rows> add(const Json& row) override {
        ImportRow out;
        if (const Json* split = at(&ColumnMap::split, row)) {
            const std::string word = wordOf(*split);
            const auto meaning = m_map.splitValues.find(word);
            const std::string name = meaning != m_map.splitValues.end()                                               ? meaning->second
                                     : m_map.splitValues.empty() && (word.starts_with("val") || word.starts_with("eval")) ? "dev"
                                                                                                                        : word;
            const auto known = splitOf(name);
            if (!known)
                return reject(fmt::format("\"{}\" in the column {} is no split", text::truncateText(word, 60), m_map.split));
            out.prompt.split = *known;
        }
        out.prompt.kind = said(&ColumnMap::kind, row);
        if (const Json* tags = at(&ColumnMap::tags, row))
            for (const Json& tag : tags->is_array() ? *tags : Json::array({*tags}))
                if (tag.is_string() && !tag.get_ref<const std::string&>().empty())
                    out.prompt.tags.push_back(tag.get<std::string>());
        const bool ab = !m_map.a.empty();
        if (!ab && m_map.chosen.empty()) {
            PL_TRY(out.prompt.content, promptOf(row, nullptr, nullptr));
            return Rows{std::move(out)};
        }
        PL_TRY(Side first, side(ab ? &ColumnMap::a : &ColumnMap::chosen, row));
        PL_TRY(Side second, side(ab ? &ColumnMap::b : &ColumnMap::rejected, row));
        PL_TRY(out.prompt.content, promptOf(row, &first, &second));
        bool swap = false, isJudged = !ab;
        PL_CHECK(judged(row, out, swap, isJudged));
        std::string models[2] = {said(&ColumnMap::modelA, row), said(&ColumnMap::modelB, row)};
        if (!isJudged) {
            if (first.text == second.text)
                return reject("both answers are identical");
            out.texts = {{first.text, models[0]}, {second.text, models[1]}};
            return Rows{std::move(out)};
        }
        Json numbers[2] = {Json::object(), Json::object()};
        for (const auto& [name, columns] : m_attributes)
            for (size_t i = 0; i < 2; ++i)
                if (const Json* value = columns[i].find(row)) {
                    const auto number = numberIn(*value);
                    if (!number)
                        return reject(fmt::format("the column {} of the attribute {} holds no number", m_map.attributes.at(name)[i], name));
                    numbers[i][name] = *number;
                }
        out.chosen = swap ? second.text : first.text;
        out.rejected = swap ? first.text : second.text;
        out.chosenModel = models[swap];
        out.rejectedModel = models[!swap];
        out.chosenAttributes = numbers[swap];
        out.rejectedAttributes = numbers[!swap];
        if (out.tieKind == TieKind::BothBad)
            out.chosenBad = out.rejectedBad = true;
        if (const Json* value = at(&ColumnMap::strength, row); value && !out.tie) {
            const std::string word = wordOf(*value);
            if (!m_map.strengthValues.empty()) {
                const auto meaning = m_map.strengthValues.find(word);
                if (meaning == m_map.strengthValues.end())
                    return reject(fmt::format("\"{}\" in the column {} is a value that the mapping does not explain", text::truncateText(word, 60),
                                              m_map.strength));
                out.strength = meaning->second;
            } else {
                const auto number = numberIn(*value);
                if (!number || *number != std::round(*number) || *number < 1 || *number > 3)
                    return reject(fmt::format("the strength in the column {} is not 1, 2 or 3", m_map.strength));
                out.strength = static_cast<int>(*number);
            }
        }
        out.annotator = said(&ColumnMap::annotator, row);
        out.rationale = said(&ColumnMap::rationale, row);
        return Rows{std::move(out)};
    }

    ColumnMap m_map;
    std::map<Path, ColumnPath, Less> m_paths;
    std::map<std::string, std::array<ColumnPath, 2>> m_attributes;
};

} // namespace

std::unique_ptr<TextRows> mappedRows(const ColumnMap& map) { return std::make_unique<Mapped>(map); }

// --- kept in the project ----------------------------------------------------------------------------------------------------

Result<std::map<std::string, ColumnMap>> savedMaps(Project& project) {
    PL_TRY(const Json all, project.setting(kSaved, Json::object()));
    std::map<std::string, ColumnMap> out;
    if (all.is_object())
        for (const auto& [name, json] : all.items())
            if (auto map = ColumnMap::fromJson(json)) // one of a newer version is passed over, not lost
                out.emplace(name, std::move(*map));
    return out;
}

namespace {
Status change(Project& project, const std::string& name, const Json& map) {
    PL_TRY(Json all, project.setting(kSaved, Json::object()));
    if (!all.is_object())
        all = Json::object();
    if (map.is_null())
        all.erase(name);
    else
        all[name] = map;
    return project.setSetting(kSaved, all);
}
} // namespace

Status saveMap(Project& project, const std::string& name, const ColumnMap& map) {
    if (name.empty() || name.size() > kMostName || name[0] == '{')
        return fail(Code::InvalidInput, "a mapping needs a name of at most 100 bytes that does not begin with {", "Choose another name.");
    PL_CHECK(map.check());
    return change(project, name, map.toJson());
}

Status forgetMap(Project& project, const std::string& name) { return change(project, name, nullptr); }

namespace {
/// Whatever is wrong with a mapping, one that is right is the way out.
template<class T>
Result<T> withForm(Result<T> result) {
    return std::move(result).map_error([](Error error) {
        if (error.hint.empty() || error.code == Code::Corrupt) // a file that is torn was written by hand, most likely
            error.hint = "A mapping looks like {\"prompt\": \"question\", \"a\": \"answers[0]\", \"b\": \"answers[1]\", \"winner\": \"choice\"} or "
                         "{\"prompt\": \"question\", \"chosen\": \"good\", \"rejected\": \"bad\"}; `pairlab-cli import P FILE --columns` prints one to begin with.";
        return error;
    });
}
} // namespace

Result<ColumnMap> columnMapOf(Project& project, const std::string& text) {
    const JsonLimits limits{size_t{1} << 20, 8};
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && text[first] == '{') {
        PL_TRY(const Json json, withForm(parseJson(text, "the mapping", limits).map_error([](Error error) {
            error.code = Code::InvalidInput; // typed, not a file that is damaged
            return error;
        })));
        return withForm(ColumnMap::fromJson(json));
    }
    PL_TRY(const auto saved, savedMaps(project));
    if (const auto found = saved.find(text); found != saved.end())
        return found->second;
    if (!os::exists(text)) {
        std::string names;
        for (const auto& [name, map] : saved)
            names += (names.empty() ? "" : ", ") + name;
        return fail(Code::NotFound, fmt::format("there is no mapping {} in the project, and no file of that name", text),
                    names.empty() ? "The project keeps no mapping yet: give a file or JSON." : "Kept are: " + names + ".");
    }
    PL_TRY(const Json json, withForm(readJsonFile(text, limits)));
    return withForm(ColumnMap::fromJson(json));
}

} // namespace pl::desk

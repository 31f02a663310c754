// SPDX-License-Identifier: Apache-2.0
// What a file's columns probably are: names first, then what stands in them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "core/desk/exchange/column_map.h"
#include "core/desk/exchange/text_format_parts.h"
#include "core/text/utf8.h"

namespace pl::desk {

using namespace texts;

namespace {

constexpr int kRowsSeen = 200, kRowsShown = 5, kDeepest = 4, kElements = 4;
constexpr size_t kMostColumns = 200, kMostDistinct = 12, kLongestWord = 40, kValueShown = 160;

using Column = ColumnPreview::Column;

/// A list of messages is one column, not many.
bool conversation(const Json& value) {
    return value.is_array() && !value.empty() && value[0].is_object() &&
           ((value[0].contains("role") && value[0].contains("content")) || (value[0].contains("from") && value[0].contains("value")));
}

void walk(const Json& value, const std::string& path, int depth, int row, std::vector<Column>& columns) {
    if (!path.empty() && (!value.is_structured() || conversation(value) || depth >= kDeepest)) {
        auto at = std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.path == path; });
        if (at == columns.end()) {
            if (columns.size() >= kMostColumns)
                return;
            columns.push_back({path, {}, {}, 0});
            at = columns.end() - 1;
        }
        if (value.is_null())
            return;
        const std::string text = value.is_string() ? value.get<std::string>() : dumpJson(value);
        ++at->filled;
        if (row < kRowsShown) {
            at->values.resize(static_cast<size_t>(row) + 1);
            at->values.back() = text::truncateText(text, kValueShown);
        }
        if (!value.is_structured() && text.size() <= kLongestWord && (at->distinct.count(text) || at->distinct.size() <= kMostDistinct))
            ++at->distinct[text];
        return;
    }
    if (value.is_object()) {
        for (const auto& [key, each] : value.items())
            walk(each, path.empty() || ColumnPath::step(key)[0] == '[' ? path + ColumnPath::step(key) : path + "." + key, depth + 1, row, columns);
    } else if (value.is_array()) {
        for (size_t i = 0; i < std::min<size_t>(value.size(), kElements); ++i)
            walk(value[i], fmt::format("{}[{}]", path, i), depth + 1, row, columns);
    }
}

/// "answers[0].Text-Body" -> "answers 0 text body"
std::vector<std::string> wordsOf(const std::string& path) {
    std::vector<std::string> out(1);
    bool wasLower = false;
    for (const char c : path) {
        const bool upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9', letter = upper || (c >= 'a' && c <= 'z');
        const bool afterDigit = !out.back().empty() && out.back().back() >= '0' && out.back().back() <= '9';
        if ((!letter && !digit) || (upper && wasLower) || (!out.back().empty() && digit != afterDigit))
            if (!out.back().empty())
                out.emplace_back();
        if (letter || digit)
            out.back() += upper ? static_cast<char>(c - 'A' + 'a') : c;
        wasLower = letter && !upper;
    }
    if (out.back().empty())
        out.pop_back();
    return out;
}

class Guess {
public:
    explicit Guess(const ColumnPreview& preview) : m_preview(preview) {
        for (const Column& column : preview.columns)
            m_words.push_back(wordsOf(column.path));
    }

    ColumnMap make() {
        ColumnMap map;
        map.chosen = take({"chosen", "preferred", "better", "accepted", "winning"}, &Guess::anyText);
        map.rejected = take({"rejected", "dispreferred", "worse", "losing"}, &Guess::anyText);
        if (map.chosen.empty() || map.rejected.empty()) {
            m_taken.erase(map.chosen);
            m_taken.erase(map.rejected);
            map.chosen = map.rejected = {};
            pair(map.a, map.b, {"response", "answer", "completion", "output", "generation", "reply", "candidate", "conversation", "text", "option"},
                 &Guess::anyText);
        }
        const bool ab = !map.a.empty(), cr = !map.chosen.empty();
        map.prompt = take({"prompt", "instruction", "question", "query", "request", "context", "input", "messages", "source"}, &Guess::anyText);
        if (ab) {
            pair(map.scoreA, map.scoreB, {"score", "rating", "reward", "elo"}, &Guess::numbers);
            if (map.scoreA.empty())
                map.points = take({"preference", "strength", "margin", "score"}, &Guess::signedNumbers);
            if (map.scoreA.empty() && map.points.empty())
                map.winner = take({"winner", "preference", "preferred", "choice", "chosen", "label", "vote", "verdict", "better", "best"}, &Guess::fewWords);
            explain(map);
        } else if (cr) {
            map.scoreA = named({"chosen", "score"}, &Guess::numbers);
            map.scoreB = named({"rejected", "score"}, &Guess::numbers);
            if (map.scoreA.empty() || map.scoreB.empty())
                map.scoreA = map.scoreB = {};
        }
        if (ab) {
            pair(map.modelA, map.modelB, {"model", "system", "generator"}, &Guess::anyWord);
        } else if (cr) {
            map.modelA = named({"chosen", "model"}, &Guess::anyWord);
            map.modelB = named({"rejected", "model"}, &Guess::anyWord);
        }
        if (ab || cr) {
            if (map.points.empty())
                map.strength = take({"strength", "confidence", "degree"}, &Guess::strengths);
            map.annotator = take({"annotator", "rater", "worker", "user", "judge", "labeler", "labeller"}, &Guess::anyWord);
            map.rationale = take({"rationale", "reason", "reasoning", "justification", "explanation", "comment", "feedback"}, &Guess::anyText);
        }
        map.split = take({"split", "fold"}, &Guess::splits);
        return map;
    }

private:
    using Test = bool (Guess::*)(const Column&) const;

    bool most(const Column& c) const { return c.filled * 2 > m_preview.rows; }
    bool allOf(const Column& c, const std::function<bool(const std::string&)>& test) const {
        return !c.distinct.empty() && std::all_of(c.distinct.begin(), c.distinct.end(), [&](const auto& each) { return test(each.first); });
    }
    static bool number(const std::string& text) { return numberIn(Json(text)).has_value(); }
    bool anyText(const Column& c) const { return most(c) && !(allOf(c, number) && c.distinct.size() < 3); }
    bool anyWord(const Column& c) const { return c.filled > 0; }
    bool numbers(const Column& c) const { return most(c) && allOf(c, number); }
    bool signedNumbers(const Column& c) const {
        return numbers(c) && allOf(c, [](const std::string& t) { return std::abs(*numberIn(Json(t))) <= 3; }) &&
               std::any_of(c.distinct.begin(), c.distinct.end(), [](const auto& each) { return each.first[0] == '-'; });
    }
    bool strengths(const Column& c) const {
        return allOf(c, [](const std::string& t) { return t == "1" || t == "2" || t == "3"; });
    }
    bool fewWords(const Column& c) const {
        int seen = 0;
        for (const auto& [word, n] : c.distinct)
            seen += n;
        return !c.distinct.empty() && c.distinct.size() <= 8 && seen == c.filled;
    }
    bool splits(const Column& c) const {
        return allOf(c, [](const std::string& t) { return splitOf(t).has_value() || t.starts_with("val") || t.starts_with("eval"); });
    }

    /// The first column one of whose words is the earliest of `names`; a shorter path before a longer one.
    std::string take(std::initializer_list<const char*> names, Test test) {
        for (const char* name : names) {
            size_t best = m_words.size();
            for (size_t i = 0; i < m_words.size(); ++i)
                if (std::find(m_words[i].begin(), m_words[i].end(), name) != m_words[i].end() && free(i) &&
                    (this->*test)(m_preview.columns[i]) && (best == m_words.size() || m_words[i].size() < m_words[best].size()))
                    best = i;
            if (best < m_words.size())
                return *m_taken.insert(m_preview.columns[best].path).first;
        }
        return {};
    }
    std::string named(std::initializer_list<const char*> all, Test test) {
        for (size_t i = 0; i < m_words.size(); ++i)
            if (std::all_of(all.begin(), all.end(), [&](const char* word) {
                    return std::find(m_words[i].begin(), m_words[i].end(), word) != m_words[i].end();
                }) && free(i) && (this->*test)(m_preview.columns[i]))
                return *m_taken.insert(m_preview.columns[i].path).first;
        return {};
    }
    /// Two columns whose names differ in one word that tells the sides apart.
    void pair(std::string& first, std::string& second, std::initializer_list<const char*> names, Test test) {
        constexpr const char* kSides[][2] = {{"a", "b"}, {"left", "right"}, {"first", "second"}, {"0", "1"}, {"1", "2"}};
        for (const char* name : names)
            for (const auto& sides : kSides)
                for (size_t i = 0; i < m_words.size(); ++i) {
                    const auto side = std::find(m_words[i].begin(), m_words[i].end(), sides[0]);
                    if (side == m_words[i].end() || !free(i) || !(this->*test)(m_preview.columns[i]) ||
                        std::find(m_words[i].begin(), m_words[i].end(), name) == m_words[i].end())
                        continue;
                    auto other = m_words[i];
                    other[static_cast<size_t>(side - m_words[i].begin())] = sides[1];
                    const auto found = std::find(m_words.begin(), m_words.end(), other);
                    const size_t j = static_cast<size_t>(found - m_words.begin());
                    if (found == m_words.end() || !free(j) || !(this->*test)(m_preview.columns[j]))
                        continue;
                    first = *m_taken.insert(m_preview.columns[i].path).first;
                    second = *m_taken.insert(m_preview.columns[j].path).first;
                    return;
                }
    }
    bool free(size_t i) const { return !m_taken.count(m_preview.columns[i].path); }

    /// The values of the winner's column, where they mean something else than the usual words.
    void explain(ColumnMap& map) const {
        if (map.winner.empty())
            return;
        const auto column = std::find_if(m_preview.columns.begin(), m_preview.columns.end(), [&](const Column& c) { return c.path == map.winner; });
        const bool zero = column->distinct.count("0") > 0;
        const auto ending = [](const std::string& path) { return wordsOf(path).back(); };
        for (const auto& [word, n] : column->distinct) {
            if (zero && (word == "0" || word == "1"))
                map.winnerValues[word] = word == "0" ? "a" : "b";
            else if (word == map.a || word == map.b)
                map.winnerValues[word] = word == map.a ? "a" : "b";
            else if (const auto words = wordsOf(word); !words.empty() && (words.back() == ending(map.a) || words.back() == ending(map.b)))
                map.winnerValues[word] = words.back() == ending(map.a) ? "a" : "b";
            else if (!words.empty() && (words[0] == "tie" || words[0] == "same" || words[0] == "equal" || words[0] == "draw"))
                map.winnerValues[word] = "tie";
            else if (word.find("bad") != std::string::npos || word == "neither")
                map.winnerValues[word] = "both_bad";
            else if (word == "left" || word == "right")
                map.winnerValues[word] = word == "left" ? "a" : "b";
        }
    }

    const ColumnPreview& m_preview;
    std::vector<std::vector<std::string>> m_words;
    std::set<std::string> m_taken;
};

} // namespace

Result<ColumnPreview> previewColumns(std::string_view text, const std::string& name) {
    PL_CHECK(checkUtf8(text, name));
    ColumnPreview out;
    out.note = tableNote(text);
    std::string why;
    int seen = 0;
    forEachRow(text, [&](Row row) {
        ++seen;
        if (row.json && row.json->is_object()) {
            walk(*row.json, {}, 0, out.rows, out.columns);
            ++out.rows;
        } else if (why.empty()) {
            why = fmt::format("line {}: {}", row.line, row.json ? "it is no object with columns" : row.json.error().message);
        }
        return seen < kRowsSeen;
    });
    if (out.rows == 0)
        return fail(Code::InvalidInput, fmt::format("{} has no row with columns{}", name, why.empty() ? "" : "; " + why),
                    "Columns are read from JSON Lines, one JSON array, or CSV with a header.");
    for (Column& column : out.columns)
        column.values.resize(static_cast<size_t>(std::min(out.rows, kRowsShown)));
    out.guess = Guess(out).make();
    return out;
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/desk/exchange/text_formats.h"

/// Rows of any JSON Lines, JSON array or CSV, by saying which column is what.
namespace pl::desk {

/// One place in a row: `a.b[0].c`; `[-1]` is the last of a list, and a name with a dot or a bracket in it is written `["a.b"]`.
class ColumnPath {
public:
    static Result<ColumnPath> parse(std::string_view text);
    /// Null when the row has nothing there.
    const Json* find(const Json& row) const;
    /// A name as a step of a path: itself, or in brackets and quotes.
    static std::string step(const std::string& name);

private:
    std::vector<std::variant<std::string, int>> m_steps;
};

/// Which column is what. A path of "" is not mapped. As JSON the keys are those below in snake_case, empty ones left out:
///   {"prompt": "question", "a": "answers[0].text", "b": "answers[1].text", "winner": "choice",
///    "winner_values": {"left": "a", "right": "b", "same": "tie"}, "attributes": {"helpfulness": ["score.a", "score.b"]}}
/// Answers are texts, or conversations of which the last turn is the answer; the prompt is a text or a conversation, and may be left
/// out where both answers are conversations. A row without a verdict stays a pair to judge.
struct ColumnMap {
    std::string prompt;
    std::string chosen, rejected; ///< either these
    std::string a, b;             ///< or these, with one of winner, points and scores, or nobody's verdict
    std::string winner;
    std::map<std::string, std::string> winnerValues; ///< value -> a b tie both_good both_bad identical none; empty: the usual words
    std::string points;                              ///< a signed number: its sign names the better side, its size (1 to 3) the strength
    bool negativeIsA = true;                         ///< of points (JSON: "negative_is": "a" or "b")
    std::string scoreA, scoreB;                      ///< the higher one is better, equal ones a tie; of chosen and rejected, too
    std::string strength;                            ///< 1 slight .. 3 much
    std::map<std::string, int> strengthValues;       ///< value -> 1, 2, 3; empty: the number itself
    std::string annotator, rationale, split, kind, tags;
    std::map<std::string, std::string> splitValues;  ///< value -> train dev test; empty: these, and validation
    std::string modelA, modelB;                      ///< who wrote a and b, or chosen and rejected
    std::map<std::string, std::array<std::string, 2>> attributes; ///< numbers said of a and b, or of chosen and rejected

    /// InvalidInput names the key that is unknown or wrong, or what is lacking.
    static Result<ColumnMap> fromJson(const Json& json);
    Json toJson() const;
    Status check() const;
    bool operator==(const ColumnMap&) const = default;
};

/// What the window shows of a file before a mapping is made.
struct ColumnPreview {
    struct Column {
        std::string path;
        std::vector<std::string> values; ///< of the first rows, cut; empty where a row lacks it
        std::map<std::string, int> distinct; ///< values of all rows looked at, at most 12 short ones
        int filled = 0;
    };
    int rows = 0; ///< looked at
    std::vector<Column> columns; ///< in the order they are met
    ColumnMap guess;             ///< by names and values; may lack what check() asks for
    std::string note;            ///< as ParsedFile::note
};
/// Looks at the first rows (at most 200). InvalidInput when none can be read.
Result<ColumnPreview> previewColumns(std::string_view text, const std::string& name);

/// Reads rows by a mapping that passed check().
std::unique_ptr<TextRows> mappedRows(const ColumnMap& map);

// --- mappings kept in the project ---
Result<std::map<std::string, ColumnMap>> savedMaps(Project& project);
/// Replaces the one of this name.
Status saveMap(Project& project, const std::string& name, const ColumnMap& map);
Status forgetMap(Project& project, const std::string& name);
/// A saved name, a file of JSON, or JSON itself. An error says what a mapping looks like.
Result<ColumnMap> columnMapOf(Project& project, const std::string& text);

} // namespace pl::desk

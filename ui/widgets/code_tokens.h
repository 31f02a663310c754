// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

#include <QString>

namespace pl::ui {

enum class CodeToken { Plain, Keyword, String, Comment, Number };

/// A stretch of one line, UTF-16 units; stretches that are not named are plain.
struct CodeSpan {
    qsizetype begin = 0, length = 0;
    CodeToken token = CodeToken::Plain;
    bool operator==(const CodeSpan&) const = default;
};

/// Colours a fenced block of code line by line: strings, comments, numbers and keywords of the language families named after the
/// fence (C and its kin, Python, shell, SQL, JSON, HTML; anything else as a mixture that marks no keywords). One pass over a line, no
/// backtracking: linear whatever the text.
class CodeTokens {
public:
    /// `language`: the word behind the fence, "py" or "c++".
    explicit CodeTokens(const QString& language);
    /// The next line; comments and strings over several lines go on.
    std::vector<CodeSpan> line(const QString& text);

private:
    enum class Family { Other, C, Python, Shell, Sql, Json, Markup };
    bool isKeyword(const QString& word) const;
    Family m_family = Family::Other;
    QString m_open; ///< what ends the string or comment that the last line left open
    CodeToken m_openToken = CodeToken::Plain;
};

} // namespace pl::ui

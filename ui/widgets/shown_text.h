// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include <QString>

namespace pl::ui {

struct TextLimits {
    int maxChars = 256 * 1024;
    int maxLine = 4000;  ///< longer lines are broken
    int maxDepth = 16;   ///< nesting of quotes and lists
    int maxMs = 250;     ///< time to build the document
};

/// Untrusted text made safe to lay out, and the way between the two. Characters that hide or change what is read stand as ⟨U+202E⟩:
/// bidi controls, zero width and control characters, invisible fillers, tag characters (not the joiners and variation selectors that
/// emoji and Indic scripts need). Lines over the limit are broken, text over the limit is cut with a last line that says so.
/// Places count UTF-16 units.
class ShownText {
public:
    ShownText() = default;
    /// The first `folded` characters stand as one line that says how many they are.
    explicit ShownText(const QString& source, const TextLimits& limits = {}, qsizetype folded = 0);
    const QString& text() const { return m_text; }
    /// Where a character of the source stands.
    qsizetype shownAt(qsizetype source) const;
    /// Which character of the source stands here; the source's size behind the last one.
    qsizetype sourceAt(qsizetype shown) const;

private:
    QString m_text;
    std::vector<qsizetype> m_map{0}; ///< source -> shown, one more than characters
};

/// ShownText's text.
QString safeText(const QString& text, const TextLimits& limits = {});

/// Unicode code points before a place of UTF-16, and back (held to the text).
int64_t codePointsBefore(const QString& text, qsizetype utf16);
qsizetype utf16Of(const QString& text, int64_t codePoints);

/// How much both texts begin with, cut back to the end of a line, or of a sentence, or of a word; 0 when it is fewer than `least`.
qsizetype commonBeginning(const QString& a, const QString& b, qsizetype least = 120);

} // namespace pl::ui

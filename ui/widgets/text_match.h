// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

#include <QString>

namespace pl::ui {

/// Which place of one text goes with a place of the other: what both say is matched word for word, what lies between is taken in
/// proportion. Places count UTF-16 units; a later place never goes with an earlier one.
class TextMatch {
public:
    TextMatch() = default;
    TextMatch(const QString& a, const QString& b);
    qsizetype inB(qsizetype a) const { return across(a, true); }
    qsizetype inA(qsizetype b) const { return across(b, false); }

private:
    struct Anchor {
        qsizetype a, b;
    };
    qsizetype across(qsizetype at, bool fromA) const;
    std::vector<Anchor> m_anchors{{0, 0}};
};

} // namespace pl::ui

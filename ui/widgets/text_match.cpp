// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/text_match.h"

#include <algorithm>

#include "core/text/diff.h"

namespace pl::ui {

namespace {

constexpr qsizetype kLeast = 12; ///< shorter stretches agree by chance

/// UTF-16 units before growing byte offsets.
class Walk {
public:
    explicit Walk(const QString& text) : m_text(text) {}
    qsizetype to(size_t target) {
        while (m_byte < target && m_at < m_text.size()) {
            const QChar c = m_text[m_at];
            const bool pair = c.isHighSurrogate() && m_at + 1 < m_text.size();
            m_byte += pair ? 4 : c.unicode() < 0x80 ? 1 : c.unicode() < 0x800 ? 2 : 3;
            m_at += pair ? 2 : 1;
        }
        return m_at;
    }

private:
    const QString& m_text;
    size_t m_byte = 0;
    qsizetype m_at = 0;
};

} // namespace

TextMatch::TextMatch(const QString& a, const QString& b) {
    const QByteArray bytesA = a.toUtf8(), bytesB = b.toUtf8();
    Walk inA(a), inB(b);
    for (const text::DiffSegment& segment : text::diffWords({bytesA.constData(), static_cast<size_t>(bytesA.size())},
                                                            {bytesB.constData(), static_cast<size_t>(bytesB.size())})) {
        if (segment.kind != text::DiffKind::Equal)
            continue;
        const Anchor from{inA.to(segment.aBegin), inB.to(segment.bBegin)};
        const Anchor to{inA.to(segment.aEnd), inB.to(segment.bEnd)};
        if (to.a - from.a < kLeast)
            continue;
        m_anchors.push_back(from);
        m_anchors.push_back(to);
    }
    m_anchors.push_back({a.size(), b.size()});
}

qsizetype TextMatch::across(qsizetype at, bool fromA) const {
    const auto key = [&](const Anchor& anchor) { return fromA ? anchor.a : anchor.b; };
    const auto value = [&](const Anchor& anchor) { return fromA ? anchor.b : anchor.a; };
    const auto after = std::upper_bound(m_anchors.begin(), m_anchors.end(), at,
                                        [&](qsizetype place, const Anchor& anchor) { return place < key(anchor); });
    if (after == m_anchors.begin())
        return value(m_anchors.front());
    const Anchor& from = *(after - 1);
    if (after == m_anchors.end())
        return value(from);
    const qsizetype long1 = key(*after) - key(from), long2 = value(*after) - value(from);
    return value(from) + (long1 ? (at - key(from)) * long2 / long1 : 0);
}

} // namespace pl::ui

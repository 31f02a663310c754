// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/shown_text.h"

#include <algorithm>

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

bool isHidden(char32_t u) {
    if (u < 0x20)
        return u != '\n' && u != '\t';
    return u == 0x7f || (u >= 0x80 && u < 0xa0) || u == 0xad || u == 0x34f || u == 0x61c || u == 0x115f || u == 0x1160 ||
           u == 0x17b4 || u == 0x17b5 || u == 0x180e || u == 0x200b || u == 0x200e || u == 0x200f || (u >= 0x2028 && u <= 0x202e) ||
           (u >= 0x2060 && u <= 0x206f) || u == 0x3164 || u == 0xfeff || u == 0xffa0 || (u >= 0xfff0 && u <= 0xfffc) ||
           (u >= 0xe0000 && u <= 0xe0fff);
}

QString mark(char32_t c) {
    return u"⟨U+%1⟩"_s.arg(uint(c), 4, 16, QChar(u'0')).toUpper();
}

/// Where to cut a string so that no surrogate pair is split.
qsizetype safeCut(QStringView text, qsizetype at) {
    return at > 0 && at < text.size() && text[at].isLowSurrogate() ? at - 1 : at;
}

} // namespace

ShownText::ShownText(const QString& source, const TextLimits& limits, qsizetype folded) {
    QStringView text = source;
    QString tail;
    if (text.size() > limits.maxChars) {
        const qsizetype cut = safeCut(text, limits.maxChars);
        tail = u"\n… %1 more characters are not shown"_s.arg(text.size() - cut);
        text.truncate(cut);
    }
    m_text.reserve(text.size() + 64);
    m_map.assign(static_cast<size_t>(source.size()) + 1, 0);
    qsizetype i = 0;
    if (folded > 0) {
        i = safeCut(text, std::min(folded, text.size()));
        m_text = u"… %1 characters the same\n"_s.arg(codePointsBefore(source, i));
    }
    int line = 0;
    for (; i < text.size(); ++i) {
        const QChar c = text[i];
        m_map[static_cast<size_t>(i)] = m_text.size();
        if (c == u'\r' && i + 1 < text.size() && text[i + 1] == u'\n')
            continue;
        char32_t point = c.unicode();
        const bool pair = c.isHighSurrogate() && i + 1 < text.size() && text[i + 1].isLowSurrogate();
        if (pair)
            point = QChar::surrogateToUcs4(c, text[i + 1]);
        if (isHidden(point)) {
            m_text += mark(point);
            line += 8;
        } else if (pair) {
            m_text += c;
            m_text += text[i + 1];
            line += 2;
        } else {
            m_text += c;
            line = c == u'\n' ? 0 : line + 1;
        }
        if (pair) {
            ++i;
            m_map[static_cast<size_t>(i)] = isHidden(point) ? m_map[static_cast<size_t>(i) - 1] : m_text.size() - 1;
        }
        // Layout of one endless line is quadratic: break it, at a place that splits no character.
        if (line >= limits.maxLine) {
            m_text += u'\n';
            line = 0;
        }
    }
    std::fill(m_map.begin() + i, m_map.end(), m_text.size());
    m_text += tail;
}

qsizetype ShownText::shownAt(qsizetype source) const {
    return m_map[static_cast<size_t>(std::clamp<qsizetype>(source, 0, static_cast<qsizetype>(m_map.size()) - 1))];
}

qsizetype ShownText::sourceAt(qsizetype shown) const {
    const auto after = std::upper_bound(m_map.begin(), m_map.end(), std::max<qsizetype>(0, shown));
    const auto at = after == m_map.begin() ? m_map.begin() : after - 1;
    // Of several at one place the first: a line end of two characters stands as one.
    return std::lower_bound(m_map.begin(), m_map.end(), *at) - m_map.begin();
}

QString safeText(const QString& text, const TextLimits& limits) {
    return ShownText(text, limits).text();
}

int64_t codePointsBefore(const QString& text, qsizetype utf16) {
    int64_t points = 0;
    for (qsizetype i = 0; i < std::min(utf16, text.size()); ++i)
        points += !(text[i].isLowSurrogate() && i > 0 && text[i - 1].isHighSurrogate());
    return points;
}

qsizetype utf16Of(const QString& text, int64_t codePoints) {
    qsizetype i = 0;
    for (; i < text.size() && codePoints > 0; --codePoints)
        i += text[i].isHighSurrogate() && i + 1 < text.size() && text[i + 1].isLowSurrogate() ? 2 : 1;
    return i;
}

qsizetype commonBeginning(const QString& a, const QString& b, qsizetype least) {
    const qsizetype most = std::min(a.size(), b.size());
    qsizetype same = 0;
    while (same < most && a[same] == b[same])
        ++same;
    const auto back = [&](auto&& ends) {
        for (qsizetype at = same; at >= least && at > same - 400; --at)
            if (at > 0 && ends(at))
                return at;
        return qsizetype{0};
    };
    const qsizetype line = back([&](qsizetype at) { return a[at - 1] == u'\n'; });
    if (line)
        return line;
    const qsizetype sentence = back([&](qsizetype at) {
        return at > 1 && a[at - 1].isSpace() && (a[at - 2] == u'.' || a[at - 2] == u'!' || a[at - 2] == u'?');
    });
    return sentence ? sentence : back([&](qsizetype at) { return a[at - 1].isSpace(); });
}

} // namespace pl::ui

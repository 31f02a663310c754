// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/label/region_tools.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <QKeyEvent>
#include <QMouseEvent>
#include <QTextBoundaryFinder>

#include "ui/shell/context.h"
#include "ui/shell/marks.h"
#include "ui/widgets/image_view.h"
#include "ui/widgets/shown_text.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr int kStepOnScreen = 16; ///< logical pixels
constexpr int kMostOwn = 6;       ///< digits 4 to 9

Side other(Side side) {
    return side == Side::A ? Side::B : Side::A;
}
QString name(Side side) {
    return side == Side::A ? u"A"_s : u"B"_s;
}

/// Words are found as line breaking does, so that texts without blanks have some, too.
std::vector<std::array<qsizetype, 2>> wordsIn(const QString& text) {
    std::vector<std::array<qsizetype, 2>> words;
    QTextBoundaryFinder finder(QTextBoundaryFinder::Word, text);
    for (qsizetype from = 0, to = 0; (to = finder.toNextBoundary()) > 0; from = to) {
        const auto part = QStringView(text).mid(from, to - from);
        if (std::any_of(part.begin(), part.end(), [](QChar c) { return c.isLetterOrNumber() || c.isSurrogate(); }))
            words.push_back({from, to});
    }
    return words;
}

} // namespace

RegionTools::RegionTools(PairView* view, QObject* parent) : QObject(parent), m_view(view), m_tag(QString::fromLatin1(desk::kRegionTags[0])) {
    m_view->images()->installEventFilter(this);
    m_view->promptPane()->installEventFilter(this);
    m_view->promptPane()->viewport()->installEventFilter(this);
}

void RegionTools::setOwnTags(const QStringList& tags) {
    m_own.clear();
    for (const QString& tag : tags)
        if (m_own.size() < kMostOwn && !tag.isEmpty() && tag.toUtf8().size() <= 40)
            m_own.append(tag);
}
void RegionTools::setKeys(const QString& hide) {
    m_hideKey = hide;
}

void RegionTools::showPair(const Pair& pair, const Json& given) {
    leave();
    m_pair = pair;
    m_at = {QPoint(-1, -1), QPoint(-1, -1)};
    m_side = Side::A;
    m_unread = {};
    m_words.clear();
    if (!pair.comparison) {
        m_unread = given;
        return;
    }
    m_words = wordsIn(m_view->lastTurn());
    m_word = 0;
    if (!given.is_null()) {
        const std::string& a = pair.aOnLeft ? pair.left : pair.right;
        const std::string& b = pair.aOnLeft ? pair.right : pair.left;
        if (const auto read = desk::regionsOf(given, a, b, pair.prompt)) {
            if (!m_kept.contains(now()))
                m_kept[now()] = *read;
        } else {
            m_unread = given;
        }
    }
    refresh();
}

Json RegionTools::payload() const {
    const Kept kept = m_kept.value(now());
    if (!m_pair.comparison || (kept[0].empty() && kept[1].empty()))
        return m_unread;
    const std::string &a = m_pair.aOnLeft ? m_pair.left : m_pair.right, &b = m_pair.aOnLeft ? m_pair.right : m_pair.left;
    return desk::regionsPayload(kept[0], a, kept[1], b, m_pair.prompt);
}

// --- on and off --------------------------------------------------------------------------------------------------------

void RegionTools::start() {
    leave();
    if (!m_pair.comparison)
        return;
    ImageView* images = m_view->images();
    const Side first = images->pixelSize(Side::A).isEmpty() ? Side::B : Side::A;
    if (images->pixelSize(first).isEmpty())
        return Q_EMIT said(State::Info, images->isLoading() ? u"The images are still read"_s : u"Neither image can be shown: there is nothing to mark"_s);
    if (m_view->showsTurns())
        m_view->toggleTurns();
    images->setMarksHidden(false);
    m_tool = Tool::Regions;
    m_from.reset();
    take(images->pixelSize(m_side).isEmpty() ? first : m_side);
    takeFocus();
}

void RegionTools::leave() {
    if (std::exchange(m_tool, Tool::None) == Tool::None)
        return;
    m_from.reset();
    m_pressed.reset();
    refresh();
    Q_EMIT left();
}

void RegionTools::take(Side side) {
    const QSize size = m_view->images()->pixelSize(side);
    if (size.isEmpty())
        return Q_EMIT said(State::Info, u"%1 cannot be shown: there is nothing to mark on it"_s.arg(name(side)));
    m_side = side;
    m_from.reset();
    if (at(side).x() < 0)
        at(side) = {size.width() / 2, size.height() / 2};
    refresh();
}

void RegionTools::turnTo(Tool tool) {
    if (tool == Tool::Words && m_words.empty())
        return Q_EMIT said(State::Info, u"The prompt has no words"_s);
    m_tool = tool;
    m_from.reset();
    if (tool == Tool::Words)
        m_view->setPromptCollapsed(false);
    takeFocus(); // the tool is set: the event of the focus changes nothing
    refresh();
}

void RegionTools::takeFocus() {
    if (m_tool == Tool::Words)
        m_view->promptPane()->setFocus();
    else if (m_tool == Tool::Regions)
        m_view->images()->setFocus();
}

void RegionTools::toggleHidden() {
    ImageView* images = m_view->images();
    images->setMarksHidden(!images->marksHidden());
    Q_EMIT said(State::Info, images->marksHidden() ? u"Marks are hidden; %1 shows them"_s.arg(m_hideKey) : u"Marks are shown"_s);
    refresh();
}

// --- regions -------------------------------------------------------------------------------------------------------------

int RegionTools::coarseStep() const {
    const ImageView* images = m_view->images();
    const double scale = images->imageRect(m_side).width() / std::max(1, images->pixelSize(m_side).width());
    return scale > 0 ? std::max(1, static_cast<int>(kStepOnScreen / scale)) : 1;
}

QRect RegionTools::area() const {
    const QPoint now = m_at[static_cast<size_t>(m_side)], from = m_from.value_or(now);
    return QRect(QPoint(std::min(from.x(), now.x()), std::min(from.y(), now.y())),
                 QPoint(std::max(from.x(), now.x()), std::max(from.y(), now.y())));
}

void RegionTools::move(int dx, int dy, bool extends) {
    const QSize size = m_view->images()->pixelSize(m_side);
    if (size.isEmpty())
        return;
    QPoint& now = at(m_side);
    if (!extends)
        m_from.reset();
    else if (!m_from)
        m_from = now;
    now = {std::clamp(now.x() + dx, 0, size.width() - 1), std::clamp(now.y() + dy, 0, size.height() - 1)};
    m_view->images()->bringIntoSight(m_side, now);
    refresh();
}

void RegionTools::put(const QString& tag) {
    const QSize size = m_view->images()->pixelSize(m_side);
    if (size.isEmpty())
        return Q_EMIT said(State::Info, u"%1 cannot be shown: there is nothing to mark on it"_s.arg(name(m_side)));
    m_tag = tag;
    desk::ImageMarks& here = marks(m_side);
    here.width = size.width();
    here.height = size.height();
    const QRect box = area();
    const size_t before = here.regions.size();
    desk::ImageRegion region{box.x(), box.y(), m_from ? box.width() : 0, m_from ? box.height() : 0, sstr(tag)};
    const bool known = std::any_of(here.regions.begin(), here.regions.end(), [&](const auto& each) { return each.sameArea(region); });
    desk::putRegion(here.regions, std::move(region));
    if (!known && here.regions.size() == before)
        return Q_EMIT said(State::Warning, u"%1 has as many marks as it can have: %2"_s.arg(name(m_side)).arg(before));
    m_view->images()->setMarksHidden(false);
    refresh();
}

void RegionTools::takeLast() {
    auto& regions = marks(m_side).regions;
    if (regions.empty())
        return Q_EMIT said(State::Info, u"There is no mark on %1"_s.arg(name(m_side)));
    regions.pop_back();
    refresh();
}

void RegionTools::takeHere() {
    const QPoint now = at(m_side);
    if (!std::erase_if(marks(m_side).regions, [&](const desk::ImageRegion& each) { return each.covers(now.x(), now.y()); }))
        return Q_EMIT said(State::Info, u"There is no mark where the cross is"_s);
    refresh();
}

void RegionTools::mirror() {
    const Side there = other(m_side);
    const QSize from = m_view->images()->pixelSize(m_side), to = m_view->images()->pixelSize(there);
    if (marks(m_side).regions.empty() || to.isEmpty())
        return Q_EMIT said(State::Info, to.isEmpty() ? u"%1 cannot be shown: there is nothing to mark on it"_s.arg(name(there))
                                                     : u"There is no mark on %1"_s.arg(name(m_side)));
    desk::ImageRegion region = marks(m_side).regions.back();
    // Of two sizes the same part of the picture, not the same pixels.
    const auto scaled = [](int64_t begin, int64_t extent, int old, int now, int64_t& at, int64_t& length) {
        const int64_t first = begin * now / old, last = (begin + std::max<int64_t>(1, extent)) * now / old;
        at = std::min<int64_t>(first, now - 1);
        if (extent > 0)
            length = std::max<int64_t>(1, last - at);
    };
    scaled(region.x, region.width, from.width(), to.width(), region.x, region.width);
    scaled(region.y, region.height, from.height(), to.height(), region.y, region.height);
    desk::ImageMarks& other = marks(there);
    other.width = to.width();
    other.height = to.height();
    desk::putRegion(other.regions, std::move(region));
    Q_EMIT said(State::Done, u"The last mark of %1 is on %2, too"_s.arg(name(m_side), name(there)));
    refresh();
}

QString RegionTools::tagOf(int key) const {
    switch (key) {
    case Qt::Key_A:
    case Qt::Key_1: return QString::fromLatin1(desk::kRegionTags[0]);
    case Qt::Key_M:
    case Qt::Key_2: return QString::fromLatin1(desk::kRegionTags[1]);
    case Qt::Key_G:
    case Qt::Key_3: return QString::fromLatin1(desk::kRegionTags[2]);
    default: return key >= Qt::Key_4 && key <= Qt::Key_9 ? m_own.value(key - Qt::Key_4) : QString();
    }
}

bool RegionTools::regionKey(int key, Qt::KeyboardModifiers modifiers) {
    const bool extends = modifiers & Qt::ShiftModifier, fine = modifiers & Qt::ControlModifier;
    const int step = fine ? 1 : coarseStep();
    switch (key) {
    case Qt::Key_Left: move(-step, 0, extends); return true;
    case Qt::Key_Right: move(step, 0, extends); return true;
    case Qt::Key_Up: move(0, -step, extends); return true;
    case Qt::Key_Down: move(0, step, extends); return true;
    default: break;
    }
    if (fine && key == Qt::Key_Z) {
        takeLast();
        return true;
    }
    if (fine)
        return false;
    switch (key) {
    case Qt::Key_Return:
    case Qt::Key_Enter: put(m_tag); return true;
    case Qt::Key_Backspace: takeLast(); return true;
    case Qt::Key_Delete: takeHere(); return true;
    case Qt::Key_D: mirror(); return true;
    default: break;
    }
    if (const QString tag = tagOf(key); !tag.isEmpty()) {
        put(tag);
        return true;
    }
    return false;
}

// --- words ---------------------------------------------------------------------------------------------------------------

void RegionTools::strike(qsizetype word) {
    const QString text = m_view->lastTurn();
    const auto& [begin, end] = m_words[static_cast<size_t>(word)];
    desk::toggleStruck(marks(m_side).struck, codePointsBefore(text, begin), codePointsBefore(text, end));
    refresh();
}

bool RegionTools::wordKey(int key) {
    const auto last = static_cast<qsizetype>(m_words.size()) - 1;
    switch (key) {
    case Qt::Key_Left: m_word = std::max<qsizetype>(0, m_word - 1); break;
    case Qt::Key_Right: m_word = std::min(last, m_word + 1); break;
    case Qt::Key_Home: m_word = 0; break;
    case Qt::Key_End: m_word = last; break;
    case Qt::Key_Space:
    case Qt::Key_Return:
    case Qt::Key_Enter: strike(m_word); return true;
    case Qt::Key_Backspace: {
        auto& struck = marks(m_side).struck;
        if (struck.empty())
            Q_EMIT said(State::Info, u"No word is struck for %1"_s.arg(name(m_side)));
        else
            struck.pop_back();
        break;
    }
    default: return false;
    }
    refresh();
    return true;
}

// --- keys and mouse --------------------------------------------------------------------------------------------------------

bool RegionTools::key(int key, Qt::KeyboardModifiers modifiers) {
    const Qt::KeyboardModifiers held = modifiers & ~Qt::KeypadModifier;
    if (m_tool == Tool::None || key == Qt::Key_Question || (key >= Qt::Key_F1 && key <= Qt::Key_F35) || (held & Qt::AltModifier))
        return false;
    if (key == Qt::Key_Escape) {
        leave();
        return true;
    }
    if (key == Qt::Key_Tab || key == Qt::Key_Backtab) {
        take(other(m_side));
        return true;
    }
    if (key == Qt::Key_W && held == Qt::NoModifier) {
        turnTo(m_tool == Tool::Words ? Tool::Regions : Tool::Words);
        return true;
    }
    return m_tool == Tool::Words ? held == Qt::NoModifier && wordKey(key) : regionKey(key, held);
}

bool RegionTools::mouse(QEvent* event) {
    ImageView* images = m_view->images();
    const auto* mouse = static_cast<QMouseEvent*>(event);
    switch (event->type()) {
    case QEvent::MouseButtonPress:
    case QEvent::MouseButtonDblClick: {
        if (mouse->button() != Qt::LeftButton)
            return false;
        // In the difference both are in one place: the side that the keys are on is meant.
        const Side under = images->mode() == ImageMode::Difference && !images->isFlipped() ? m_side : images->sideUnder(mouse->position());
        if (m_tool == Tool::Words)
            turnTo(Tool::Regions);
        if (under != m_side)
            take(under);
        if (!images->imageRect(m_side).contains(mouse->position()) || under != m_side) {
            if (under == m_side)
                Q_EMIT said(State::Info, u"That is beside the image"_s);
            return true;
        }
        m_from.reset();
        at(m_side) = images->pixelOf(m_side, mouse->position());
        m_pressed = at(m_side);
        refresh();
        return true;
    }
    case QEvent::MouseMove: {
        if (!m_pressed)
            return false;
        at(m_side) = images->pixelOf(m_side, mouse->position());
        m_from = at(m_side) == *m_pressed ? std::nullopt : m_pressed;
        refresh();
        return true;
    }
    case QEvent::MouseButtonRelease:
        if (!m_pressed || mouse->button() != Qt::LeftButton)
            return false;
        m_pressed.reset();
        put(m_tag);
        return true;
    default: return false;
    }
}

bool RegionTools::promptMouse(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton)
        return false;
    if (event->type() != QEvent::MouseButtonRelease)
        return true; // no selection while words are struck
    TextPane* pane = m_view->promptPane();
    pane->setTextCursor(pane->cursorForPosition(event->position().toPoint()));
    const qsizetype here = pane->selectedSource().first - m_view->turnsBefore();
    turnTo(Tool::Words);
    for (size_t i = 0; i < m_words.size(); ++i)
        if (m_words[i][0] <= here && here <= m_words[i][1]) {
            m_word = static_cast<qsizetype>(i);
            strike(m_word);
            break;
        }
    return true;
}

bool RegionTools::eventFilter(QObject* watched, QEvent* event) {
    if (m_tool == Tool::None)
        return false;
    if (watched == m_view->promptPane()->viewport()) {
        switch (event->type()) {
        case QEvent::MouseButtonPress:
        case QEvent::MouseButtonDblClick:
        case QEvent::MouseButtonRelease: return promptMouse(static_cast<QMouseEvent*>(event));
        default: return false;
        }
    }
    const bool prompt = watched == m_view->promptPane();
    if (event->type() == QEvent::FocusIn) {
        if (prompt && m_tool == Tool::Regions && !m_words.empty()) {
            m_tool = Tool::Words;
            refresh();
        } else if (!prompt && m_tool == Tool::Words) {
            m_tool = Tool::Regions;
            refresh();
        }
        return false;
    }
    if (event->type() == QEvent::KeyPress) {
        const auto* press = static_cast<QKeyEvent*>(event);
        const int code = press->key();
        const bool moves = code == Qt::Key_Left || code == Qt::Key_Right || code == Qt::Key_Up || code == Qt::Key_Down;
        if (press->isAutoRepeat() && !moves)
            return false; // + and - may, the page knows
        return key(code, press->modifiers());
    }
    return !prompt && mouse(event);
}

// --- what is shown -----------------------------------------------------------------------------------------------------------

void RegionTools::refresh() {
    if (!m_pair.comparison) {
        Q_EMIT changed();
        return;
    }
    ImageView* images = m_view->images();
    const Kept kept = m_kept.value(now());
    const QString text = m_view->lastTurn();
    QStringList counts, missing;
    QList<TextMark> words;
    for (const Side side : {Side::A, Side::B}) {
        const desk::ImageMarks& said = kept[contentOf(side)];
        QList<ImageMark> marks;
        for (const desk::ImageRegion& region : said.regions)
            marks.append(imageMarkOf(region));
        images->setImageMarks(side, marks);
        if (!marks.isEmpty())
            counts.append(u"%1 %2"_s.arg(name(side), marks.size() == 1 ? u"1 mark"_s : u"%1 marks"_s.arg(marks.size())));
        for (const auto& [begin, end] : said.struck)
            if (m_tool == Tool::None || side == m_side)
                words.append({utf16Of(text, begin), utf16Of(text, end), MarkStyle::Struck});
        if (const QString struck = struckWords(said, text); !struck.isEmpty())
            missing.append(u"not in %1: %2"_s.arg(name(side), struck));
    }
    if (m_tool == Tool::Words) {
        const auto& [begin, end] = m_words[static_cast<size_t>(m_word)];
        words.prepend({begin, end, MarkStyle::Current});
        missing.prepend(u"striking words that %1 does not show"_s.arg(name(m_side)));
    }
    m_view->setPromptMarks(words, missing.join(u"   "_s));
    if (images->marksHidden() && !counts.isEmpty())
        counts.append(u"hidden, %1 shows them"_s.arg(m_hideKey));
    if (!m_unread.is_null())
        counts.append(u"marks of another form, not drawn"_s);
    if (m_tool == Tool::Regions) {
        const QPoint at = m_at[static_cast<size_t>(m_side)];
        const QRect box = area();
        counts.prepend(m_from ? u"marking %1 at %2, %3: %4 × %5"_s.arg(name(m_side)).arg(box.x()).arg(box.y()).arg(box.width()).arg(box.height())
                              : u"marking %1 at %2, %3"_s.arg(name(m_side)).arg(at.x()).arg(at.y()));
        images->setPlace(ImagePlace{m_side, at, m_from ? std::optional(box) : std::nullopt});
    } else {
        images->setPlace({});
    }
    images->setNote(counts.join(u", "_s));
    Q_EMIT changed();
}

QList<KeyHint> RegionTools::hints() const {
    QList<KeyHint> out;
    const auto add = [&](const QString& key, const QString& words, int group, int code, const QString& tip, int side = 0) {
        out.append({key, words, group, side, code, tip});
    };
    const Side there = other(m_side);
    if (m_tool == Tool::Words) {
        add(u"← →"_s, u"word"_s, 0, 0, u"The word before, the next one"_s);
        add(u"Space"_s, u"strike"_s, 1, Qt::Key_Space, u"This image does not show that word; again: it does. A click on a word does the same"_s);
        add(u"Tab"_s, u"words of %1"_s.arg(name(there)), 2, Qt::Key_Tab, u"What the other image does not show"_s, m_side == Side::A ? 2 : 1);
        add(u"W"_s, u"back to regions"_s, 2, Qt::Key_W, u"Points and boxes on the image"_s);
        add(u"Esc"_s, u"done"_s, 3, Qt::Key_Escape, u"Back to the votes; what is marked stays"_s);
        return out;
    }
    if (m_tool != Tool::Regions)
        return out;
    add(u"← ↑ ↓ →"_s, u"move"_s, 0, 0, u"The cross; with Ctrl by one pixel. A click puts a point, a drag a box"_s);
    add(u"Shift"_s, u"box"_s, 0, 0, u"Shift and an arrow: a box from here on, with Ctrl by one pixel"_s);
    const QString puts = u"Puts this mark where the cross or the box is; on the same place it changes the tag"_s;
    add(u"A"_s, u"× artifact"_s, 1, Qt::Key_A, puts);
    add(u"M"_s, u"≠ misaligned"_s, 1, Qt::Key_M, puts);
    add(u"G"_s, u"✓ good"_s, 1, Qt::Key_G, puts);
    for (qsizetype i = 0; i < m_own.size(); ++i)
        add(QString::number(4 + i), safeText(m_own[i]), 1, Qt::Key_4 + static_cast<int>(i), puts);
    add(u"Enter"_s, safeText(m_tag) + u" again"_s, 1, Qt::Key_Return, u"Puts the tag that was put last"_s);
    add(u"Backspace"_s, u"last away"_s, 2, Qt::Key_Backspace, u"Takes the last mark of this image away; Delete those under the cross"_s);
    add(u"Tab"_s, u"image %1"_s.arg(name(there)), 2, Qt::Key_Tab, u"Marks go on the other image"_s, m_side == Side::A ? 2 : 1);
    add(u"W"_s, u"words"_s, 2, Qt::Key_W, u"Strike words of the prompt that this image does not show"_s);
    add(u"Esc"_s, u"done"_s, 3, Qt::Key_Escape, u"Back to the votes; what is marked stays"_s);
    add(u"D"_s, u"on both"_s, 3, Qt::Key_D, u"The last mark on the same part of the other image, too"_s);
    return out;
}

} // namespace pl::ui

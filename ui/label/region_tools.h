// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <QHash>
#include <QList>
#include <QObject>
#include <QPoint>
#include <QStringList>

#include "core/desk/domain/image_marks.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/image_marks.h"
#include "ui/widgets/key_strip.h"
#include "ui/widgets/pair_view.h"

class QMouseEvent;

namespace pl::ui {

/// What is marked on a pair of images instead of voting on it: points and boxes with a tag, and words of the prompt that an image does
/// not show. While it is on it has the keys; looking keys (modes, zoom) stay the page's. Marks belong to the pair until its vote is
/// given, with which they are stored; a hidden repeat begins with none.
class RegionTools : public QObject {
    Q_OBJECT
public:
    enum class Tool { None, Regions, Words };
    RegionTools(PairView* view, QObject* parent);

    /// A pair of images as the store knows it.
    struct Pair {
        qint64 comparison = 0; ///< 0: none, or one of texts
        bool aOnLeft = true;
        std::string prompt;    ///< as stored
        std::string left, right; ///< Candidate::sha of the images
        int repeat = 0;          ///< 0: the pair's own vote; else the repeats of a sitting, each another number
    };
    /// `given`: the marks of its vote, if it has one. Of a pair of texts: comparison 0.
    void showPair(const Pair& pair, const Json& given);
    /// Tags beside artifact, misaligned and good, for the digits from 4 on: the task's reasons, or its attributes.
    void setOwnTags(const QStringList& tags);
    /// What shows and hides the marks, for the words about it.
    void setKeys(const QString& hide);

    Tool tool() const { return m_tool; }
    bool isOn() const { return m_tool != Tool::None; }
    /// Says why when there is nothing to mark.
    void start();
    /// To what is marked, image or words, while it is on.
    void takeFocus();
    /// Esc: what is marked stays.
    void leave();
    /// A key while the tool is on; false: the page may look with it.
    bool key(int key, Qt::KeyboardModifiers modifiers);
    QList<KeyHint> hints() const;
    void toggleHidden();
    /// The marks as they are stored with a vote, in content space.
    Json payload() const;
    Side side() const { return m_side; }
    /// How far an arrow goes: about the same on the screen at every scale, a pixel at least.
    int coarseStep() const;

Q_SIGNALS:
    void changed(); ///< tool, keys or marks
    void left();    ///< the focus goes back to the page
    void said(pl::ui::State state, const QString& words);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    using Kept = std::array<desk::ImageMarks, 2>; ///< a, b: a pair that comes back may have its sides swapped
    std::pair<qint64, int> now() const { return {m_pair.comparison, m_pair.repeat}; }
    size_t contentOf(Side side) const { return (side == Side::A) == m_pair.aOnLeft ? 0 : 1; }
    desk::ImageMarks& marks(Side side) { return m_kept[now()][contentOf(side)]; }
    QPoint& at(Side side) { return m_at[static_cast<size_t>(side)]; }
    QRect area() const; ///< of the region that Enter would put
    void take(Side side);
    void move(int dx, int dy, bool extends);
    void put(const QString& tag);
    void takeLast();
    void takeHere();
    void mirror();
    void strike(qsizetype word);
    bool regionKey(int key, Qt::KeyboardModifiers modifiers);
    bool wordKey(int key);
    bool mouse(QEvent* event);
    bool promptMouse(QMouseEvent* event);
    void turnTo(Tool tool);
    QString tagOf(int key) const;
    void refresh();

    PairView* m_view;
    Tool m_tool = Tool::None;
    Pair m_pair;
    Side m_side = Side::A;
    std::array<QPoint, 2> m_at;
    std::optional<QPoint> m_from; ///< where a box began
    std::optional<QPoint> m_pressed; ///< by the mouse
    QString m_tag;
    QStringList m_own;
    QString m_hideKey;
    std::vector<std::array<qsizetype, 2>> m_words; ///< of the prompt, UTF-16
    qsizetype m_word = 0;
    Json m_unread; ///< the vote's marks, of a form that cannot be drawn: they stay its own until others are put
    QHash<std::pair<qint64, int>, Kept> m_kept;
};

} // namespace pl::ui

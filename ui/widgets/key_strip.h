// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QList>
#include <QString>
#include <QWidget>

namespace pl::ui {

struct KeyHint {
    QString key;   ///< "S", "Space", "Ctrl+K"
    QString label; ///< "much better"
    int group = 0; ///< hints of one group stand together, groups are divided by a line
    int side = 0;  ///< 1 draws the label in A's colour, 2 in B's
    int code = 0;  ///< the Qt::Key, for a click on the hint
    QString tip{}; ///< what it does, in more words; the tooltip names the key before it
    bool between = false; ///< its neighbours say what it is: where room is short it stands without its label
};

/// The legend of the keys that work now. It shows exactly the list it was given. Where room is short the hints move
/// together, then "? all keys" is "?" alone, then labels go that a reader can do without; what still does not fit is
/// dropped from the end. A tooltip says of each which key it is and what it does.
class KeyStrip : public QWidget {
    Q_OBJECT
public:
    explicit KeyStrip(QWidget* parent = nullptr);
    void setHints(const QList<KeyHint>& hints);
    const QList<KeyHint>& hints() const { return m_hints; }
    /// How many hints fit the present width.
    int visibleHints() const;
    void setCentered(bool centered);
    /// The tooltip there: the key and what it does; empty between hints.
    QString tipAt(const QPoint& at) const;
    /// Where a hint is drawn; empty when it does not fit.
    QRect hintRect(int index) const;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

Q_SIGNALS:
    /// "? all keys" was clicked.
    void allKeysRequested();
    void hintClicked(int index);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Cell {
        int hint;
        QRect key, label;
        int divider;
    };
    QList<Cell> layOut(QRect* more) const;
    /// From 0, with all the room a hint likes, to 3.
    QList<Cell> place(int tightness, QRect* more) const;
    QList<KeyHint> m_hints;
    bool m_centered = true;
};

} // namespace pl::ui

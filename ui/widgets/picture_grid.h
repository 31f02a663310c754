// SPDX-License-Identifier: GPL-3.0-or-later
// Many pictures at once: rows with a title, columns with a head, only what is seen is read.
#pragma once

#include <functional>
#include <optional>

#include <QAbstractScrollArea>
#include <QPoint>
#include <QString>

#include "ui/widgets/image_loader.h"
#include "ui/widgets/pair_view.h"

namespace pl::ui {

/// A picture in its place.
struct Picture {
    QString path;    ///< empty: there is none here
    QString caption; ///< one line below it
    std::optional<Side> side; ///< framed and tagged in this side's colour
    QString tag;     ///< beside the letter: "chosen"
};

/// What a grid shows, asked for as it is painted.
struct PictureTable {
    int rows = 0, columns = 0;
    std::function<QString(int row)> title;     ///< untrusted; several lines
    std::function<QString(int row)> detail;    ///< below the title
    std::function<QString(int column)> head;   ///< two lines at most
    std::function<Picture(int row, int column)> cell;
};

/// Pictures in rows and columns; titles and heads stay where they are while the rest scrolls. Small pictures are enlarged with
/// their pixels as squares. Arrows move, Enter, Space or a click opens. However many rows there are, no more
/// is kept than the loader's cache holds.
class PictureGrid : public QAbstractScrollArea {
    Q_OBJECT
public:
    /// The loader outlives the grid.
    explicit PictureGrid(ImageLoader* loader, QWidget* parent = nullptr);

    /// The current place stays as far as the table has it.
    void setTable(PictureTable table);
    const PictureTable& table() const { return m_table; }
    /// A cell's content changed: paint anew.
    void refresh();
    int currentRow() const { return m_row; }
    int currentColumn() const { return m_column; }
    void setCurrent(int row, int column);
    /// What is said of the current place to who cannot see it.
    QString currentWords() const;
    /// Where a cell's picture lies in the viewport; may be outside of what is seen.
    QRect pictureRect(int row, int column) const;
    /// Keys that are not the grid's own go there while it is shown (an image view).
    void setKeyTarget(QWidget* target) { m_target = target; }

Q_SIGNALS:
    void currentChanged(int row, int column);
    void opened(int row, int column);
    void closed(); ///< Escape

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void keyReleaseEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void changeEvent(QEvent* event) override;
    void showEvent(QShowEvent* event) override;
    bool viewportEvent(QEvent* event) override;

private:
    int headHeight() const;
    int titleWidth() const;
    int cellWidth() const;
    int thumb() const; ///< what is read of a larger picture
    int rowHeight() const;
    QRect cellRect(int row, int column) const;
    QPoint placeAt(const QPoint& point) const; ///< x: column, y: row; -1 outside
    void layOut();
    void reveal();
    void drawCell(QPainter& p, int row, int column) const;

    ImageLoader* m_loader;
    PictureTable m_table;
    QWidget* m_target = nullptr;
    int m_side = 0; ///< of a picture's box
    int m_row = 0, m_column = 0, m_headLines = 1;
};

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>
#include <optional>

#include <QWidget>

#include "ui/widgets/picture_grid.h"

class QSplitter;

namespace pl::ui {

class ElidedLabel;
class ImageView;
class TextLabel;

/// Two pictures of a grid to be put on one view.
struct PicturePair {
    QString id, pathA, pathB;
    QString tagA, tagB; ///< "A", "B" when empty
    QString title;      ///< which two they are
};

/// A grid of pictures, and below or beside it the two that were opened on one view (side, wipe, difference, flip as on the Label
/// page). The view's keys work from the grid; moving there changes the two; Escape closes the view.
class PictureBrowser : public QWidget {
    Q_OBJECT
public:
    /// The loader outlives the browser. Vertical: the view is below the grid.
    PictureBrowser(ImageLoader* loader, Qt::Orientation orientation, QWidget* parent = nullptr);

    PictureGrid* grid() const { return m_grid; }
    ImageView* view() const { return m_view; }
    /// Which two belong to a place; without an answer `why` says so instead of a view.
    void setPairs(std::function<std::optional<PicturePair>(int row, int column)> pairs, const QString& why);
    /// The table or what belongs together changed.
    void refresh();
    void openPair();
    void closePair();
    bool isPairOpen() const;
    QString pairTitle() const;

Q_SIGNALS:
    void openChanged(bool open);

private:
    void showPair();

    std::function<std::optional<PicturePair>(int, int)> m_pairs;
    QString m_why;
    QSplitter* m_splitter;
    PictureGrid* m_grid;
    QWidget* m_card;
    ElidedLabel* m_title;
    ImageView* m_view;
    TextLabel* m_none;
};

} // namespace pl::ui

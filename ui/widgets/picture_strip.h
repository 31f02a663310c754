// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QList>
#include <QWidget>

#include "ui/widgets/picture_grid.h"

namespace pl::ui {

/// A few pictures with their captions (up to three lines), as many beside each other as there is room for.
class PictureStrip : public QWidget {
    Q_OBJECT
public:
    /// The loader outlives the strip. `side`: of a picture's box, logical pixels.
    PictureStrip(ImageLoader* loader, int side, QWidget* parent = nullptr);
    void setPictures(QList<Picture> pictures);
    const QList<Picture>& pictures() const { return m_pictures; }

    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    bool event(QEvent* event) override;

private:
    int perLine(int width) const;
    int cellHeight() const;
    int thumb() const; ///< what is read of a larger picture
    QRect boxAt(qsizetype index) const;

    ImageLoader* m_loader;
    QList<Picture> m_pictures;
    int m_side;
};

} // namespace pl::ui

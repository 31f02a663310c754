// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <optional>

#include <QList>
#include <QString>
#include <QWidget>

#include "ui/widgets/image_loader.h"
#include "ui/widgets/image_marks.h"
#include "ui/widgets/pair_view.h"

namespace pl::ui {

class ImageGeometry;

/// How two images are put before the eyes.
enum class ImageMode { Side, Wipe, Difference, Blink };
QString imageModeWord(ImageMode mode); ///< "Side by side"

enum class DifferenceKind { Absolute, Signed, Luminance };

/// Two images in one of several modes that share one view (zoom, place, offset), which stays from pair to pair. Each side
/// has its letter and its colour in every mode. From 200 % on pixels are squares. A file that cannot be shown leaves its
/// reason in its place. Votes are the page's business.
class ImageView : public QWidget {
    Q_OBJECT
public:
    /// The loader outlives the view.
    explicit ImageView(ImageLoader* loader, QWidget* parent = nullptr);
    ~ImageView() override;

    /// Files to read; what is in the loader's cache is painted at once. `id` comes back with painted().
    void setPair(const QString& id, const QString& pathA, const QString& pathB);
    QString pairId() const;
    void clear();

    ImageMode mode() const;
    void setMode(ImageMode mode);
    /// F3 pressed: on, then absolute, signed, luminance in turn.
    void nextDifference();
    DifferenceKind differenceKind() const;
    void setDifferenceKind(DifferenceKind kind);
    int gain() const;
    void setGain(int gain); ///< 1, 2, 4 ... 64
    /// Where the wipe is, 0..1 of the width.
    double split() const;
    void setSplit(double split);
    /// While held, every place shows the other image (in Difference: one of the two, in turn).
    void setFlipped(bool held);
    bool isFlipped() const;
    /// 2 Hz; under reduced motion every call of nextBlink() shows the other one instead.
    void nextBlink();
    Side blinkSide() const;
    /// "side", "wipe", "difference", "blink"; "flip" when the pair was flipped in place side by side.
    QString viewName() const;

    const ImageGeometry& geometry() const;
    bool isFit() const;
    /// 1 is a pixel of A on a pixel of the screen.
    double zoom() const;
    void setZoom(double zoom);
    void zoomStep(bool larger);
    void fit(); ///< whole, and without an offset
    void actualSize(); ///< 1:1, or fit when it is 1:1 already
    void panBy(const QPointF& logical);
    /// Both move together, B as far off as it is; unlocked only the one under the pointer does.
    bool isLocked() const;
    void setLocked(bool locked);

    /// "A" and "B" by default (model names only where the task reveals them).
    void setTags(const QString& a, const QString& b);
    /// A word beside the tag, e.g. "unacceptable"; empty hides it.
    void setMark(Side side, const QString& word);
    /// 160 ms tint of the chosen side; nothing moves; nothing under reduced motion.
    void flash(bool a, bool b);

    /// Drawn over the image in every mode, at every scale; until the next pair. With the letter of the side where both are in one place.
    void setImageMarks(Side side, const QList<ImageMark>& marks);
    const QList<ImageMark>& imageMarks(Side side) const;
    void setMarksHidden(bool hidden);
    bool marksHidden() const;
    /// Where the keys are while regions are marked; nullopt: nowhere.
    void setPlace(const std::optional<ImagePlace>& place);
    const std::optional<ImagePlace>& place() const;
    /// Before what the line below says; empty hides it.
    void setNote(const QString& words);
    /// The image that a point of the widget shows; in Difference B.
    Side sideUnder(const QPointF& point) const;
    /// Of the file, in pixels; empty while it cannot be shown.
    QSize pixelSize(Side side) const;
    /// The pixel of the side's file there, the nearest one for a point beside it.
    QPoint pixelOf(Side side, const QPointF& point) const;
    /// Pans as little as it takes.
    void bringIntoSight(Side side, const QPoint& pixel);

    /// Off on the Label page, where the page's keys rule.
    void setOwnKeys(bool on);

    /// Steady clock, ns, when both images of the pair had been on the screen; 0 before.
    qint64 paintedAt() const;
    bool isLoading() const;
    /// Why this side is not shown; empty when it is, or is still read.
    QString problem(Side side) const;
    /// Where the whole image lies in the widget (logical pixels), in the pane that shows this side.
    QRectF imageRect(Side side) const;
    /// The pixel of the side's file under a point of the widget; outside the file for a point beside it.
    QPointF pixelAt(Side side, const QPointF& at) const;
    /// The line below: mode, scale, sizes, and what is under the pointer.
    QString statusText() const;
    QString readoutText() const;

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

Q_SIGNALS:
    void painted(const QString& id, qint64 steadyNs);
    void modeChanged(pl::ui::ImageMode mode);
    void viewMoved();

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void keyReleaseEvent(QKeyEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace pl::ui

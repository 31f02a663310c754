// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/image_view.h"

#include <algorithm>
#include <cmath>

#include <QEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>

#include "ui/theme/theme.h"
#include "ui/widgets/image_view_private.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kBlinkMs = 250;   ///< each image; both in half a second
constexpr int kPatienceMs = 300; ///< before it says that it reads
constexpr int kNudge = 48;
constexpr double kSplitStep = 0.05;
constexpr int kWheelStep = 120;
constexpr int kMostGain = 64;
} // namespace

ImageView::ImageView(ImageLoader* loader, QWidget* parent) : QWidget(parent), d(std::make_unique<Private>(this, loader)) {
    setMouseTracking(true);
    setFocusPolicy(Qt::TabFocus);
    d->blink.setInterval(kBlinkMs);
    connect(&d->blink, &QTimer::timeout, this, [this] {
        d->blinking = other(d->blinking);
        update();
    });
    d->wait.setSingleShot(true);
    d->wait.setInterval(kPatienceMs);
    connect(&d->wait, &QTimer::timeout, this, [this] {
        d->waiting = true;
        update();
    });
    connect(loader, &ImageLoader::loaded, this, [this](const QString& path, int side, const ImagePtr& image) {
        if (side != 0 || d->ready())
            return;
        for (size_t i = 0; i < 2; ++i)
            if (!d->images[i] && d->paths[i] == path)
                d->images[i] = image;
        if (d->ready())
            d->take();
    });
    d->animation.setStartValue(1.0);
    d->animation.setEndValue(0.0);
    connect(&d->animation, &QVariantAnimation::valueChanged, this, [this](const QVariant& v) {
        for (size_t i = 0; i < 2; ++i)
            d->tint[i] = d->flashing[i] ? v.toDouble() : 0;
        update();
    });
    d->describe();
}

ImageView::~ImageView() = default;

// --- the pair ----------------------------------------------------------------------------------------------------------

void ImageView::setPair(const QString& id, const QString& pathA, const QString& pathB) {
    d->id = id;
    d->paths = {pathA, pathB};
    d->images = {};
    d->marks = {};
    d->drawn = {};
    d->keysAt.reset();
    d->note.clear();
    d->paintedAt = 0;
    d->seen = {false, false};
    d->flippedThisPair = d->flipped;
    d->blinking = Side::A;
    d->waiting = false;
    // An offset was found by eye for one pair; the view of both goes on to the next.
    d->geometry.clearOffset();
    d->images[0] = d->loader->get(pathA);
    d->images[1] = d->loader->get(pathB);
    if (d->ready()) {
        d->take();
    } else {
        d->wait.start();
        d->touched();
    }
}

void ImageView::Private::take() {
    wait.stop();
    waiting = false;
    const auto size = [](const ImagePtr& image) { return image->ok() ? QSizeF(image->image.size()) : QSizeF(); };
    geometry.setSizes(size(images[0]), size(images[1]));
    geometry.pan({}, room());
    blinking = Side::A;
    restartBlink();
    touched();
}

void ImageView::Private::touched() {
    difference = {};
    describe();
    q->update();
    Q_EMIT q->viewMoved();
}

QString ImageView::pairId() const {
    return d->id;
}
void ImageView::clear() {
    d->id.clear();
    d->paths = {};
    d->images = {};
    d->marks = {};
    d->drawn = {};
    d->keysAt.reset();
    d->note.clear();
    d->seen = {true, true};
    d->paintedAt = 0;
    d->wait.stop();
    d->touched();
}
bool ImageView::isLoading() const {
    return !d->id.isEmpty() && !d->ready();
}
QString ImageView::problem(Side side) const {
    const ImagePtr& image = d->images[at(side)];
    return image ? image->problem : QString();
}
qint64 ImageView::paintedAt() const {
    return d->paintedAt;
}

// --- modes -------------------------------------------------------------------------------------------------------------

ImageMode ImageView::mode() const {
    return d->mode;
}
void ImageView::setMode(ImageMode mode) {
    if (mode == d->mode)
        return;
    d->mode = mode;
    d->blinking = Side::A;
    d->geometry.pan({}, d->room());
    d->restartBlink();
    d->touched();
    Q_EMIT modeChanged(mode);
}

DifferenceKind ImageView::differenceKind() const {
    return d->kind;
}
void ImageView::setDifferenceKind(DifferenceKind kind) {
    d->kind = kind;
    d->touched();
}
void ImageView::nextDifference() {
    if (d->mode == ImageMode::Difference)
        setDifferenceKind(static_cast<DifferenceKind>((static_cast<int>(d->kind) + 1) % 3));
    setMode(ImageMode::Difference);
}
int ImageView::gain() const {
    return d->gain;
}
void ImageView::setGain(int gain) {
    d->gain = std::clamp(gain, 1, kMostGain);
    d->touched();
}
double ImageView::split() const {
    return d->split;
}
void ImageView::setSplit(double split) {
    d->split = std::clamp(split, 0.0, 1.0);
    update();
}

void ImageView::setFlipped(bool held) {
    if (held == d->flipped)
        return;
    d->flipped = held;
    d->flippedThisPair = d->flippedThisPair || held;
    if (held)
        d->plain = other(d->plain);
    update();
}
bool ImageView::isFlipped() const {
    return d->flipped;
}

void ImageView::Private::restartBlink() {
    // Under reduced motion nothing changes by itself: the key does it.
    if (mode == ImageMode::Blink && motionMs() > 0 && q->isVisible())
        blink.start();
    else
        blink.stop();
}
void ImageView::nextBlink() {
    if (d->mode != ImageMode::Blink) {
        setMode(ImageMode::Blink);
    } else if (motionMs() > 0) {
        setMode(ImageMode::Side);
    } else {
        d->blinking = other(d->blinking);
        update();
    }
}
Side ImageView::blinkSide() const {
    return d->shownIn(0);
}

QString ImageView::viewName() const {
    switch (d->mode) {
    case ImageMode::Wipe: return u"wipe"_s;
    case ImageMode::Difference: return u"difference"_s;
    case ImageMode::Blink: return u"blink"_s;
    case ImageMode::Side: break;
    }
    return d->flippedThisPair ? u"flip"_s : u"side"_s;
}

// --- the view of both --------------------------------------------------------------------------------------------------

const ImageGeometry& ImageView::geometry() const {
    return d->geometry;
}
bool ImageView::isFit() const {
    return d->geometry.isFit();
}
double ImageView::zoom() const {
    return d->geometry.scale(d->room());
}
void ImageView::setZoom(double zoom) {
    const QPointF from = d->pointer && d->paneAt(*d->pointer) >= 0 ? d->fromMiddle(*d->pointer) : QPointF();
    if (!d->locked && d->pointer)
        d->geometry.zoomSide(d->sideAt(*d->pointer), zoom / this->zoom(), from, d->room());
    else
        d->geometry.zoomTo(zoom, from, d->room());
    d->touched();
}
void ImageView::zoomStep(bool larger) {
    setZoom(ImageGeometry::nextStop(zoom(), larger));
}
void ImageView::fit() {
    d->geometry.fit();
    d->touched();
}
void ImageView::actualSize() {
    if (!isFit() && std::abs(zoom() - 1) < 1e-6) {
        fit();
        return;
    }
    d->geometry.zoomTo(1, d->pointer && d->paneAt(*d->pointer) >= 0 ? d->fromMiddle(*d->pointer) : QPointF(), d->room());
    d->touched();
}
void ImageView::panBy(const QPointF& logical) {
    if (!d->locked && d->pointer)
        d->geometry.panSide(d->sideAt(*d->pointer), logical * d->dpr(), d->room());
    else
        d->geometry.pan(logical * d->dpr(), d->room());
    d->touched();
}
bool ImageView::isLocked() const {
    return d->locked;
}
void ImageView::setLocked(bool locked) {
    d->locked = locked;
    d->describe();
    update();
}

QRectF ImageView::imageRect(Side side) const {
    int index = 0;
    if (d->mode == ImageMode::Side)
        index = d->shownIn(0) == side ? 0 : 1;
    return d->place(side, index);
}
QPointF ImageView::pixelAt(Side side, const QPointF& point) const {
    return d->geometry.pixelAt(side, d->fromMiddle(point), d->room());
}
QString ImageView::readoutText() const {
    return d->readout();
}

// --- tags, tint --------------------------------------------------------------------------------------------------------

void ImageView::setTags(const QString& a, const QString& b) {
    d->tags = {a, b};
    update();
}
void ImageView::setMark(Side side, const QString& word) {
    d->marks[at(side)] = word;
    update();
}
void ImageView::flash(bool a, bool b) {
    d->animation.stop();
    d->tint = {};
    update();
    if (motionMs() <= 0)
        return;
    d->flashing = {a, b};
    d->animation.setDuration(motionMs());
    d->animation.start();
}
void ImageView::setOwnKeys(bool on) {
    d->ownKeys = on;
}

// --- events ------------------------------------------------------------------------------------------------------------

QSize ImageView::sizeHint() const {
    return {px(Size::PaneMax), px(Size::PaneMax) / 2};
}
QSize ImageView::minimumSizeHint() const {
    return {2 * px(Size::TileMin), px(Size::TileMin)};
}

void ImageView::paintEvent(QPaintEvent*) {
    QPainter p(this);
    d->paint(p);
    p.end();
    if (d->paintedAt || !d->ready() || !d->seen[0] || !d->seen[1] || d->id.isEmpty())
        return;
    d->paintedAt = steadyNow();
    // Leave the paint event first: a listener may change the pair.
    QMetaObject::invokeMethod(
        this, [this, shown = d->id, ns = d->paintedAt] { Q_EMIT painted(shown, ns); }, Qt::QueuedConnection);
}

void ImageView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    d->geometry.pan({}, d->room());
    d->touched();
}

void ImageView::wheelEvent(QWheelEvent* event) {
    d->pointer = event->position();
    d->wheel += event->angleDelta().y();
    for (; d->wheel >= kWheelStep; d->wheel -= kWheelStep)
        zoomStep(true);
    for (; d->wheel <= -kWheelStep; d->wheel += kWheelStep)
        zoomStep(false);
    event->accept();
}

void ImageView::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton && event->button() != Qt::MiddleButton)
        return QWidget::mousePressEvent(event);
    d->pointer = event->position();
    d->drag = event->position();
    setCursor(Qt::ClosedHandCursor);
    update();
}

void ImageView::mouseMoveEvent(QMouseEvent* event) {
    const QPointF now = event->position();
    if (d->drag) {
        const QPointF by = now - *d->drag;
        // Where the drag began says which image is meant while they are unlocked.
        panBy(by);
        d->drag = now;
        if (d->locked || d->mode == ImageMode::Side)
            d->pointer = now;
        return;
    }
    d->pointer = now;
    if (d->mode == ImageMode::Wipe && d->inner(0).adjusted(-2, 0, 2, 0).contains(now))
        d->split = std::clamp((now.x() - d->inner(0).left()) / std::max(1.0, d->inner(0).width()), 0.0, 1.0);
    update();
}

void ImageView::mouseReleaseEvent(QMouseEvent* event) {
    d->drag.reset();
    d->pointer = event->position();
    unsetCursor();
    update();
}

void ImageView::mouseDoubleClickEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton)
        return;
    d->pointer = event->position();
    actualSize();
}

void ImageView::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    if (!d->drag)
        d->pointer.reset();
    update();
}

void ImageView::keyPressEvent(QKeyEvent* event) {
    const Qt::KeyboardModifiers held = event->modifiers() & ~Qt::KeypadModifier;
    const bool shift = held == Qt::ShiftModifier;
    if (!d->ownKeys || (held != Qt::NoModifier && !shift)) {
        event->ignore();
        return;
    }
    const auto nudge = [&](double x, double y) {
        if (d->mode == ImageMode::Wipe && shift && x != 0)
            setSplit(d->split - x * kSplitStep);
        else
            panBy(QPointF(x, y) * kNudge);
    };
    switch (event->key()) {
    case Qt::Key_Left: return nudge(1, 0);
    case Qt::Key_Right: return nudge(-1, 0);
    case Qt::Key_Up: return nudge(0, 1);
    case Qt::Key_Down: return nudge(0, -1);
    case Qt::Key_Plus:
    case Qt::Key_Equal: return zoomStep(true);
    case Qt::Key_Minus: return zoomStep(false);
    default: break;
    }
    if (event->isAutoRepeat()) {
        event->accept();
        return;
    }
    switch (event->key()) {
    case Qt::Key_F1: return setMode(ImageMode::Side);
    case Qt::Key_F2: return setMode(ImageMode::Wipe);
    case Qt::Key_F3: return nextDifference();
    case Qt::Key_F5: return nextBlink();
    case Qt::Key_V: return setFlipped(true);
    case Qt::Key_Z: return actualSize();
    case Qt::Key_Home: return fit();
    case Qt::Key_C: return setLocked(!d->locked);
    case Qt::Key_R: return setMarksHidden(!d->marksHidden);
    case Qt::Key_Comma: return setGain(d->gain / 2);
    case Qt::Key_Period: return setGain(d->gain * 2);
    default: event->ignore();
    }
}

void ImageView::keyReleaseEvent(QKeyEvent* event) {
    if (d->ownKeys && event->key() == Qt::Key_V) {
        if (!event->isAutoRepeat())
            setFlipped(false);
        return;
    }
    event->ignore();
}

void ImageView::focusOutEvent(QFocusEvent* event) {
    QWidget::focusOutEvent(event);
    setFlipped(false); // the release goes to somebody else
}
void ImageView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    d->restartBlink();
}
void ImageView::hideEvent(QHideEvent* event) {
    QWidget::hideEvent(event);
    d->blink.stop();
    setFlipped(false);
}
void ImageView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange)
        d->touched();
}

} // namespace pl::ui

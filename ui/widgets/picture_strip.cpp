// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/picture_strip.h"

#include <algorithm>

#include <QHelpEvent>
#include <QPainter>
#include <QPaintEvent>
#include <QToolTip>

#include "ui/theme/theme.h"
#include "ui/widgets/image_paint.h"
#include "ui/widgets/text_paint.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
constexpr int kLines = 3; ///< of a caption
} // namespace

PictureStrip::PictureStrip(ImageLoader* loader, int side, QWidget* parent) : QWidget(parent), m_loader(loader), m_side(side) {
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    connect(loader, &ImageLoader::loaded, this, [this](const QString&, int read) {
        if (read == thumb())
            update();
    });
}

void PictureStrip::setPictures(QList<Picture> pictures) {
    m_pictures = std::move(pictures);
    QStringList words;
    for (const Picture& each : m_pictures)
        words.append((each.tag.isEmpty() ? QString() : each.tag + u": "_s) + each.caption);
    setAccessibleDescription(words.join(u". "_s));
    updateGeometry();
    update();
}

int PictureStrip::perLine(int width) const {
    return std::max(1, (width + px(Size::GapM)) / (m_side + px(Size::GapM)));
}
int PictureStrip::thumb() const {
    return thumbSide(m_side * devicePixelRatioF());
}
int PictureStrip::cellHeight() const {
    return m_side + px(Size::Grid) + kLines * lineHeight(TextStyle::Caption) + px(Size::GapS);
}
QRect PictureStrip::boxAt(qsizetype index) const {
    const int n = perLine(width());
    return {static_cast<int>(index) % n * (m_side + px(Size::GapM)), static_cast<int>(index) / n * cellHeight(), m_side, m_side};
}
int PictureStrip::heightForWidth(int width) const {
    const int n = perLine(width);
    return (static_cast<int>(m_pictures.size()) + n - 1) / n * cellHeight();
}
QSize PictureStrip::sizeHint() const {
    return {2 * m_side + px(Size::GapM), heightForWidth(2 * m_side + px(Size::GapM))};
}
QSize PictureStrip::minimumSizeHint() const {
    return {m_side, cellHeight()};
}

void PictureStrip::paintEvent(QPaintEvent* event) {
    QPainter p(this);
    for (qsizetype i = 0; i < m_pictures.size(); ++i) {
        const QRect box = boxAt(i);
        if (!event->rect().intersects(box.adjusted(-2, -2, 2, cellHeight() - m_side))) // nothing is read that is not seen
            continue;
        const Picture& picture = m_pictures[i];
        paintPicture(p, box, m_loader->get(picture.path, thumb()));
        if (picture.side) {
            paintFrame(p, box, color(*picture.side == Side::A ? Tone::SideA : Tone::SideB), 0);
            paintTag(p, box.topLeft(), false, *picture.side, picture.tag, {});
        }
        paintText(p, QRect(box.left(), box.bottom() + 1 + px(Size::Grid), box.width(), kLines * lineHeight(TextStyle::Caption)),
                  picture.caption, TextStyle::Caption, Tone::Second, kLines);
    }
}

bool PictureStrip::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    QString tip;
    for (qsizetype i = 0; i < m_pictures.size(); ++i)
        if (boxAt(i).adjusted(0, 0, 0, cellHeight() - m_side).contains(help->pos())) {
            const ImagePtr image = m_loader->cached(m_pictures[i].path, thumb());
            tip = image && !image->ok() ? image->problem : m_pictures[i].caption;
        }
    QToolTip::showText(help->globalPos(), tip.toHtmlEscaped(), this);
    return true;
}

} // namespace pl::ui

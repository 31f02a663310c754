// SPDX-License-Identifier: GPL-3.0-or-later
// The two sides of a pair of texts, for pair_view.cpp.
#pragma once

#include <algorithm>

#include <QFrame>
#include <QHBoxLayout>
#include <QPainter>
#include <QVBoxLayout>

#include "ui/theme/theme.h"
#include "ui/widgets/basics.h"
#include "ui/widgets/pair_view.h"
#include "ui/widgets/text_pane.h"

namespace pl::ui {

/// The letter of a side, in its colour.
class SideTag : public QWidget {
public:
    explicit SideTag(Side side) : m_side(side), m_text(side == Side::A ? QStringLiteral("A") : QStringLiteral("B")) {
        setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    }
    void setText(const QString& text) {
        m_text = text;
        updateGeometry();
        update();
    }
    QSize sizeHint() const override {
        const int height = lineHeight(TextStyle::Body) + px(Size::Grid);
        const QFontMetrics metrics(textFont(TextStyle::Body));
        return {std::max(height, metrics.horizontalAdvance(m_text) + 2 * px(Size::GapS)), height};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter p(this);
        p.setRenderHint(QPainter::Antialiasing);
        p.setPen(Qt::NoPen);
        p.setBrush(color(m_side == Side::A ? Tone::SideA : Tone::SideB));
        p.drawRoundedRect(rect(), 4, 4);
        p.setPen(color(Tone::Surface));
        p.setFont(textFont(TextStyle::Body));
        p.drawText(rect(), Qt::AlignCenter, m_text);
    }

private:
    Side m_side;
    QString m_text;
};

/// Surface with a line, and the tint of a vote over it.
class SideFrame : public QFrame {
public:
    explicit SideFrame(Side side) : m_side(side) {
        setLook(this, "pane");
        auto* column = new QVBoxLayout(this);
        column->setContentsMargins(1, px(Size::GapS), 1, 1);
        column->setSpacing(px(Size::GapS));
        auto* head = new QHBoxLayout;
        head->setContentsMargins(px(Size::GapL), 0, px(Size::GapL), 0);
        head->setSpacing(px(Size::GapS));
        tag = new SideTag(side);
        markLabel = new TextLabel({}, TextStyle::Caption, Tone::Error);
        note = new TextLabel({}, TextStyle::Caption, Tone::Hint);
        head->addWidget(tag);
        head->addWidget(markLabel);
        head->addStretch(1);
        head->addWidget(note);
        column->addLayout(head);
        pane = new TextPane;
        pane->setAccessibleName(side == Side::A ? QStringLiteral("Answer A") : QStringLiteral("Answer B"));
        column->addWidget(pane, 1);
        setMaximumWidth(px(Size::PaneMax));
    }

    void setTint(double strength) {
        m_strength = strength;
        update();
    }
    double tint() const { return m_strength; }

    void setCover(QWidget* widget) {
        if (cover)
            cover->deleteLater();
        cover = widget;
        pane->setVisible(!cover);
        if (!cover)
            return;
        layout()->addWidget(cover);
        cover->show(); // now, so that it can take the focus
    }

    SideTag* tag;
    TextLabel *markLabel, *note;
    TextPane* pane;
    QWidget* cover = nullptr;

protected:
    void paintEvent(QPaintEvent* event) override {
        QFrame::paintEvent(event);
        if (m_strength <= 0)
            return;
        QPainter p(this);
        p.setRenderHint(QPainter::Antialiasing);
        const QColor c = color(m_side == Side::A ? Tone::SideA : Tone::SideB);
        p.setPen(QPen(mix(color(Tone::Line), c, m_strength), 2));
        p.setBrush(mix(color(Tone::Surface), c, 0.18 * m_strength));
        p.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), px(Size::Radius), px(Size::Radius));
    }

private:
    Side m_side;
    double m_strength = 0;
};

} // namespace pl::ui

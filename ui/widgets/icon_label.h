// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <utility>

#include <QLabel>
#include <QPainter>

#include "ui/theme/theme.h"

namespace pl::ui {

/// An icon in a label, `px` device-independent pixels a side. It is painted anew each time, so it follows the theme.
class IconLabel : public QLabel {
public:
    IconLabel(QString name, Tone tone, int px) : m_name(std::move(name)), m_tone(tone), m_px(px) { setFixedSize(px, px); }
    void set(const QString& name, Tone tone) {
        m_name = name;
        m_tone = tone;
        update();
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter p(this);
        themeIcon(m_name, m_tone).paint(&p, QRect(0, 0, m_px, m_px));
    }

private:
    QString m_name;
    Tone m_tone;
    int m_px;
};

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QtWidgets>

/// What a page shows, found as a person or a screen reader finds it: by words.
namespace fixture {

/// Of labels and buttons that are visible within the page.
inline QStringList texts(QWidget& page) {
    QStringList all;
    for (const QLabel* label : page.findChildren<QLabel*>())
        if (label->isVisibleTo(&page))
            all.append(label->text());
    for (const QAbstractButton* button : page.findChildren<QAbstractButton*>())
        if (button->isVisibleTo(&page))
            all.append(button->text());
    return all;
}
inline bool shows(QWidget& page, const QString& part) {
    return texts(page).join(u'\n').contains(part);
}
template<class B = QPushButton>
B* button(QWidget& page, const QString& text) {
    for (B* b : page.findChildren<B*>())
        if (b->text() == text && b->isVisibleTo(&page))
            return b;
    return nullptr;
}
/// By its accessible name.
template<class W>
W* named(QWidget& page, const QString& name) {
    for (W* each : page.findChildren<W*>())
        if (each->accessibleName() == name)
            return each;
    return nullptr;
}

} // namespace fixture

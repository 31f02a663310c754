// SPDX-License-Identifier: GPL-3.0-or-later
#include "key_presser.h"

#include <chrono>
#include <cstdio>

#include <QApplication>
#include <QKeyEvent>
#include <QTimer>

#include "ui/label/label_page.h"
#include "ui/shell/main_window.h"

namespace pl::ui {

namespace {
constexpr int kLookMs = 2;
}

KeyPresser::KeyPresser(MainWindow& window, const QString& keys, int paceMs, int seconds)
    : QObject(&window)
    , m_window(window)
    , m_page(qobject_cast<LabelPage*>(window.page(page::kLabel.toString())))
    , m_keys(keys.toUpper())
    , m_paceMs(paceMs)
    , m_timer(new QTimer(this)) {
    if (!m_page || m_keys.isEmpty())
        return;
    connect(m_page, &LabelPage::saved, this, [this](qint64 comparison) {
        m_pressed = false;
        std::printf("ack %d comparison %lld\n", ++m_acknowledged, static_cast<long long>(comparison));
        std::fflush(stdout);
        if (m_leaving)
            leave();
    });
    m_timer->setInterval(kLookMs);
    connect(m_timer, &QTimer::timeout, this, &KeyPresser::look);
    m_timer->start();
    if (seconds > 0)
        QTimer::singleShot(std::chrono::seconds(seconds), this, [this] { leave(); });
}

void KeyPresser::leave() {
    // A vote on its way is acknowledged first, so that what is printed is what is stored.
    m_leaving = true;
    if (!m_pressed) {
        m_timer->stop();
        Q_EMIT leaving();
        m_window.close();
    }
}

void KeyPresser::look() {
    if (m_page->mode() == LabelPage::Mode::Done || m_page->mode() == LabelPage::Mode::Empty) {
        m_timer->stop();
        m_window.close();
        return;
    }
    if (m_pressed || m_leaving || !m_page->takesVotes() || (m_since.isValid() && m_since.elapsed() < m_paceMs))
        return;
    m_since.start();
    const QChar letter = m_keys[m_at++ % m_keys.size()];
    m_pressed = true;
    std::printf("key %d comparison %lld\n", m_acknowledged + 1,
                static_cast<long long>(m_page->currentComparison()));
    std::fflush(stdout);
    press(letter == u'_' ? int{Qt::Key_Space} : int{letter.unicode()});
}

void KeyPresser::press(int key) {
    QWidget* target = QApplication::focusWidget() ? QApplication::focusWidget() : m_page;
    QKeyEvent down(QEvent::KeyPress, key, Qt::NoModifier), up(QEvent::KeyRelease, key, Qt::NoModifier);
    QApplication::sendEvent(target, &down);
    QApplication::sendEvent(target, &up);
}

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QString>

class QTimer;

namespace pl::ui {

class LabelPage;
class MainWindow;

/// Presses keys on the Label page as a person would, one after the other and over again, each when the page
/// takes votes. Prints "key N comparison C" before each and "ack N comparison C" when the store has the vote
/// on disk. Ends the program when no pair is left.
class KeyPresser : public QObject {
    Q_OBJECT
public:
    /// `keys`: one letter a key, "_" for Space; only keys that vote. `paceMs`: at least so long between two; `seconds`: closes the
    /// window after so long (0: when no pair is left).
    KeyPresser(MainWindow& window, const QString& keys, int paceMs = 0, int seconds = 0);

Q_SIGNALS:
    /// The last vote is on disk; the window closes now.
    void leaving();

private:
    void look();
    void leave();
    void press(int key);

    MainWindow& m_window;
    LabelPage* m_page;
    QString m_keys;
    qsizetype m_at = 0;
    int m_paceMs, m_acknowledged = 0;
    QElapsedTimer m_since; ///< the last key
    bool m_pressed = false; ///< waiting for its acknowledgement
    bool m_leaving = false;
    QTimer* m_timer;
};

} // namespace pl::ui

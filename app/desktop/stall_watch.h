// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>

class QTimer;

namespace pl::ui {

/// Watches the thread it lives on (the window's) for the tests of endurance. A heartbeat of 10 ms: what is missing between two
/// beats, less the time the thread stood ready while the machine gave its processors to others (/proc/thread-self/schedstat) and what a host
/// took from a virtual machine (steal, /proc/stat), so that a busy machine is not taken for a stalled window, is time the thread was kept from its
/// events. Prints a line every 10 s and at
/// the end: "watch S s, stalls N, worst W ms (R ms with waiting), resident K kB"; a stall is 100 ms or more.
class StallWatch : public QObject {
    Q_OBJECT
public:
    explicit StallWatch(QObject* parent);
    /// Until then nothing is counted: a window that opens is not at work yet. Again: goes on.
    void start();
    /// A window that closes no longer is.
    void stop();
    ~StallWatch() override;
    static constexpr qint64 kStallNs = 100'000'000;

private:
    void beat();
    void print() const;

    QTimer* m_timer;
    qint64 m_began = 0, m_last = 0, m_waited = 0, m_stolen = 0, m_printed = 0;
    qint64 m_worst = 0, m_worstWithWaiting = 0;
    int m_stalls = 0;
};

} // namespace pl::ui

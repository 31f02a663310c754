// SPDX-License-Identifier: GPL-3.0-or-later
#include "stall_watch.h"

#include <cstdio>

#include <QTimer>

#include "core/base/hash.h"
#include "core/base/os/files.h"

namespace pl::ui {

namespace {

constexpr int kBeatMs = 10;
constexpr qint64 kPrintNs = 10'000'000'000;

/// Nanoseconds this thread was ready to run and did not; 0 where the system does not count them.
qint64 waitedNs() {
    const auto text = os::readFile("/proc/thread-self/schedstat");
    long long ran = 0, waited = 0;
    return text && std::sscanf(text->c_str(), "%lld %lld", &ran, &waited) == 2 ? waited : 0;
}

/// Nanoseconds the host gave to others while a processor of this machine wanted to run, of all of them together; counted in hundredths of
/// a second.
qint64 stolenNs() {
    const auto text = os::readFile("/proc/stat");
    long long user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    return text && std::sscanf(text->c_str(), "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &user, &nice, &system, &idle, &iowait, &irq, &softirq,
                               &steal) == 8
               ? steal * 10'000'000
               : 0;
}

long long residentKb() {
    const auto text = os::readFile("/proc/self/statm");
    long long all = 0, resident = 0;
    return text && std::sscanf(text->c_str(), "%lld %lld", &all, &resident) == 2 ? resident * 4 : 0;
}

} // namespace

StallWatch::StallWatch(QObject* parent)
    : QObject(parent)
    , m_timer(new QTimer(this)) {
    m_timer->setTimerType(Qt::PreciseTimer);
    m_timer->setInterval(kBeatMs);
    connect(m_timer, &QTimer::timeout, this, &StallWatch::beat);
}

void StallWatch::start() {
    if (m_timer->isActive())
        return;
    m_began = m_last = m_printed = monotonicNs();
    m_waited = waitedNs();
    m_stolen = stolenNs();
    m_timer->start();
}

StallWatch::~StallWatch() { print(); }

void StallWatch::stop() { m_timer->stop(); }

void StallWatch::beat() {
    const qint64 now = monotonicNs(), waited = waitedNs(), stolen = stolenNs();
    const qint64 missing = now - m_last - kBeatMs * qint64{1'000'000};
    const qint64 kept = missing - (waited - m_waited) - (stolen - m_stolen);
    m_last = now;
    m_waited = waited;
    m_stolen = stolen;
    m_worst = std::max(m_worst, kept);
    m_worstWithWaiting = std::max(m_worstWithWaiting, missing);
    if (kept >= kStallNs) {
        ++m_stalls;
        std::printf("stall %.0f ms at %.1f s\n", static_cast<double>(kept) * 1e-6, static_cast<double>(now - m_began) * 1e-9);
        std::fflush(stdout);
    }
    if (now - m_printed >= kPrintNs) {
        m_printed = now;
        print();
    }
}

void StallWatch::print() const {
    std::printf("watch %.1f s, stalls %d, worst %.1f ms (%.1f ms with waiting), resident %lld kB\n",
                static_cast<double>(m_last - m_began) * 1e-9, m_stalls, static_cast<double>(m_worst) * 1e-6,
                static_cast<double>(m_worstWithWaiting) * 1e-6, residentKb());
    std::fflush(stdout);
}

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <QFrame>
#include <QString>
#include <QWidget>

#include "ui/widgets/basics.h"

namespace pl::ui {

/// A number with what makes it a number: interval, n and who judged.
struct Estimate {
    double value = std::numeric_limits<double>::quiet_NaN();
    double low = std::numeric_limits<double>::quiet_NaN();
    double high = std::numeric_limits<double>::quiet_NaN();
    int64_t n = 0;
    QString judge;         ///< "your votes", "RM #12 (agrees 71 % of 140)", "gold rule concise"
    bool percent = false;  ///< show 0.64 as 64 %
    int minimumN = 30;     ///< below it: "too few (12)"
};
/// Decimals of an estimate: two significant digits of the interval's width decide.
int estimateDecimals(double low, double high);
struct EstimateText {
    QString value;    ///< "0.64", "too few (12)", "–"
    QString interval; ///< "[0.54, 0.73]" or empty
    QString basis;    ///< "n = 100 · your votes"
    bool shown = false; ///< false: no number may be shown
};
/// No interval, no n, no judge: no number.
EstimateText formatEstimate(const Estimate& estimate);
/// A plain number with about `digits` significant digits, "NaN" and "∞" spelt out; 12431 becomes "12,431".
QString formatNumber(double value, int digits = 4);
QString formatCount(int64_t value);
/// "42 s", "18 min", "3 h 05 min".
QString formatDuration(double seconds);

/// Caption, estimate, interval, n and judge. Fixed height whatever the content.
class Tile : public QFrame {
    Q_OBJECT
public:
    explicit Tile(const QString& caption, QWidget* parent = nullptr);
    void setEstimate(const Estimate& estimate);
    /// For facts that are counted, not estimated (votes, tokens/s).
    void setFact(const QString& value, const QString& basis = {});
    void setCaption(const QString& caption);
    QString valueText() const;
    QString intervalText() const;
    QString basisText() const;

private:
    TextLabel* m_caption;
    TextLabel* m_value;
    TextLabel* m_interval;
    ElidedLabel *m_basis, *m_judge;
};

/// A word-sized line of the last values; NaN breaks the line and leaves a mark.
class Sparkline : public QWidget {
    Q_OBJECT
public:
    explicit Sparkline(QWidget* parent = nullptr);
    void setValues(std::vector<double> values);
    void setColor(const QColor& color);
    QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    std::vector<double> m_values;
    std::optional<QColor> m_color;
};

/// A thin bar: progress known, unknown (moving unless motion is reduced), or stopped.
class ProgressLine : public QWidget {
    Q_OBJECT
public:
    explicit ProgressLine(QWidget* parent = nullptr);
    /// 0..1; NaN = unknown.
    void setValue(double fraction);
    double value() const { return m_value; }
    QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void timerEvent(QTimerEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    void updateTimer();
    double m_value = 0;
    double m_phase = 0;
    int m_timer = 0;
};

} // namespace pl::ui

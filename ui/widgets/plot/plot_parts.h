// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of LivePlot: tick labels, legend line and the cursor overlay. Not for pages.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <QColor>
#include <QPointF>
#include <QString>
#include <QWidget>

#include "ui/widgets/plot/series.h"

class QCPAxisTicker;
class QPainter;

namespace pl::ui {

/// "1.2k", "3M", "0.05" for a tick; seconds as "12 m", "1.5 h".
QString tickText(double value, XAxis axis);
QString axisName(XAxis axis);

struct LegendEntry {
    QString label;
    QColor color;
    bool dashed = false;
    bool visible = true;
    QString note; ///< "no token counts"
};

/// Samples and names in one line, or in two when one is too short; what does not fit is counted at the end ("+3"). A click
/// toggles.
class LegendBar : public QWidget {
    Q_OBJECT
public:
    explicit LegendBar(QWidget* parent = nullptr);
    void setEntries(std::vector<LegendEntry> entries);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return {0, sizeHint().height()}; }
    void draw(QPainter& painter, const QRect& rect) const;
    /// Entries that the present width cannot show.
    int hiddenEntries() const;
    /// One or two lines, by what `width` needs.
    int heightFor(int width) const;

Q_SIGNALS:
    void toggled(int entry);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    bool event(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    std::vector<QRect> layOut(const QRect& rect, int* hidden) const;
    std::vector<LegendEntry> m_entries;
};

struct CursorLine {
    QString label, value;
    QColor color;
    bool dashed = false;
    QPointF at;
};

/// Cursor line, dots and read-out above the chart: moving it costs no redraw of the curves.
class CursorOverlay : public QWidget {
    Q_OBJECT
public:
    explicit CursorOverlay(QWidget* parent);
    void setEmptyText(const QString& text, bool shown);
    void setCursorLines(double xPixel, const QRect& area, const QString& head, std::vector<CursorLine> lines,
                        const QString& alert);
    void hideCursor();

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_empty, m_head, m_alert;
    bool m_showEmpty = false, m_shown = false;
    double m_x = 0;
    QRect m_area;
    std::vector<CursorLine> m_lines;
};

} // namespace pl::ui

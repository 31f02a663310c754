// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <random>
#include <set>

#include <QtTest>
#include <QtWidgets>

#include "ui/theme/theme.h"
#include "ui/widgets/plot/live_plot.h"
#include "ui/widgets/plot/plot_grid.h"
#include "ui/widgets/plot/qcp.h"
#include "ui/widgets/plot/series.h"

using namespace pl::ui;
using namespace Qt::StringLiterals;

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
} // namespace

class TestPlot : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }
    void emaHasItsClosedForm();
    void emaPassesNonFiniteValuesThrough();
    void unevenStepsWeighByDistance();
    void smoothingIsAppendOnly();
    void treeFindsExtremesOfAnyRange();
    void decimationKeepsEveryExtreme();
    void pointsOutOfOrderAreSorted();
    void rewindForgetsWhatCameAfter();
    void nonFiniteValuesAreMarkedNotAveraged();
    void aMillionPointsAreDrawnFromFew();
    void drawsAtMostThirtyTimesASecond();
    void logAxisHidesNothingSilently();
    void cursorReadsEverySeries();
    void aSingleStepShowsItsInterval();
    void aSingleStepHasNoHalfBesideIt();
    void clickGivesTheStep();
    void zoomAndReset();
    void exportsEveryRawPoint();
    void savesPngAtTwiceTheSize();
    void emptyChartSaysSo();
    void seriesWithoutTokensIsNotDrawnAlongTokens();
    void gridLinksItsCursorsAndOpensMetricsOnDemand();
};

void TestPlot::emaHasItsClosedForm() {
    const std::vector<double> y = {1, 3, -2, 5, 5, 0.5, 7};
    const double w = 0.6;
    const auto out = smoothEma(y, w);
    for (size_t n = 0; n < y.size(); ++n) {
        double sum = 0, weights = 0;
        for (size_t i = 0; i <= n; ++i) {
            sum += std::pow(w, double(n - i)) * y[i];
            weights += std::pow(w, double(n - i));
        }
        QVERIFY(std::abs(out[n] - sum / weights) < 1e-12);
    }
    QCOMPARE(smoothEma({4, 4, 4}, 0.9), (std::vector<double>{4, 4, 4}));
    QCOMPARE(smoothEma(y, 0), y);
}

void TestPlot::emaPassesNonFiniteValuesThrough() {
    const auto out = smoothEma({1, kNan, 3, kInf, 5}, 0.5);
    const auto clean = smoothEma({1, 3, 5}, 0.5);
    QVERIFY(std::isnan(out[1]));
    QVERIFY(std::isinf(out[3]));
    QVERIFY(std::abs(out[0] - clean[0]) < 1e-12);
    QVERIFY(std::isfinite(out[4]) && out[4] > 3 && out[4] < 5);
}

void TestPlot::unevenStepsWeighByDistance() {
    // Two gaps at once weigh as two steps: w^2.
    Smoother smoother(0.5, 10);
    QCOMPARE(smoother.add(0, 1), 1.0);
    const double w = 0.25;
    QVERIFY(std::abs(smoother.add(20, 3) - (w * 0.5 * 1 + (1 - w) * 3) / (w * 0.5 + (1 - w))) < 1e-12);
}

void TestPlot::smoothingIsAppendOnly() {
    Series live, whole;
    live.setSmoothing(0.9);
    for (int i = 0; i < 500; ++i) {
        const PlotPoint p{double(i * 10), std::sin(i * 0.3)};
        live.append(p);
        whole.append(p);
    }
    whole.setSmoothing(0.9);
    QCOMPARE(live.smooth().values(), whole.smooth().values());
    QCOMPARE(live.smooth().size(), size_t(500));
}

void TestPlot::treeFindsExtremesOfAnyRange() {
    std::mt19937 rng(7);
    MinMaxTree tree;
    std::vector<double> y;
    for (int i = 0; i < 3000; ++i) {
        const double v = rng() % 50 == 0 ? kNan : double(rng() % 100000);
        y.push_back(v);
        tree.append(v);
    }
    for (int k = 0; k < 2000; ++k) {
        const size_t a = rng() % y.size(), b = a + rng() % (y.size() - a) + 1;
        double low = kInf, high = -kInf;
        for (size_t i = a; i < b; ++i)
            if (std::isfinite(y[i])) {
                low = std::min(low, y[i]);
                high = std::max(high, y[i]);
            }
        const auto range = tree.query(a, b);
        QCOMPARE(range.any, std::isfinite(low));
        if (range.any) {
            QVERIFY(range.min >= a && range.min < b && range.max >= a && range.max < b);
            QCOMPARE(y[range.min], low);
            QCOMPARE(y[range.max], high);
        }
    }
}

void TestPlot::decimationKeepsEveryExtreme() {
    std::vector<double> x;
    MinMaxTree y;
    std::set<size_t> spikes;
    for (size_t i = 0; i < 200000; ++i) {
        x.push_back(double(i));
        const bool spike = i % 997 == 500;
        if (spike)
            spikes.insert(i);
        y.append(spike ? (i % 2 ? 100 : -100) : std::sin(double(i)));
    }
    std::vector<double> edges;
    for (int px = 1; px < 800; ++px)
        edges.push_back(200000.0 * px / 800);
    const auto picks = decimate(x, y, 0, x.size(), edges);
    QVERIFY(picks.size() <= 4 * 800);
    QVERIFY(std::is_sorted(picks.begin(), picks.end()));
    for (const size_t s : spikes)
        QVERIFY(std::binary_search(picks.begin(), picks.end(), s));
    QCOMPARE(picks.front(), size_t(0));
    QCOMPARE(picks.back(), x.size() - 1);
}

void TestPlot::pointsOutOfOrderAreSorted() {
    Series s;
    for (const double step : {1.0, 5.0, 3.0, 2.0, 9.0})
        s.append({step, step * 10});
    QCOMPARE(s.x(XAxis::Step), (std::vector<double>{1, 2, 3, 5, 9}));
    QCOMPARE(s.raw().values(), (std::vector<double>{10, 20, 30, 50, 90}));
}

void TestPlot::rewindForgetsWhatCameAfter() {
    Series s;
    for (int i = 0; i < 100; ++i)
        s.append({double(i), i == 80 ? kNan : double(i)});
    s.rewindTo(49);
    QCOMPARE(s.size(), size_t(50));
    QVERIFY(s.nonFinite().empty());
    s.append({50, 1});
    QCOMPARE(s.size(), size_t(51));
}

void TestPlot::nonFiniteValuesAreMarkedNotAveraged() {
    LivePlot plot(u"loss"_s);
    plot.resize(500, 300);
    plot.show();
    const int s = plot.addSeries({u"run"_s});
    for (int i = 0; i < 50; ++i)
        plot.append(s, {double(i), i == 20 ? kNan : i == 35 ? kInf : 1.0});
    plot.setSmoothing(0.9);
    plot.redrawNow();
    QCOMPARE(plot.markerSteps(), (std::vector<double>{20, 35}));
    for (size_t i = 0; i < 50; ++i)
        if (i != 20 && i != 35)
            QVERIFY(std::abs(plot.series(s).smooth().values()[i] - 1.0) < 1e-12);
    // They are seen: pixels of the error colour at the bottom and the top of the chart.
    const QImage image = plot.toImage(1);
    int red = 0;
    for (int y = 0; y < image.height(); ++y)
        for (int x = 0; x < image.width(); ++x)
            red += image.pixelColor(x, y) == color(Tone::Error);
    QVERIFY2(red > 30, qPrintable(QString::number(red)));
}

void TestPlot::aMillionPointsAreDrawnFromFew() {
    LivePlot plot(u"loss"_s);
    plot.resize(1200, 600);
    plot.show();
    const int s = plot.addSeries({u"run"_s});
    std::vector<PlotPoint> points;
    for (int i = 0; i < 1000000; ++i)
        points.push_back({double(i), i == 777777 ? 50.0 : std::sin(i * 0.001)});
    plot.append(s, points);
    plot.redrawNow();
    const double ms = plot.redrawNow();
    QVERIFY2(plot.drawnPoints() <= 4 * 1200, qPrintable(QString::number(plot.drawnPoints())));
    QVERIFY2(ms < 250, qPrintable(QString::number(ms)));
    qInfo("one million points: %.1f ms a frame, %zu points drawn", ms, plot.drawnPoints());
    const auto readings = plot.readingsAt(777777);
    QCOMPARE(readings.front().y, 50.0);
}

void TestPlot::drawsAtMostThirtyTimesASecond() {
    LivePlot plot(u"loss"_s);
    plot.resize(400, 260);
    plot.show();
    QVERIFY(QTest::qWaitForWindowExposed(&plot));
    const int s = plot.addSeries({u"run"_s});
    const int before = plot.replotCount();
    QElapsedTimer timer;
    timer.start();
    int step = 0;
    while (timer.elapsed() < 400) {
        plot.append(s, {double(step++), 1.0 / (1 + step)});
        QCoreApplication::processEvents();
    }
    const int drawn = plot.replotCount() - before;
    QVERIFY2(drawn >= 1 && drawn <= 14, qPrintable(QString::number(drawn)));
    plot.hide();
    const int hidden = plot.replotCount();
    plot.append(s, {double(step), 1});
    QTest::qWait(100);
    QCOMPARE(plot.replotCount(), hidden);
}

void TestPlot::logAxisHidesNothingSilently() {
    LivePlot plot(u"kl"_s);
    plot.resize(400, 260);
    const int s = plot.addSeries({u"run"_s});
    for (int i = 0; i < 20; ++i)
        plot.append(s, {double(i), i < 3 ? -1.0 : std::pow(10, i - 10)});
    plot.setLogY(true);
    plot.show();
    plot.redrawNow();
    bool said = false;
    for (const QLabel* label : plot.findChildren<QLabel*>())
        said |= label->isVisible() && label->text().contains(u"3 at or below 0");
    QVERIFY(said);
    plot.setLogX(true); // step 0 has no place on it
    plot.redrawNow();
    QVERIFY(plot.logX() && plot.drawnPoints() > 0);
}

void TestPlot::cursorReadsEverySeries() {
    LivePlot plot(u"reward"_s);
    plot.resize(400, 260);
    const int a = plot.addSeries({u"chosen"_s});
    const int b = plot.addSeries({u"rejected"_s, 0, true});
    for (int i = 0; i <= 10; ++i) {
        plot.append(a, {i * 10.0, double(i)});
        plot.append(b, {i * 10.0, -double(i), kNan, kNan, -i - 1.0, -i + 1.0});
    }
    const auto readings = plot.readingsAt(42);
    QCOMPARE(readings.size(), size_t(2));
    QCOMPARE(readings[0].step, 40.0);
    QCOMPARE(readings[0].y, 4.0);
    QCOMPARE(readings[1].y, -4.0);
    QVERIFY(!readings[0].band);
    QVERIFY(readings[1].band);
    QCOMPARE(readings[1].low, -5.0);
    plot.setSeriesVisible(a, false);
    QCOMPARE(plot.readingsAt(42).size(), size_t(1));
}

void TestPlot::aSingleStepShowsItsInterval() {
    // Two verdicts on one checkpoint, or one: a band would have no width.
    const auto tallest = [](const std::vector<PlotPoint>& points) {
        LivePlot plot(u"win rate"_s);
        plot.resize(400, 260);
        const int s = plot.addSeries({u"against start"_s, 0, false, false, true});
        for (const PlotPoint& p : points)
            plot.append(s, p);
        const QImage image = plot.toImage(1);
        const QColor wanted = runColor(0).color;
        int tallest = 0;
        for (int x = 0; x < image.width(); ++x)
            for (int y = 0, run = 0; y < image.height(); ++y) {
                const QColor here = image.pixelColor(x, y);
                const int off = std::abs(here.red() - wanted.red()) + std::abs(here.green() - wanted.green()) +
                                std::abs(here.blue() - wanted.blue());
                run = off < 60 ? run + 1 : 0;
                tallest = std::max(tallest, run);
            }
        return tallest;
    };
    const int lone = tallest({{300, 0.71}}), one = tallest({{300, 0.71, kNan, kNan, 0.643, 0.769}}),
              two = tallest({{300, 0.71, kNan, kNan, 0.643, 0.769}, {300, 0.4, kNan, kNan, 0.33, 0.47}});
    QVERIFY2(lone > 0 && lone < 12, qPrintable(QString::number(lone)));
    QVERIFY2(one > 60, qPrintable(QString::number(one)));
    QVERIFY2(two > 30 && two < one, qPrintable(QString::number(two))); // each its own, not one from end to end
}

void TestPlot::aSingleStepHasNoHalfBesideIt() {
    LivePlot plot(u"win rate"_s);
    plot.resize(400, 260);
    const int s = plot.addSeries({u"against start"_s});
    plot.append(s, PlotPoint{300, 0.71});
    plot.toImage(1);
    const auto* inner = plot.findChild<QCustomPlot*>();
    const auto labels = [&](const QCPAxis* axis) {
        QVector<double> ticks;
        QVector<QString> words;
        axis->ticker()->generate(axis->range(), QLocale::c(), u'g', 6, ticks, nullptr, &words);
        return QStringList(words.begin(), words.end());
    };
    QVERIFY(inner);
    QVERIFY2(labels(inner->xAxis).contains(u"300"_s) && labels(inner->xAxis).filter(u"."_s).isEmpty(), qPrintable(labels(inner->xAxis).join(u' ')));
    QVERIFY2(!labels(inner->yAxis).filter(u"."_s).isEmpty(), qPrintable(labels(inner->yAxis).join(u' '))); // values go between whole numbers
}

void TestPlot::clickGivesTheStep() {
    LivePlot plot(u"reward"_s);
    plot.resize(600, 300);
    const int s = plot.addSeries({u"chosen"_s});
    for (int i = 0; i <= 100; ++i)
        plot.append(s, {double(i), double(i)});
    plot.show();
    QVERIFY(QTest::qWaitForWindowExposed(&plot));
    plot.redrawNow();
    QSignalSpy clicks(&plot, &LivePlot::clickedAtStep), moves(&plot, &LivePlot::cursorMoved);
    QWidget* canvas = nullptr;
    for (QWidget* w : plot.findChildren<QWidget*>())
        if (w->inherits("QCustomPlot"))
            canvas = w;
    QVERIFY(canvas);
    QTest::mouseMove(canvas, QPoint(canvas->width() / 2, canvas->height() / 2));
    QTest::mouseClick(canvas, Qt::LeftButton, {}, QPoint(canvas->width() / 2, canvas->height() / 2));
    QCOMPARE(clicks.size(), 1);
    const double step = clicks[0][0].toDouble();
    QVERIFY2(step > 35 && step < 60, qPrintable(QString::number(step)));
    QCOMPARE(step, std::round(step));
    QVERIFY(!moves.isEmpty());
}

void TestPlot::zoomAndReset() {
    LivePlot plot(u"reward"_s);
    plot.resize(600, 300);
    const int s = plot.addSeries({u"chosen"_s});
    for (int i = 0; i <= 1000; ++i)
        plot.append(s, {double(i), double(i)});
    plot.show();
    plot.redrawNow();
    const size_t all = plot.drawnPoints();
    plot.zoom(0.1, 500);
    plot.redrawNow();
    QVERIFY(plot.isZoomed());
    QVERIFY(plot.drawnPoints() < all / 5);
    plot.resetView();
    plot.redrawNow();
    QVERIFY(!plot.isZoomed());
    QCOMPARE(plot.drawnPoints(), all);
}

void TestPlot::exportsEveryRawPoint() {
    LivePlot plot(u"loss"_s);
    const int s = plot.addSeries({u"run \"a\""_s});
    plot.setSmoothing(0.9);
    plot.append(s, {1, 0.5, 100, 2.5, 0.25, 0.75});
    plot.append(s, {2, kNan, 200, 5});
    QCOMPARE(plot.csv(), u"series,step,tokens,time_s,value,low,high\n"
                         "\"run \"\"a\"\"\",1,100,2.5,0.5,0.25,0.75\n"
                         "\"run \"\"a\"\"\",2,200,5,NaN,,\n"_s);
    QTemporaryDir dir;
    QVERIFY(plot.saveCsv(dir.path() + u"/a.csv"_s));
    const auto bad = plot.saveCsv(dir.path() + u"/none/a.csv"_s);
    QVERIFY(!bad);
    QVERIFY(bad.error().message.find("none/a.csv") != std::string::npos);
}

void TestPlot::savesPngAtTwiceTheSize() {
    LivePlot plot(u"loss"_s);
    plot.resize(400, 260);
    const int s = plot.addSeries({u"run"_s});
    for (int i = 0; i < 50; ++i)
        plot.append(s, {double(i), 1.0 / (i + 1)});
    QTemporaryDir dir;
    const QString path = dir.path() + u"/a.png"_s;
    QVERIFY(plot.savePng(path));
    const QImage one = plot.toImage(1), two(path);
    QCOMPARE(two.size(), one.size() * 2);
    QVERIFY(!plot.savePng(dir.path() + u"/none/a.png"_s));
}

void TestPlot::emptyChartSaysSo() {
    LivePlot plot(u"loss"_s);
    plot.resize(400, 260);
    plot.show();
    const double ms = plot.redrawNow();
    QVERIFY(ms >= 0);
    QCOMPARE(plot.drawnPoints(), size_t(0));
    const int s = plot.addSeries({u"run"_s});
    plot.append(s, {0, kNan}); // only a NaN: no crash, a mark
    plot.redrawNow();
    QCOMPARE(plot.markerSteps().size(), size_t(1));
    plot.clear();
    plot.redrawNow();
    QCOMPARE(plot.seriesCount(), 0);
}

void TestPlot::seriesWithoutTokensIsNotDrawnAlongTokens() {
    LivePlot plot(u"loss"_s);
    plot.resize(400, 260);
    const int a = plot.addSeries({u"with"_s}), b = plot.addSeries({u"without"_s});
    for (int i = 0; i < 5; ++i) {
        plot.append(a, {double(i), 1, i * 100.0});
        plot.append(b, {double(i), 2});
    }
    QCOMPARE(plot.readingsAt(0).size(), size_t(2));
    plot.setXAxis(XAxis::Tokens);
    QCOMPARE(plot.readingsAt(200).size(), size_t(1));
    QCOMPARE(plot.readingsAt(200).front().step, 2.0);
}

void TestPlot::gridLinksItsCursorsAndOpensMetricsOnDemand() {
    PlotGrid grid;
    for (int i = 0; i < 6; ++i) {
        const int s = grid.plot(i)->addSeries({u"r"_s});
        grid.plot(i)->append(s, std::vector<PlotPoint>{{0, 1}, {100, 2}});
    }
    Q_EMIT grid.plot(0)->cursorMoved(40);
    QCOMPARE(grid.plot(5)->cursor(), 40.0);
    QStringList asked;
    grid.setAllMetrics({{u"loss"_s, u"Loss"_s, u"Training"_s}, {u"kl"_s, {}, {}}}, [&](const QString& name, LivePlot*) {
        asked.append(name);
    });
    QVERIFY(asked.isEmpty());
    grid.openMetric(u"kl"_s);
    QCOMPARE(asked, QStringList{u"kl"_s});
    QVERIFY(grid.metricPlot(u"kl"_s));
    QVERIFY(!grid.metricPlot(u"loss"_s));
    grid.setSmoothing(0.9);
    QCOMPARE(grid.metricPlot(u"kl"_s)->smoothing(), 0.9);
    grid.setXAxis(XAxis::Time);
    QCOMPARE(grid.plot(3)->xAxis(), XAxis::Time);
}

QTEST_MAIN(TestPlot)
#include "tst_plot.moc"

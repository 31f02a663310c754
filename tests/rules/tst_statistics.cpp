// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>
#include <limits>
#include <vector>

#include "core/rules/statistics.h"

using namespace pl::rules;

namespace {
bool near(double a, double b, double tolerance = 1e-4) { return std::abs(a - b) <= tolerance; }
const double kNan = std::numeric_limits<double>::quiet_NaN();
} // namespace

class TestStatistics : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void wilsonEqualsPublishedValues() {
        // Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
        struct Case {
            double k, n, low, high;
        };
        for (const auto& c : {Case{81, 263, 0.2553, 0.3662}, Case{15, 148, 0.0624, 0.1605}, Case{0, 20, 0.0, 0.1611},
                              Case{1, 29, 0.0061, 0.1718}}) {
            const auto i = wilson(c.k, c.n);
            QVERIFY2(near(i.low, c.low, 6e-5) && near(i.high, c.high, 6e-5),
                     qPrintable(QString("%1/%2: %3 %4").arg(c.k).arg(c.n).arg(i.low).arg(i.high)));
        }
    }
    void wilsonIsSymmetricAndBounded() {
        for (int n = 1; n < 60; ++n)
            for (int k = 0; k <= n; ++k) {
                const auto i = wilson(k, n), j = wilson(n - k, n);
                QVERIFY(near(i.low, 1 - j.high, 1e-12) && i.low >= 0 && i.high <= 1 && i.low <= double(k) / n &&
                        i.high >= double(k) / n);
            }
        QCOMPARE(wilson(0, 0).low, 0.0);
        QCOMPARE(wilson(0, 0).high, 1.0);
        QVERIFY(std::isnan(wilson(3, 2).low) && std::isnan(wilson(-1, 2).low) && std::isnan(wilson(kNan, 2).low));
        QVERIFY(near(wilson(10.5, 20).low + wilson(9.5, 20).high, 1.0, 1e-12));
    }
    void wilsonCoversAboutNineteenOfTwenty() {
        // Exact coverage at n = 100: sum of the chances of the counts whose interval holds p.
        for (const double p : {0.2, 0.5, 0.75}) {
            double covered = 0;
            for (int k = 0; k <= 100; ++k)
                if (const auto i = wilson(k, 100); i.low <= p && p <= i.high)
                    covered += binomialCdf(k, 100, p) - binomialCdf(k - 1, 100, p);
            QVERIFY2(covered > 0.93 && covered < 0.97, qPrintable(QString::number(covered)));
        }
    }
    void binomialEqualsClosedForms() {
        QVERIFY(near(binomialCdf(5, 10, 0.5), 638.0 / 1024, 1e-12));
        QCOMPARE(binomialCdf(-1, 10, 0.5), 0.0);
        QVERIFY(near(binomialCdf(10, 10, 0.3), 1.0, 1e-12));
        QVERIFY(near(binomialCdf(0, 4, 0.25), 0.31640625, 1e-12));
        QCOMPARE(binomialCdf(0, 5, 0.0), 1.0);
        QCOMPARE(binomialCdf(4, 5, 1.0), 0.0);
        QVERIFY(std::isnan(binomialCdf(1, 5, 1.5)));
        QVERIFY(near(binomialTest(8, 10), 112.0 / 1024, 1e-12));
        QVERIFY(near(binomialTest(5, 10), 1.0, 1e-12));
        // R: binom.test(682, 925, p = 0.75)$p.value (Conover 1971, p. 97), from R's help page.
        QVERIFY(near(binomialTest(682, 925, 0.75), 0.3825, 5e-5));
    }
    void normalEqualsTables() {
        QVERIFY(near(normalCdf(0), 0.5, 1e-15));
        QVERIFY(near(normalCdf(1.96), 0.9750021048517795, 1e-14));
        QVERIFY(near(normalCdf(-3), 0.0013498980316300933, 1e-16));
        QVERIFY(near(normalQuantile(0.975), kZ95, 1e-12));
        // Wichura (1988), AS 241: the test values of the paper.
        QVERIFY(near(normalQuantile(0.25), -0.6744897501960817, 1e-12));
        QVERIFY(near(normalQuantile(0.001), -3.090232306167814, 1e-12));
        QVERIFY(near(normalQuantile(1e-20), -9.262340089798408, 1e-10));
        QVERIFY(std::isinf(normalQuantile(0)) && std::isinf(normalQuantile(1)) && std::isnan(normalQuantile(1.1)));
        for (double p = 0.01; p < 1; p += 0.01)
            QVERIFY(near(normalCdf(normalQuantile(p)), p, 1e-13));
    }
    void momentsAndQuantiles() {
        const std::vector<double> v{2, 4, 4, 4, 5, 5, 7, 9};
        QCOMPARE(mean(v), 5.0);
        QVERIFY(near(standardDeviation(v), std::sqrt(32.0 / 7), 1e-14));
        QVERIFY(near(standardError(v), std::sqrt(32.0 / 7 / 8), 1e-14));
        QCOMPARE(median(v), 4.5);
        const std::vector<double> ten{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
        QVERIFY(near(quantile(ten, 0.25), 3.25, 1e-14)); // R and NumPy
        QCOMPARE(quantile(ten, 0), 1.0);
        QCOMPARE(quantile(ten, 1), 10.0);
        QVERIFY(std::isnan(mean({})) && std::isnan(median({})) && std::isnan(standardDeviation(std::vector<double>{1})));
        QVERIFY(near(correlation(ten, ten), 1.0, 1e-12));
        QVERIFY(std::isnan(correlation(ten, v)));
        QVERIFY(std::isnan(correlation(std::vector<double>{1, 1}, std::vector<double>{1, 2})));
    }
    void aMissingValueIsNeverAveragedAway() {
        const std::vector<double> v{1, kNan, 3};
        QVERIFY(std::isnan(mean(v)) && std::isnan(median(v)) && std::isnan(standardDeviation(v)) &&
                std::isnan(quantile(v, 0)));
        QCOMPARE(formatEstimate(kNan, {0.4, 0.6}), std::string("NaN [0.40, 0.60]"));
    }
    void theIntervalDecidesTheDigits() {
        QCOMPARE(formatEstimate(0.65432, {0.6231, 0.6854}), std::string("0.654 [0.623, 0.685]"));
        QCOMPARE(formatEstimate(0.65432, {0.35, 0.95}), std::string("0.65 [0.35, 0.95]"));
        QCOMPARE(formatEstimate(1234.56, {1100, 1370}), std::string("1235 [1100, 1370]"));
        QCOMPARE(formatEstimate(12.3456, {10.1, 14.5}), std::string("12.3 [10.1, 14.5]"));
        QCOMPARE(decimalsFor({0.0, 0.1992}), 2); // half 0.0996 is 0.10
        QCOMPARE(formatEstimate(-0.0001, {-0.5, 0.5}), std::string("0.00 [-0.50, 0.50]"));
        QCOMPARE(decimalsFor({0, 0}), 3);
    }
    void belowThirtyIsTooFew() {
        QVERIFY(tooFew(29) && !tooFew(30));
        QCOMPARE(formatRate(12, 29), std::string("too few (n = 29)"));
        QCOMPARE(formatRate(150, 200), std::string("75.0 % [68.6, 80.5], n = 200"));
        QCOMPARE(formatRate(0, 0), std::string("too few (n = 0)"));
    }
};

QTEST_APPLESS_MAIN(TestStatistics)
#include "tst_statistics.moc"

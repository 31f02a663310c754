// SPDX-License-Identifier: GPL-3.0-or-later
// A run's events as named curves. Pure: no widgets, no files. Shared by Runs, Samples, the run strip and the report.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/events.h"
#include "ui/widgets/plot/series.h"

namespace pl::ui {

/// One metric over the steps. `x_low`, `x_high` and `x_n` are not curves of their own but the band and count of `x`.
struct Curve {
    std::vector<PlotPoint> points;
    std::vector<double> n; ///< beside each point; NaN when not told
    /// Raised whenever points were taken away (rewind): what is drawn must be drawn again.
    uint64_t cuts = 0;
    bool empty() const { return points.empty(); }
    const PlotPoint& last() const { return points.back(); }
};

struct RunAlert {
    double step = 0;
    bool error = false;
    std::string name, text;
};

struct RunSample {
    int64_t step = 0;
    std::string promptId, prompt, response, tag;
    int64_t tokens = -1;
    std::optional<bool> finished;
    double reward = std::numeric_limits<double>::quiet_NaN();
    double kl = std::numeric_limits<double>::quiet_NaN();
    std::string image; ///< file of an image sample (in the bundle's samples/); empty: a text
    double gold = std::numeric_limits<double>::quiet_NaN();
    std::optional<uint64_t> seed;
};

/// One comparison of two images by a judge (evaluate): a is the model under test.
struct ImageOutcome {
    std::string promptId, prompt;
    std::string imageA, imageB; ///< files
    std::string winner;         ///< a, b or tie
    double scoreA = std::numeric_limits<double>::quiet_NaN(), scoreB = scoreA;
};

struct RunCheckpoint {
    int64_t step = 0;
    std::string path, reason;
    bool best = false;
};

/// Takes events in the order of the file. An event whose seq was met before is skipped, so history read from the file and live
/// events may overlap. A rewind event cuts curves, samples, alerts and checkpoints back to its step.
class RunSeries {
public:
    /// False: known already.
    bool apply(const Event& event, const std::string& bundleDir = {});
    /// How many were new.
    size_t apply(const std::vector<Event>& events, const std::string& bundleDir = {});

    const std::map<std::string, Curve>& curves() const { return m_curves; }
    const Curve* curve(const std::string& name) const;
    /// Last value of a metric, NaN when there is none.
    double lastValue(const std::string& name) const;
    const std::vector<RunAlert>& alerts() const { return m_alerts; }
    const std::vector<RunSample>& samples() const { return m_samples; }
    const std::vector<RunCheckpoint>& checkpoints() const { return m_checkpoints; }
    const std::vector<ImageOutcome>& imageOutcomes() const { return m_outcomes; }
    const std::map<std::string, double>& result() const { return m_result; }
    const Json& judge() const { return m_judge; }
    bool tooFew() const { return m_tooFew; }
    /// Points that are not numbers, over all curves.
    int64_t nonFinite() const;
    int64_t step() const { return m_step; }
    int64_t of() const { return m_of; }
    double etaSeconds() const { return m_eta; }
    uint64_t lastSeq() const { return m_lastSeq; }
    uint64_t alertCuts() const { return m_alertCuts; }
    const std::string& endState() const { return m_endState; }
    const std::string& endReason() const { return m_endReason; }
    double seconds() const { return m_seconds; }

private:
    void metrics(const Json& body, double time);
    void sample(const Json& body, const std::string& dir);
    void candidate(const Json& body, const std::string& dir);
    void outcome(const Json& body, const std::string& dir);
    void flushSamples();
    void rewind(double step);
    void add(const std::string& name, const PlotPoint& point, double n);

    std::map<std::string, Curve> m_curves;
    std::vector<RunAlert> m_alerts;
    std::vector<RunSample> m_samples;
    std::vector<RunCheckpoint> m_checkpoints;
    std::vector<ImageOutcome> m_outcomes;
    std::map<std::string, double> m_result;
    Json m_judge;
    bool m_tooFew = false, m_any = false, m_started = false;
    uint64_t m_lastSeq = 0, m_alertCuts = 0;
    int64_t m_t0 = 0, m_step = 0, m_of = 0;
    double m_eta = -1, m_seconds = 0;
    size_t m_flushed = 0; ///< samples already counted in a curve
    std::string m_endState, m_endReason;
};

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/verdict.h"

#include <algorithm>
#include <cmath>

#include <QFileInfo>
#include <QRegularExpression>

#include "core/base/os/files.h"
#include "core/rules/statistics.h"
#include "ui/runs/image_signs.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {
QString percent(double v, int decimals = 0) {
    return QString::number(100 * v, 'f', decimals);
}
double at(const std::map<std::string, double>& values, const char* name) {
    const auto it = values.find(name);
    return it == values.end() ? std::numeric_limits<double>::quiet_NaN() : it->second;
}
QString text(const Json& object, const char* key) {
    const auto it = object.is_object() ? object.find(key) : object.end();
    return it != object.end() && it->is_string() ? QString::fromStdString(it->get<std::string>()) : QString();
}
} // namespace

Estimate WinRate::estimate() const {
    Estimate e;
    e.value = value;
    e.low = low;
    e.high = high;
    e.n = n;
    e.judge = judge;
    e.percent = true;
    return e;
}

QString judgeText(const Json& judge) {
    QString name = text(judge, "name");
    const QString kind = text(judge, "kind");
    if (name.isEmpty())
        name = kind;
    if (kind == "rule"_L1 && !name.isEmpty())
        name = u"gold rule "_s + name;
    else if (kind == "labels"_L1)
        name = u"votes"_s;
    if (kind != "reward_model"_L1)
        return name;
    QStringList notes;
    const auto agreement = judge.find("agreement");
    const auto agreementN = judge.find("agreement_n");
    if (agreement != judge.end() && agreementN != judge.end() && agreementN->is_number()) {
        const auto value = numberOf(*agreement, "agreement");
        const auto n = static_cast<int64_t>(agreementN->get<double>());
        if (rules::tooFew(n))
            notes.append(u"agreement: too few (%1)"_s.arg(n));
        else if (value && std::isfinite(*value))
            notes.append(u"agrees on %1 % of %2"_s.arg(percent(*value)).arg(n));
    } else {
        notes.append(u"agreement not measured"_s);
    }
    const QString same = text(judge, "saw_same_labels");
    notes.append(same == "yes"_L1 ? u"trained on the same labels"_s
                 : same == "no"_L1 ? u"other labels"_s
                                   : u"labels unknown"_s);
    return u"%1 (%2)"_s.arg(name, notes.join(u"; "_s));
}

TestedRun testedRun(const desk::RunInfo& evaluation) {
    TestedRun out;
    for (const ModelSpec& model : evaluation.models) {
        if (model.role != "policy")
            continue;
        static const QRegularExpression inside(u"/runs/([^/]+)/checkpoints/step-(\\d{1,12})/?$"_s);
        const auto match = inside.match(QString::fromStdString(model.path).left(4096));
        if (match.hasMatch()) {
            out.run = match.captured(1);
            out.step = match.captured(2).toLongLong();
        }
    }
    return out;
}

std::optional<WinRate> winRateOf(const desk::RunInfo& info, const RunSeries& series) {
    const auto& r = series.result();
    if (!r.contains("eval_win_rate"))
        return std::nullopt;
    WinRate w;
    w.value = at(r, "eval_win_rate");
    w.low = at(r, "eval_win_rate_low");
    w.high = at(r, "eval_win_rate_high");
    const double n = at(r, "eval_win_rate_n");
    w.n = std::isfinite(n) ? static_cast<int64_t>(n) : 0;
    w.step = testedRun(info).step;
    for (const ModelSpec& model : info.models)
        if (model.role == "against")
            w.against = QString::fromStdString(model.name);
    w.judge = judgeText(series.judge());
    w.run = QString::fromStdString(info.name);
    w.endedMs = info.endedMs;
    return w;
}

Estimate heldOutAccuracy(const RunSeries& series) {
    Estimate e;
    e.percent = true;
    e.judge = u"held-out votes"_s;
    for (const char* name : {"eval_accuracy", "eval_rewards/accuracies"})
        if (const Curve* c = series.curve(name)) {
            e.value = c->last().y;
            e.low = c->last().low;
            e.high = c->last().high;
            e.n = std::isfinite(c->n.back()) ? static_cast<int64_t>(c->n.back()) : 0;
            break;
        }
    return e;
}

Estimate heldOutAccuracy(const std::map<std::string, double>& values) {
    Estimate e;
    e.percent = true;
    e.judge = u"held-out votes"_s;
    for (const std::string name : {"eval_accuracy", "eval_rewards/accuracies"})
        if (values.contains(name)) {
            e.value = at(values, name.c_str());
            e.low = at(values, (name + "_low").c_str());
            e.high = at(values, (name + "_high").c_str());
            const double n = at(values, (name + "_n").c_str());
            e.n = std::isfinite(n) ? static_cast<int64_t>(n) : 0;
            break;
        }
    return e;
}

namespace {
QString figures(const Estimate& e) {
    const EstimateText t = formatEstimate(e);
    return u"%1 %2 of %3"_s.arg(t.value, t.interval).arg(formatCount(e.n));
}

/// Means of the last two and of the two points before them differ by more than a twentieth of the curve's range.
int trend(const Curve& c) {
    std::vector<double> y;
    for (const PlotPoint& p : c.points)
        if (std::isfinite(p.y))
            y.push_back(p.y);
    if (y.size() < 4)
        return 0;
    const auto [low, high] = std::minmax_element(y.begin(), y.end());
    const size_t n = y.size();
    const double change = (y[n - 1] + y[n - 2] - y[n - 3] - y[n - 4]) / 2;
    if (std::abs(change) <= 0.05 * (*high - *low))
        return 0;
    return change > 0 ? 1 : -1;
}
} // namespace

QString verdict(const desk::RunInfo& info, const RunSeries& series, const std::vector<WinRate>& wins) {
    QStringList first, then;
    if (!wins.empty()) {
        const WinRate& w = wins.back();
        const QString than = w.against.isEmpty() ? u"the start"_s : w.against;
        const Estimate e = w.estimate();
        if (rules::tooFew(w.n))
            first.append(u"Against %1, judged by %2: too few (%3) to say"_s.arg(than, w.judge).arg(w.n));
        else if (!formatEstimate(e).shown)
            first.append(u"Against %1: the win rate is not a number"_s.arg(than));
        else if (w.low > 0.5)
            first.append(u"Better than %1 by %2: %3"_s.arg(than, w.judge, figures(e)));
        else if (w.high < 0.5)
            first.append(u"Worse than %1 by %2: %3"_s.arg(than, w.judge, figures(e)));
        else
            first.append(u"Not told apart from %1 by %2: %3"_s.arg(than, w.judge, figures(e)));
    }
    const ImageSigns signs = imageSigns(series);
    const QStringList seen = imageWords(signs);
    const Estimate accuracy = heldOutAccuracy(series);
    // What a policy ranks matters less than what its pictures have lost.
    if (accuracy.n > 0 && ((first.isEmpty() && signs.lost.empty()) || info.plugin.ends_with("reward_model"))) {
        if (rules::tooFew(accuracy.n)) {
            first.append(u"Held-out accuracy: too few pairs (%1) to say"_s.arg(accuracy.n));
        } else if (formatEstimate(accuracy).shown) {
            QString line = u"Ranks %1 held-out pairs as the votes do"_s.arg(figures(accuracy));
            const double longer = series.lastValue("eval_length_baseline");
            if (std::isfinite(longer))
                line += (accuracy.low > longer ? u", better than always taking the longer answer (%1 %)"_s
                                               : u", not surely better than always taking the longer answer (%1 %)"_s)
                            .arg(percent(longer));
            first.append(line);
        } else {
            first.append(u"Held-out accuracy is not a number"_s);
        }
    }
    if (first.isEmpty() && signs.lost.empty() && std::isfinite(accuracy.value) && accuracy.n <= 0)
        first.append(u"Held-out accuracy was logged without its n and interval: no number"_s);
    for (const auto& [name, label] : {std::pair{"eval_reward", u"reward"_s}, std::pair{"eval_rewards/margins", u"margin"_s},
                                      std::pair{"eval_margin", u"margin"_s}})
        if (const Curve* c = series.curve(name)) {
            if (const int t = signs.hacking() ? 0 : trend(*c)) // said already
                then.append(t > 0 ? u"held-out %1 still rising"_s.arg(label) : u"held-out %1 falling"_s.arg(label));
            break;
        }
    for (const char* name : {"eval_completions/mean_length", "completions/mean_length", "samples/mean_length"})
        if (const Curve* c = series.curve(name)) {
            const double from = c->points.front().y, to = c->last().y;
            if (c->points.size() > 1 && from > 0 && std::isfinite(to) && std::abs(to / from - 1) >= 0.1)
                then.append(u"answers %1 % %2"_s.arg(percent(std::abs(to / from - 1)),
                                                    to > from ? u"longer: look at samples"_s : u"shorter: look at samples"_s));
            break;
        }
    if (const Curve* loss = series.curve("loss"); loss && !std::isfinite(loss->last().y))
        then.append(u"the loss is no number at step %1"_s.arg(formatCount(static_cast<int64_t>(loss->last().step))));
    if (!seen.isEmpty() && first.isEmpty()) {
        QString head = seen.front();
        head[0] = head[0].toUpper();
        first.append(head);
        then = seen.mid(1) + then;
    } else {
        then = seen + then;
    }
    const bool trains = !info.plugin.starts_with("generate_") && info.plugin != "evaluate" && info.plugin != "score";
    if (first.isEmpty()) {
        const bool alive = info.state == RunState::Running || info.state == RunState::Queued || info.state == RunState::Paused;
        if (info.plugin.starts_with("generate_")) {
            const bool draws = info.plugin == "generate_image";
            if (alive)
                first.append(draws ? u"Drawing pictures"_s : u"Writing answers"_s);
            else
                first.append((draws ? u"Drew %1 of %2 pictures to keep"_s : u"Wrote %1 of %2 answers"_s)
                                 .arg(formatCount(series.step()), formatCount(series.of())));
            const double kept = series.lastValue("reward/kept"), all = series.lastValue("reward/drawn");
            const Json best = info.parameters.is_object() ? info.parameters.value("best_of", Json()) : Json();
            if (std::isfinite(kept) && std::isfinite(all) && best.is_number_integer() && best > 1)
                then.append(u"the best of %1 for each prompt, mean score %2 against %3 of all drawn"_s.arg(best.get<int64_t>())
                                .arg(formatNumber(kept, 3), formatNumber(all, 3)));
        }
        else if (info.state == RunState::Queued)
            first.append(u"Waiting for its turn"_s);
        else if (trains)
            first.append(alive ? u"Nothing measured on held-out data yet"_s
                               : u"Nothing was measured on held-out data: evaluate it against the start"_s);
        else
            first.append(info.plugin == "score" ? (alive ? u"Scoring answers"_s : u"Scored %1 answers"_s.arg(formatCount(series.step())))
                         : alive                ? u"Measuring"_s
                                                : u"No win rate was measured"_s);
    }
    return (first + then).join(u"; "_s) + u'.';
}

} // namespace pl::ui

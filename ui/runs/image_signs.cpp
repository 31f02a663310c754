// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/image_signs.h"

#include <algorithm>
#include <cmath>

#include "ui/widgets/tiles.h"

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

constexpr double kRise = 0.05; ///< of the curve's range

struct Slot {
    const char* metric;
    QStringView word;
    double bound;
};
constexpr Slot kSlots[] = {{"eval_obedience/colour", u"colour", kObedienceFall},
                           {"eval_obedience/background", u"background", kObedienceFall},
                           {"eval_obedience/shape", u"shape", kNoisyObedienceFall},
                           {"eval_obedience/count", u"number", kNoisyObedienceFall}};

std::vector<PlotPoint> finite(const Curve* curve) {
    std::vector<PlotPoint> out;
    if (curve)
        std::copy_if(curve->points.begin(), curve->points.end(), std::back_inserter(out),
                     [](const PlotPoint& p) { return std::isfinite(p.y); });
    return out;
}

std::optional<Trend> change(const Curve* curve, const QString& what) {
    const auto p = finite(curve);
    if (p.size() < 2)
        return std::nullopt;
    const double last = p.back().y;
    return Trend{what, p.front().y, p.size() > 2 ? (last + p[p.size() - 2].y) / 2 : last};
}

bool rose(const Curve* curve, const Trend& c) {
    const auto p = finite(curve);
    const auto [low, high] = std::minmax_element(p.begin(), p.end(), [](const auto& a, const auto& b) { return a.y < b.y; });
    return c.by() > kRise * (high->y - low->y) && c.by() > 0;
}

/// Above the reference's error now, and further above than in the first half.
bool grew(const Curve* curve) {
    const auto p = finite(curve);
    return p.size() >= 3 && p.back().y > 0 && p[p.size() - 2].y > 0 && p.back().y > p[(p.size() - 1) / 2].y;
}

QString percent(double share) {
    return QString::number(100 * share, 'f', 0);
}

} // namespace

ImageSigns imageSigns(const RunSeries& series) {
    ImageSigns out;
    for (const auto& [metric, what] : {std::pair{"eval_reward", u"held-out reward"_s}, std::pair{"reward_avg", u"reward"_s},
                                       std::pair{"eval_rewards/margins", u"held-out margin"_s}}) {
        const Curve* curve = series.curve(metric);
        const auto c = change(curve, what);
        if (!c)
            continue;
        if (rose(curve, *c))
            out.proxy = c;
        break;
    }
    double first = INFINITY; // step at which something had fallen
    for (const Slot& slot : kSlots) {
        const Curve* curve = series.curve(slot.metric);
        const auto c = change(curve, slot.word.toString());
        if (!c || -c->by() <= slot.bound)
            continue;
        out.lost.push_back(*c);
        for (const PlotPoint& p : finite(curve))
            if (c->from - p.y > slot.bound) {
                first = std::min(first, p.step);
                break;
            }
    }
    std::stable_sort(out.lost.begin(), out.lost.end(), [](const Trend& a, const Trend& b) { return a.by() < b.by(); });
    if (!out.lost.empty())
        for (const PlotPoint& p : finite(series.curve(kSlots[0].metric)))
            if (p.step < first && p.step > 0)
                out.lastWhole = static_cast<int64_t>(p.step);
    for (const auto& [name, curve] : series.curves())
        if (name.rfind("eval_gold/", 0) == 0) {
            out.gold = change(&curve, u"gold taste "_s + QString::fromStdString(name.substr(10)));
            break;
        }
    out.errorsGrow = grew(series.curve("eval_w_diff")) && grew(series.curve("eval_l_diff"));
    return out;
}

QStringList imageWords(const ImageSigns& signs) {
    QStringList out;
    if (!signs.lost.empty()) {
        QStringList falls;
        for (const Trend& c : signs.lost)
            falls.append(u"%1 %2 → %3 %"_s.arg(c.what, percent(c.from), percent(c.to)));
        out.append((signs.hacking() ? u"Reward hacking: the %1 rose (%2 → %3) while pictures show less of what was asked (%4)"_s.arg(
                                          signs.proxy->what, formatNumber(signs.proxy->from, 2), formatNumber(signs.proxy->to, 2))
                                    : u"Pictures show less of what was asked than at the start (%1)"_s)
                       .arg(falls.join(u", "_s)));
    }
    if (signs.errorsGrow)
        out.append(u"winners and losers are both denoised worse than at the start, and it grows: it forgets how to draw"_s);
    if (signs.gold && signs.proxy && signs.gold->by() < 0)
        out.append(u"the %1 fell (%2 → %3) while the %4 rose"_s.arg(signs.gold->what, formatNumber(signs.gold->from, 2),
                                                                   formatNumber(signs.gold->to, 2), signs.proxy->what));
    if (!signs.lost.empty())
        out.append(signs.lastWhole > 0 ? u"at step %1 they still showed it"_s.arg(formatCount(signs.lastWhole))
                                       : u"no later step still showed it"_s);
    return out;
}

} // namespace pl::ui

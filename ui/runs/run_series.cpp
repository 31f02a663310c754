// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_series.h"

#include <algorithm>
#include <cmath>

#include "core/base/os/files.h"

namespace pl::ui {

namespace {
constexpr size_t kMaxCandidates = 256, kMaxOutcomes = 20'000;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double number(const Json& object, const char* key, double fallback = kNan) {
    const auto it = object.find(key);
    if (it == object.end() || it->is_null())
        return fallback;
    const auto value = numberOf(*it, key);
    return value ? *value : fallback;
}
std::string text(const Json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}
int64_t integer(const Json& object, const char* key, int64_t fallback = 0) {
    const double value = number(object, key);
    return std::isfinite(value) && std::abs(value) < 9e15 ? static_cast<int64_t>(value) : fallback;
}
/// Only a name in the run's own samples/ is ever opened, whatever the event says.
std::string imageFile(const Json& body, const std::string& dir) {
    const std::string name = os::baseName(text(body, "image"));
    return name.empty() || dir.empty() ? name : os::joinPath(os::joinPath(dir, "samples"), name);
}
std::optional<uint64_t> seedOf(const Json& body) {
    const auto it = body.find("seed");
    return it != body.end() && it->is_number_unsigned() ? std::optional(it->get<uint64_t>()) : std::nullopt;
}
bool flag(const Json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_boolean() && it->get<bool>();
}
/// "x_low" of "x", when x itself is there.
bool isCompanion(const Json& values, const std::string& name) {
    for (const char* suffix : {"_low", "_high", "_n"}) {
        const size_t length = std::char_traits<char>::length(suffix);
        if (name.size() > length && name.compare(name.size() - length, length, suffix) == 0 &&
            values.contains(name.substr(0, name.size() - length)))
            return true;
    }
    return false;
}
} // namespace

const Curve* RunSeries::curve(const std::string& name) const {
    const auto it = m_curves.find(name);
    return it == m_curves.end() || it->second.empty() ? nullptr : &it->second;
}

double RunSeries::lastValue(const std::string& name) const {
    const Curve* c = curve(name);
    return c ? c->last().y : kNan;
}

int64_t RunSeries::nonFinite() const {
    int64_t count = 0;
    for (const auto& [name, c] : m_curves)
        count += std::count_if(c.points.begin(), c.points.end(), [](const PlotPoint& p) { return !std::isfinite(p.y); });
    return count;
}

size_t RunSeries::apply(const std::vector<Event>& events, const std::string& bundleDir) {
    size_t fresh = 0;
    for (const Event& event : events)
        fresh += apply(event, bundleDir);
    return fresh;
}

bool RunSeries::apply(const Event& e, const std::string& bundleDir) {
    if (m_any && e.seq <= m_lastSeq)
        return false;
    m_any = true;
    m_lastSeq = e.seq;
    if (!m_started) {
        m_started = true;
        m_t0 = e.t;
    }
    const double time = static_cast<double>(e.t - m_t0) / 1000.0;
    m_seconds = std::max(m_seconds, time);
    const Json& b = e.body;
    if (e.type != event::kSample && e.type != event::kCandidate)
        flushSamples();
    if (e.type == event::kMetrics) {
        metrics(b, time);
    } else if (e.type == event::kProgress) {
        m_step = integer(b, "step", m_step);
        m_of = integer(b, "of", m_of);
        m_eta = number(b, "eta_s", -1);
    } else if (e.type == event::kSample) {
        sample(b, bundleDir);
    } else if (e.type == event::kCandidate) {
        candidate(b, bundleDir);
    } else if (e.type == event::kOutcome) {
        outcome(b, bundleDir);
    } else if (e.type == event::kAlert) {
        m_alerts.push_back({number(b, "step", static_cast<double>(m_step)), text(b, "level") == "error", text(b, "name"),
                            text(b, "text")});
    } else if (e.type == event::kCheckpoint) {
        m_checkpoints.push_back({integer(b, "step"), text(b, "path"), text(b, "reason"), flag(b, "best")});
    } else if (e.type == event::kRewind) {
        rewind(number(b, "to_step", 0));
    } else if (e.type == event::kResult) {
        if (const auto it = b.find("values"); it != b.end() && it->is_object())
            for (const auto& [name, value] : it->items())
                if (const auto v = numberOf(value, name))
                    m_result[name] = *v;
        m_judge = b.value("judge", Json());
        m_tooFew = flag(b, "too_few");
    } else if (e.type == event::kRunStart) {
        m_endState.clear();
        m_endReason.clear();
    } else if (e.type == event::kRunEnd) {
        m_endState = text(b, "state");
        m_endReason = text(b, "reason");
    }
    return true;
}

void RunSeries::add(const std::string& name, const PlotPoint& point, double n) {
    Curve& c = m_curves[name];
    // Points come in step order but for a job that writes otherwise: keep them sorted.
    if (c.points.empty() || c.points.back().step <= point.step) {
        c.points.push_back(point);
        c.n.push_back(n);
        return;
    }
    const auto at = std::upper_bound(c.points.begin(), c.points.end(), point.step,
                                     [](double step, const PlotPoint& p) { return step < p.step; });
    c.n.insert(c.n.begin() + (at - c.points.begin()), n);
    c.points.insert(at, point);
    ++c.cuts;
}

void RunSeries::metrics(const Json& body, double time) {
    const auto values = body.find("values");
    if (values == body.end() || !values->is_object())
        return;
    PlotPoint point;
    point.step = number(body, "step", static_cast<double>(m_step));
    point.time = time;
    point.tokens = number(body, "tokens");
    if (!std::isfinite(point.step))
        return;
    for (const auto& [name, value] : values->items()) {
        if (isCompanion(*values, name))
            continue;
        const auto y = numberOf(value, name);
        if (!y)
            continue; // null or text: not a number of any kind
        PlotPoint p = point;
        p.y = *y;
        p.low = number(*values, (name + "_low").c_str());
        p.high = number(*values, (name + "_high").c_str());
        add(name, p, number(*values, (name + "_n").c_str()));
    }
    m_step = std::max(m_step, static_cast<int64_t>(point.step));
}

void RunSeries::sample(const Json& body, const std::string& dir) {
    RunSample s;
    s.step = integer(body, "step", m_step);
    if (m_flushed < m_samples.size() && m_samples.back().step != s.step)
        flushSamples();
    s.promptId = text(body, "prompt_id");
    const auto longText = [&](const char* key) {
        if (dir.empty())
            return text(body, key);
        const auto read = eventText(dir, body, key);
        return read ? *read : "(" + read.error().message + ")";
    };
    s.prompt = longText("prompt");
    s.response = longText("response");
    s.tag = text(body, "tag");
    s.tokens = integer(body, "tokens", -1);
    if (const auto it = body.find("finished"); it != body.end() && it->is_boolean())
        s.finished = it->get<bool>();
    s.reward = number(body, "reward");
    s.kl = number(body, "kl");
    s.image = imageFile(body, dir);
    s.gold = number(body, "gold");
    s.seed = seedOf(body);
    m_samples.push_back(std::move(s));
}

void RunSeries::outcome(const Json& body, const std::string& dir) {
    const auto a = body.find("a"), b = body.find("b");
    if (text(body, "kind") != "image" || a == body.end() || b == body.end() || m_outcomes.size() >= kMaxOutcomes)
        return;
    m_outcomes.push_back({text(body, "prompt_id"), text(body, "prompt"), imageFile(*a, dir), imageFile(*b, dir),
                          text(body, "winner"), number(body, "score_a"), number(body, "score_b")});
}

/// A generating run has no samples: its first answers stand in for them.
void RunSeries::candidate(const Json& body, const std::string& dir) {
    if (m_samples.size() >= kMaxCandidates)
        return;
    RunSample s;
    s.promptId = text(body, "prompt_id");
    const auto longText = [&](const char* key) {
        const auto read = dir.empty() ? Result<std::string>(text(body, key)) : eventText(dir, body, key);
        return read ? *read : "(" + read.error().message + ")";
    };
    s.prompt = longText("prompt");
    if (!body.contains("image"))
        s.response = longText("content");
    if (const auto model = body.find("model"); model != body.end() && model->is_object())
        s.tag = text(*model, "name");
    s.tokens = integer(body, "tokens", -1);
    if (const auto it = body.find("finished"); it != body.end() && it->is_boolean())
        s.finished = it->get<bool>();
    s.image = imageFile(body, dir);
    s.seed = seedOf(body);
    if (const auto params = body.find("params"); params != body.end() && params->is_object())
        s.reward = number(*params, "reward");
    m_samples.push_back(std::move(s));
    m_flushed = m_samples.size(); // its lengths are metrics already
}

/// Trainers without completion metrics of their own still say how long their sampled answers are and how many were cut off.
void RunSeries::flushSamples() {
    if (m_flushed >= m_samples.size())
        return;
    double tokens = 0, cut = 0, n = 0, known = 0;
    for (size_t i = m_flushed; i < m_samples.size(); ++i) {
        const RunSample& s = m_samples[i];
        if (s.tokens >= 0) {
            tokens += static_cast<double>(s.tokens);
            ++n;
        }
        if (s.finished) {
            cut += *s.finished ? 0 : 1;
            ++known;
        }
    }
    PlotPoint p;
    p.step = static_cast<double>(m_samples.back().step);
    p.time = m_seconds;
    m_flushed = m_samples.size();
    if (n > 0) {
        p.y = tokens / n;
        add("samples/mean_length", p, n);
    }
    if (known > 0) {
        p.y = cut / known;
        add("samples/clipped_ratio", p, known);
    }
}

void RunSeries::rewind(double step) {
    for (auto& [name, c] : m_curves) {
        const auto first = std::find_if(c.points.begin(), c.points.end(), [&](const PlotPoint& p) { return p.step > step; });
        if (first == c.points.end())
            continue;
        c.n.resize(static_cast<size_t>(first - c.points.begin()));
        c.points.erase(first, c.points.end());
        ++c.cuts;
    }
    const auto behind = [step](const auto& one) { return static_cast<double>(one.step) > step; };
    if (std::erase_if(m_alerts, behind) > 0)
        ++m_alertCuts;
    std::erase_if(m_samples, behind);
    std::erase_if(m_checkpoints, behind);
    m_flushed = m_samples.size();
    m_step = static_cast<int64_t>(step);
}

} // namespace pl::ui

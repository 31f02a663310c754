// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QTemporaryDir>

#include <cstring>
#include <functional>

#include "core/base/bundle.h"
#include "core/base/events.h"
#include "core/base/hash.h"
#include "tests/acceptance/cli.h"

/// What the fault tests share: a small labelled project, copies of it to damage, and what must hold after every fault.
namespace pl::acceptance {

inline void writeText(const std::string& path, const std::string& text) {
    const auto written = os::writeFileAtomic(path, text);
    QVERIFY2(written, written ? "" : written.error().toString().c_str());
}

/// A project on the starter with 100 votes in train and 40 in dev, frozen as the dataset "votes". In a folder of its own, with
/// its own device locks.
class Lab {
public:
    static constexpr int64_t kVotes = 140;

    Lab() {
        qputenv("XDG_RUNTIME_DIR", m_runtime.path().toLocal8Bit());
        qputenv("XDG_DATA_HOME", m_runtime.path().toLocal8Bit());
        qunsetenv("PAIRLAB_PLUGIN_PATH");
    }
    bool prepare(const std::string& name = "p") {
        m_project = path(name);
        return cli({"new", m_project, "--starter"}).code == 0 && label("train", 100) && label("dev", 40) &&
               cli({"dataset", "freeze", m_project, "votes"}).code == 0;
    }
    std::string path(const std::string& name) const { return m_dir.path().toStdString() + "/" + name; }
    const std::string& project() const { return m_project; }
    /// A copy of the project under another name, to be damaged.
    std::string copy(const std::string& name) const {
        const std::string to = path(name);
        (void)os::removeTree(to);
        const auto copied = os::copyTree(m_project, to);
        if (!copied)
            qFatal("%s", copied.error().toString().c_str());
        return to;
    }

private:
    bool label(const char* split, int count) const {
        return cli({"label", m_project, "--simulate", "concise", "--count", std::to_string(count), "--split", split}).code == 0;
    }
    QTemporaryDir m_dir, m_runtime;
    std::string m_project;
};

/// The database is sound and holds so many judgements.
inline bool sound(const std::string& project, int64_t judgements) {
    const Ran check = cli({"check", project});
    const int64_t stored = cliJson({"stats", project, "--json"}).value("judgements", int64_t{-1});
    if (check.code != 0 || stored != judgements)
        qWarning("check ended with %d, %lld judgements: %s", check.code, static_cast<long long>(stored), check.out.c_str());
    return check.code == 0 && stored == judgements;
}

/// A refusal as it must be: ended by itself, not with success, and saying every one of the texts.
inline bool refusedWith(const Ran& ran, int code, const std::vector<std::string>& says) {
    bool good = ran.code == code;
    for (const std::string& text : says)
        good = good && ran.out.find(text) != std::string::npos;
    if (!good)
        qWarning("ended with %d, expected %d: %s", ran.code, code, ran.out.c_str());
    return good;
}

/// Metrics by step and name, a resumed run's later lines winning; nothing that depends on the clock.
inline std::map<std::string, double> metricsOf(const std::string& bundle) {
    std::map<std::string, double> out;
    for (const Event& event : readEvents(bundle + "/events.jsonl").value_or(std::vector<Event>()))
        if (event.type == event::kMetrics)
            for (const auto& [name, value] : event.body["values"].items())
                if (name.find("per_second") == std::string::npos)
                    out[std::to_string(event.body["step"].get<int64_t>()) + " " + name] = numberOf(value, name).value_or(-1e300);
    return out;
}

inline bool sameBits(const std::map<std::string, double>& a, const std::map<std::string, double>& b) {
    for (const auto& [key, value] : a) {
        const auto at = b.find(key);
        if (at == b.end() || std::memcmp(&at->second, &value, sizeof value) != 0) {
            qWarning("%s: %.17g against %.17g", key.c_str(), value, at == b.end() ? 0.0 : at->second);
            return false;
        }
    }
    return a.size() == b.size() && !a.empty();
}

} // namespace pl::acceptance

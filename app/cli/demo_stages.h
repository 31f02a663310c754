// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "app/cli/desk.h"
#include "core/base/hash.h"

namespace pl::cli {

struct DemoArguments {
    std::string out, taste, device = "cpu"; ///< taste: empty is the demo's own
    uint64_t seed = 1;
    int64_t labels = 300;
    bool json = false, images = false;
};

/// What both demos share: a project of its own below --out, one stage after another, each timed; a failed run stops the demo
/// with its reason and log tail.
class DemoStages {
public:
    explicit DemoStages(const DemoArguments& arguments) : m_a(arguments) {}

protected:
    /// A fresh project with a starter in OUT/project; refuses a folder that holds a demo.
    Status begin(desk::Starter starter);
    /// Waits for the run; its work by count is added to the stage's.
    Result<desk::RunInfo> finish(const std::string& run);
    /// Simulated labels: `count` for training and a quarter of that for the dev figures.
    Status label(int64_t count);
    Result<desk::RunInfo> train(const std::string& plugin, const Json& parameters);
    Result<desk::RunInfo> evaluate(const std::string& run, const std::string& judge, const std::string& against,
                                   int64_t prompts = 0);
    /// The window's charts, drawn without a screen, where the window is built.
    Status drawCharts();
    /// "| stage | seconds | TFLOP |" rows, the total last.
    std::string stageRows() const;
    Json flops() const;
    std::string projectDir() const;

    template<class F>
    Status timed(const char* stage, F&& f) {
        std::fprintf(stderr, "demo: %s ...", stage);
        m_stage = stage;
        const int64_t start = monotonicNs();
        PL_CHECK(f());
        m_seconds[stage] = static_cast<double>(monotonicNs() - start) * 1e-9;
        std::fprintf(stderr, " %.0f s\n", m_seconds[stage].template get<double>());
        return {};
    }

    static double valueOf(const std::map<std::string, double>& values, const char* name) {
        const auto it = values.find(name);
        return it == values.end() ? NAN : it->second;
    }
    static std::string idOf(const desk::RunInfo& info) { return "run:" + std::to_string(std::atoll(info.name.c_str())); }

    DemoArguments m_a;
    std::unique_ptr<Desk> m_desk;
    Json m_seconds = Json::object();
    std::string m_stage;
    std::map<std::string, double> m_flops; ///< by stage: floating point operations by count
};

/// demo --images.
Result<int> runImageDemo(const DemoArguments& arguments);

} // namespace pl::cli

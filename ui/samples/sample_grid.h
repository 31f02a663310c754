// SPDX-License-Identifier: GPL-3.0-or-later
// Which samples stand in which cell. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ui/runs/run_series.h"

namespace pl::ui {

struct SampleRow {
    std::string promptId, prompt;
    std::array<std::optional<RunSample>, 3> cells; ///< start, previous, latest
    double change = 0; ///< share of the text that differs between start and latest, 0..1
    bool pinned = false;
};

struct SampleTable {
    std::array<int64_t, 3> steps{-1, -1, -1}; ///< -1: no such column yet
    std::vector<SampleRow> rows;              ///< pinned first, then by change or in the order they came
    std::vector<int64_t> allSteps;
};
/// Columns: the first step sampled, the one before the latest, and the latest at or before `atStep` (-1: the newest). Of several
/// answers to a prompt at one step the first is taken.
SampleTable sampleTable(const std::vector<RunSample>& samples, int64_t atStep, bool changedFirst,
                        const std::set<std::string>& pinned);
/// Share of bytes, over both texts, in stretches that differ by words; 0 for equal texts, 1 for nothing in common.
double textChange(const std::string& a, const std::string& b);

} // namespace pl::ui

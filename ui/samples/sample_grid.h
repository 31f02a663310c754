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

/// Samples of image runs: rows are prompts, columns what was drawn for them.
struct ImageColumn {
    size_t run = 0;    ///< index into what the table was made of
    int64_t step = 0;
    size_t draw = 0;   ///< place among the images of one prompt at this step
    std::string tag;   ///< of the first sample there: the model of a generating run
};
struct ImageRow {
    std::string promptId, prompt;
    std::vector<std::optional<RunSample>> cells; ///< one a column
};
struct ImageSampleTable {
    std::vector<ImageColumn> columns; ///< the first run's by step, then the next one's
    std::vector<ImageRow> rows;       ///< in the order they came; prompts of equal text are one
    std::vector<int64_t> allSteps;    ///< of the first run
};
bool hasImages(const std::vector<RunSample>& samples);
/// Columns up to `atStep` (-1: all). A run that drew at several steps gives the first image of a prompt at each; one that drew
/// at a single step gives all of them.
ImageSampleTable imageSampleTable(const std::vector<const std::vector<RunSample>*>& runs, int64_t atStep);

/// What an image is put beside.
enum class Against { Start, Previous, OtherRun };
/// The columns of A and B for the image in `column`; A is the earlier one, or the first run's. Empty: there is no second image.
std::optional<std::pair<size_t, size_t>> imagePair(const ImageSampleTable& table, size_t row, size_t column, Against against);

/// Share of bytes, over both texts, in stretches that differ by words; 0 for equal texts, 1 for nothing in common.
double textChange(const std::string& a, const std::string& b);

} // namespace pl::ui

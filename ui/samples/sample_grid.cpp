// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/samples/sample_grid.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/text/diff.h"

namespace pl::ui {

double textChange(const std::string& a, const std::string& b) {
    if (a.size() + b.size() == 0)
        return 0;
    size_t differs = 0;
    for (const auto& s : text::diffWords(a, b))
        if (s.kind != text::DiffKind::Equal)
            differs += (s.aEnd - s.aBegin) + (s.bEnd - s.bBegin);
    return static_cast<double>(differs) / static_cast<double>(a.size() + b.size());
}

SampleTable sampleTable(const std::vector<RunSample>& samples, int64_t atStep, bool changedFirst,
                        const std::set<std::string>& pinned) {
    SampleTable table;
    std::set<int64_t> steps;
    for (const RunSample& s : samples)
        steps.insert(s.step);
    table.allSteps.assign(steps.begin(), steps.end());
    if (steps.empty())
        return table;
    auto latest = atStep < 0 ? std::prev(steps.end()) : steps.upper_bound(atStep);
    if (atStep >= 0 && latest != steps.begin())
        --latest;
    table.steps[2] = *latest;
    if (latest != steps.begin())
        table.steps[0] = *steps.begin();
    if (latest != steps.begin() && *std::prev(latest) != *steps.begin())
        table.steps[1] = *std::prev(latest);
    std::map<std::string, size_t> byPrompt;
    for (const RunSample& s : samples) {
        const std::string& key = s.promptId.empty() ? s.prompt : s.promptId;
        for (size_t c = 0; c < 3; ++c) {
            if (table.steps[c] != s.step)
                continue;
            auto [it, fresh] = byPrompt.try_emplace(key, table.rows.size());
            if (fresh)
                table.rows.push_back({key, s.prompt, {}, 0, pinned.contains(key)});
            auto& cell = table.rows[it->second].cells[c];
            if (!cell)
                cell = s;
        }
    }
    for (SampleRow& row : table.rows)
        if (row.cells[0] && row.cells[2])
            row.change = textChange(row.cells[0]->response, row.cells[2]->response);
    std::stable_sort(table.rows.begin(), table.rows.end(), [&](const SampleRow& a, const SampleRow& b) {
        if (a.pinned != b.pinned)
            return a.pinned;
        return changedFirst && a.change > b.change;
    });
    return table;
}

bool hasImages(const std::vector<RunSample>& samples) {
    return std::any_of(samples.begin(), samples.end(), [](const RunSample& s) { return !s.image.empty(); });
}

ImageSampleTable imageSampleTable(const std::vector<const std::vector<RunSample>*>& runs, int64_t atStep) {
    ImageSampleTable table;
    std::map<std::string, size_t> byPrompt;
    using Key = std::tuple<size_t, int64_t, size_t>; // run, step, draw
    std::map<Key, std::string> columns;
    std::vector<std::map<Key, const RunSample*>> cells; // one a row
    for (size_t r = 0; r < runs.size(); ++r) {
        std::set<int64_t> steps;
        for (const RunSample& s : *runs[r])
            if (!s.image.empty())
                steps.insert(s.step);
        if (r == 0)
            table.allSteps.assign(steps.begin(), steps.end());
        std::map<std::pair<std::string, int64_t>, size_t> draws;
        for (const RunSample& s : *runs[r]) {
            if (s.image.empty())
                continue;
            const std::string& key = s.prompt.empty() ? s.promptId : s.prompt;
            const size_t draw = draws[{key, s.step}]++;
            if ((draw > 0 && steps.size() > 1) || (atStep >= 0 && s.step > atStep && s.step != *steps.begin()))
                continue;
            const auto [it, fresh] = byPrompt.try_emplace(key, table.rows.size());
            if (fresh) {
                table.rows.push_back({s.promptId, s.prompt, {}});
                cells.emplace_back();
            }
            columns.try_emplace({r, s.step, draw}, s.tag);
            cells[it->second][{r, s.step, draw}] = &s;
        }
    }
    for (const auto& [key, tag] : columns)
        table.columns.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), tag});
    for (size_t row = 0; row < table.rows.size(); ++row)
        for (const auto& [key, tag] : columns) {
            const auto it = cells[row].find(key);
            table.rows[row].cells.push_back(it == cells[row].end() ? std::nullopt : std::optional(*it->second));
        }
    return table;
}

std::optional<std::pair<size_t, size_t>> imagePair(const ImageSampleTable& table, size_t row, size_t column, Against against) {
    if (row >= table.rows.size() || column >= table.columns.size() || !table.rows[row].cells[column])
        return std::nullopt;
    const auto there = [&](size_t c) { return table.rows[row].cells[c].has_value(); };
    const ImageColumn& here = table.columns[column];
    if (against == Against::OtherRun) {
        // The other run's image at this step (and draw), else its nearest one before it, else its first.
        std::optional<size_t> best;
        for (size_t c = 0; c < table.columns.size(); ++c) {
            const ImageColumn& other = table.columns[c];
            if (other.run == here.run || !there(c) || (best && (other.step > here.step || other.draw > here.draw)))
                continue;
            best = c;
        }
        if (!best)
            return std::nullopt;
        return here.run < table.columns[*best].run ? std::pair(column, *best) : std::pair(*best, column);
    }
    std::vector<size_t> own; // this run's images of the prompt
    for (size_t c = 0; c < table.columns.size(); ++c)
        if (table.columns[c].run == here.run && there(c))
            own.push_back(c);
    if (own.size() < 2)
        return std::nullopt;
    const auto at = std::find(own.begin(), own.end(), column);
    if (at == own.begin())
        return std::pair(column, against == Against::Start ? own.back() : own[1]);
    return std::pair(against == Against::Start ? own.front() : *std::prev(at), column);
}

} // namespace pl::ui

// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/samples/sample_grid.h"

#include <algorithm>
#include <map>

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

} // namespace pl::ui

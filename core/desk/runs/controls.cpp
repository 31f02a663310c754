// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/controls.h"

#include <algorithm>

namespace pl::desk {

namespace {

std::string ownControl(const RunRow& run) {
    if (!run.parameters.is_object())
        return {};
    const auto it = run.parameters.find("label_control");
    if (it == run.parameters.end() || !it->is_string())
        return {};
    const std::string control = it->get<std::string>();
    if (control == "none" || control.empty())
        return {};
    return control == "shuffle" ? "shuffled labels" : control == "shuffle_inverted" ? "shuffled and inverted labels" : control;
}

} // namespace

std::string runOfCheckpoint(const std::string& path) {
    const auto end = path.rfind("/checkpoints/");
    if (end == std::string::npos || end == 0)
        return {};
    const auto slash = path.rfind('/', end - 1);
    const size_t from = slash == std::string::npos ? 0 : slash + 1;
    return path.substr(from, end - from);
}

std::map<std::string, std::string> controlledRuns(std::vector<RunRow> runs) {
    // A run can only have used models of earlier ones.
    std::sort(runs.begin(), runs.end(), [](const RunRow& a, const RunRow& b) { return a.id < b.id; });
    std::map<std::string, std::string> words;
    for (const RunRow& run : runs) {
        std::string own = ownControl(run);
        if (own.empty() && run.kind == "train" && run.models.is_array())
            for (const Json& model : run.models) {
                if (!model.is_object() || !model.contains("path") || !model["path"].is_string())
                    continue;
                const auto used = words.find(runOfCheckpoint(model["path"].get<std::string>()));
                if (used == words.end())
                    continue;
                const bool before = used->second.rfind("from ", 0) == 0;
                own = before ? used->second : "from a model of " + used->second;
                break;
            }
        if (!own.empty())
            words.emplace(run.name, std::move(own));
    }
    return words;
}

} // namespace pl::desk

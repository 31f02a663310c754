// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/controls.h"

#include <algorithm>
#include <string_view>

#include "core/base/bundle.h"
#include "core/base/os/files.h"

namespace pl::desk {

namespace {

constexpr std::string_view kNameMark = ", control: ", kFrom = "from a model of ";

std::string ownControl(const Json& parameters) {
    if (!parameters.is_object())
        return {};
    const auto it = parameters.find("label_control");
    if (it == parameters.end() || !it->is_string())
        return {};
    const std::string control = it->get<std::string>();
    if (control == "none" || control.empty())
        return {};
    return control == "shuffle" ? "shuffled labels" : control == "shuffle_inverted" ? "shuffled and inverted labels" : control;
}

/// Of a model trained on from one of `before`.
std::string passedOn(const std::string& before) {
    return before.empty() || before.rfind("from ", 0) == 0 ? before : std::string(kFrom) + before;
}

/// What a model's name says (resolveModel writes it there): the folder it was added to may be gone.
std::string controlOfName(const std::string& name) {
    const auto at = name.rfind(kNameMark);
    return at == std::string::npos ? std::string() : name.substr(at + kNameMark.size());
}

} // namespace

std::string controlOfFolder(const std::string& dir) {
    if (const auto card = readJsonFile(os::joinPath(dir, "card.json")); card && card->is_object())
        if (const auto control = card->find(kControlKey); control != card->end() && control->is_string())
            return control->get<std::string>();
    const auto end = dir.rfind("/checkpoints/");
    if (end == std::string::npos)
        return {};
    const auto bundle = Bundle::open(dir.substr(0, end));
    if (!bundle)
        return {};
    std::string control = ownControl(bundle->spec().parameters);
    for (const ModelSpec& model : bundle->spec().models)
        if (control.empty())
            control = passedOn(controlOfName(model.name));
    return control;
}

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
        std::string own = ownControl(run.parameters);
        if (own.empty() && run.kind == "train" && run.models.is_array())
            for (const Json& model : run.models) {
                if (!model.is_object() || !model.contains("path") || !model["path"].is_string())
                    continue;
                const auto used = words.find(runOfCheckpoint(model["path"].get<std::string>()));
                own = passedOn(used != words.end() ? used->second : controlOfName(model.value("name", std::string())));
                if (!own.empty())
                    break;
            }
        if (!own.empty())
            words.emplace(run.name, std::move(own));
    }
    return words;
}

} // namespace pl::desk

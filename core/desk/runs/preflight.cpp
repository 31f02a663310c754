// SPDX-License-Identifier: Apache-2.0
#include "core/desk/runs/preflight.h"

#include <fmt/format.h>

#include "core/desk/runs/devices.h"

namespace pl::desk {

namespace {

/// A term as `--reward` takes it.
std::string asOption(const std::string& variant) {
    static const std::pair<const char*, const char*> kForms[] = {
        {"reward_model", "run:ID"}, {"rule", "rule:TASTE"}, {"taste", "taste:TASTE"}, {"length", "length:TOKENS"}};
    for (const auto& [name, form] : kForms)
        if (variant == name)
            return form;
    return variant;
}

std::string options(const Parameter& rewards) {
    std::string out;
    for (size_t i = 0; i < rewards.variants.size(); ++i)
        out += (i == 0 ? "" : i + 1 == rewards.variants.size() ? " or " : ", ") + asOption(rewards.variants[i].name);
    return fmt::format("Give one: --reward {} (on the Train page: {}).", out, rewards.label.empty() ? rewards.name : rewards.label);
}

} // namespace

Status checkReward(const Manifest& manifest, const Json& parameters) {
    const Parameter* rewards = manifest.parameter("rewards");
    if (!rewards || rewards->type != ParamType::Variants || parameters.value("answers", Json()) == "recorded")
        return {};
    const auto at = parameters.find("rewards");
    const Json& given = at == parameters.end() ? rewards->defaultValue : *at;
    if (!given.is_array()) // its type is the validator's to refuse
        return {};
    if (given.empty())
        return fail(Code::InvalidInput, fmt::format("{} has no reward to train towards", manifest.title), options(*rewards));
    for (const Json& term : given)
        if (term.is_object() && term.value("type", Json()) == "reward_model" && term.value("model", Json("")) == "")
            return fail(Code::InvalidInput, fmt::format("{}: a reward model is asked for and none is named", manifest.title), options(*rewards));
    return {};
}

Status checkDevice(const std::string& device) {
    if (device == "cpu")
        return {};
    const auto here = findDevices();
    if (!here)
        return {};
    std::string names;
    for (const Device& each : *here) {
        if (each.name == device || (device == "cuda" && each.name.starts_with("cuda:")))
            return {};
        names += (names.empty() ? "" : ", ") + each.name;
    }
    return fail(Code::InvalidInput, fmt::format("there is no device {} here", device),
                fmt::format("`pairlab-worker devices` finds {}. For a run that is packed for another machine PAIRLAB_DEVICES names a file with that machine's list.",
                            names.empty() ? "none" : names));
}

} // namespace pl::desk

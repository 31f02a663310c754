// SPDX-License-Identifier: Apache-2.0
#include "core/learn/rewards/reward_composer.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pl::learn {

namespace {

std::vector<RewardTermType>& registry() {
    static std::vector<RewardTermType> types;
    return types;
}

Result<RewardTermType> findType(const std::string& name) {
    std::vector<std::string> known;
    for (const auto& type : registry()) {
        if (type.name == name)
            return type;
        known.push_back(type.name);
    }
    return fail(Code::InvalidInput, fmt::format("there is no reward term of type '{}'", name),
                fmt::format("Known types: {}.", fmt::join(known, ", ")));
}

/// Metric names are paths: keep them to letters, digits and '_'.
std::string metricName(std::string text) {
    for (char& c : text)
        if (!std::isalnum(static_cast<unsigned char>(c)))
            c = '_';
    return text;
}

} // namespace

RewardTermRegistrar::RewardTermRegistrar(RewardTermType type) {
    auto& all = registry();
    const auto at =
        std::lower_bound(all.begin(), all.end(), type.name,
                         [](const RewardTermType& t, const std::string& name) { return t.name < name; });
    all.insert(at, std::move(type));
}

const std::vector<RewardTermType>& rewardTermTypes() {
    return registry();
}

Rewards combineRewards(std::vector<TermScores> terms, size_t rows) {
    Rewards out;
    out.terms = std::move(terms);
    out.total.assign(rows, std::nan(""));
    for (size_t i = 0; i < rows; ++i) {
        double sum = 0;
        bool scored = false, finite = true;
        for (const auto& term : out.terms) {
            if (std::isnan(term.raw[i]))
                continue;
            scored = true;
            finite = finite && std::isfinite(term.raw[i]);
            sum += term.weight * term.raw[i];
        }
        if (scored && std::isfinite(sum))
            out.total[i] = sum;
        else
            ++out.unscored;
        if (!finite)
            ++out.nonFinite;
    }
    return out;
}

Result<RewardComposer> RewardComposer::make(const Json& terms, const RewardContext& context) {
    if (!terms.is_array() || terms.empty())
        return fail(Code::InvalidInput, "the list of reward terms is empty",
                    "Add one to 'rewards': a reward model, a rule, the verifier or a length.");
    RewardComposer out;
    for (size_t i = 0; i < terms.size(); ++i) {
        const std::string what = fmt::format("reward term {}", i + 1);
        const Json& json = terms[i];
        PL_TRY(const auto typeName, field<std::string>(json, "type", what));
        PL_TRY(const auto type, findType(typeName));
        PL_TRY(const double weight, fieldOr<double>(json, "weight", 1.0, what));
        if (!std::isfinite(weight))
            return fail(Code::InvalidInput, fmt::format("the weight of {} is not a finite number", what));
        auto term = type.make(json, context);
        if (!term)
            return tl::unexpected<Error>(
                std::move(term).error().with(fmt::format("{} ({})", what, typeName)));
        const std::string base = metricName(type.label ? type.label(json) : type.name);
        std::string name = base;
        const auto taken = [&] {
            return std::any_of(out.m_entries.begin(), out.m_entries.end(),
                               [&](const Entry& entry) { return entry.name == name; });
        };
        for (int again = 2; taken(); ++again)
            name = fmt::format("{}_{}", base, again);
        out.m_entries.push_back({name, weight, std::move(*term)});
    }
    return out;
}

Result<Rewards> RewardComposer::score(const std::vector<RewardInput>& batch) {
    std::vector<TermScores> terms;
    for (auto& entry : m_entries) {
        auto raw = entry.term->score(batch);
        if (!raw)
            return tl::unexpected<Error>(
                std::move(raw).error().with(fmt::format("reward term {}", entry.name)));
        if (raw->size() != batch.size())
            return fail(Code::Internal, fmt::format("reward term {} gave {} scores for {} rows", entry.name,
                                                    raw->size(), batch.size()));
        terms.push_back({entry.name, entry.weight, std::move(*raw)});
    }
    return combineRewards(std::move(terms), batch.size());
}

std::vector<std::string> RewardComposer::names() const {
    std::vector<std::string> out;
    for (const auto& entry : m_entries)
        out.push_back(entry.name);
    return out;
}

} // namespace pl::learn

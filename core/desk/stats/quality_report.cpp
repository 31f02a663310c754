// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <fmt/format.h>

#include "core/desk/stats/quality.h"

namespace pl::desk {

namespace {

Json numberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json orNull(const std::optional<double>& value) { return value ? numberOrNull(*value) : Json(); }
Json toJson(const Term& term) {
    const auto bounds = term.interval();
    return {{"value", numberOrNull(term.value)}, {"low", numberOrNull(bounds.low)}, {"high", numberOrNull(bounds.high)}};
}

std::string withCommas(int64_t value) {
    const auto digits = std::to_string(value);
    std::string out;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0)
            out += ',';
        out += digits[i];
    }
    return out;
}

} // namespace

Json Coefficient::toJson() const {
    return {{"value", numberOrNull(value)}, {"low", numberOrNull(interval.low)}, {"high", numberOrNull(interval.high)},
            {"raw", numberOrNull(raw)},     {"n", pairs}};
}

Json Agreement::toJson() const {
    return {{"alpha_winner", winner.toJson()},
            {"alpha_without_ties", decided.toJson()},
            {"alpha_strength", strength.toJson()},
            {"cohen_kappa", orNull(cohen)},
            {"cohen_kappa_quadratic", orNull(cohenQuadratic)},
            {"fleiss_kappa", orNull(fleiss)},
            {"gwet_ac1", numberOrNull(ac1)},
            {"disputed_pairs", disputed.size()},
            {"undecided_pairs", undecided},
            {"adjudicated_pairs", adjudicated}};
}

Json PersonQuality::toJson() const {
    return {{"name", name},
            {"kind", kind},
            {"votes", votes},
            {"skips", skips},
            {"flags", flags},
            {"agreement_with_others", agreement.toJson()},
            {"self_consistency", selfConsistency.toJson()},
            {"swap_consistency", swapConsistency.toJson()},
            {"repeat_kappa_quadratic", numberOrNull(repeatKappa)},
            {"gold", gold.toJson()},
            {"left", left.toJson()},
            {"ties", ties.toJson()},
            {"longer_wins", longer.toJson()},
            {"strengths", {{"none", strengths[0]}, {"slight", strengths[1]}, {"better", strengths[2]}, {"much", strengths[3]}}},
            {"active_ms", {{"median", orNull(medianMs)}, {"lower_quartile", orNull(lowerQuartileMs)},
                           {"upper_quartile", orNull(upperQuartileMs)}, {"idle", idle}}},
            {"longest_streak", longestStreak},
            {"drift", {{"left_first_half", firstHalfLeft.toJson()}, {"left_second_half", secondHalfLeft.toJson()},
                       {"agreement_first_half", firstHalfAgreement.toJson()}, {"agreement_second_half", secondHalfAgreement.toJson()},
                       {"median_ms_first_half", orNull(firstHalfMs)}, {"median_ms_second_half", orNull(secondHalfMs)}}},
            {"accuracy_dawid_skene", orNull(modelledAccuracy)}};
}

rules::Interval ModelTable::interval(size_t model) const {
    if (bootstrap && std::isfinite(bootstrap->strengths[model].low))
        return bootstrap->strengths[model];
    return ratings.models[model].strength.interval();
}

std::pair<size_t, size_t> ModelTable::places(size_t model) const {
    if (bootstrap && std::isfinite(bootstrap->strengths[model].low))
        return {bootstrap->rankLow[model], bootstrap->rankHigh[model]};
    return {ratings.models[model].rankLow, ratings.models[model].rankHigh};
}

Json ModelTable::toJson() const {
    Json intervals = {{"method", "normal approximation"}, {"rounds", 0}};
    if (bootstrap)
        intervals = {{"method", "bootstrap over prompts"}, {"rounds", bootstrap->rounds}, {"used", bootstrap->used},
                     {"prompts", bootstrap->clusters},     {"seed", bootstrap->seed}};
    Json list = Json::array();
    for (size_t i = 0; i < names.size(); ++i) {
        const auto& model = ratings.models[i];
        const auto bounds = interval(i), normal = model.strength.interval();
        const auto [rankLow, rankHigh] = places(i);
        list.push_back({{"name", names[i]},
                        {"rating", numberOrNull(ModelRating::elo(model.strength.value))},
                        {"low", numberOrNull(ModelRating::elo(bounds.low))},
                        {"high", numberOrNull(ModelRating::elo(bounds.high))},
                        {"normal_low", numberOrNull(ModelRating::elo(normal.low))},
                        {"normal_high", numberOrNull(ModelRating::elo(normal.high))},
                        {"rank_low", rankLow},
                        {"rank_high", rankHigh},
                        {"votes", model.matches},
                        {"wins", model.wins}});
    }
    return {{"ratings", list}, {"position_log_odds", pl::desk::toJson(ratings.position)}, {"warning", warning},
            {"intervals", intervals}};
}

Json QualityReport::toJson() const {
    Json persons = Json::array();
    for (const auto& person : people)
        persons.push_back(person.toJson());
    Json terms = Json::object();
    for (const StyleTerm& term : style) {
        terms[term.name] = pl::desk::toJson(term.logOdds);
        terms[term.name]["n"] = term.matches;
    }
    return {{"votes", votes},
            {"skips", skips},
            {"flags", flags},
            {"agreement", agreement.toJson()},
            {"left", left.toJson()},
            {"position_power", positionPower()},
            {"ties", ties.toJson()},
            {"longer_wins", longer.toJson()},
            {"double_length_log_odds", doubleLengthLogOdds ? pl::desk::toJson(*doubleLengthLogOdds) : Json()},
            {"style_log_odds", terms},
            {"gold", gold.toJson()},
            {"self_consistency", selfConsistency.toJson()},
            {"swap_consistency", swapConsistency.toJson()},
            {"cycles", cycles.size()},
            {"people", persons},
            {"models", models.toJson()}};
}

int64_t votesToSee(double p) {
    if (!(p > 0 && p < 1) || p == 0.5)
        return 0;
    const double power = rules::normalQuantile(0.8);
    return static_cast<int64_t>(std::ceil(std::pow((rules::kZ95 * 0.5 + power * std::sqrt(p * (1 - p))) / (p - 0.5), 2)));
}

std::string QualityReport::positionPower() const {
    const double shares[] = {0.60, 0.55, 0.53};
    std::string seen, not_yet;
    for (const double share : shares)
        if (left.n >= votesToSee(share))
            seen = fmt::format("{:.0f} %", share * 100);
        else if (not_yet.empty())
            not_yet = fmt::format("{:.0f} % ({} needed)", share * 100, withCommas(votesToSee(share)));
    const auto votes = fmt::format("{} {} without a tie", withCommas(left.n), left.n == 1 ? "vote" : "votes");
    if (seen.empty())
        return fmt::format("{}: not enough yet to see a left share of {}.", votes, not_yet);
    if (not_yet.empty())
        return fmt::format("{}: enough to see a left share of {}.", votes, seen);
    return fmt::format("{}: enough to see a left share of {}, not yet of {}.", votes, seen, not_yet);
}

} // namespace pl::desk

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "core/desk/stats/agreement.h"
#include "core/desk/store/adjudication.h"

namespace pl::desk {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Json numberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json orNull(const std::optional<double>& value) { return value ? numberOrNull(*value) : Json(); }
Json toJson(const Term& term) {
    const auto bounds = term.interval();
    return {{"value", numberOrNull(term.value)}, {"low", numberOrNull(bounds.low)}, {"high", numberOrNull(bounds.high)}};
}

int category(Winner winner) { return winner == Winner::A ? 0 : winner == Winner::Tie ? 1 : 2; }

/// -3 a much better .. 3 b much better; a vote without a strength counts as 2, plainly better.
int score(const CurrentVote& vote) {
    if (vote.winner == Winner::Tie)
        return 0;
    const int strength = vote.strength ? vote.strength : 2;
    return vote.winner == Winner::A ? -strength : strength;
}

bool leftChosen(const CurrentVote& vote) { return (vote.winner == Winner::A) == vote.aOnLeft; }

std::optional<double> medianOf(const std::vector<double>& values) {
    return values.empty() ? std::nullopt : std::optional<double>(rules::median(values));
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

using PairKey = std::pair<Id, Id>; ///< task, comparison

/// First occasions, person by person.
using ByPair = std::map<PairKey, std::vector<const CurrentVote*>>;

Coefficient coefficient(const Patterns& items, Level level, const QualityOptions& options) {
    Coefficient out;
    out.value = krippendorffAlpha(items, level);
    out.raw = rawAgreement(items);
    for (size_t i = 0; i < items.units.size(); ++i)
        out.pairs += items.units[i].size() >= 2 ? static_cast<int64_t>(items.counts[i]) : 0;
    out.interval = bootstrapInterval(
        items, [level](const Patterns& sample) { return krippendorffAlpha(sample, level); }, options.bootstrap, options.seed);
    return out;
}

Agreement agreementOf(const ByPair& pairs, const std::set<PairKey>& adjudicated, const QualityOptions& options) {
    Agreement out;
    out.adjudicated = static_cast<int64_t>(adjudicated.size());
    std::vector<Unit> winner, decided, strength;
    std::set<Id> raters;
    std::vector<std::pair<double, Id>> disputed;
    for (const auto& [key, votes] : pairs) {
        if (votes.size() < 2)
            continue;
        Unit w, d, s;
        std::map<int, double> counts;
        for (const CurrentVote* vote : votes) {
            raters.insert(vote->annotator);
            w.push_back(category(vote->winner));
            counts[w.back()] += 1;
            if (vote->winner != Winner::Tie)
                d.push_back(category(vote->winner));
            if (vote->winner == Winner::Tie || vote->strength)
                s.push_back(score(*vote));
        }
        if (counts.size() > 1 && !adjudicated.count(key)) {
            double most = 0;
            for (const auto& [value, count] : counts)
                most = std::max(most, count);
            disputed.emplace_back(most / static_cast<double>(votes.size()), key.second);
            out.undecided += 2 * most <= static_cast<double>(votes.size());
        }
        winner.push_back(std::move(w));
        if (d.size() >= 2)
            decided.push_back(std::move(d));
        if (s.size() >= 2)
            strength.push_back(std::move(s));
    }
    std::stable_sort(disputed.begin(), disputed.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    for (const auto& [share, pair] : disputed)
        out.disputed.push_back(pair);
    out.winner = coefficient(winner, Level::Nominal, options);
    out.decided = coefficient(decided, Level::Nominal, options);
    out.strength = coefficient(strength, Level::Ordinal, options);
    out.ac1 = gwetAc1(winner, 3);
    if (const double fleiss = fleissKappa(winner); !std::isnan(fleiss))
        out.fleiss = fleiss;
    if (raters.size() == 2) {
        std::vector<TwoRatings> nominal, weighted;
        for (const auto& [key, votes] : pairs) {
            if (votes.size() != 2)
                continue;
            const auto [x, y] = std::minmax(votes[0], votes[1], [](const auto* l, const auto* r) { return l->annotator < r->annotator; });
            nominal.push_back({category(x->winner), category(y->winner)});
            weighted.push_back({score(*x), score(*y)});
        }
        if (const double kappa = cohenKappa(nominal); !std::isnan(kappa))
            out.cohen = kappa;
        if (const double kappa = cohenKappa(weighted, KappaWeights::Quadratic); !std::isnan(kappa))
            out.cohenQuadratic = kappa;
    }
    return out;
}

/// Of one person, in the order of the events.
PersonQuality personOf(const std::vector<const CurrentVote*>& votes, const ByPair& pairs,
                       const std::map<Id, Project::PairFacts>& facts) {
    PersonQuality out;
    std::vector<const CurrentVote*> decided;
    std::vector<double> times;
    std::vector<std::pair<const CurrentVote*, double>> timed;
    std::map<PairKey, const CurrentVote*> first;
    int64_t streak = 0;
    bool side = false;
    for (const CurrentVote* vote : votes) {
        if (vote->occasion == 0) {
            out.flags += vote->flagged;
            out.skips += vote->kind == EventKind::Skip;
        }
        if (vote->kind != EventKind::Vote)
            continue;
        if (vote->occasion == 0) {
            ++out.votes;
            first[{vote->task, vote->comparison}] = vote;
            out.ties.add(vote->winner == Winner::Tie);
            ++out.strengths[vote->winner == Winner::Tie ? 0 : std::clamp<int>(vote->strength, 0, 3)];
        }
        if (vote->activeMs > PersonQuality::kIdleMs) {
            ++out.idle;
        } else if (vote->activeMs >= 0) {
            times.push_back(vote->activeMs);
            timed.emplace_back(vote, vote->activeMs);
        }
        if (vote->winner == Winner::Tie)
            continue;
        if (vote->shown) {
            decided.push_back(vote);
            out.left.add(leftChosen(*vote));
            streak = streak && side == leftChosen(*vote) ? streak + 1 : 1;
            side = leftChosen(*vote);
            out.longestStreak = std::max(out.longestStreak, streak);
        }
        const auto fact = facts.find(vote->comparison);
        if (vote->occasion == 0 && fact != facts.end() && fact->second.lengthA != fact->second.lengthB)
            out.longer.add((fact->second.lengthA > fact->second.lengthB) == (vote->winner == Winner::A));
    }
    std::vector<TwoRatings> repeats;
    for (const CurrentVote* vote : votes) {
        if (vote->kind != EventKind::Vote || vote->occasion == 0)
            continue;
        const auto original = first.find({vote->task, vote->comparison});
        if (original == first.end())
            continue;
        const bool same = original->second->winner == vote->winner;
        out.selfConsistency.add(same);
        if (original->second->aOnLeft != vote->aOnLeft)
            out.swapConsistency.add(same);
        repeats.push_back({score(*original->second), score(*vote)});
    }
    out.repeatKappa = cohenKappa(repeats, KappaWeights::Quadratic);
    std::vector<std::pair<Id, bool>> agreed; // event, and whether with the others
    for (const auto& [key, vote] : first) {
        std::map<Winner, int> others;
        for (const CurrentVote* other : pairs.at(key))
            if (other->annotator != vote->annotator)
                ++others[other->winner];
        int most = 0, holders = 0;
        Winner majority = Winner::Tie;
        for (const auto& [winner, count] : others) {
            holders = count > most ? 1 : holders + (count == most);
            majority = count > most ? winner : majority;
            most = std::max(most, count);
        }
        if (holders == 1) {
            out.agreement.add(majority == vote->winner);
            agreed.emplace_back(vote->event, majority == vote->winner);
        }
    }
    std::sort(agreed.begin(), agreed.end());
    for (size_t i = 0; i < agreed.size(); ++i)
        (i < agreed.size() / 2 ? out.firstHalfAgreement : out.secondHalfAgreement).add(agreed[i].second);
    for (size_t i = 0; i < decided.size(); ++i)
        (i < decided.size() / 2 ? out.firstHalfLeft : out.secondHalfLeft).add(leftChosen(*decided[i]));
    std::vector<double> early, late;
    for (size_t i = 0; i < timed.size(); ++i)
        (i < timed.size() / 2 ? early : late).push_back(timed[i].second);
    out.firstHalfMs = medianOf(early);
    out.secondHalfMs = medianOf(late);
    out.medianMs = medianOf(times);
    if (!times.empty()) {
        out.lowerQuartileMs = rules::quantile(times, 0.25);
        out.upperQuartileMs = rules::quantile(times, 0.75);
    }
    return out;
}

/// Accuracy by Dawid and Skene for people who share pairs with others; needs three people or more to tell who is right.
std::map<Id, double> modelledAccuracies(const ByPair& pairs) {
    std::map<Id, size_t> raters;
    // Pairs that the same people judged alike are one item with a weight: there are few of them, however many pairs.
    std::map<std::vector<std::pair<size_t, int>>, double> alike;
    std::vector<std::pair<size_t, int>> judged;
    for (const auto& [key, list] : pairs) {
        if (list.size() < 2)
            continue;
        judged.clear();
        for (const CurrentVote* vote : list)
            judged.emplace_back(raters.try_emplace(vote->annotator, raters.size()).first->second, category(vote->winner));
        std::sort(judged.begin(), judged.end());
        alike[judged] += 1;
    }
    std::vector<RaterVote> votes;
    std::vector<double> weights;
    for (const auto& [each, many] : alike) {
        for (const auto& [rater, given] : each)
            votes.push_back({weights.size(), rater, given});
        weights.push_back(many);
    }
    std::map<Id, double> out;
    if (raters.size() < 3)
        return out;
    const auto model = dawidSkene(votes, weights.size(), raters.size(), 3, 0.01, 500, weights);
    for (const auto& [id, at] : raters)
        out[id] = model.accuracy(at);
    return out;
}

ModelTable modelsOf(const std::vector<CurrentVote>& votes, const std::map<Id, Project::PairFacts>& facts,
                    const Styles& styles, QualityReport& report) {
    std::optional<Term>& doubleLength = report.doubleLengthLogOdds;
    std::array<int64_t, kStyleElements> differing{};
    ModelTable out;
    std::map<std::string, size_t> index;
    std::vector<Match> matches;
    bool lengths = false;
    for (const CurrentVote& vote : votes) {
        const auto fact = facts.find(vote.comparison);
        if (vote.kind != EventKind::Vote || vote.occasion != 0 || fact == facts.end())
            continue;
        const auto& f = fact->second;
        if (f.modelA.empty() || f.modelB.empty() || f.modelA == f.modelB)
            continue;
        for (const auto* name : {&f.modelA, &f.modelB})
            if (index.try_emplace(*name, index.size()).second)
                out.names.push_back(*name);
        Match match;
        match.first = index[f.modelA];
        match.second = index[f.modelB];
        match.outcome = vote.winner == Winner::A ? Outcome::First : vote.winner == Winner::B ? Outcome::Second : Outcome::Tie;
        match.shown = vote.shown;
        match.firstOnLeft = vote.aOnLeft;
        match.cluster = static_cast<size_t>(vote.comparison);
        match.style = {normalisedDifference(static_cast<double>(f.lengthA), static_cast<double>(f.lengthB))};
        lengths = lengths || match.style[0] != 0;
        const auto a = styles.of.find(f.a), b = styles.of.find(f.b);
        for (size_t i = 0; i < kStyleElements; ++i) {
            const bool known = styles.complete && a != styles.of.end() && b != styles.of.end();
            match.style.push_back(known ? normalisedDifference(a->second.n[i], b->second.n[i]) : 0);
            differing[i] += match.style.back() != 0;
        }
        matches.push_back(std::move(match));
    }
    // Terms that never differ would be none; a few matches say nothing about one.
    std::vector<size_t> used;
    for (size_t i = 0; i <= kStyleElements; ++i)
        if (i == 0 ? lengths : differing[i - 1] >= rules::kTooFew)
            used.push_back(i);
    for (Match& match : matches) {
        std::vector<double> kept;
        for (const size_t i : used)
            kept.push_back(match.style[i]);
        match.style = std::move(kept);
    }
    RatingOptions options;
    options.styleTerms = used.size();
    options.position = std::any_of(matches.begin(), matches.end(), [](const Match& m) { return m.shown; });
    options.ties = std::any_of(matches.begin(), matches.end(), [](const Match& m) { return m.outcome == Outcome::Tie; })
                       ? TieModel::Davidson
                       : TieModel::Half;
    out.ratings = rateModels(out.names.size(), matches, options);
    if (!matches.empty())
        out.warning = out.ratings.warning(out.names);
    if (lengths && out.ratings.converged) { // twice as long: (2 - 1) / (2 + 1)
        const Term& term = out.ratings.style[0];
        doubleLength = Term{term.value / 3, term.error / 3};
    }
    if (out.ratings.converged)
        for (size_t k = 0; k < used.size(); ++k)
            if (used[k] > 0)
                report.style.push_back({styleElementName(static_cast<StyleElement>(used[k] - 1)), out.ratings.style[k], differing[used[k] - 1]});
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

Json ModelTable::toJson() const {
    Json list = Json::array();
    for (size_t i = 0; i < names.size(); ++i) {
        const auto& model = ratings.models[i];
        const auto bounds = model.strength.interval();
        list.push_back({{"name", names[i]},
                        {"rating", numberOrNull(ModelRating::elo(model.strength.value))},
                        {"low", numberOrNull(ModelRating::elo(bounds.low))},
                        {"high", numberOrNull(ModelRating::elo(bounds.high))},
                        {"rank_low", model.rankLow},
                        {"rank_high", model.rankHigh},
                        {"votes", model.matches},
                        {"wins", model.wins}});
    }
    return {{"ratings", list}, {"position_log_odds", pl::desk::toJson(ratings.position)}, {"warning", warning}};
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

QualityReport assessQuality(std::vector<CurrentVote> votes, const std::vector<Annotator>& people,
                            const std::map<Id, Project::PairFacts>& facts, const QualityOptions& options,
                            const QualityExtras& extras) {
    std::set<Id> adjudicators;
    for (const Annotator& person : people)
        if (isAdjudicator(person))
            adjudicators.insert(person.id);
    std::set<PairKey> adjudicated;
    std::erase_if(votes, [&](const CurrentVote& vote) {
        const bool person = vote.provenance == Provenance::Human || vote.provenance == Provenance::Imported;
        if (adjudicators.count(vote.annotator)) {
            if (vote.kind != EventKind::Flag && (!options.task || vote.task == options.task))
                adjudicated.insert({vote.task, vote.comparison});
            return true;
        }
        return (options.task && vote.task != options.task) || (options.people && !person);
    });
    std::sort(votes.begin(), votes.end(), [](const CurrentVote& x, const CurrentVote& y) { return x.event < y.event; });
    ByPair pairs;
    std::map<Id, std::vector<const CurrentVote*>> byPerson;
    for (const CurrentVote& vote : votes) {
        byPerson[vote.annotator].push_back(&vote);
        if (vote.kind == EventKind::Vote && vote.occasion == 0)
            pairs[{vote.task, vote.comparison}].push_back(&vote);
    }
    QualityReport out;
    out.agreement = agreementOf(pairs, adjudicated, options);
    out.strata = extras.strata;
    out.styleComplete = extras.styles.complete || extras.styles.of.empty();
    std::map<Id, Rate> gold;
    for (const GoldVote& vote : extras.gold)
        gold[vote.annotator].add(vote.right);
    const auto accuracies = modelledAccuracies(pairs);
    const auto sum = [](Rate& into, const Rate& from) {
        into.successes += from.successes;
        into.n += from.n;
    };
    for (const Annotator& person : people) {
        const auto mine = byPerson.find(person.id);
        if (mine == byPerson.end())
            continue;
        auto quality = personOf(mine->second, pairs, facts);
        quality.annotator = person.id;
        quality.name = person.name;
        quality.kind = annotatorKindName(person.kind);
        if (const auto found = accuracies.find(person.id); found != accuracies.end())
            quality.modelledAccuracy = found->second;
        quality.gold = gold[person.id];
        sum(out.gold, quality.gold);
        out.votes += quality.votes;
        out.skips += quality.skips;
        out.flags += quality.flags;
        sum(out.left, quality.left);
        sum(out.ties, quality.ties);
        sum(out.longer, quality.longer);
        sum(out.selfConsistency, quality.selfConsistency);
        sum(out.swapConsistency, quality.swapConsistency);
        out.people.push_back(std::move(quality));
    }
    out.models = modelsOf(votes, facts, extras.styles, out);
    std::vector<Preference> preferences;
    for (const auto& [key, list] : pairs) {
        const auto fact = facts.find(key.second);
        if (fact == facts.end() || fact->second.prompt == 0)
            continue;
        for (const CurrentVote* vote : list)
            if (vote->winner != Winner::Tie) {
                const bool a = vote->winner == Winner::A;
                preferences.push_back({static_cast<size_t>(fact->second.prompt), a ? fact->second.a : fact->second.b,
                                       a ? fact->second.b : fact->second.a});
            }
    }
    out.cycles = preferenceCycles(preferences);
    return out;
}

Result<std::function<QualityReport()>> qualityWork(Project& project, const QualityOptions& options) {
    PL_TRY(auto people, project.annotators());
    PL_TRY(auto facts, project.pairFacts());
    QualityExtras extras;
    PL_TRY(extras.gold, goldVotes(project, options.task));
    PL_TRY(extras.styles, stylesOf(project, facts, options.texts));
    PL_TRY(extras.strata, project.strata(options.task));
    return [votes = project.currentVotes(), people = std::move(people), facts = std::move(facts), options, extras = std::move(extras)] {
        auto report = assessQuality(votes, people, facts, options, extras);
        report.styleComplete = extras.styles.complete;
        return report;
    };
}

} // namespace pl::desk

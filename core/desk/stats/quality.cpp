// SPDX-License-Identifier: Apache-2.0
#include "core/desk/stats/quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/desk/stats/agreement.h"
#include "core/desk/store/adjudication.h"

namespace pl::desk {

namespace {

int category(Winner winner) { return winner == Winner::A ? 0 : winner == Winner::Tie ? 1 : 2; }

/// -3 a much better .. 3 b much better; a vote without a strength counts as 2, plainly better.
int score(const CurrentVote& vote) {
    if (vote.winner == Winner::Tie)
        return 0;
    const int strength = vote.strength ? vote.strength : 2;
    return vote.winner == Winner::A ? -strength : strength;
}

bool leftChosen(const CurrentVote& vote) { return (vote.winner == Winner::A) == vote.aOnLeft; }

using PairKey = std::pair<Id, Id>; ///< task, comparison

struct Keyed {
    uint64_t key;
    const CurrentVote* vote;
};
/// Stable, by counting eleven bits at a time: a million votes in some passes over them.
void sortByKey(std::vector<Keyed>& all) {
    const auto byKey = [](const Keyed& x, const Keyed& y) { return x.key < y.key; };
    if (std::is_sorted(all.begin(), all.end(), byKey))
        return;
    constexpr int kBits = 11;
    const uint64_t most = std::max_element(all.begin(), all.end(), byKey)->key;
    std::vector<Keyed> other(all.size());
    for (int shift = 0; shift < 64 && most >> shift; shift += kBits) {
        std::array<size_t, size_t{1} << kBits> at{};
        const auto digit = [shift](const Keyed& each) { return (each.key >> shift) & ((uint64_t{1} << kBits) - 1); };
        for (const Keyed& each : all)
            ++at[digit(each)];
        size_t sum = 0;
        for (size_t& n : at)
            sum += std::exchange(n, sum);
        for (const Keyed& each : all)
            other[at[digit(each)]++] = each;
        all.swap(other);
    }
}

/// Votes of people of a first occasion, those on one pair together, in the order of the events.
struct Groups {
    struct One {
        PairKey key;
        size_t from = 0, to = 0;        ///< places in `votes`
        const PairFact* fact = nullptr; ///< null: not read yet
        size_t size() const { return to - from; }
    };
    std::vector<const CurrentVote*> votes;
    std::vector<One> pairs; ///< sorted by key
    std::span<const CurrentVote* const> of(const One& pair) const { return {votes.data() + pair.from, pair.size()}; }
    const One* find(const PairKey& key) const {
        const auto at = std::lower_bound(pairs.begin(), pairs.end(), key, [](const One& x, const PairKey& k) { return x.key < k; });
        return at != pairs.end() && at->key == key ? &*at : nullptr;
    }

    Groups(const std::vector<const CurrentVote*>& inOrder, const std::vector<PairFact>& facts) {
        std::vector<Keyed> entries;
        entries.reserve(inOrder.size());
        for (const CurrentVote* vote : inOrder)
            if (vote->kind == EventKind::Vote && vote->occasion == 0)
                entries.push_back({static_cast<uint64_t>(vote->comparison), vote});
        sortByKey(entries);
        for (Keyed& entry : entries)
            entry.key = static_cast<uint64_t>(entry.vote->task);
        sortByKey(entries);
        votes.reserve(entries.size());
        pairs.reserve(entries.size());
        auto fact = facts.begin();
        for (const auto& [task, vote] : entries) {
            const PairKey key{vote->task, vote->comparison};
            if (pairs.empty() || pairs.back().key != key) {
                if (!pairs.empty() && pairs.back().key.first != key.first)
                    fact = facts.begin();
                while (fact != facts.end() && fact->comparison < key.second)
                    ++fact;
                pairs.push_back({key, votes.size(), 0, fact != facts.end() && fact->comparison == key.second ? &*fact : nullptr});
            }
            votes.push_back(vote);
            pairs.back().to = votes.size();
        }
    }
};

/// Counts items by what they got, as Patterns has them; without a list of all of them.
class PatternCounts {
public:
    void add(Unit& unit) {
        std::sort(unit.begin(), unit.end());
        if (unit.size() > kPacked) {
            m_long[unit] += 1;
            return;
        }
        uint64_t code = 0; // three bits a value, -3 .. 3 as 1 .. 7
        for (const int value : unit)
            code = code << 3 | static_cast<uint64_t>(value + 4);
        m_packed[code] += 1;
    }
    Patterns patterns() const {
        std::map<Unit, double> all = m_long;
        for (const auto& [code, count] : m_packed) {
            Unit unit;
            for (uint64_t rest = code; rest; rest >>= 3)
                unit.push_back(static_cast<int>(rest & 7) - 4);
            std::reverse(unit.begin(), unit.end());
            all[unit] = count;
        }
        Patterns out;
        for (const auto& [unit, count] : all) {
            out.units.push_back(unit);
            out.counts.push_back(count);
        }
        return out;
    }

private:
    static constexpr size_t kPacked = 21;
    std::unordered_map<uint64_t, double> m_packed;
    std::map<Unit, double> m_long;
};

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

Agreement agreementOf(const Groups& groups, const std::set<PairKey>& adjudicated, const QualityOptions& options) {
    Agreement out;
    out.adjudicated = static_cast<int64_t>(adjudicated.size());
    PatternCounts winner, decided, strength;
    std::set<Id> raters;
    std::vector<std::pair<double, Id>> disputed;
    Unit w, d, s;
    for (const auto& pair : groups.pairs) {
        if (pair.size() < 2)
            continue;
        w.clear();
        d.clear();
        s.clear();
        int counts[3] = {0, 0, 0};
        for (const CurrentVote* vote : groups.of(pair)) {
            raters.insert(vote->annotator);
            w.push_back(category(vote->winner));
            ++counts[w.back()];
            if (vote->winner != Winner::Tie)
                d.push_back(category(vote->winner));
            if (vote->winner == Winner::Tie || vote->strength)
                s.push_back(score(*vote));
        }
        const auto most = static_cast<size_t>(std::max({counts[0], counts[1], counts[2]}));
        if (most < pair.size() && !adjudicated.count(pair.key)) {
            disputed.emplace_back(static_cast<double>(most) / static_cast<double>(pair.size()), pair.key.second);
            out.undecided += 2 * most <= pair.size();
        }
        winner.add(w);
        if (d.size() >= 2)
            decided.add(d);
        if (s.size() >= 2)
            strength.add(s);
    }
    std::stable_sort(disputed.begin(), disputed.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    for (const auto& [share, pair] : disputed)
        out.disputed.push_back(pair);
    const Patterns winners = winner.patterns();
    out.winner = coefficient(winners, Level::Nominal, options);
    out.decided = coefficient(decided.patterns(), Level::Nominal, options);
    out.strength = coefficient(strength.patterns(), Level::Ordinal, options);
    out.ac1 = gwetAc1(winners, 3);
    if (const double fleiss = fleissKappa(winners); !std::isnan(fleiss))
        out.fleiss = fleiss;
    if (raters.size() == 2) {
        std::vector<TwoRatings> nominal, weighted;
        for (const auto& pair : groups.pairs) {
            if (pair.size() != 2)
                continue;
            const auto votes = groups.of(pair);
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

/// Quantiles of active times up to kIdleMs, by counting: sorting a million of them takes longer than everything else here.
class Times {
public:
    explicit Times(std::span<const int32_t> ms) : m_n(ms.size()) {
        if (ms.size() < kFew) {
            m_few.assign(ms.begin(), ms.end());
            return;
        }
        m_upTo.assign(PersonQuality::kIdleMs + 1, 0);
        for (const int32_t each : ms)
            ++m_upTo[static_cast<size_t>(each)];
        for (size_t i = 1; i < m_upTo.size(); ++i)
            m_upTo[i] += m_upTo[i - 1];
    }
    /// As rules::quantile(); empty without times.
    std::optional<double> quantile(double q) const {
        if (m_n == 0)
            return std::nullopt;
        if (m_upTo.empty())
            return rules::quantile(m_few, q);
        const double position = q * static_cast<double>(m_n - 1);
        const auto below = static_cast<size_t>(position);
        const double share = position - static_cast<double>(below);
        return share == 0 ? at(below) : at(below) + share * (at(below + 1) - at(below));
    }

private:
    static constexpr size_t kFew = 2000;
    double at(size_t rank) const {
        return static_cast<double>(std::upper_bound(m_upTo.begin(), m_upTo.end(), rank) - m_upTo.begin());
    }
    size_t m_n;
    std::vector<double> m_few;
    std::vector<size_t> m_upTo; ///< how many took so many milliseconds or less
};

/// Votes of one person, in the order of the events; without what needs the others' votes or the answers.
PersonQuality personOf(const std::vector<const CurrentVote*>& votes, const Groups& groups) {
    PersonQuality out;
    std::vector<bool> left;
    std::vector<int32_t> times;
    std::vector<TwoRatings> repeats;
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
            out.ties.add(vote->winner == Winner::Tie);
            ++out.strengths[vote->winner == Winner::Tie ? 0 : std::clamp<int>(vote->strength, 0, 3)];
        } else if (const auto* pair = groups.find({vote->task, vote->comparison})) {
            const auto all = groups.of(*pair);
            const auto original = std::find_if(all.begin(), all.end(), [&](const CurrentVote* v) { return v->annotator == vote->annotator; });
            if (original != all.end()) {
                const bool same = (*original)->winner == vote->winner;
                out.selfConsistency.add(same);
                if ((*original)->aOnLeft != vote->aOnLeft)
                    out.swapConsistency.add(same);
                repeats.push_back({score(**original), score(*vote)});
            }
        }
        if (vote->activeMs > PersonQuality::kIdleMs)
            ++out.idle;
        else if (vote->activeMs >= 0)
            times.push_back(vote->activeMs);
        if (vote->winner == Winner::Tie || !vote->shown)
            continue;
        left.push_back(leftChosen(*vote));
        out.left.add(left.back());
        streak = streak && side == left.back() ? streak + 1 : 1;
        side = left.back();
        out.longestStreak = std::max(out.longestStreak, streak);
    }
    out.repeatKappa = cohenKappa(repeats, KappaWeights::Quadratic);
    for (size_t i = 0; i < left.size(); ++i)
        (i < left.size() / 2 ? out.firstHalfLeft : out.secondHalfLeft).add(left[i]);
    const std::span<const int32_t> all(times);
    out.firstHalfMs = Times(all.first(times.size() / 2)).quantile(0.5);
    out.secondHalfMs = Times(all.subspan(times.size() / 2)).quantile(0.5);
    const Times whole(all);
    out.medianMs = whole.quantile(0.5);
    out.lowerQuartileMs = whole.quantile(0.25);
    out.upperQuartileMs = whole.quantile(0.75);
    return out;
}

/// Agreement with the others and lengths, pair by pair.
void compareWithOthers(const Groups& groups, std::map<Id, PersonQuality>& people) {
    std::map<Id, std::vector<std::pair<Id, bool>>> agreed; // by person: event, and whether with the others
    PersonQuality* person = nullptr;
    for (const auto& pair : groups.pairs) {
        const auto votes = groups.of(pair);
        int counts[3] = {0, 0, 0};
        for (const CurrentVote* vote : votes)
            ++counts[category(vote->winner)];
        for (const CurrentVote* vote : votes) {
            if (!person || person->annotator != vote->annotator)
                person = &people.at(vote->annotator);
            if (pair.fact && vote->winner != Winner::Tie && pair.fact->lengthA != pair.fact->lengthB)
                person->longer.add((pair.fact->lengthA > pair.fact->lengthB) == (vote->winner == Winner::A));
            if (votes.size() < 2)
                continue;
            const int mine = category(vote->winner);
            --counts[mine];
            const int most = std::max({counts[0], counts[1], counts[2]});
            if (std::count(counts, counts + 3, most) == 1) {
                const bool same = counts[mine] == most;
                person->agreement.add(same);
                agreed[vote->annotator].emplace_back(vote->event, same);
            }
            ++counts[mine];
        }
    }
    for (auto& [id, list] : agreed) {
        std::sort(list.begin(), list.end());
        for (size_t i = 0; i < list.size(); ++i)
            (i < list.size() / 2 ? people.at(id).firstHalfAgreement : people.at(id).secondHalfAgreement).add(list[i].second);
    }
}

/// Accuracy by Dawid and Skene for people who share pairs with others; needs three people or more to tell who is right.
std::map<Id, double> modelledAccuracies(const Groups& groups) {
    std::map<Id, size_t> raters;
    // Pairs that the same people judged alike are one item with a weight: there are few of them, however many pairs.
    std::map<std::vector<std::pair<size_t, int>>, double> alike;
    std::vector<std::pair<size_t, int>> judged;
    for (const auto& pair : groups.pairs) {
        if (pair.size() < 2)
            continue;
        judged.clear();
        for (const CurrentVote* vote : groups.of(pair))
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

ModelTable modelsOf(const Groups& groups, const std::vector<std::string>& names, QualityReport& report) {
    const auto useful = [](const Groups::One& pair) {
        return pair.fact && pair.fact->modelA && pair.fact->modelB && pair.fact->modelA != pair.fact->modelB;
    };
    // Models in the order in which votes met them.
    std::vector<std::pair<Id, uint32_t>> met(names.size(), {0, 0});
    std::array<int64_t, kStyleElements> differing{};
    bool lengths = false;
    int64_t many = 0;
    for (const auto& pair : groups.pairs) {
        if (!useful(pair))
            continue;
        const PairFact& f = *pair.fact;
        const Id event = groups.votes[pair.from]->event;
        const auto n = static_cast<int64_t>(pair.size());
        many += n;
        for (const auto& [model, place] : {std::pair(f.modelA, 0u), {f.modelB, 1u}})
            if (auto& first = met[model]; first.first == 0 || event < first.first)
                first = {event, place};
        lengths = lengths || f.lengthA != f.lengthB;
        for (size_t i = 0; i < kStyleElements; ++i)
            differing[i] += f.styleA.n[i] != f.styleB.n[i] ? n : 0;
    }
    std::vector<uint32_t> order;
    for (uint32_t i = 1; i < names.size(); ++i)
        if (met[i].first)
            order.push_back(i);
    std::sort(order.begin(), order.end(), [&](uint32_t x, uint32_t y) { return met[x] < met[y]; });
    ModelTable out;
    std::vector<size_t> index(names.size());
    for (const uint32_t model : order) {
        index[model] = out.names.size();
        out.names.push_back(names[model]);
    }
    // Terms that never differ would be none; a few matches say nothing about one.
    std::vector<size_t> used;
    for (size_t i = 0; i <= kStyleElements; ++i)
        if (i == 0 ? lengths : differing[i - 1] >= rules::kTooFew)
            used.push_back(i);
    MatchTable matches(used.size());
    matches.reserve(static_cast<size_t>(many));
    RatingOptions options;
    options.styleTerms = used.size();
    options.position = false;
    options.ties = TieModel::Half;
    std::vector<double> style(used.size());
    std::vector<uint64_t> prompts;
    for (const auto& pair : groups.pairs) {
        if (!useful(pair))
            continue;
        const PairFact& f = *pair.fact;
        for (size_t k = 0; k < used.size(); ++k)
            style[k] = used[k] == 0 ? normalisedDifference(f.lengthA, f.lengthB)
                                    : normalisedDifference(f.styleA.n[used[k] - 1], f.styleB.n[used[k] - 1]);
        for (const CurrentVote* vote : groups.of(pair)) {
            matches.add(index[f.modelA], index[f.modelB],
                        vote->winner == Winner::A ? Outcome::First : vote->winner == Winner::B ? Outcome::Second : Outcome::Tie,
                        vote->shown ? (vote->aOnLeft ? 1 : -1) : 0, static_cast<uint64_t>(f.comparison), style);
            prompts.push_back(static_cast<uint64_t>(f.prompt));
            options.position = options.position || vote->shown;
            if (vote->winner == Winner::Tie)
                options.ties = TieModel::Davidson;
        }
    }
    out.ratings = rateMatches(out.names.size(), matches, options);
    if (out.ratings.converged && matches.size() > 0 && matches.size() <= RatingSample::kMost)
        out.sample = std::make_shared<RatingSample>(RatingSample{out.names.size(), matches, std::move(prompts), options});
    if (matches.size() > 0)
        out.warning = out.ratings.warning(out.names);
    if (lengths && out.ratings.converged) { // twice as long: (2 - 1) / (2 + 1)
        const Term& term = out.ratings.style[0];
        report.doubleLengthLogOdds = Term{term.value / 3, term.error / 3};
    }
    if (out.ratings.converged)
        for (size_t k = 0; k < used.size(); ++k)
            if (used[k] > 0)
                report.style.push_back({styleElementName(static_cast<StyleElement>(used[k] - 1)), out.ratings.style[k], differing[used[k] - 1]});
    return out;
}

std::vector<Cycle> cyclesOf(const Groups& groups) {
    // Only prompts with three judged pairs or more can have any.
    std::vector<Id> prompts, three;
    for (const auto& pair : groups.pairs)
        if (pair.fact && pair.fact->prompt)
            prompts.push_back(pair.fact->prompt);
    if (!std::is_sorted(prompts.begin(), prompts.end()))
        std::sort(prompts.begin(), prompts.end());
    for (size_t i = 2; i < prompts.size(); ++i)
        if (prompts[i] == prompts[i - 2] && (three.empty() || three.back() != prompts[i]))
            three.push_back(prompts[i]);
    std::vector<Preference> preferences;
    for (const auto& pair : groups.pairs) {
        if (!pair.fact || !std::binary_search(three.begin(), three.end(), pair.fact->prompt))
            continue;
        for (const CurrentVote* vote : groups.of(pair))
            if (vote->winner != Winner::Tie) {
                const bool a = vote->winner == Winner::A;
                preferences.push_back({static_cast<size_t>(pair.fact->prompt), a ? pair.fact->a : pair.fact->b, a ? pair.fact->b : pair.fact->a});
            }
    }
    return preferenceCycles(preferences);
}

/// Votes on gold pairs that were shown as such.
std::map<Id, Rate> goldOf(const VoteFacts& facts, const Groups& groups, Id task) {
    std::map<Id, Rate> out;
    auto verdict = facts.gold.begin();
    for (const auto& shown : facts.goldShown) {
        const PairKey key{shown.task, shown.comparison};
        while (verdict != facts.gold.end() && PairKey{verdict->task, verdict->comparison} < key)
            ++verdict;
        if (verdict == facts.gold.end())
            break;
        if (PairKey{verdict->task, verdict->comparison} != key || (task && shown.task != task))
            continue;
        if (const auto* pair = groups.find(key))
            for (const CurrentVote* vote : groups.of(*pair))
                if (vote->annotator == shown.annotator)
                    out[vote->annotator].add(vote->winner == verdict->winner);
    }
    return out;
}

} // namespace

QualityReport assessQuality(const VoteFacts& facts, const QualityOptions& options) {
    std::set<Id> adjudicators;
    for (const Annotator& person : facts.people)
        if (isAdjudicator(person))
            adjudicators.insert(person.id);
    std::set<PairKey> adjudicated;
    std::vector<Keyed> byEvent;
    byEvent.reserve(facts.votes.size());
    for (const CurrentVote& vote : facts.votes) {
        if (options.task && vote.task != options.task)
            continue;
        const bool person = vote.provenance == Provenance::Human || vote.provenance == Provenance::Imported;
        if (!adjudicators.empty() && adjudicators.count(vote.annotator)) {
            if (vote.kind != EventKind::Flag)
                adjudicated.insert({vote.task, vote.comparison});
        } else if (person || !options.people) {
            byEvent.push_back({static_cast<uint64_t>(vote.event), &vote});
        }
    }
    sortByKey(byEvent);
    std::vector<const CurrentVote*> votes;
    votes.reserve(byEvent.size());
    for (const Keyed& each : byEvent)
        votes.push_back(each.vote);
    std::map<Id, std::vector<const CurrentVote*>> byPerson;
    std::vector<const CurrentVote*>* last = nullptr;
    for (const CurrentVote* vote : votes) {
        if (!last || last->back()->annotator != vote->annotator)
            last = &byPerson[vote->annotator];
        last->push_back(vote);
    }
    const Groups groups(votes, facts.pairs);
    QualityReport out;
    out.complete = facts.complete;
    out.agreement = agreementOf(groups, adjudicated, options);
    for (const auto& [key, n] : facts.strata)
        if (facts.complete && (!options.task || key.first == options.task))
            out.strata[key.second] += n;
    std::map<Id, PersonQuality> qualities;
    for (const auto& [id, mine] : byPerson) {
        qualities[id] = personOf(mine, groups);
        qualities[id].annotator = id;
    }
    compareWithOthers(groups, qualities);
    const auto gold = facts.complete ? goldOf(facts, groups, options.task) : std::map<Id, Rate>();
    const auto accuracies = modelledAccuracies(groups);
    const auto sum = [](Rate& into, const Rate& from) {
        into.successes += from.successes;
        into.n += from.n;
    };
    for (const Annotator& person : facts.people) {
        const auto mine = qualities.find(person.id);
        if (mine == qualities.end())
            continue;
        PersonQuality& quality = mine->second;
        quality.name = person.name;
        quality.kind = annotatorKindName(person.kind);
        if (const auto found = accuracies.find(person.id); found != accuracies.end())
            quality.modelledAccuracy = found->second;
        if (const auto found = gold.find(person.id); found != gold.end())
            quality.gold = found->second;
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
    out.models = modelsOf(groups, facts.models, out);
    out.cycles = cyclesOf(groups);
    return out;
}

Result<QualityReport> qualityOf(Project& project, const QualityOptions& options) {
    PL_TRY(const VoteFacts facts, readVoteFacts(project));
    QualityReport report = assessQuality(facts, options);
    if (const auto& sample = report.models.sample; sample && options.bootstrap > 0)
        report.models.bootstrap = bootstrapRatings(sample->models, sample->matches, sample->prompts, sample->options, options.bootstrap, options.seed);
    return report;
}

} // namespace pl::desk

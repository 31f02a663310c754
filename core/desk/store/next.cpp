// SPDX-License-Identifier: Apache-2.0
// Which pair comes next. What is asked at every vote follows the votes in memory and costs no scan of them.
#include <algorithm>
#include <array>
#include <utility>

#include "core/desk/store/impl.h"
#include "core/desk/store/opening.h"

namespace pl::desk {

namespace {

constexpr int kRepeatGap = 50;   ///< votes between a pair and its hidden repeat
constexpr size_t kTries = 12;    ///< pairs looked at for one that is not nearly the same as those just shown
constexpr size_t kQueues = 24;   ///< kept at once
constexpr int kLookOccasion = 2; ///< draws the sides of a second look anew

} // namespace

void Project::Impl::loadPairs() {
    if (pairsLoaded)
        return;
    pairs.clear();
    queues.clear();
    uncertain.clear();
    repeats.clear();
    readPairsAfter(*this, 0);
    pairsLoaded = true;
}

void Project::Impl::loadMarks() {
    if (memory.marksLoaded)
        return;
    const auto goldBefore = std::exchange(memory.gold, {});
    const auto verdictsBefore = std::exchange(memory.verdicts, {});
    memory.adjudicators.clear();
    memory.looks.clear();
    memory.doubted.clear();
    {
        auto rows = query("SELECT id FROM annotators WHERE instr(detail, '\"adjudicator\"') > 0");
        while (rows.step())
            memory.adjudicators.insert(rows.integer(0));
    }
    if (!memory.adjudicators.empty())
        for (const CurrentVote& vote : votes.rows())
            if (memory.adjudicators.count(vote.annotator) && vote.kind != EventKind::Flag)
                memory.verdicts.insert({vote.task, vote.comparison});
    {
        auto rows = query("SELECT task_id, comparison_id, coalesce(annotator_id, 0) FROM gold");
        while (rows.step())
            memory.gold[rows.integer(0)][rows.integer(1)] = rows.integer(2);
    }
    {
        auto rows = query("SELECT l.task_id, l.comparison_id, l.after_event_id, EXISTS (SELECT 1 FROM judgements j "
                          "WHERE j.comparison_id = l.comparison_id AND j.task_id = l.task_id AND j.id > l.after_event_id AND "
                          "j.kind IN ('vote', 'skip')) FROM second_looks l");
        while (rows.step()) {
            memory.looks[rows.integer(0)][rows.integer(1)] = rows.integer(2);
            if (!rows.boolean(3))
                memory.doubted[rows.integer(0)].insert(rows.integer(1));
        }
    }
    memory.marksLoaded = true;
    // Pairs whose mark is new or gone change places.
    std::set<Id> changed;
    for (const auto* gold : {&goldBefore, static_cast<const std::map<Id, std::map<Id, Id>>*>(&memory.gold)})
        for (const auto& [task, all] : *gold)
            for (const auto& [pair, who] : all)
                changed.insert(pair);
    for (const auto* verdicts : {&verdictsBefore, static_cast<const std::set<std::pair<Id, Id>>*>(&memory.verdicts)})
        for (const auto& [task, pair] : *verdicts)
            changed.insert(pair);
    for (const Id pair : changed)
        requeue(pair);
}

void Project::Impl::loadScores() {
    constexpr const char* kMargins =
        "SELECT x.id, sa.score - sb.score FROM scorers s JOIN candidate_scores sa ON sa.scorer_id = s.id "
        "JOIN comparisons x ON x.a_id = sa.candidate_id JOIN candidate_scores sb ON sb.scorer_id = s.id AND "
        "sb.candidate_id = x.b_id WHERE s.purpose = 'queue' AND s.active = 1 AND x.withdrawn = 0";
    if (!memory.scoresLoaded) {
        memory.margins.clear();
        memory.unread.clear();
        uncertain.clear();
        queues.clear(); // which pairs the random draw keeps depends on whether there are scores
        auto count = query("SELECT count(*) FROM scorers WHERE purpose = 'queue' AND active = 1");
        count.step();
        memory.scorers = static_cast<int>(count.integer(0));
        if (memory.scorers > 0) {
            auto rows = query(kMargins);
            while (rows.step())
                memory.margins[rows.integer(0)].add(rows.real(1));
            std::erase_if(memory.margins, [&](const auto& each) { return each.second.models < memory.scorers; });
        }
        memory.scoresLoaded = true;
        return;
    }
    if (memory.unread.empty())
        return;
    for (const Id pair : std::exchange(memory.unread, {})) {
        memory.margins.erase(pair);
        if (memory.scorers == 0)
            continue;
        PairMargin margin;
        auto rows = query("SELECT sa.score - sb.score FROM comparisons x JOIN scorers s ON s.purpose = 'queue' AND s.active = 1 "
                          "JOIN candidate_scores sa ON sa.scorer_id = s.id AND sa.candidate_id = x.a_id "
                          "JOIN candidate_scores sb ON sb.scorer_id = s.id AND sb.candidate_id = x.b_id "
                          "WHERE x.id = ? AND x.withdrawn = 0");
        rows.bind(pair);
        while (rows.step())
            margin.add(rows.real(0));
        if (margin.models == memory.scorers)
            memory.margins[pair] = margin;
        requeue(pair);
    }
}

void Project::Impl::requeue(Id comparison) {
    const auto info = pairs.find(comparison);
    if (info == pairs.end())
        return;
    for (auto& [which, queue] : queues)
        if (which.takes(info->second)) {
            if (holds(which, comparison))
                queue.add(comparison, info->second);
            else
                queue.remove(comparison, info->second);
        }
    const auto margin = memory.margins.find(comparison);
    for (auto& [which, queue] : uncertain)
        if (which.takes(info->second)) {
            if (margin != memory.margins.end() && holds(which, comparison))
                queue.add(comparison, margin->second.uncertainty());
            else
                queue.remove(comparison);
        }
}

void Project::Impl::followVote(const VoteKey& key) {
    if (!pairsLoaded)
        return;
    const CurrentVote* vote = votes.find(key);
    if (memory.adjudicators.count(key.annotator)) {
        if (vote && vote->kind != EventKind::Flag)
            memory.verdicts.insert({key.task, key.comparison});
        else
            memory.verdicts.erase({key.task, key.comparison});
    }
    if (const auto looks = memory.looks.find(key.task); looks != memory.looks.end())
        if (const auto at = looks->second.find(key.comparison); at != looks->second.end()) {
            if (vote && vote->event > at->second && vote->kind != EventKind::Flag)
                memory.doubted[key.task].erase(key.comparison);
            else
                memory.doubted[key.task].insert(key.comparison); // taken back
        }
    requeue(key.comparison);
    const auto info = pairs.find(key.comparison);
    if (info == pairs.end())
        return;
    for (auto& [which, pool] : repeats) {
        if (which.task != key.task || which.annotator != key.annotator || !which.takes(info->second))
            continue;
        if (key.occasion > 0)
            pool.setRepeated(key.comparison, key.occasion, vote != nullptr);
        else if (vote && vote->kind == EventKind::Vote && vote->shown)
            pool.judged(key.comparison, vote->event);
        else
            pool.unjudged(key.comparison);
    }
}

PairQueue& Project::Impl::queueFor(const NextOptions& options, int stratum, int wanted, double kept) {
    loadPairs();
    const bool drawn = stratum >= 0 || options.rule == QueueRule::Random;
    const uint64_t drawSeed = drawn ? options.seed ? options.seed : seed : 0;
    const QueueRule rule = drawn ? QueueRule::Random : QueueRule::Fifo;
    const QueueKey key{options.task, options.annotator, rule, options.split, options.kind, drawSeed, stratum, wanted, kept};
    const auto at = queues.find(key);
    if (at != queues.end())
        return at->second;
    if (queues.size() >= kQueues)
        queues.clear();
    PairQueue queue(rule, drawSeed);
    for (const auto& [id, info] : pairs)
        if (key.takes(info) && holds(key, id))
            queue.add(id, info);
    queue.settle();
    return queues.emplace(key, std::move(queue)).first->second;
}

UncertainQueue& Project::Impl::uncertainFor(const NextOptions& options, double kept) {
    const QueueKey key{options.task,    options.annotator, QueueRule::Mixed, options.split,
                       options.kind, 0,                 static_cast<int>(Stratum::Uncertain), 2, kept};
    const auto at = uncertain.find(key);
    if (at != uncertain.end())
        return at->second;
    if (uncertain.size() >= kQueues)
        uncertain.clear();
    UncertainQueue queue;
    for (const auto& [id, margin] : memory.margins) {
        const auto info = pairs.find(id);
        if (info != pairs.end() && key.takes(info->second) && holds(key, id))
            queue.add(id, margin.uncertainty());
    }
    return uncertain.emplace(key, std::move(queue)).first->second;
}

RepeatPool& Project::Impl::repeatsFor(const NextOptions& options, int minGap) {
    loadPairs();
    const uint64_t draw = options.seed ? options.seed : seed;
    const QueueKey key{options.task, options.annotator, QueueRule::Mixed, options.split,
                       options.kind, draw,              static_cast<int>(Stratum::Repeat), minGap, 1};
    const auto at = repeats.find(key);
    if (at != repeats.end())
        return at->second;
    if (repeats.size() >= kQueues)
        repeats.clear();
    RepeatPool pool(draw, static_cast<size_t>(std::max(0, minGap)));
    std::vector<std::pair<Id, Id>> mine; // event, pair
    for (const CurrentVote& vote : votes.rows()) {
        if (vote.task != options.task || vote.annotator != options.annotator)
            continue;
        const auto info = pairs.find(vote.comparison);
        if (info == pairs.end() || !key.takes(info->second))
            continue;
        if (vote.occasion > 0)
            pool.setRepeated(vote.comparison, vote.occasion, true);
        else if (vote.kind == EventKind::Vote && vote.shown)
            mine.emplace_back(vote.event, vote.comparison);
    }
    std::sort(mine.begin(), mine.end());
    for (const auto& [event, comparison] : mine)
        pool.judged(comparison, event);
    return repeats.emplace(key, std::move(pool)).first->second;
}

Result<LabelItem> Project::Impl::offer(const NextOptions& options, const QueuePick& pick) {
    PL_TRY(LabelItem item, itemIn(pick.comparison));
    Presentation& shown = item.presentation;
    shown.task = options.task;
    shown.comparison = pick.comparison;
    shown.annotator = options.annotator;
    shown.session = options.session;
    shown.seed = options.seed ? options.seed : seed;
    shown.aOnLeft = drawAOnLeft(shown.seed, hashPrefix(item.comparison.sha), options.annotator, 0);
    shown.rule = options.rule;
    shown.propensity = pick.propensity;
    shown.stratum = pick.stratum;
    shown.blind = options.blind;
    auto seen = query("SELECT 1 FROM exposures WHERE annotator_id = ? AND candidate_id IN (?, ?)");
    shown.exposed = seen.bind(options.annotator, item.a.id, item.b.id).step();
    return item;
}

Result<LabelItem> Project::Impl::repeatIn(const NextOptions& options, Id comparison) {
    PL_TRY(LabelItem item, itemIn(comparison));
    Presentation& shown = item.presentation;
    shown.task = options.task;
    shown.comparison = comparison;
    shown.annotator = options.annotator;
    shown.session = options.session;
    shown.seed = options.seed ? options.seed : seed;
    shown.aOnLeft = drawAOnLeft(shown.seed, hashPrefix(item.comparison.sha), options.annotator, 1);
    shown.stratum = stratumName(Stratum::Repeat);
    shown.blind = options.blind;
    shown.repeat = true;
    return item;
}

Result<std::optional<LabelItem>> Project::Impl::resumeIn(const NextOptions& options) {
    using Out = std::optional<LabelItem>;
    Presentation last;
    int32_t occasion = 0;
    {
        auto row = query("SELECT id, comparison_id, occasion, a_on_left, seed, rule, propensity, stratum FROM presentations "
                         "WHERE annotator_id = ? AND task_id = ? ORDER BY id DESC LIMIT 1");
        if (!row.bind(options.annotator, options.task).step())
            return Out();
        last.id = row.integer(0);
        last.comparison = row.integer(1);
        occasion = static_cast<int32_t>(row.integer(2));
        last.aOnLeft = row.boolean(3);
        last.seed = static_cast<uint64_t>(row.integer(4));
        last.rule = stored(queueRuleOf(row.text(5)));
        last.propensity = row.real(6);
        last.stratum = row.text(7);
    }
    const auto info = pairs.find(last.comparison);
    const QueueKey key{options.task, options.annotator, options.rule, options.split, options.kind, 0};
    if (info == pairs.end() || !key.takes(info->second))
        return Out();
    const bool look = last.stratum == stratumName(Stratum::Look);
    const auto doubted = memory.doubted.find(options.task);
    if (look ? doubted == memory.doubted.end() || !doubted->second.count(last.comparison)
             : votes.find({options.task, last.comparison, options.annotator, occasion}) != nullptr)
        return Out();
    NextOptions shown = options;
    shown.rule = last.rule;
    PL_TRY(LabelItem item, offer(shown, {last.comparison, last.propensity, ""}));
    item.presentation.stratum = last.stratum;
    item.presentation.seed = last.seed;
    item.presentation.aOnLeft = last.aOnLeft;
    item.presentation.repeat = occasion > 0;
    return Out(std::move(item));
}

// --- nearly the same -------------------------------------------------------------------------------------------------

const PairSketch& Project::Impl::sketchOfPair(Id comparison) {
    const auto known = memory.sketches.find(comparison);
    if (known != memory.sketches.end())
        return known->second;
    if (memory.sketches.size() >= QueueMemory::kSketches)
        memory.sketches.clear();
    PairSketch sketch;
    auto row = query("SELECT substr(pc.text, 1, 16384), substr(coalesce(ac.text, a.sha), 1, 16384), substr(coalesce(bc.text, b.sha), 1, 16384) "
                     "FROM comparisons x JOIN prompts p ON p.id = x.prompt_id JOIN contents pc ON pc.id = p.content_id "
                     "JOIN candidates a ON a.id = x.a_id JOIN candidates b ON b.id = x.b_id "
                     "LEFT JOIN contents ac ON ac.id = a.content_id LEFT JOIN contents bc ON bc.id = b.content_id WHERE x.id = ?");
    if (row.bind(comparison).step())
        sketch = {sketchOf(row.text(0)), sketchOf(row.text(1)), sketchOf(row.text(2))};
    return memory.sketches.emplace(comparison, std::move(sketch)).first->second;
}

std::vector<Id> Project::Impl::lastShown(Id task, Id annotator) {
    const auto [at, fresh] = memory.recent.try_emplace({task, annotator});
    if (fresh) {
        auto rows = query("SELECT comparison_id FROM presentations WHERE annotator_id = ? AND task_id = ? ORDER BY id DESC LIMIT ?");
        rows.bind(annotator, task, static_cast<int64_t>(QueueMemory::kRecent));
        while (rows.step())
            at->second.push_front(rows.integer(0));
    }
    return {at->second.begin(), at->second.end()};
}

// --- the mix -----------------------------------------------------------------------------------------------------------

namespace {

/// One turn of a mixed queue: what there is, and what was drawn.
struct Turn {
    std::vector<QueuePick> fresh, second;
    bool rest = false; ///< fresh are pairs that the random draw was not to have
    std::optional<QueuePick> uncertain;
    std::optional<RepeatPool::Pick> repeat;
};

} // namespace

Result<std::vector<LabelItem>> Project::Impl::nextMixed(const NextOptions& options) {
    PL_TRY(const Task task, taskIn(options.task));
    loadPairs();
    loadMarks();
    loadScores();
    QueueMix mix = QueueMix::of(task.queueMix);
    const bool plain = mix.empty();
    if (plain)
        mix.shares[static_cast<size_t>(Stratum::Fresh)] = 1;
    const auto has = [&](Stratum stratum) { return mix.shares[static_cast<size_t>(stratum)] > 0; };
    std::set<Id> skip(options.skip.begin(), options.skip.end());
    std::vector<LabelItem> items;
    if (skip.empty() && options.limit > 0) {
        PL_TRY(auto last, resumeIn(options));
        if (last) {
            skip.insert(last->comparison.id);
            items.push_back(std::move(*last));
        }
    }
    // How far this person has come decides the draw, so that the same state always gives the same next pair.
    uint64_t turn = skip.size() + static_cast<uint64_t>(votes.rowsOf(options.task, options.annotator));
    const uint64_t draw = options.seed ? options.seed : seed;
    const uint64_t stream = mix64(mix64(draw) ^ mix64(static_cast<uint64_t>(options.annotator)));

    const QueueKey all{options.task, options.annotator, QueueRule::Mixed, options.split, options.kind, 0};
    const auto offered = [&](Id pair) {
        const auto info = pairs.find(pair);
        return info != pairs.end() && all.takes(info->second) && !skip.count(pair);
    };
    const auto ordered = [&](std::vector<Id> ids) {
        std::sort(ids.begin(), ids.end(), [&](Id x, Id y) { return mix64(draw ^ pairs[x].hash) < mix64(draw ^ pairs[y].hash); });
        return ids;
    };
    std::vector<Id> gold, looks;
    if (has(Stratum::Gold))
        for (const auto& [pair, by] : memory.gold[options.task])
            if (by != options.annotator && offered(pair) && !votes.find({options.task, pair, options.annotator, 0}))
                gold.push_back(pair);
    for (const Id pair : memory.doubted[options.task])
        if (offered(pair))
            looks.push_back(pair);
    gold = ordered(std::move(gold));
    looks = ordered(std::move(looks));

    // The newest of what is on its way to the screen, and what was on it last.
    std::vector<Id> near = lastShown(options.task, options.annotator);
    for (size_t i = 0; i < options.skip.size() && i < QueueMemory::kRecent; ++i)
        near.push_back(options.skip[i]);
    for (const LabelItem& item : items)
        near.push_back(item.comparison.id);
    const auto tooClose = [&](Id pair) {
        const PairSketch mine = sketchOfPair(pair); // a copy: the cache may be emptied below
        return std::any_of(near.begin(), near.end(), [&](Id other) { return other != pair && nearlySame(mine, sketchOfPair(other)); });
    };
    // The first that is not nearly the same as one just shown; those put off have left the urn of this draw. When all are, the first.
    const auto first = [&](const std::vector<QueuePick>& picks) {
        for (const QueuePick& pick : picks)
            if (!tooClose(pick.comparison))
                return pick;
        return picks.front();
    };
    const bool models = has(Stratum::Uncertain) && !memory.margins.empty();
    const double kept = models ? mix.keptForRandom() : 1;
    NextOptions fifo = options;
    fifo.rule = QueueRule::Fifo;
    while (items.size() < options.limit) {
        Turn now;
        // Any queue may be rebuilt by another's making: no reference is kept.
        if (plain)
            now.fresh = queueFor(fifo).pick(1, skip);
        else
            now.fresh = queueFor(options, static_cast<int>(Stratum::Fresh), mix.votes, kept).pick(kTries, skip);
        if (!plain)
            now.second = queueFor(options, static_cast<int>(Stratum::Second), mix.votes).pick(kTries, skip);
        const uint64_t bits = mix64(stream ^ turn++);
        if (models) {
            std::set<Id> passed = skip;
            uint64_t inner = mix64(bits + 1);
            for (size_t i = 0; i < kTries; ++i, inner = mix64(inner)) {
                const auto pick = uncertainFor(options, kept).draw(unitUniform(inner), passed);
                if (!pick)
                    break;
                const bool close = tooClose(pick->comparison);
                if (!now.uncertain || !close)
                    now.uncertain = pick;
                if (!close)
                    break;
                passed.insert(pick->comparison);
            }
        }
        if (now.fresh.empty() && !now.uncertain && kept < 1) {
            now.fresh = queueFor(options, static_cast<int>(Stratum::Fresh), mix.votes).pick(kTries, skip);
            now.rest = true;
        }
        if (has(Stratum::Repeat)) {
            std::set<Id> barred = skip;
            for (const auto& [pair, by] : memory.gold[options.task])
                barred.insert(pair);
            now.repeat = repeatsFor(options, kRepeatGap).pick(barred);
        }
        std::array<bool, kStrata> there{!now.fresh.empty(),        !now.second.empty(), now.repeat.has_value(),
                                        now.uncertain.has_value(), !gold.empty(),       !looks.empty()};
        double shares = 0;
        for (size_t i = 0; i < kMixed; ++i)
            shares += there[i] ? mix.shares[i] : 0;
        mix.shares[static_cast<size_t>(Stratum::Look)] = kLookShare * (shares > 0 ? shares : 1);
        const auto choice = mix.choose(unitUniform(bits), there);
        if (!choice.any)
            break;
        const auto keep = [&](LabelItem item) {
            const Id pair = item.comparison.id;
            skip.insert(pair);
            near.push_back(pair);
            std::erase(gold, pair);
            std::erase(looks, pair);
            items.push_back(std::move(item));
        };
        QueuePick pick;
        NextOptions shown = options;
        shown.rule = QueueRule::Mixed;
        switch (choice.stratum) {
        case Stratum::Repeat: {
            PL_TRY(LabelItem item, repeatIn(options, now.repeat->comparison));
            item.presentation.propensity = choice.probability / static_cast<double>(now.repeat->of);
            keep(std::move(item));
            continue;
        }
        case Stratum::Gold:
        case Stratum::Look: {
            const std::vector<Id>& from = choice.stratum == Stratum::Gold ? gold : looks;
            const auto at = static_cast<size_t>(unitUniform(mix64(bits + 2)) * static_cast<double>(from.size()));
            pick = {from[at], 1.0 / static_cast<double>(from.size()), stratumName(choice.stratum)};
            break;
        }
        case Stratum::Fresh:
            pick = plain ? now.fresh[0] : first(now.fresh);
            if (!plain)
                pick.stratum = now.rest ? "rest" : stratumName(Stratum::Fresh);
            shown.rule = plain ? QueueRule::Fifo : now.rest ? QueueRule::Mixed : QueueRule::Random;
            break;
        case Stratum::Second:
            pick = first(now.second);
            pick.stratum = stratumName(Stratum::Second);
            break;
        case Stratum::Uncertain: pick = *now.uncertain; break;
        }
        pick.propensity *= choice.probability;
        PL_TRY(LabelItem item, offer(shown, pick));
        if (choice.stratum == Stratum::Look)
            item.presentation.aOnLeft =
                drawAOnLeft(item.presentation.seed, hashPrefix(item.comparison.sha), options.annotator, kLookOccasion);
        keep(std::move(item));
    }
    return items;
}

Result<std::vector<LabelItem>> Project::next(const NextOptions& options) {
    return m->guarded("choosing the next pair", [&]() -> Result<std::vector<LabelItem>> {
        if (options.rule == QueueRule::Mixed)
            return m->nextMixed(options);
        std::vector<LabelItem> items;
        for (const QueuePick& pick : m->queueFor(options).pick(options.limit, {options.skip.begin(), options.skip.end()})) {
            PL_TRY(LabelItem item, m->offer(options, pick));
            items.push_back(std::move(item));
        }
        return items;
    });
}

Result<std::optional<LabelItem>> Project::nextRepeat(const NextOptions& options, int minGap) {
    return m->guarded("choosing a repeat", [&]() -> Result<std::optional<LabelItem>> {
        m->loadPairs();
        m->loadMarks();
        std::set<Id> barred(options.skip.begin(), options.skip.end());
        for (const auto& [pair, by] : m->memory.gold[options.task])
            barred.insert(pair);
        const auto old = m->repeatsFor(options, minGap).pick(barred);
        if (!old)
            return std::optional<LabelItem>();
        PL_TRY(LabelItem item, m->repeatIn(options, old->comparison));
        return std::optional<LabelItem>(std::move(item));
    });
}

Result<int64_t> Project::remaining(Id task, Id annotator, std::optional<Split> split, std::optional<CandidateKind> kind) {
    return m->guarded("counting open pairs", [&]() -> Result<int64_t> {
        NextOptions options;
        options.task = task;
        options.annotator = annotator;
        options.split = split;
        options.kind = kind;
        return static_cast<int64_t>(m->queueFor(options).size());
    });
}

} // namespace pl::desk

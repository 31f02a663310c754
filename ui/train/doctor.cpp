// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/doctor.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "core/rules/statistics.h"

namespace pl::ui {

namespace {
/// Whitespace runs as one space, ends trimmed: what a person calls the same text.
std::string folded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        if (!space)
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    if (!out.empty() && out.back() == ' ')
        out.pop_back();
    return out;
}

size_t characters(const std::string& text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string plural(int64_t n, const char* one, const char* many) {
    return fmt::format("{} {}", n, n == 1 ? one : many);
}
} // namespace

DoctorReport diagnose(const DoctorInput& in) {
    DoctorReport report;
    auto& out = report.findings;
    const auto add = [&](Level level, std::string title, std::string detail) {
        out.push_back({level, std::move(title), std::move(detail)});
    };
    if (!in.haveModel)
        add(Level::Block, "No model to train", "Add a folder on the Models page.");
    if (in.needsReward && in.rewardTerms == 0)
        add(Level::Block, "No reward",
            in.images ? "Add one under Rewards. A reward model is trained from your votes, with the method above."
                      : "Add one under Rewards: a reward model, a rule, a verifier or a length.");
    else if (in.needsReward && in.modelMissing)
        add(Level::Block, "No model for the reward", "Choose the reward model under Rewards, or take that term out.");
    if (in.needsPrompts && in.prompts == 0)
        add(Level::Block, "No training prompts", "Import some on the Data page.");
    if (in.needsPairs) {
        const int64_t labels = in.labels();
        if (labels == 0)
            add(Level::Block, fmt::format("{} needs {}: there are none to train on", in.method, in.pairWord()),
                fmt::format("Label some first; it is useful from about {}.", kUseful));
        else if (labels < kUseful)
            add(Level::Warn, fmt::format("{} needs {}: you have {}, useful from about {}", in.method, in.pairWord(), labels, kUseful),
                "With so few, the model learns the examples more than the taste behind them.");
        if (labels > 0 && rules::tooFew(in.counts.dev))
            add(Level::Warn, fmt::format("Only {} held-out", plural(in.counts.dev, "pair is", "pairs are")),
                fmt::format("Below {} the held-out accuracy says \"too few\".", rules::kTooFew));
    }
    int64_t empty = 0, identical = 0, duplicates = 0, cut = 0, cutOf = 0;
    std::set<std::tuple<std::string, std::string, std::string>> seen;
    for (const DoctorPair& pair : in.pairs) {
        const std::string a = folded(pair.a), b = folded(pair.b);
        empty += a.empty() || b.empty();
        identical += a == b;
        duplicates += !seen.insert({folded(pair.prompt), std::min(a, b), std::max(a, b)}).second;
        for (const auto& finished : {pair.finishedA, pair.finishedB})
            if (finished) {
                ++cutOf;
                cut += !*finished;
            }
        const size_t la = characters(pair.a), lb = characters(pair.b);
        if (!in.images && pair.winner != desk::Winner::Tie && la != lb) {
            ++report.longerOf;
            report.longerWins += (la > lb) == (pair.winner == desk::Winner::A);
        }
    }
    if (in.needsPairs && !in.pairs.empty()) {
        const int64_t looked = static_cast<int64_t>(in.pairs.size());
        if (empty == looked)
            add(Level::Block, "Every pair has an empty side", "Look at the import: a column may be missing.");
        else if (empty > 0)
            add(Level::Warn, fmt::format("{} an empty side", plural(empty, "pair has", "pairs have")),
                "An empty answer teaches the model to say nothing, or never to stop.");
        if (identical > 0)
            add(Level::Warn, fmt::format("{} the same {} on both sides", plural(identical, "pair has", "pairs have"),
                                         in.images ? "picture" : "text"),
                "Nothing can be learnt from them.");
        if (duplicates > 0)
            add(Level::Warn, fmt::format("{} there more than once", plural(duplicates, "pair is", "pairs are")),
                "They count double, and one of them may be held out.");
        if (cut > 0) {
            const double share = static_cast<double>(cut) / static_cast<double>(cutOf);
            add(share > 0.05 ? Level::Warn : Level::Note,
                fmt::format("{} cut off before the end token ({:.0f} %)", plural(cut, "answer was", "answers were"), 100 * share),
                "Training on them teaches the model not to stop. Write with a longest answer that is longer.");
        }
        if (report.longerOf > 0) {
            if (rules::tooFew(report.longerOf)) {
                add(Level::Note, fmt::format("Longer answer wins: too few ({})", report.longerOf),
                    "The baseline a held-out accuracy has to beat.");
            } else {
                const auto i = rules::wilson(static_cast<double>(report.longerWins), static_cast<double>(report.longerOf));
                const bool strong = i.low > 0.6 || i.high < 0.4;
                add(strong ? Level::Warn : Level::Note,
                    "Longer answer wins: " + rules::formatRate(static_cast<double>(report.longerWins), report.longerOf),
                    strong ? "Length alone explains many votes: compare the held-out accuracy with this."
                           : "The baseline a held-out accuracy has to beat.");
            }
        }
        if (in.sampledOf > looked)
            add(Level::Note, fmt::format("Looked at {} of {} pairs", looked, in.sampledOf), "The newest ones.");
    }
    std::stable_sort(out.begin(), out.end(), [](const Finding& a, const Finding& b) { return a.level > b.level; });
    report.blocked = std::any_of(out.begin(), out.end(), [](const Finding& f) { return f.level == Level::Block; });
    if (std::none_of(out.begin(), out.end(), [](const Finding& f) { return f.level >= Level::Warn; }))
        out.insert(out.begin(), Finding{Level::Good, "Nothing stands in the way", {}});
    return report;
}

std::vector<std::string> voteKinds(const desk::DatasetCounts& c, bool images) {
    std::vector<std::string> lines;
    lines.push_back(fmt::format("{} to train on, {} held out",
                                images ? plural(c.train, "image pair", "image pairs") : plural(c.train, "pair", "pairs"), c.dev));
    const auto add = [&](int64_t n, const char* one, const char* many, const char* becomes) {
        if (n > 0)
            lines.push_back(fmt::format("{}: {}", plural(n, one, many), becomes));
    };
    add(c.ties, "tie", "ties", "soft labels of one half");
    add(c.bothBad, "both bad", "both bad", "kept out of pairs, sent to unpaired");
    add(c.identical, "identical", "identical", "left out");
    add(c.rankings, "ranking", "rankings", "orders of three or more, for methods that take them");
    add(c.unusable, "vote", "votes", images ? "an image is missing or damaged, left out" : "a ranking does not fit, left out");
    add(c.unpaired, "unpaired row", "unpaired rows", "for methods that take single answers");
    add(c.skips, "skip", "skips", "left out");
    add(c.disagreements, "disagreement", "disagreements", "people cancelled out, left out");
    add(c.flagged, "flagged", "flagged", "left out");
    add(c.sealedTest, "vote on test prompts", "votes on test prompts", "sealed, left out");
    return lines;
}

} // namespace pl::ui

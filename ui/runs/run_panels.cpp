// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/run_panels.h"

#include <algorithm>

namespace pl::ui {
using namespace Qt::StringLiterals;

namespace {

bool isPattern(std::string_view metric) {
    return metric.back() == '*';
}
bool fits(std::string_view metric, std::string_view name) {
    return isPattern(metric) ? name.substr(0, metric.size() - 1) == metric.substr(0, metric.size() - 1) : metric == name;
}

bool measured(Panel panel, const RunSeries& series) {
    return std::any_of(panelLines().begin(), panelLines().end(),
                       [&](const PanelLine& line) { return line.panel == panel && !curvesOf(line, series).empty(); });
}
/// Announced by the manifest, and it is too early to know that this run leaves it out.
bool awaited(Panel panel, const PanelRun& run) {
    if (!run.manifest)
        return false;
    const auto began = [&](std::string_view prefix) {
        return run.series && std::any_of(run.series->curves().begin(), run.series->curves().end(), [&](const auto& curve) {
                   return std::string_view(curve.first).substr(0, prefix.size()) == prefix;
               });
    };
    const bool trained = began("loss"), heldOut = began("eval_");
    for (const PanelLine& line : panelLines()) {
        if (line.panel != panel || (std::string_view(line.metric).substr(0, 5) == "eval_" ? heldOut : trained))
            continue;
        for (const MetricInfo& metric : run.manifest->metrics)
            if (fits(line.metric, metric.name))
                return true;
    }
    return false;
}

} // namespace

const std::vector<PanelLine>& panelLines() {
    static const std::vector<PanelLine> lines = {
        {Panel::Rewards, "eval_rewards/chosen", u"chosen"},
        {Panel::Rewards, "eval_rewards/rejected", u"rejected", true},
        {Panel::Rewards, "eval_rewards/margins", u"margin", false, false, true},
        {Panel::Rewards, "eval_margin", u"margin", false, false, true},
        {Panel::Rewards, "eval_reward", u"reward", false, false, true},
        {Panel::Rewards, "rewards/chosen", u"chosen (train)", false, true, false, 1, "eval_rewards/chosen"},
        {Panel::Rewards, "rewards/rejected", u"rejected (train)", true, true, false, 1, "eval_rewards/rejected"},
        {Panel::Rewards, "rewards/margins", u"margin (train)", false, true},
        {Panel::Rewards, "margin", u"margin (train)", false, true},
        {Panel::Rewards, "reward", u"reward (train)", false, true},
        {Panel::Accuracy, "eval_accuracy", u"held-out", false, false, true},
        {Panel::Accuracy, "eval_rewards/accuracies", u"held-out", false, false, true},
        {Panel::Accuracy, "accuracy", u"train", false, true},
        {Panel::Accuracy, "rewards/accuracies", u"train", false, true},
        {Panel::Wins, "eval_win_rate", u"win rate", false, false, true},
        {Panel::Kl, "eval_kl", u"held-out", false, false, true},
        {Panel::Kl, "kl", u"train", false, true},
        {Panel::Length, "eval_completions/mean_length", u"tokens", false, false, true},
        {Panel::Length, "completions/mean_length", u"tokens (train)", false, true},
        {Panel::Length, "samples/mean_length", u"tokens (samples)", false, false, true, 1, "completions/mean_length"},
        {Panel::Length, "eval_completions/clipped_ratio", u"cut off, %", true, false, false, 100},
        {Panel::Length, "completions/clipped_ratio", u"cut off, % (train)", true, true, false, 100,
         "eval_completions/clipped_ratio"},
        {Panel::Length, "samples/clipped_ratio", u"cut off, % (samples)", true, false, false, 100, "completions/clipped_ratio"},
        {Panel::Loss, "eval_loss", u"held-out", false, false, true},
        {Panel::Loss, "loss", u"train", false, true},
        {Panel::Loss, "grad_norm", u"gradient norm", true, true},
        {Panel::ImageRewards, "eval_rewards/margins", u"margin", false, false, true},
        {Panel::ImageRewards, "eval_margin", u"margin", false, false, true},
        {Panel::ImageRewards, "eval_reward", u"reward", false, false, true},
        {Panel::ImageRewards, "rewards/margins", u"margin (train)", false, true},
        {Panel::ImageRewards, "margin", u"margin (train)", false, true},
        {Panel::ImageRewards, "reward_avg", u"reward (train)", false, true},
        {Panel::ImageRewards, "reward_std_mean", u"spread in a group", true, true},
        {Panel::ImageRewards, "reward/kept", u"kept"},
        {Panel::ImageRewards, "reward/drawn", u"all drawn", true},
        {Panel::Errors, "eval_w_diff", u"winners", false, false, true},
        {Panel::Errors, "eval_l_diff", u"losers", true, false, true},
        {Panel::Errors, "w_diff", u"winners (train)", false, true, false, 1, "eval_w_diff"},
        {Panel::Errors, "l_diff", u"losers (train)", true, true, false, 1, "eval_l_diff"},
        {Panel::Obedience, "eval_obedience/colour", u"colour", false, false, true},
        {Panel::Obedience, "eval_obedience/background", u"background", true, false, true},
        {Panel::Obedience, "eval_obedience/shape", u"shape", false, true, true},
        {Panel::Obedience, "eval_obedience/count", u"count", true, true, true},
        {Panel::Gold, "eval_gold/*", u"gold: %1", false, false, true, 1, nullptr, true},
        {Panel::Gold, "gold/*", u"gold: %1 (train)", false, true, false, 1, nullptr, true},
        {Panel::Gold, "eval_reward", u"proxy", true, false, true, 1, nullptr, true},
        {Panel::Gold, "reward_avg", u"proxy (train)", true, true, false, 1, "eval_reward", true},
        {Panel::Gold, "eval_rewards/margins", u"proxy: margin", true, false, true, 1, nullptr, true},
        {Panel::ImageLoss, "eval_loss", u"held-out", false, false, true},
        {Panel::ImageLoss, "loss", u"train", false, true},
        {Panel::ImageKl, "eval_kl", u"held-out", false, false, true},
        {Panel::ImageKl, "kl_loss", u"to the start", false, true},
        {Panel::ImageKl, "kl_div", u"to the start", false, true},
        {Panel::ImageKl, "approx_kl", u"to who drew", true, true},
        {Panel::ImageKl, "old_deviate", u"to who drew", true, true},
        {Panel::Ratio, "ratio_mean", u"ratio", false, true},
        {Panel::Ratio, "ratio_max", u"highest ratio", true, true},
        {Panel::Ratio, "clipfrac", u"share clipped", true, true, true},
        {Panel::Diversity, "eval_diversity", u"within a prompt", false, false, true},
        {Panel::Scores, "max_reward", u"highest", true, true},
        {Panel::Scores, "mean_reward", u"mean", false, true},
        {Panel::Scores, "min_reward", u"lowest", true, true},
        {Panel::Temperature, "eval_temperature", u"held-out", false, false, true},
        {Panel::Gradient, "grad_norm", u"before clipping", false, true},
        {Panel::LearningRate, "learning_rate", u"learning rate", false, true},
        {Panel::Speed, "images_per_second", u"images", false, true},
    };
    return lines;
}

PanelWords panelWords(Panel panel) {
    switch (panel) {
    case Panel::Rewards:
    case Panel::ImageRewards:
        return {u"Rewards"_s, u"No rewards yet"_s};
    case Panel::Accuracy:
        return {u"Accuracy"_s, u"No held-out pairs were ranked yet"_s, true};
    case Panel::Wins:
        return {u"Win rate"_s, u"No win rate yet: evaluate a checkpoint"_s, true};
    case Panel::Kl:
        return {u"KL"_s, u"This trainer measures no KL"_s};
    case Panel::Length:
        return {u"Length, cut off"_s, u"No answers were sampled yet"_s};
    case Panel::Loss:
    case Panel::ImageLoss:
        return {u"Loss"_s, u"No loss yet"_s};
    case Panel::Errors:
        return {u"Error above start"_s, u"No errors were measured yet"_s};
    case Panel::Obedience:
        return {u"Obeys the prompt"_s, u"No pictures were drawn yet"_s, true};
    case Panel::Gold:
        return {u"Gold against proxy"_s, u"No taste was watched yet"_s, false, u"since start"_s};
    case Panel::ImageKl:
        return {u"KL"_s, u"No KL was measured yet"_s};
    case Panel::Ratio:
        return {u"Ratio, clipped"_s, u"No ratio was measured yet"_s};
    case Panel::Diversity:
        return {u"Diversity"_s, u"No pictures were drawn yet"_s, true};
    case Panel::Scores:
        return {u"Scores"_s, u"No scores yet"_s};
    case Panel::Temperature:
        return {u"Temperature"_s, u"No held-out pairs were ranked yet"_s};
    case Panel::Gradient:
        return {u"Gradient norm"_s, u"No gradient yet"_s};
    case Panel::LearningRate:
        return {u"Learning rate"_s, u"No step yet"_s};
    case Panel::Speed:
        return {u"Images a second"_s, u"No step yet"_s};
    }
    return {};
}

bool isImageRun(const PanelRun& run) {
    if (run.manifest && !run.manifest->modalities.empty())
        return run.manifest->modalities == std::vector<std::string>{"image"};
    return run.series && (measured(Panel::Obedience, *run.series) || measured(Panel::Speed, *run.series));
}

std::vector<Panel> panelsFor(const std::vector<PanelRun>& runs, size_t most) {
    if (std::none_of(runs.begin(), runs.end(), isImageRun))
        return {Panel::Rewards, Panel::Accuracy, Panel::Wins, Panel::Kl, Panel::Length, Panel::Loss};
    const auto wanted = [&](Panel panel) {
        return std::any_of(runs.begin(), runs.end(), [&](const PanelRun& run) {
            return (run.series && measured(panel, *run.series)) || awaited(panel, run);
        });
    };
    // The gold panel only when something is watched: the proxy alone is in Rewards already.
    const bool watched = std::any_of(runs.begin(), runs.end(), [](const PanelRun& run) {
        return run.series && std::any_of(run.series->curves().begin(), run.series->curves().end(), [](const auto& curve) {
                   return fits("eval_gold/*", curve.first) || fits("gold/*", curve.first);
               });
    });
    std::vector<Panel> out;
    // A reader sees at one look what rises in the first row: reward, errors, and what pictures still show.
    for (const Panel panel :
         {Panel::ImageRewards, Panel::Errors, Panel::Obedience, Panel::Gold, Panel::Accuracy, Panel::ImageLoss, Panel::ImageKl,
          Panel::Ratio, Panel::Wins, Panel::Diversity, Panel::Scores, Panel::Temperature, Panel::Gradient, Panel::LearningRate,
          Panel::Speed}) {
        const bool there = panel == Panel::Gold   ? watched
                           : panel == Panel::Wins ? wanted(Panel::Obedience) // whatever draws can be compared
                                                  : wanted(panel);
        if (there && out.size() < most)
            out.push_back(panel);
    }
    return out;
}

std::vector<std::pair<std::string, QString>> curvesOf(const PanelLine& line, const RunSeries& series) {
    std::vector<std::pair<std::string, QString>> out;
    const std::string_view metric = line.metric;
    if (!isPattern(metric)) {
        if (series.curve(line.metric))
            out.emplace_back(line.metric, line.label.toString());
        return out;
    }
    for (const auto& [name, curve] : series.curves())
        if (fits(metric, name) && !curve.empty())
            out.emplace_back(name, line.label.toString().arg(QString::fromStdString(name.substr(metric.size() - 1))));
    return out;
}

} // namespace pl::ui

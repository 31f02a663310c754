// SPDX-License-Identifier: GPL-3.0-or-later
// The data doctor of "Before you start". Pure: what it is told, it judges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/desk/domain/types.h"

namespace pl::ui {

/// One labelled pair as training would see it.
struct DoctorPair {
    std::string prompt, a, b;
    desk::Winner winner = desk::Winner::Tie;
    desk::Split split = desk::Split::Train;
    std::optional<bool> finishedA, finishedB; ///< ended by the end token; unknown for imports
};

enum class Level { Good, Note, Warn, Block };

struct Finding {
    Level level = Level::Note;
    std::string title;  ///< "12 answers were cut off"
    std::string detail; ///< why that matters or what to do
};

/// From about so many pairs on a method is useful.
constexpr int64_t kUseful = 200;

struct DoctorInput {
    std::string method;          ///< "DPO": how it is called in sentences
    bool images = false;         ///< pairs are of images: their contents are names of files
    bool takesRankings = false;  ///< k-way orders count beside pairs
    bool needsPairs = true;      ///< or the chosen sides of pairs (SFT)
    bool needsPrompts = false;
    bool needsReward = false;    ///< GRPO: at least one reward term
    int64_t rewardTerms = 0;
    bool modelMissing = false;   ///< a term is a reward model and names none
    int64_t prompts = -1;        ///< training prompts; -1: not known
    std::vector<DoctorPair> pairs;
    int64_t sampledOf = 0;       ///< pairs there are, when only some were looked at; 0: all
    desk::DatasetCounts counts;
    bool haveModel = true;

    /// Labelled pairs to train on, and rankings where they are taken.
    int64_t labels() const { return counts.train + (takesRankings ? counts.rankings : 0); }
    const char* pairWord() const { return images ? "image pairs" : "pairs"; }
};

struct DoctorReport {
    std::vector<Finding> findings; ///< worst first
    bool blocked = false;
    /// "the longer answer wins": wins (ties and equal lengths apart) of n
    int64_t longerWins = 0, longerOf = 0;
};
DoctorReport diagnose(const DoctorInput& input);

/// What each vote kind becomes, line by line: {"312 image pairs to train on", ...}; nothing that is zero but the pairs.
std::vector<std::string> voteKinds(const desk::DatasetCounts& counts, bool images = false);

} // namespace pl::ui

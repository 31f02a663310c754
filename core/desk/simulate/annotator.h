// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/image.h"
#include "core/base/json.h"
#include "core/base/result.h"
#include "core/rules/image_taste.h"
#include "core/rules/taste.h"

/// Simulated annotators: people whose taste is a rule and whose faults are numbers. Plain values, no database. What
/// they say carries the kind "rule" and a description, so that it is never mistaken for a person's judgement.
namespace pl::desk {

/// The annotator kind of every simulated vote.
inline constexpr std::string_view kRuleKind = "rule";

/// One simulated person. The noiseless person is the default: the rule itself.
///
///     d = score(a) - score(b) + length_bias ln((words a + 1) / (words b + 1)) +- position_bias (+ when a is left)
///
/// A tie when |d| is inside the tie band, or at random with tie_rate. Else a wins with probability
/// sigmoid(d / temperature); at temperature 0 the sign of d decides. Then with flip_rate the other side is written down.
struct SimulatedPerson {
    std::string name = "rule";
    rules::Taste taste;                        ///< of texts; without a name: judges none
    std::optional<rules::ImageTaste> imageTaste; ///< of pictures; "warm" is a taste of both
    bool judgesTexts() const { return !taste.name.empty(); }
    bool judgesImages() const { return imageTaste.has_value(); }
    const std::string& tasteName() const { return judgesTexts() ? taste.name : imageTaste->name; }
    double temperature = 0.0;  ///< 0..100, in units of the taste's score
    double flipRate = 0.0;     ///< 0..1
    double tieRate = 0.0;      ///< 0..1
    std::optional<double> tieBand; ///< else the taste's own
    double positionBias = 0.0; ///< -100..100; above 0 favours the left side
    double lengthBias = 0.0;   ///< -100..100; above 0 favours the longer side
    double strongAt = 1.0;     ///< |d| from which a preference has strength 2
    double veryStrongAt = 2.0; ///< and 3
    std::optional<double> goodAt; ///< ties: both_good when the mean score is at least this, else both_bad
    double share = 1.0;        ///< of the pairs this person labels, relative to the others
};

struct SimulatedPanel {
    std::vector<SimulatedPerson> people; ///< at least one, at most 1000, names differ
    uint64_t seed = 0;
};

/// What is put before a person. The identity of the pair, not its content, seeds the noise.
struct SimulatedPair {
    std::string id;
    std::string prompt;
    std::string a;
    std::string b;
    bool aIsLeft = true;
    const Image* imageA = nullptr; ///< both set: a pair of pictures, and a and b are only their names
    const Image* imageB = nullptr;
};

enum class VoteWinner { A, B, Tie };
enum class VoteTie { None, BothGood, BothBad, Identical, Unspecified };

struct SimulatedVote {
    VoteWinner winner = VoteWinner::Tie;
    VoteTie tieKind = VoteTie::None;  ///< None unless a tie
    std::optional<int> strength;      ///< 1..3; none for a tie
    bool flipped = false;             ///< written down against the person's own choice
    double difference = 0.0;          ///< d above: what the person felt
    std::string annotator;            ///< "simulated:NAME"
    std::string annotatorKind{kRuleKind};
    std::string description;          ///< of the person, one line
};

const char* winnerName(VoteWinner winner); ///< "a", "b", "tie"
const char* tieName(VoteTie kind);         ///< "both_good", "both_bad", "identical", "unspecified", "" for None

/// The person must judge pairs of this kind; there is no length bias between pictures. Depends on (seed, person's name, pair id) and the pair alone: the same on every machine and in every order. Each
/// fault has its own random number, so changing one rate leaves the others' draws as they were.
SimulatedVote simulateVote(const SimulatedPerson& person, const SimulatedPair& pair, uint64_t seed);

/// The person of the panel who labels this pair, drawn by share from (seed, pair id).
const SimulatedPerson& personFor(const SimulatedPanel& panel, std::string_view pairId);
/// That person's vote.
SimulatedVote simulateVote(const SimulatedPanel& panel, const SimulatedPair& pair);
/// Everybody's vote on one pair, in the panel's order: for agreement.
std::vector<SimulatedVote> simulateAll(const SimulatedPanel& panel, const SimulatedPair& pair);

/// "simulated person Ada: prefers fewer words (concise), flips 5 %"; faults that are 0 are left out.
std::string describe(const SimulatedPerson& person);

/// One person with a taste by name, of texts (rules::tasteByName) or pictures (rules::imageTasteByName) or both.
Result<SimulatedPanel> panelOfTaste(std::string_view taste, double flipRate, uint64_t seed);
/// {"people": [{"name", "taste", "temperature", "flip_rate", "tie_rate", "tie_band", "position_bias", "length_bias",
/// "strong_at", "very_strong_at", "good_at", "share"}], "seed"}; only name and taste are required. Unknown keys,
/// numbers out of range, equal names are refused; `what` names the file in the message.
Result<SimulatedPanel> panelFromJson(const Json& value, std::string_view what);
/// The reverse: what a project keeps of a simulated person.
Json toJson(const SimulatedPerson& person);
Json toJson(const SimulatedPanel& panel);

} // namespace pl::desk

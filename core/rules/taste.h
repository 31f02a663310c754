// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

/// Gold tastes: preferences that a rule can state, over attributes that a person sees at once. They label pairs in
/// experiments and judge win rates; what they say is provenance "rule", never a person's word.
namespace pl::rules {

/// What is visible in a text. Counted in one pass, for any bytes (ill-formed UTF-8 included); every count is bounded
/// by the text's length. Word lists are English; lengths, list items, emoji and digits count in every language.
struct Attributes {
    size_t characters = 0;   ///< code points
    size_t words = 0;        ///< runs of letters or digits with an inner apostrophe; a CJK character is a word of its own
    size_t sentences = 0;    ///< ended by . ! ? or their CJK forms, or by the end of a line
    size_t listItems = 0;    ///< lines that begin with "- ", "* ", a bullet, "1. " or "1) "
    size_t emoji = 0;        ///< pictographs; a sequence joined by U+200D or a flag counts once
    size_t exclamations = 0; ///< runs of '!'
    size_t warmSentences = 0; ///< sentences with a phrase of warmPhrases()
    size_t curtSentences = 0; ///< sentences that are one of curtSentenceList()
    size_t vividWords = 0;   ///< words of vividWordList()
    size_t similes = 0;      ///< "like a|an|the|tiny|small|..." and "as X as"
    size_t exampleMarkers = 0; ///< "for example", "for instance", "such as", "e.g."
    size_t numbers = 0;      ///< runs of digits and number words from two to twenty, weekday names
};

/// Texts are read up to this many bytes; what follows does not count.
inline constexpr size_t kMaxAttributeBytes = size_t{1} << 20;

Attributes attributesOf(std::string_view text);

/// The word lists, sorted: what the detectors know, for help pages and tests.
const std::vector<std::string_view>& warmPhrases();
const std::vector<std::string_view>& curtSentenceList();
const std::vector<std::string_view>& vividWordList();

enum class TasteKind { Concise, Warm, Vivid, Listy, EmojiFree, Examples };

/// A taste: a weighted sum of basic tastes. Make it with tasteByName.
struct Taste {
    struct Term {
        TasteKind kind = TasteKind::Concise;
        double weight = 1.0; ///< -1 for inverse:NAME
    };
    std::string name;        ///< as it was asked for
    std::string description; ///< one line for a person
    std::vector<Term> terms;
    double tieBand = 0.0; ///< score differences below this are a tie: a person would not see them
};

/// The basic names: concise, emoji_free, examples, listy, vivid, warm.
std::vector<std::string> tasteNames();

/// NAME, inverse:NAME, or several joined by '+' ("warm+concise", "vivid+inverse:listy"); at most 8, none twice.
/// An unknown name is refused with the list of names.
Result<Taste> tasteByName(std::string_view name);

/// How much the taste likes a response; higher is better, graded, finite. Units are about one standard deviation of
/// everyday answers:
///   concise     -3 ln(words); fewer than 3 words score -20: nothing said is not brevity
///   warm        warm sentences + 0.25 exclamations (at most 4) - curt sentences, each count at most 6
///   vivid       ln(1 + vivid words + 2 similes)
///   listy       ln(1 + list items)
///   emoji_free  -ln(1 + emoji)
///   examples    1.5 min(example markers, 2) + 0.25 min(numbers, 4)
/// The prompt is not read by the basic tastes.
double score(const Taste& taste, std::string_view prompt, std::string_view response);
double score(const Taste& taste, const Attributes& response);

enum class Preference { A, B, Tie };

/// The noiseless rule: the better side, or Tie when the scores differ by less than the tie band.
Preference prefer(const Taste& taste, std::string_view prompt, std::string_view a, std::string_view b);

} // namespace pl::rules

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/image.h"
#include "core/rules/scene.h"
#include "core/rules/taste.h"

/// Gold tastes for pictures: what rules::Taste is for texts, over what measureScene reads. They say nothing about whether the
/// picture shows what was asked for; that is Obedience, reported beside them.
namespace pl::rules {

enum class ImageTasteKind { Centred, Crisp, Fewer, Larger, Light, Warm, WarmLight };

/// A taste: a weighted sum of basic tastes. Make it with imageTasteByName.
struct ImageTaste {
    struct Term {
        ImageTasteKind kind = ImageTasteKind::Larger;
        double weight = 1.0; ///< -1 for inverse:NAME
    };
    std::string name;        ///< as it was asked for
    std::string description; ///< one line for a person
    std::vector<Term> terms;
    double tieBand = 0.0; ///< score differences below this are a tie: a person would not see them
};

/// The basic names: centred, crisp, fewer, larger, light, warm, warm_light.
std::vector<std::string> imageTasteNames();

/// NAME, inverse:NAME, or several joined by '+' ("larger+light", "warm+inverse:crisp"); at most 8, none twice. The grammar of
/// tasteByName. An unknown name is refused with the list of names.
Result<ImageTaste> imageTasteByName(std::string_view name);

/// How much the taste likes a picture; higher is better, graded, finite for any picture. Units are about one standard deviation
/// among pictures of one prompt:
///   larger      ln of the objects' share of the picture per object asked for (a prompt without a number: per object seen), in
///               0.38; the share counts from 0.5 to 30 %
///   warm        mean of red minus blue, in 0.13
///   light       luma of the background, in 0.21
///   warm_light  (warm + light) / 1.5
///   fewer       minus the number of objects, in 0.75
///   crisp       steep edges without grain, in 0.12
///   centred     minus the distance of the objects' common centre from the middle, in 0.06 sides; without objects half a side
double score(const ImageTaste& taste, std::string_view prompt, const Image& image);
double score(const ImageTaste& taste, const Caption& caption, const SceneMeasure& measure);

/// The noiseless rule: the better side, or Tie when the scores differ by less than the tie band.
Preference prefer(const ImageTaste& taste, std::string_view prompt, const Image& a, const Image& b);

} // namespace pl::rules

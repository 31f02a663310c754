// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/image.h"

/// The world of the small image generator: one to four objects of one shape and colour on a background. Everything is drawn
/// from a seed with whole numbers, so a seed is the same picture on every machine.
///
/// The world is as rich as a network of one to three million parameters can learn on two cores, at 32 x 32 pixels:
/// * Four objects at most. A fifth would have to be under seven pixels wide, where a star and a cross look alike.
/// * Objects stand on loose patterns (a pair, a triangle, a square, a row), never touch and never overlap: a network learns
///   to count patterns where it fails on heaps, and a rule can count them back.
/// * All six shapes stay: an outline that fills its box differently tells them apart from about seven pixels on.
/// * What a caption leaves unsaid (number, size, place, pattern, background) and what none ever says (tint, shading, outline,
///   softness, grain) varies with the seed: that is what one can have a taste about.
namespace pl::rules {

enum class Slot { Count, Size, Colour, Shape, Layout, Style, Background };
inline constexpr int kSlots = 7;

/// The words of a slot; an id is an index into them, and id 0 (the empty word) means not said. Never reordered: trained models
/// know the numbers.
///   count 1..4 · size small medium large · colour red orange yellow green cyan blue purple pink white black ·
///   shape circle square triangle ring star cross · layout left right top bottom centre row scattered ·
///   style plain gradient stripes checker · background white cream rose sky grey brown navy black
const std::vector<std::string_view>& slotWords(Slot slot);
/// "count", "size", ...
const char* slotName(Slot slot);
/// How many ids a slot has, the 0 included.
int slotSize(Slot slot);

struct Caption {
    int count = 0, size = 0, colour = 0, shape = 0, layout = 0, style = 0, background = 0;
    /// In the order of Slot: what a text encoder reads.
    std::array<int, kSlots> slots() const { return {count, size, colour, shape, layout, style, background}; }
    static Caption of(const std::array<int, kSlots>& slots);
    bool operator==(const Caption&) const = default;
};

/// A caption out of any text. Words are matched without case, with synonyms, British and American spelling, plural s, number
/// words and digits; a shape in the singular without a number counts as one.
struct ParsedCaption {
    enum class Why {
        Unknown, ///< not in the vocabulary
        Unused   ///< in it, but its slot was taken before, or this world has no such thing (a grey circle)
    };
    struct Word {
        size_t offset = 0, length = 0; ///< in bytes
        std::string word;              ///< as written
        Why why = Why::Unknown;
    };
    Caption caption;
    std::vector<Word> ignored; ///< what had no effect, in order; at most 1000
};
ParsedCaption parseCaption(std::string_view text);

/// "three small red circles in a row on a striped grey background". Seed 0 takes the plain words; others draw synonyms now
/// and then. parseCaption(captionText(c, seed)) is c when c says colour and shape.
std::string captionText(const Caption& caption, uint64_t seed = 0);

/// A caption that can be drawn: colour and shape always, number in 75 of 100, background in 50, size in 40, layout in 30, style in
/// 25. Colours that would not stand out from a named background, and sizes for which there is no room, do not occur.
Caption drawCaption(uint64_t seed);

/// Whether a scene can show everything the caption says. (drawScene gives way where it cannot.)
bool isDrawable(const Caption& caption);

struct Rgb {
    uint8_t r = 0, g = 0, b = 0;
    bool operator==(const Rgb&) const = default;
};
/// What the names mean; id 0 is black.
Rgb objectColour(int id);
Rgb backgroundColour(int id);
/// Whether an object of this colour is easy to see on this background.
bool standsOut(int colour, int background);

/// Lengths and places are in 1/65536 of the side.
inline constexpr int32_t kSceneUnit = 65536;

struct SceneObject {
    int shape = 1, colour = 1;   ///< ids
    int32_t x = 0, y = 0, r = 0; ///< centre; the shape lies within r to each side
    Rgb fill;
    int shading = 0;             ///< brightness of the bottom minus that of the top, -64..64
    bool outlined = false;       ///< a darker edge
};

enum class Defect { None, Noise, Blur, WrongColour, Missing };

struct Scene {
    Caption truth; ///< what is drawn, before the defect: every slot is set, but for the place of a single free object
    std::vector<SceneObject> objects;
    Rgb background, second; ///< plain: the first; gradient: from the first to the second; stripes and checker: both
    int pattern = 0;        ///< direction of gradient and stripes: 0 down, 1 across, 2 diagonal
    int cell = 4;           ///< of stripes and checker, in 1/32 of the side
    int32_t softness = 0;   ///< blur radius
    int grain = 0;          ///< noise amplitude, of 255
    Defect defect = Defect::None;
    uint64_t seed = 0;      ///< of the grain
};

/// Total: slots that are not said are drawn from the seed; ids out of range count as not said. `defects` is the chance (0..1)
/// of a fault: heavy noise, heavy blur, one object in another colour, or one object missing.
Scene drawScene(const Caption& caption, uint64_t seed, double defects = 0.0);

/// Square, anti-aliased; side 1..4096 (clamped). The same pixels on every machine. About 50 microseconds at 32.
Image renderScene(const Scene& scene, int32_t side = 32);

/// What a rule reads off any picture, without a network. The picture is brought to 32 x 32 first. Total: noise, one colour, one
/// pixel, an empty image (all zero) have a reading too.
struct SceneMeasure {
    struct Object {
        double x = 0, y = 0;        ///< centre, in sides
        double area = 0;            ///< share of the image, soft edges counted by their coverage
        int colour = 0, shape = 0;  ///< ids
    };
    std::vector<Object> objects;    ///< largest first; specks below half of 1 % of the image are none; at most 64
    int count = 0;                  ///< of objects
    int colour = 0, shape = 0;      ///< of the larger part of the objects' area; 0 without objects
    int background = 0;             ///< the nearest background colour; 0 only for an empty image
    double foreground = 0;          ///< share of the image that is objects, 0..1
    double meanArea = 0;            ///< of an object, share of the image
    double warmth = 0;              ///< mean of red minus blue, -1..1
    double brightness = 0;          ///< mean luma, 0..1
    double backgroundLightness = 0; ///< luma of the background, 0..1
    double edge = 0;                ///< steepness of the objects' edges, 0..1
    double noise = 0;               ///< grain: robust amplitude, 0..1
    double crispness = 0;           ///< steep edges without grain, 0..1
    double offCentre = 0;           ///< distance of the objects' common centre from the middle, in sides
};
SceneMeasure measureScene(const Image& image);

/// Whether the picture shows what the caption says; nothing where it says nothing.
struct Obedience {
    std::optional<bool> count, colour, shape, background;
    /// All that is said, is so.
    bool all() const {
        return count.value_or(true) && colour.value_or(true) && shape.value_or(true) && background.value_or(true);
    }
};
Obedience obedienceOf(const Caption& caption, const SceneMeasure& measure);

} // namespace pl::rules

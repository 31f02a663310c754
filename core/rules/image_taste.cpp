// SPDX-License-Identifier: Apache-2.0
#include "core/rules/image_taste.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/rules/taste_grammar.h"

namespace pl::rules {

namespace {

struct Basic {
    std::string_view name;
    ImageTasteKind kind;
    double tieBand;
    std::string_view description;
};

constexpr std::array<Basic, 7> kBasics{{
    {"centred", ImageTasteKind::Centred, 0.3, "objects in the middle"},
    {"crisp", ImageTasteKind::Crisp, 0.3, "sharp edges without grain"},
    {"fewer", ImageTasteKind::Fewer, 0.5, "fewer objects"},
    {"larger", ImageTasteKind::Larger, 0.25, "larger objects"},
    {"light", ImageTasteKind::Light, 0.25, "a light background"},
    {"warm", ImageTasteKind::Warm, 0.25, "warm colours"},
    {"warm_light", ImageTasteKind::WarmLight, 0.25, "warm colours on a light background"},
}};

double basicScore(ImageTasteKind kind, const Caption& caption, const SceneMeasure& m) {
    switch (kind) {
    case ImageTasteKind::Centred:
        return -(m.count > 0 ? m.offCentre : 0.5) / 0.06;
    case ImageTasteKind::Crisp:
        return m.crispness / 0.12;
    case ImageTasteKind::Fewer:
        return -m.count / 0.75;
    case ImageTasteKind::Larger: {
        // By the number asked for: two objects run together are not one large one.
        const int asked = caption.count > 0 ? caption.count : std::max(1, m.count);
        return std::log(std::clamp(m.foreground / asked, 0.005, 0.3)) / 0.38;
    }
    case ImageTasteKind::Light:
        return m.backgroundLightness / 0.21;
    case ImageTasteKind::Warm:
        return m.warmth / 0.13;
    case ImageTasteKind::WarmLight:
        return (m.warmth / 0.13 + m.backgroundLightness / 0.21) / 1.5;
    }
    return 0.0;
}

} // namespace

std::vector<std::string> imageTasteNames() {
    return grammar::namesOf(kBasics);
}

Result<ImageTaste> imageTasteByName(std::string_view name) {
    return grammar::tasteOf<ImageTaste>(name, kBasics, "no taste for images is called");
}

double score(const ImageTaste& taste, const Caption& caption, const SceneMeasure& measure) {
    double sum = 0.0;
    for (const auto& term : taste.terms)
        sum += term.weight * basicScore(term.kind, caption, measure);
    return sum;
}

double score(const ImageTaste& taste, std::string_view prompt, const Image& image) {
    return score(taste, parseCaption(prompt).caption, measureScene(image));
}

Preference prefer(const ImageTaste& taste, std::string_view prompt, const Image& a, const Image& b) {
    const double difference = score(taste, prompt, a) - score(taste, prompt, b);
    if (std::abs(difference) < taste.tieBand)
        return Preference::Tie;
    return difference > 0 ? Preference::A : Preference::B;
}

} // namespace pl::rules

// SPDX-License-Identifier: Apache-2.0
#include "core/rules/image_taste.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

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

const Basic& basicOf(ImageTasteKind kind) {
    return *std::find_if(kBasics.begin(), kBasics.end(), [kind](const Basic& b) { return b.kind == kind; });
}

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
    std::vector<std::string> names;
    for (const auto& basic : kBasics)
        names.emplace_back(basic.name);
    return names;
}

Result<ImageTaste> imageTasteByName(std::string_view name) {
    ImageTaste taste;
    taste.name = name;
    double band = 0.0;
    for (std::string_view rest = name;;) {
        const size_t plus = rest.find('+');
        std::string_view part = rest.substr(0, plus);
        const bool inverse = part.starts_with("inverse:");
        if (inverse)
            part.remove_prefix(8);
        const auto found = std::find_if(kBasics.begin(), kBasics.end(), [&](const Basic& b) { return b.name == part; });
        if (found == kBasics.end() || taste.terms.size() >= 8)
            return fail(Code::InvalidInput, fmt::format("no taste for images is called \"{}\"", name.substr(0, 80)),
                        fmt::format("Tastes: {}; inverse:NAME; several joined by '+'.", fmt::join(imageTasteNames(), ", ")));
        for (const auto& term : taste.terms)
            if (term.kind == found->kind)
                return fail(Code::InvalidInput, fmt::format("the taste \"{}\" names {} twice", name, part),
                            "Name each taste once.");
        taste.terms.push_back({found->kind, inverse ? -1.0 : 1.0});
        taste.description += fmt::format("{}{}{}", taste.description.empty() ? "prefers " : " and ",
                                         inverse ? "the opposite of " : "", basicOf(found->kind).description);
        band += found->tieBand * found->tieBand;
        if (plus == std::string_view::npos)
            break;
        rest.remove_prefix(plus + 1);
    }
    taste.tieBand = std::sqrt(band); // independent terms: bands add like standard deviations
    return taste;
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

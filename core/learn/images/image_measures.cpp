// SPDX-License-Identifier: Apache-2.0
#include "core/learn/images/image_measures.h"

#include <cmath>

#include <torch/torch.h>

#include "core/base/hash.h"

namespace pl::learn {

void ObedienceCounts::add(const rules::Obedience& obedience) {
    bool any = false;
    const auto one = [&](const char* slot, const std::optional<bool>& shown) {
        if (!shown)
            return;
        any = true;
        asked[slot] += 1;
        kept[slot] += *shown;
    };
    one("count", obedience.count);
    one("colour", obedience.colour);
    one("shape", obedience.shape);
    one("background", obedience.background);
    if (!any)
        return;
    asked["all"] += 1;
    kept["all"] += obedience.all();
}

double ObedienceCounts::rate(const std::string& slot) const {
    const auto of = asked.find(slot);
    return of == asked.end() || of->second == 0 ? std::nan("") : kept.at(slot) / of->second;
}

std::map<std::string, double> ObedienceCounts::rates(const std::string& prefix) const {
    std::map<std::string, double> out;
    for (const auto& [slot, n] : asked)
        if (n > 0)
            out[prefix + slot] = rate(slot);
    return out;
}

ImageMeasures measureImages(const std::vector<Image>& images, const std::vector<std::string>& prompts,
                            const rules::ImageTaste* taste) {
    ImageMeasures out;
    for (size_t i = 0; i < prompts.size(); ++i) {
        const auto caption = rules::parseCaption(prompts[i]).caption;
        const auto measure = rules::measureScene(images[i]);
        const auto obedience = rules::obedienceOf(caption, measure);
        out.obedience.add(obedience);
        double shown = 0, said = 0;
        for (const auto& slot : {obedience.count, obedience.colour, obedience.shape, obedience.background})
            if (slot) {
                said += 1;
                shown += *slot;
            }
        out.obeyed.push_back(said > 0 ? shown / said : 1);
        if (taste)
            out.gold.push_back(rules::score(*taste, caption, measure));
    }
    return out;
}

ObedienceCounts obedienceCeiling(const std::vector<std::string>& prompts, uint64_t seed, int32_t side) {
    ObedienceCounts out;
    const uint64_t stream = hashSeed(seed, "ceiling");
    for (size_t i = 0; i < prompts.size(); ++i) {
        const auto caption = rules::parseCaption(prompts[i]).caption;
        const auto image = rules::renderScene(rules::drawScene(caption, mix64(stream + i)), side);
        out.add(rules::obedienceOf(caption, rules::measureScene(image)));
    }
    return out;
}

double imageDiversity(const torch::Tensor& images, int64_t perPrompt) {
    if (perPrompt < 2)
        return std::nan("");
    const auto flat = images.detach().clamp(-1, 1).flatten(1).view({-1, perPrompt, images[0].numel()}) * 0.5;
    auto sum = torch::zeros({flat.size(0)}, flat.options());
    for (int64_t i = 0; i < perPrompt; ++i)
        for (int64_t j = i + 1; j < perPrompt; ++j)
            sum += (flat.select(1, i) - flat.select(1, j)).square().mean(1).sqrt();
    return (sum.mean() / (0.5 * static_cast<double>(perPrompt * (perPrompt - 1)))).item<double>();
}

} // namespace pl::learn

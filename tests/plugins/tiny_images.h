// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/image.h"
#include "core/learn/images/image_model.h"
#include "core/rules/scene.h"
#include "tests/plugins/tiny_run.h"

/// A generator of a few thousand parameters, and bundles whose rows are images.
namespace tiny {

inline std::string makeImageModel(const std::string& dir, uint64_t seed = 7,
                                  learn::Prediction prediction = learn::Prediction::Flow) {
    learn::ImageModelConfig config;
    config.prediction = prediction;
    config.size = 16;
    for (int slot = 0; slot < rules::kSlots; ++slot)
        config.slots.push_back(rules::slotSize(static_cast<rules::Slot>(slot)));
    config.textSize = 8;
    config.width = config.deepWidth = 16;
    config.embedding = 16;
    config.heads = 2;
    config.depth = 1;
    learn::ImageModel model(config);
    model->initialise(seed);
    must(learn::saveImageModel(model, dir));
    return dir;
}

/// A picture of one colour with some grain.
inline Image flatImage(int r, int g, int b, uint64_t seed, int32_t side = 16) {
    Image out = blankImage(side, side);
    for (size_t i = 0; i < out.rgb.size(); ++i) {
        const int grain = static_cast<int>(mix64(seed * 7919 + i) % 32) - 16;
        const int base = i % 3 == 0 ? r : i % 3 == 1 ? g : b;
        out.rgb[i] = static_cast<uint8_t>(std::clamp(base + grain, 0, 255));
    }
    return out;
}

/// Collects the rows' images; put() them into the bundle afterwards.
struct ImageFiles {
    std::map<std::string, std::string> bytes; ///< by reference
    std::string add(const Image& image) {
        const auto png = must(encodePng(image));
        const auto ref = imageRef(sha256Hex(png), "png");
        bytes[ref] = png;
        return ref;
    }
    void put(const Bundle& bundle) const {
        must(os::makeDirs(bundle.dataPath("images")));
        for (const auto& [ref, png] : bytes)
            writeFile(bundle.dataPath(ref), png);
    }
};

/// Pairs whose chosen side is reddish and whose rejected side is bluish, to prompts that say nothing about it.
inline std::string redPairs(ImageFiles& files, int n, uint64_t seed, bool flipped = false) {
    std::vector<Json> rows;
    for (int i = 0; i < n; ++i) {
        const uint64_t s = mix64(seed * 1000 + static_cast<uint64_t>(i));
        const int light = 60 + static_cast<int>(s % 120);
        const auto red = files.add(flatImage(light + 50, light, light - 40, s + 1));
        const auto blue = files.add(flatImage(light - 40, light, light + 50, s + 2));
        rows.push_back({{"id", "p" + std::to_string(i)},
                        {"prompt", rules::captionText(rules::drawCaption(s))},
                        {"chosen", flipped ? blue : red},
                        {"rejected", flipped ? red : blue},
                        {"modality", "image"},
                        {"strength", 1 + i % 3}});
    }
    return jsonLines(rows);
}

inline Bundle imageBundle(const std::string& dir, const std::string& plugin, const std::vector<ModelSpec>& models,
                          const Json& parameters, const std::map<std::string, std::string>& rows, const ImageFiles& files,
                          uint64_t seed = 1) {
    auto bundle = makeBundle(dir, plugin, models, parameters, rows, seed);
    files.put(bundle);
    return bundle;
}

} // namespace tiny

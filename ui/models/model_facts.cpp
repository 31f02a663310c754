// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/models/model_facts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/amounts.h"
#include "core/base/json.h"
#include "core/base/model_card.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "ui/widgets/tiles.h"

namespace pl::ui {

namespace {
int64_t integer(const Json& json, const char* key) {
    const auto it = json.find(key);
    return it != json.end() && it->is_number_integer() && *it >= 0 ? it->get<int64_t>() : 0;
}

std::string grouped(int64_t count) { return formatCount(count).toStdString(); }

/// How a starter was made, by its card.json.
void readStarterCard(const std::string& dir, ModelFacts& facts) {
    const auto card = readJsonFile(os::joinPath(dir, "card.json"));
    if (!card || !card->is_object())
        return;
    const int64_t images = integer(*card, "images"), step = integer(*card, "step");
    if (facts.made.empty() && images > 0)
        facts.made = fmt::format("Trained on {} images in {} steps.", grouped(images), grouped(step));
}

std::vector<int64_t> integers(const Json& json) {
    std::vector<int64_t> out;
    if (json.is_array())
        for (const Json& each : json)
            if (each.is_number_integer() && out.size() < 64)
                out.push_back(each.get<int64_t>());
    return out;
}

std::optional<ImageFacts> imageFacts(const Json& config, const std::string& family) {
    if (family.rfind("pairlab_image_", 0) != 0)
        return std::nullopt;
    const auto object = [&](const char* key) { return config.contains(key) && config[key].is_object() ? config[key] : Json::object(); };
    ImageFacts out;
    out.size = integer(config, "image_size");
    out.flow = family == "pairlab_image_flow";
    out.noise = family == "pairlab_image_epsilon";
    out.reward = family == "pairlab_image_reward";
    const auto takeWidths = [&out](const Json& unet) {
        for (const char* key : {"width", "deep_width"})
            if (const int64_t width = integer(unet, key); width > 0)
                out.widths.push_back(width);
    };
    if (out.reward) {
        out.slots = static_cast<int64_t>(integers(config.value("slots", Json())).size());
        const Json generator = object("generator");
        out.onGenerator = !generator.empty();
        if (out.onGenerator && generator.contains("denoiser") && generator["denoiser"].is_object())
            takeWidths(generator["denoiser"]);
        else
            out.widths = integers(config.value("channels", Json()));
        const Json calibration = object("calibration");
        out.scoredImages = integer(calibration, "images");
        out.scoredPairs = integer(calibration, "pairs");
        if (const auto t = calibration.find("temperature"); t != calibration.end() && t->is_number())
            out.temperature = t->get<double>();
    } else {
        out.slots = static_cast<int64_t>(integers(object("text_encoder").value("slots", Json())).size());
        takeWidths(object("denoiser"));
    }
    return out;
}

std::string orUnknown(const std::string& text) { return text.empty() ? "not said" : text; }

void imageRows(const ImageFacts& image, std::vector<std::pair<std::string, std::string>>& rows) {
    rows.emplace_back("Images", image.size > 0 ? fmt::format("{0} × {0} pixels", image.size) : "not said");
    if (image.reward) {
        rows.emplace_back("Scores", image.scoredImages > 0
                                        ? fmt::format("in standard deviations of {} training images", grouped(image.scoredImages))
                                        : "not calibrated");
        if (image.scoredPairs > 0)
            rows.emplace_back("Temperature", fmt::format("{:.2f}, from {} pairs", image.temperature, grouped(image.scoredPairs)));
    } else {
        rows.emplace_back("Predicts", image.flow ? "velocity (rectified flow)" : image.noise ? "noise (diffusion)" : "not said");
        rows.emplace_back("Samplers", image.flow ? "flow_ode; with noise flow_sde, cps, dance_sde" : image.noise ? "ddim" : "not said");
    }
    rows.emplace_back("Prompts", image.slots > 0 ? fmt::format("captions of scenes, {} slots", image.slots) : "not said");
}
} // namespace

std::vector<std::pair<std::string, std::string>> factRows(const ModelFacts& f) {
    std::vector<std::pair<std::string, std::string>> rows;
    rows.emplace_back("Family", orUnknown(modelFamily(f.family)) + (f.rewardModel && !f.image ? ", reward head" : ""));
    std::string shape;
    if (!f.image)
        shape = fmt::format(" ({} layers, width {})", f.layers, f.hidden);
    else if (!f.image->widths.empty())
        shape = fmt::format(" ({}, width {})", f.image->onGenerator ? "on a frozen U-Net" : f.image->reward ? "convolutions" : "U-Net", fmt::join(f.image->widths, ", "));
    rows.emplace_back("Parameters", shortCount(static_cast<double>(f.parameters)) + shape);
    rows.emplace_back("Type", orUnknown(f.dtype));
    if (f.image) {
        imageRows(*f.image, rows);
    } else {
        rows.emplace_back("Context", f.context > 0 ? grouped(f.context) + " tokens" : "not said");
        rows.emplace_back("Vocabulary", f.vocabulary > 0 ? grouped(f.vocabulary) : "not said");
    }
    rows.emplace_back("Licence", orUnknown(f.licence));
    rows.emplace_back("On disk", byteText(static_cast<double>(f.bytes)));
    return rows;
}

Result<ModelFacts> readModelFacts(const std::string& dir) {
    ModelFacts facts;
    const std::string configPath = os::joinPath(dir, "config.json");
    PL_TRY(const Json config, readJsonFile(configPath));
    if (!config.is_object())
        return fail(Code::Corrupt, fmt::format("{} is not an object", configPath));
    if (const auto type = config.find("model_type"); type != config.end() && type->is_string())
        facts.family = type->get<std::string>();
    facts.image = imageFacts(config, facts.family);
    facts.rewardModel = facts.image && facts.image->reward;
    if (!facts.image)
        if (auto known = ModelConfig::fromJson(config, configPath))
            facts.config = std::move(*known);
    facts.context = integer(config, "max_position_embeddings");
    if (facts.context == 0)
        facts.context = integer(config, "n_positions");
    facts.layers = std::max(integer(config, "num_hidden_layers"), integer(config, "n_layer"));
    facts.hidden = std::max(integer(config, "hidden_size"), integer(config, "n_embd"));
    facts.vocabulary = integer(config, "vocab_size");
    if (const auto kinds = config.find("architectures"); kinds != config.end() && kinds->is_array())
        for (const Json& kind : *kinds)
            facts.rewardModel = facts.rewardModel || (kind.is_string() && kind.get<std::string>().find("SequenceClassification") !=
                                                                              std::string::npos);
    PL_TRY(const auto files, weightFileNames(dir));
    std::map<std::string, int64_t> byType;
    for (const std::string& file : files) {
        PL_TRY(const std::string path, modelFile(dir, file));
        PL_TRY(const auto tensors, readSafetensorsEntries(path));
        for (const TensorEntry& tensor : tensors)
            byType[tensor.dtype] += static_cast<int64_t>((tensor.end - tensor.begin) / bytesOfDtype(tensor.dtype));
    }
    int64_t most = 0;
    for (const auto& [type, count] : byType) {
        facts.parameters += count;
        if (count > most) {
            most = count;
            facts.dtype = type;
        }
    }
    facts.hasTokenizer = os::exists(os::joinPath(dir, "tokenizer.json"));
    facts.bytes = os::treeSize(dir);
    const ModelCard card = readModelCard(dir);
    facts.licence = card.licence;
    facts.made = card.made;
    readStarterCard(dir, facts);
    return facts;
}

TrainCost trainCost(const TrainCostInput& in) {
    TrainCost out;
    const auto p = static_cast<double>(in.parameters);
    out.tokens = in.steps * in.tokensPerStep;
    out.flop = out.tokens * p * (6 + 2 * in.forwardOnly);
    out.seconds = in.flopPerSecond > 0 ? out.flop / in.flopPerSecond : 0;
    return out;
}

} // namespace pl::ui

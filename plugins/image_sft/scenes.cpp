// SPDX-License-Identifier: Apache-2.0
#include "plugins/image_sft/scenes.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "plugins/sdk/setup.h"

namespace pl::image_sft {
namespace {

int64_t parameterCount(const torch::nn::Module& module) {
    int64_t out = 0;
    for (const auto& parameter : module.parameters())
        out += parameter.numel();
    return out;
}

} // namespace

Result<ImageSetup> setUpImages(learn::Job& job, const std::string& role, bool fromScratch) {
    if (job.spec().threads > 0)
        at::set_num_threads(job.spec().threads);
    PL_TRY(const auto spec, sdk::modelFor(job, role));
    ImageSetup out;
    PL_TRY(out.device, learn::parseDevice(job.spec().device));
    if (fromScratch) {
        out.loaded.dir = spec.path;
        PL_TRY(out.loaded.config, learn::readImageConfig(spec.path));
        out.loaded.model = learn::ImageModel(out.loaded.config);
        out.loaded.model->initialise(job.spec().seed);
        out.loaded.model->to(out.device);
    } else {
        PL_TRY(out.loaded, learn::loadImageModel(spec.path, out.device));
    }
    job.logLine("info", fmt::format("model {}: {} parameters, {} threads", spec.name.empty() ? spec.path : spec.name,
                                    parameterCount(*out.loaded.model), at::get_num_threads()));
    return out;
}

DrawnScene sceneOf(uint64_t seed, uint64_t index, int64_t size, double defects) {
    const uint64_t key = mix64(seed + index);
    DrawnScene out;
    out.caption = rules::drawCaption(key);
    out.image = rules::renderScene(rules::drawScene(out.caption, mix64(key), defects), static_cast<int32_t>(size));
    return out;
}

torch::Tensor captionIds(const std::vector<rules::Caption>& captions, const torch::Device& device) {
    auto out = torch::empty({static_cast<int64_t>(captions.size()), rules::kSlots}, torch::kInt64);
    auto* to = out.data_ptr<int64_t>();
    for (const auto& caption : captions)
        for (const int id : caption.slots())
            *to++ = id;
    return out.to(device);
}

void ObedienceTally::add(const rules::Caption& caption, const Image& image) {
    const auto o = rules::obedienceOf(caption, rules::measureScene(image));
    const std::array<std::optional<bool>, 5> said = {o.count, o.colour, o.shape, o.background, o.all()};
    for (size_t i = 0; i < said.size(); ++i)
        if (said[i]) {
            m_asked[i] += 1;
            m_right[i] += *said[i] ? 1 : 0;
        }
}

std::map<std::string, double> ObedienceTally::values(const std::string& prefix) const {
    std::map<std::string, double> out;
    const std::array<const char*, 5> names = {"count", "colour", "shape", "background", "all"};
    for (size_t i = 0; i < names.size(); ++i)
        if (m_asked[i] > 0)
            out[prefix + names[i]] = m_right[i] / m_asked[i];
    return out;
}

Status writeImageSample(learn::Job& job, int64_t step, const std::string& promptId, const std::string& prompt,
                        const Image& image, uint64_t seed) {
    PL_TRY(const auto bytes, encodePng(image));
    const auto sha = sha256Hex(bytes);
    const auto relative = "samples/" + sha + ".png";
    PL_CHECK(os::writeFileAtomic(os::joinPath(job.bundle().dir(), relative), bytes));
    return job.events().write(event::kSample, {{"step", step},
                                               {"prompt_id", promptId},
                                               {"prompt", prompt},
                                               {"kind", "image"},
                                               {"image", relative},
                                               {"sha256", sha},
                                               {"width", image.width},
                                               {"height", image.height},
                                               {"seed", seed}});
}

} // namespace pl::image_sft

// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/image_watch.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/image.h"
#include "core/base/os/files.h"
#include "core/learn/images/pixels.h"
#include "core/rules/statistics.h"
#include "plugins/sdk/setup.h"

namespace pl::sdk {

namespace {

constexpr const char* kLookDue = "look_due";
constexpr size_t kShown = 8, kDiversityPrompts = 16;
constexpr double kObedienceSlack = 0.02, kObedienceFine = 10, kObediencePrice = 100;

} // namespace

Result<learn::LoadedImageModel> setUpImageModel(learn::Job& job, const std::string& role) {
    if (job.spec().threads > 0)
        at::set_num_threads(job.spec().threads);
    PL_TRY(const auto spec, modelFor(job, role));
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    PL_TRY(auto loaded, learn::loadImageModel(spec.path, device));
    int64_t parameters = 0;
    for (const auto& p : loaded.model->parameters())
        parameters += p.numel();
    job.logLine("info", fmt::format("model {}: {} parameters, {} threads", spec.name.empty() ? spec.path : spec.name, parameters,
                                    at::get_num_threads()));
    return loaded;
}

Result<learn::ImageModel> frozenReference(learn::Job& job) {
    PL_TRY(const auto spec, modelFor(job, job.spec().model("reference") ? "reference" : "policy"));
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    PL_TRY(auto loaded, learn::loadImageModel(spec.path, device));
    for (auto& parameter : loaded.model->parameters())
        parameter.requires_grad_(false);
    return loaded.model;
}

Result<std::string> storeSample(learn::Job& job, const Image& image) {
    PL_TRY(const std::string bytes, encodePng(image));
    const std::string name = "samples/" + sha256Hex(bytes) + ".png";
    const std::string path = os::joinPath(job.bundle().dir(), name);
    if (!os::exists(path)) {
        PL_CHECK(os::makeDirs(job.bundle().samplesDir()));
        PL_CHECK(os::writeFileAtomic(path, bytes));
    }
    return name;
}

Result<ImageWatch> ImageWatch::make(learn::Job& job, const std::vector<std::string>& more) {
    const std::string_view what = "the parameters";
    const Json& p = job.parameters();
    ImageWatch out;
    PL_TRY(const int64_t limit, field<int64_t>(p, "eval_prompts", what));
    PL_TRY(out.m_draw.steps, field<int64_t>(p, "sampling_steps", what));
    PL_TRY(out.m_draw.guidance, field<double>(p, "guidance", what));
    out.m_draw.seed = hashSeed(job.spec().seed, "watch");
    PL_TRY(const auto taste, field<std::string>(p, "watch_taste", what));
    if (!taste.empty()) {
        PL_TRY(out.m_taste, rules::imageTasteByName(taste));
    }
    std::vector<PromptRow> found;
    if (const auto path = dataFile(job, "dev_prompts.jsonl"); !path.empty()) {
        PL_TRY(found, readPrompts(path));
    }
    std::vector<PromptRow> pinned;
    if (const auto path = dataFile(job, "prompts.jsonl"); !path.empty()) {
        PL_TRY(pinned, readPrompts(path));
    }
    for (const auto& row : pinned)
        if (row.split == "dev")
            found.push_back(row);
    for (const auto& text : more)
        found.push_back({.id = {}, .prompt = text, .split = "dev", .verifierKind = {}, .verifierAnswer = {}});
    if (found.empty())
        found = pinned;
    std::set<std::string> seen;
    for (auto& row : found)
        if (static_cast<int64_t>(out.m_prompts.size()) < limit && seen.insert(row.prompt).second) {
            out.m_texts.push_back(row.prompt);
            out.m_prompts.push_back(std::move(row));
        }
    return out;
}

Result<std::map<std::string, double>> ImageWatch::measure(learn::Job& job, learn::ImageModel& model, const std::string& prefix,
                                                          int64_t step, bool show) {
    std::map<std::string, double> values;
    if (m_prompts.empty())
        return values;
    const auto keepGoing = [&job] { return !job.mustLeave(); };
    // The first prompts twice, for the diversity within a prompt.
    const size_t twice = std::min(kDiversityPrompts, m_texts.size());
    auto prompts = m_texts;
    prompts.insert(prompts.end(), m_texts.begin(), m_texts.begin() + static_cast<std::ptrdiff_t>(twice));
    std::vector<uint64_t> streams(prompts.size());
    for (size_t i = 0; i < streams.size(); ++i)
        streams[i] = i;
    PL_TRY(auto drawn, learn::drawImages(model, prompts, streams, m_draw, keepGoing));
    std::vector<Image> couples;
    for (size_t i = 0; i < twice; ++i) {
        couples.push_back(drawn[i]);
        couples.push_back(drawn[m_texts.size() + i]);
    }
    values[prefix + "diversity"] = learn::imageDiversity(learn::tensorOf(couples), 2);
    drawn.resize(m_texts.size());
    m_images = std::move(drawn);
    const auto measures = learn::measureImages(m_images, m_texts, m_taste ? &*m_taste : nullptr);
    values.merge(measures.obedience.rates(prefix + "obedience/"));
    if (m_taste)
        values[prefix + goldName()] = rules::mean(measures.gold);
    for (size_t i = 0; show && i < std::min(kShown, m_prompts.size()); ++i) {
        PL_TRY(const auto image, storeSample(job, m_images[i]));
        Json sample{{"step", step},      {"prompt_id", m_prompts[i].id}, {"prompt", m_texts[i]}, {"kind", "image"},
                    {"image", image},    {"seed", m_draw.seed},          {"stream", streams[i]}, {"tag", "dev"}};
        if (m_taste)
            sample["gold"] = jsonNumber(measures.gold[i]);
        PL_CHECK(job.events().write(event::kSample, std::move(sample)));
    }
    return values;
}

Result<std::optional<std::map<std::string, double>>> ImageWatch::look(learn::Job& job, learn::ImageModel& model, int64_t step, bool show,
                                                                      Json& extra) {
    auto drawn = measure(job, model, "eval_", step, show);
    if (drawn) {
        extra.erase(kLookDue);
        return std::optional(std::move(*drawn));
    }
    if (drawn.error().code != Code::Cancelled)
        return tl::unexpected<Error>(std::move(drawn).error());
    extra[kLookDue] = true;
    return std::optional<std::map<std::string, double>>();
}

bool ImageWatch::due(const Json& extra) {
    return extra.contains(kLookDue);
}

std::map<std::string, double> figuresAtStart(Json& extra, int64_t step, const std::map<std::string, double>& now) {
    if (step == 0 || !extra.contains("first")) {
        extra["first"] = Json::object();
        for (const auto& [name, value] : now)
            extra["first"][name] = value;
    }
    std::map<std::string, double> first;
    for (const auto& [name, value] : extra["first"].items())
        if (value.is_number())
            first[name] = value.get<double>();
    return first;
}

double obediencePrice(double fall) {
    return fall <= kObedienceSlack ? 0 : kObedienceFine + kObediencePrice * (fall - kObedienceSlack);
}

double obedienceFall(const std::map<std::string, double>& first, const std::map<std::string, double>& now,
                     const std::string& prefix) {
    double fall = 0;
    for (const char* slot : {"colour", "background"}) {
        const auto before = first.find(prefix + "obedience/" + slot), after = now.find(prefix + "obedience/" + slot);
        if (before != first.end() && after != now.end())
            fall = std::max(fall, before->second - after->second);
    }
    return fall;
}

} // namespace pl::sdk

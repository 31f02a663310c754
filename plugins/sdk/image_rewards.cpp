// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/image_rewards.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/learn/images/image_measures.h"
#include "core/learn/images/pixels.h"
#include "plugins/sdk/setup.h"

namespace pl::sdk {

namespace {

constexpr size_t kBatch = 256; ///< images a reward model sees at a time

/// A term without its model.
struct TermSpec {
    std::string type, model, name;
    double weight = 1;
    std::optional<rules::ImageTaste> taste;
    bool partial = true;
};

Result<TermSpec> specOf(const Json& json, size_t number) {
    const std::string what = fmt::format("reward term {}", number);
    TermSpec out;
    PL_TRY(out.type, field<std::string>(json, "type", what));
    PL_TRY(out.weight, fieldOr<double>(json, "weight", 1.0, what));
    if (!std::isfinite(out.weight))
        return fail(Code::InvalidInput, fmt::format("the weight of {} is not a finite number", what));
    out.name = out.type;
    if (out.type == "reward_model") {
        PL_TRY(out.model, fieldOr<std::string>(json, "model", "", what));
        if (out.model.empty())
            return fail(Code::InvalidInput, fmt::format("{} names no model", what),
                        "Set its 'model' to a run of the image_reward_model trainer, or take the term out.");
    } else if (out.type == "taste") {
        PL_TRY(const auto name, field<std::string>(json, "name", what));
        PL_TRY(out.taste, rules::imageTasteByName(name));
        for (const char c : "_" + name)
            out.name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    } else if (out.type == "obedience") {
        PL_TRY(out.partial, fieldOr<bool>(json, "partial", true, what));
    } else if (out.type != kRankings) {
        return fail(Code::InvalidInput, fmt::format("there is no reward term of type '{}' for images", out.type),
                    "Known types: reward_model, taste, obedience, rankings.");
    }
    return out;
}

Result<std::vector<TermSpec>> specsOf(const Json& terms) {
    if (!terms.is_array() || terms.empty())
        return fail(Code::InvalidInput, "the list of reward terms is empty",
                    "Add one to 'rewards': a reward model, a taste, obedience, or the rankings of the data.");
    std::vector<TermSpec> out;
    for (size_t i = 0; i < terms.size(); ++i) {
        PL_TRY(auto spec, specOf(terms[i], i + 1));
        if (spec.type == kRankings && terms.size() > 1)
            return fail(Code::InvalidInput, "rankings stand for the whole reward: nothing scores images that a person put in order",
                        "Leave the other terms out, or train a reward model on the rankings and take that.");
        out.push_back(std::move(spec));
    }
    return out;
}

} // namespace

bool rewardsAreRankings(const Json& terms) {
    return terms.is_array() && terms.size() == 1 && terms[0].is_object() && terms[0].value("type", Json()) == kRankings;
}

Status ImageRewards::check(learn::Job& job, const Json& terms) {
    PL_TRY(const auto specs, specsOf(terms));
    if (std::all_of(specs.begin(), specs.end(), [](const TermSpec& spec) { return spec.weight == 0; }))
        return fail(Code::InvalidInput, "every reward term has the weight 0: no image would be better than another",
                    "Give one of them another weight.");
    for (const auto& spec : specs) {
        if (spec.type != "reward_model")
            continue;
        PL_TRY(const auto given, modelFor(job, "ref:" + spec.model));
        PL_TRY(const bool scores, learn::isImageReward(given.path));
        if (!scores)
            return fail(Code::InvalidInput, fmt::format("{} is no reward model of images", given.name.empty() ? given.path : given.name),
                        "Choose a run of the image_reward_model trainer.");
    }
    return {};
}

Result<ImageRewards> ImageRewards::load(learn::Job& job, const Json& terms) {
    PL_TRY(auto specs, specsOf(terms));
    PL_TRY(const auto device, learn::parseDevice(job.spec().device));
    ImageRewards out;
    for (auto& spec : specs) {
        Term term;
        term.weight = spec.weight;
        term.taste = std::move(spec.taste);
        term.partial = spec.partial;
        if (spec.type == "reward_model") {
            PL_TRY(const auto given, modelFor(job, "ref:" + spec.model));
            PL_TRY(term.model, learn::loadImageReward(given.path, device));
            term.model->eval();
        }
        const auto taken = [&] {
            return std::any_of(out.m_terms.begin(), out.m_terms.end(), [&](const Term& t) { return t.name == term.name; });
        };
        term.name = spec.name;
        for (int again = 2; taken(); ++again)
            term.name = fmt::format("{}_{}", spec.name, again);
        out.m_terms.push_back(std::move(term));
    }
    return out;
}

std::vector<double> ImageRewards::scoresOf(Term& term, const std::vector<Image>& images, const std::vector<std::string>& prompts) {
    std::vector<double> out;
    if (term.taste) {
        for (size_t i = 0; i < images.size(); ++i)
            out.push_back(rules::score(*term.taste, prompts[i], images[i]));
    } else if (term.model.is_empty()) {
        const auto shares = learn::measureImages(images, prompts).obeyed;
        for (const double share : shares)
            out.push_back(term.partial ? share : share == 1);
    } else {
        torch::NoGradGuard noGrad;
        for (size_t at = 0; at < images.size(); at += kBatch) {
            const size_t end = std::min(images.size(), at + kBatch);
            const auto part = [&](const auto& all) {
                return std::decay_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(at),
                                                   all.begin() + static_cast<std::ptrdiff_t>(end));
            };
            const auto pixels = learn::tensorOf(part(images)).to(term.model->device());
            const auto scores = term.model->score(pixels, part(prompts)).to(torch::kCPU, torch::kFloat64).contiguous();
            out.insert(out.end(), scores.const_data_ptr<double>(), scores.const_data_ptr<double>() + scores.numel());
        }
    }
    return out;
}

Result<learn::Rewards> ImageRewards::score(const std::vector<Image>& images, const std::vector<std::string>& prompts) {
    std::vector<learn::TermScores> scored;
    for (auto& term : m_terms) {
        auto raw = scoresOf(term, images, prompts);
        for (size_t i = 0; i < raw.size(); ++i)
            if (!std::isfinite(raw[i]))
                return fail(Code::Diverged,
                            fmt::format("the reward term {} gives {} to an image of \"{}\": there is nothing to learn from that",
                                        term.name, raw[i], prompts[i]),
                            "Choose an earlier checkpoint of the reward model, or leave the term out.");
        scored.push_back({term.name, term.weight, std::move(raw)});
    }
    return learn::combineRewards(std::move(scored), images.size());
}

} // namespace pl::sdk

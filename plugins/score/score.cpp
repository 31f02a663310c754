// SPDX-License-Identifier: Apache-2.0
// Reward models score the answers of data/items.jsonl: {"id", "prompt", "response" | "image", "by"?: [role, ...]}.
#include <algorithm>
#include <cmath>

#include <torch/torch.h>

#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/base/score_event.h"
#include "core/learn/host/plugin_entry.h"
#include "core/learn/images/image_reward.h"
#include "core/learn/images/image_store.h"
#include "core/learn/models/flops.h"
#include "core/learn/rewards/reward_model_scorer.h"
#include "plugins/sdk/image_rows.h"
#include "plugins/sdk/setup.h"

namespace {

using namespace pl;
using namespace pl::sdk;

constexpr size_t kAtOnce = 128; ///< answers between two looks at what is wished
constexpr int64_t kTokenBudget = 8192;

struct Item {
    std::string id, prompt, content;
    bool image = false;
    std::vector<std::string> by; ///< roles; empty: every model
    bool isFor(const std::string& role) const { return by.empty() || std::find(by.begin(), by.end(), role) != by.end(); }
};

Result<std::vector<Item>> readItems(const learn::Job& job) {
    std::vector<Item> items;
    const std::string path = job.bundle().dataPath("items.jsonl");
    PL_CHECK(forEachJsonLine(path, [&](const Json& row, size_t line) -> Status {
        const std::string where = fmt::format("{}, line {}", path, line);
        Item item;
        PL_TRY(item.id, field<std::string>(row, "id", where));
        PL_TRY(item.prompt, field<std::string>(row, "prompt", where));
        item.image = row.contains("image");
        PL_TRY(item.content, field<std::string>(row, item.image ? "image" : "response", where));
        if (item.image && !isImageRef(item.content))
            return fail(Code::InvalidInput, fmt::format("{}: \"{}\" is no image of the run", where, item.content));
        if (const auto by = row.find("by"); by != row.end()) {
            if (!by->is_array())
                return fail(Code::InvalidInput, where + ": \"by\" is no list of roles");
            for (const Json& role : *by) {
                if (!role.is_string() || !job.spec().model(role.get<std::string>()))
                    return fail(Code::InvalidInput, fmt::format("{}: {} is the role of no model of this run", where, dumpJson(role)));
                item.by.push_back(role.get<std::string>());
            }
        }
        items.push_back(std::move(item));
        return {};
    }));
    if (items.empty())
        return fail(Code::InvalidInput, path + " has no answers to score");
    return items;
}

Status validate(learn::Job& job) {
    PL_CHECK(modelFor(job, "policy"));
    if (dataFile(job, "items.jsonl").empty())
        return fail(Code::NotFound, "the run has no data/items.jsonl", "Start it with `pairlab-cli score`.");
    return {};
}

/// Scores of some items by one model, NaN where there is none.
class Scorer {
public:
    static Result<Scorer> load(learn::Job& job, const ModelSpec& spec) {
        PL_TRY(const auto device, learn::parseDevice(job.spec().device));
        Scorer out;
        PL_TRY(const bool image, learn::isImageReward(spec.path));
        if (image) {
            PL_TRY(out.m_image, learn::loadImageReward(spec.path, device));
            out.m_image->eval();
        } else {
            PL_TRY(auto text, learn::RewardModelScorer::load(spec.path, device));
            out.m_text.emplace(std::move(text));
        }
        return out;
    }
    bool takes(const Item& item) const { return item.image != m_text.has_value(); }
    Result<std::vector<double>> score(learn::Job& job, const std::vector<const Item*>& items) {
        if (job.mustLeave())
            return fail(Code::Cancelled, "scoring was stopped");
        std::vector<std::string> prompts, texts;
        for (const Item* item : items) {
            prompts.push_back(item->prompt);
            texts.push_back(item->content);
        }
        if (m_text)
            return m_text->score(
                prompts, texts, [&job] { return !job.mustLeave(); }, kTokenBudget);
        torch::NoGradGuard noGrad;
        learn::ImageStore store(m_image->config().size);
        ImageRows rows(job, store);
        std::vector<double> out(items.size(), std::nan(""));
        std::vector<size_t> read, images;
        std::vector<std::string> asked;
        for (size_t i = 0; i < items.size(); ++i) {
            PL_TRY(const auto image, rows.add(texts[i]));
            if (!image) {
                rows.countLeftOut();
                continue;
            }
            read.push_back(i);
            images.push_back(*image);
            asked.push_back(prompts[i]);
        }
        rows.alert();
        if (read.empty())
            return out;
        const auto scores = m_image->score(store.batch(images, m_image->device()), asked).to(torch::kFloat64).cpu();
        for (size_t i = 0; i < read.size(); ++i)
            out[read[i]] = scores[static_cast<int64_t>(i)].item<double>();
        return out;
    }

private:
    std::optional<learn::RewardModelScorer> m_text;
    learn::ImageReward m_image{nullptr};
};

Status run(learn::Job& job) {
    if (job.spec().threads > 0)
        at::set_num_threads(job.spec().threads);
    PL_TRY(const auto items, readItems(job));
    int64_t all = 0, done = 0;
    for (const ModelSpec& model : job.spec().models)
        all += std::count_if(items.begin(), items.end(), [&](const Item& item) { return item.isFor(model.role); });
    double scored = 0, missing = 0;
    for (const ModelSpec& model : job.spec().models) {
        PL_TRY(auto scorer, Scorer::load(job, model));
        std::vector<const Item*> mine;
        for (const Item& item : items)
            if (item.isFor(model.role)) {
                if (!scorer.takes(item))
                    return fail(Code::InvalidInput, fmt::format("{} scores {}, and answer {} is of the other kind", model.name,
                                                                item.image ? "texts" : "images", item.id));
                mine.push_back(&item);
            }
        Json ids = Json::array(), scores = Json::array();
        const auto flush = [&]() -> Status {
            if (ids.empty())
                return {};
            Json event{{"model", {{"name", model.name}, {"hash", model.hash}, {"role", model.role}}}};
            event["ids"] = std::exchange(ids, Json::array());
            event["scores"] = std::exchange(scores, Json::array());
            return job.events().write(event::kScore, std::move(event));
        };
        for (size_t at = 0; at < mine.size(); at += kAtOnce) {
            const std::vector<const Item*> some(mine.begin() + static_cast<std::ptrdiff_t>(at),
                                                mine.begin() + static_cast<std::ptrdiff_t>(std::min(mine.size(), at + kAtOnce)));
            PL_TRY(const auto values, scorer.score(job, some));
            for (size_t i = 0; i < some.size(); ++i) {
                ids.push_back(some[i]->id);
                scores.push_back(jsonNumber(values[i]));
                ++(std::isfinite(values[i]) ? scored : missing);
            }
            done += static_cast<int64_t>(some.size());
            job.progress(done, all);
            if (ids.size() + kAtOnce > event::kScoresALine)
                PL_CHECK(flush());
        }
        PL_CHECK(flush());
    }
    const std::map<std::string, double> values{{"scored", scored}, {"not_scored", missing}, {"total_flos", learn::takeFlops()}};
    PL_CHECK(job.events().metrics(1, 0, 0, values));
    PL_CHECK(job.events().write(event::kResult, {{"values", values}}));
    return job.events().sync();
}

} // namespace

PAIRLAB_PLUGIN("score", "1.0.0", validate, run)

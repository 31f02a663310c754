// SPDX-License-Identifier: Apache-2.0
// What a run trained on, in TRL's columns.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "core/base/deal.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/base/records.h"
#include "core/desk/exchange/trl_parts.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"

namespace pl::desk::trl {

namespace {

constexpr const char* kParameters = "the run's parameters";
using Ids = std::vector<int64_t>;

/// The trainers' way from texts to ids (core/learn/training/text_data.h).
class Writer {
public:
    static Result<Writer> open(const std::string& dir) {
        PL_TRY(auto tokenizer, text::Tokenizer::load(dir));
        PL_TRY(auto chat, text::ChatTemplate::load(dir, tokenizer));
        return Writer(std::move(tokenizer), std::move(chat));
    }
    int64_t end() const { return m_chat.endId(); }
    std::string endText() const { return m_tokenizer.tokenText(end()); }
    std::string decode(const Ids& ids) const { return m_tokenizer.decode(ids, false); }

    /// Writes the prompt as the model sees it; returns its ids.
    Result<Ids> prompt(const std::string& text, Json& row) const {
        PL_TRY(const auto shown, m_chat.render({{"user", text}}, true));
        PL_TRY(auto ids, m_chat.renderIds(m_tokenizer, {{"user", text}}, true));
        put(row, "prompt", shown.text, ids);
        return ids;
    }
    /// Writes an answer to the prompt; returns its ids, the end token last.
    Result<Ids> answer(const std::string& prompt, const std::string& text, const char* name, Json& row) const {
        PL_TRY(auto ids, m_chat.completionIds(m_tokenizer, {{"user", prompt}}, text));
        if (ids.size() <= 1)
            return fail(Code::InvalidInput, fmt::format("an answer to \"{}\" has no token", prompt.substr(0, 60)));
        const Ids alone(ids.begin(), ids.end() - 1);
        put(row, name, decode(alone), alone);
        return ids;
    }

private:
    Writer(text::Tokenizer tokenizer, text::ChatTemplate chat) : m_tokenizer(std::move(tokenizer)), m_chat(std::move(chat)) {}
    void put(Json& row, const std::string& name, const std::string& text, const Ids& ids) const {
        row[name] = text;
        if (m_tokenizer.encode(text, true) != ids)
            row[name + "_ids"] = ids;
    }
    text::Tokenizer m_tokenizer;
    text::ChatTemplate m_chat;
};

bool hasIds(const Json& row) {
    return std::any_of(row.items().begin(), row.items().end(), [](const auto& item) { return item.key().ends_with("_ids"); });
}

const ModelSpec& policyOf(const RunSpec& spec) {
    return *spec.model("policy");
}

Result<int64_t> longestOf(const RunSpec& spec) {
    PL_TRY(const ModelConfig config, readModelConfig(policyOf(spec).path));
    PL_TRY(const int64_t asked, field<int64_t>(spec.parameters, "max_length", kParameters));
    return config.maxPositions > 0 ? std::min(asked, config.maxPositions) : asked;
}

/// Of plugins/sdk's loopOptions and BatchPlan.
Status dealSteps(const RunSpec& spec, Rows& rows) {
    const size_t n = rows.rows.size();
    if (n == 0)
        return fail(Code::InvalidInput, fmt::format("run {} has no row to train on", spec.name), "Label more, or raise max_length.");
    PL_TRY(const auto batch, field<int64_t>(spec.parameters, "batch_size", kParameters));
    PL_TRY(rows.steps, field<int64_t>(spec.parameters, "steps", kParameters));
    PL_TRY(const double epochs, field<double>(spec.parameters, "epochs", kParameters));
    if (batch < 1)
        return fail(Code::InvalidInput, fmt::format("batch_size is {}, but must be 1 or more", batch));
    if (rows.steps == 0)
        rows.steps = static_cast<int64_t>(std::ceil(epochs * static_cast<double>(n) / static_cast<double>(batch)));
    if (rows.steps < 1)
        return fail(Code::InvalidInput, "steps and epochs are both 0", "Set one of them above 0.");
    std::vector<uint32_t> epoch;
    size_t at = 0;
    int64_t dealt = 0;
    for (int64_t step = 0; step < rows.steps; ++step) {
        auto& one = rows.order.emplace_back();
        for (int64_t k = 0; k < batch; ++k) {
            if (at == epoch.size()) {
                epoch = dealtOrder(n, spec.seed, dealt++);
                at = 0;
            }
            one.push_back(epoch[at++]);
        }
    }
    return {};
}

Result<std::vector<PairRow>> pairsOf(const Bundle& bundle) {
    PL_TRY(auto pairs, readPairs(bundle.dataPath("train.jsonl")));
    PL_TRY(const auto ties, field<std::string>(bundle.spec().parameters, "ties", kParameters));
    if (ties == "soft" && os::exists(bundle.dataPath("ties.jsonl"))) {
        PL_TRY(auto more, readTies(bundle.dataPath("ties.jsonl"), "train"));
        for (PairRow& row : more) {
            row.softLabel = 0.5;
            pairs.push_back(std::move(row));
        }
    }
    return pairs;
}

} // namespace

Result<Rows> readRows(const Bundle& bundle, Method method) {
    const RunSpec& spec = bundle.spec();
    PL_TRY(const Writer writer, Writer::open(policyOf(spec).path));
    PL_TRY(const int64_t longest, longestOf(spec));
    Rows out;
    out.end = writer.end();
    out.endText = writer.endText();
    const auto keep = [&](Json row) {
        out.withIds += hasIds(row);
        out.rows.push_back(std::move(row));
    };
    if (method == Method::Sft) {
        PL_TRY(const auto rows, readSft(bundle.dataPath("train.jsonl")));
        for (const SftRow& each : rows) {
            Json row;
            PL_TRY(const Ids prompt, writer.prompt(each.prompt, row));
            PL_TRY(const Ids answer, writer.answer(each.prompt, each.completion, "completion", row));
            if (static_cast<int64_t>(prompt.size() + answer.size()) > longest)
                ++out.tooLong;
            else
                keep(std::move(row));
        }
        PL_CHECK(dealSteps(spec, out));
        return out;
    }
    const Json& p = spec.parameters;
    PL_TRY(const bool useWeights, fieldOr<bool>(p, "use_weights", true, kParameters));
    PL_TRY(const bool margins, fieldOr<bool>(p, "margin_from_strength", false, kParameters));
    // TRL's "sigmoid" has no label smoothing, but a label of 1 - s is the same.
    PL_TRY(const auto loss, fieldOr<std::string>(p, "loss", "", kParameters));
    PL_TRY(double smoothing, fieldOr<double>(p, "label_smoothing", 0.0, kParameters));
    if (loss != "sigmoid")
        smoothing = 0;
    PL_TRY(const auto pairs, pairsOf(bundle));
    for (const PairRow& each : pairs) {
        Json row;
        PL_TRY(const Ids prompt, writer.prompt(each.prompt, row));
        PL_TRY(const Ids chosen, writer.answer(each.prompt, each.chosen, "chosen", row));
        PL_TRY(const Ids rejected, writer.answer(each.prompt, each.rejected, "rejected", row));
        if (static_cast<int64_t>(prompt.size() + std::max(chosen.size(), rejected.size())) > longest) {
            ++out.tooLong;
            continue;
        }
        if (chosen == rejected) {
            ++out.identical;
            continue;
        }
        row["weight"] = useWeights ? each.weight : 1.0;
        row["label"] = each.softLabel * (1 - smoothing) + (1 - each.softLabel) * smoothing;
        if (margins)
            row["margin"] = each.strength ? 0.5 * (*each.strength - 1) : 0.0;
        keep(std::move(row));
    }
    const auto all = [&](const char* key, double value) {
        return std::all_of(out.rows.begin(), out.rows.end(), [&](const Json& row) { return row[key] == Json(value); });
    };
    out.weights = !out.rows.empty() && !all("weight", out.rows.front()["weight"].get<double>());
    out.labels = !all("label", 1.0);
    out.margins = margins;
    for (Json& row : out.rows) { // columns that say the same of every row say nothing
        if (!out.weights && !out.labels)
            row.erase("weight"), row.erase("label");
    }
    PL_CHECK(dealSteps(spec, out));
    return out;
}

Result<Rows> readRecorded(const Bundle& bundle, const std::string& file, bool withLogps) {
    const RunSpec& spec = bundle.spec();
    PL_TRY(const Writer writer, Writer::open(policyOf(spec).path));
    PL_TRY(const auto prompts, readPrompts(bundle.dataPath("prompts.jsonl")));
    std::map<std::string, const PromptRow*> known;
    for (const PromptRow& prompt : prompts)
        known.emplace(prompt.id, &prompt);
    Rows out;
    out.end = writer.end();
    out.endText = writer.endText();
    PL_TRY(out.steps, field<int64_t>(spec.parameters, "steps", kParameters));
    int64_t logps = 0;
    PL_CHECK(forEachJsonLine(file, [&](const Json& json, size_t line) -> Status {
        const std::string where = fmt::format("{}, line {}", file, line);
        PL_TRY(const auto id, field<std::string>(json, "prompt_id", where));
        const auto prompt = known.find(id);
        if (prompt == known.end())
            return fail(Code::InvalidInput, fmt::format("{}: prompts.jsonl has no prompt '{}'", where, id));
        Json row;
        PL_TRY([[maybe_unused]] const Ids ids, writer.prompt(prompt->second->prompt, row));
        if (!json.contains("ids") || !json["ids"].is_array() ||
            !std::all_of(json["ids"].begin(), json["ids"].end(), [](const Json& i) { return i.is_number_integer(); }))
            return fail(Code::InvalidInput, fmt::format("{}: \"ids\" must be a list of token ids", where));
        row["completion_ids"] = json["ids"];
        row["completion"] = writer.decode(json["ids"].get<Ids>()); // to be read, not to be tokenised
        row["reward"] = json.value("reward", Json());
        if (withLogps && json.contains("logps")) {
            row["logps"] = json["logps"];
            ++logps;
        }
        out.withIds += row.contains("prompt_ids");
        out.rows.push_back(std::move(row));
        return {};
    }));
    if (logps > 0 && logps < static_cast<int64_t>(out.rows.size()))
        return fail(Code::Unsupported, fmt::format("{}: only {} of {} answers have logps, and TRL takes all or none", file, logps, out.rows.size()),
                    "Record them for every answer, or leave them out.");
    out.oldLogps = logps > 0;
    return out;
}

} // namespace pl::desk::trl

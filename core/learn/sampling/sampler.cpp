// SPDX-License-Identifier: Apache-2.0
#include "core/learn/sampling/sampler.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_set>

#include "core/base/hash.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr double kCompactBelow = 0.8; // share of unfinished rows under which the cache is packed

/// The counter-based stream: the same for a row whatever the batch it runs in.
double uniformOf(uint64_t seed, uint64_t stream, int64_t step) {
    return unitUniform(mix64(mix64(mix64(seed) ^ stream) ^ static_cast<uint64_t>(step)));
}

/// Logits outside the k likeliest, or outside the smallest set of mass p, become -infinity. The likeliest always stays.
Tensor truncated(const Tensor& logits, const SamplingOptions& options) {
    Tensor result = logits;
    const int64_t vocab = logits.size(-1);
    if (options.topK > 0 && options.topK < vocab) {
        const auto [best, index] = result.topk(options.topK, -1);
        result = torch::full_like(result, -std::numeric_limits<float>::infinity()).scatter_(-1, index, best);
    }
    if (options.topP < 1.0) {
        const auto [sorted, index] = result.sort(/*stable=*/true, -1, /*descending=*/true);
        const auto probabilities = torch::softmax(sorted, -1);
        auto drop = (probabilities.cumsum(-1) - probabilities) >= options.topP; // mass before it is enough already
        drop.select(-1, 0).fill_(false);
        const auto kept = sorted.masked_fill(drop, -std::numeric_limits<float>::infinity());
        result = torch::empty_like(kept).scatter_(-1, index, kept);
    }
    return result;
}

/// Inverse of the cumulative distribution, in double precision: the first token whose cumulated mass exceeds u.
Tensor inverseCdf(const Tensor& logps, const Tensor& uniforms) {
    if (logps.device().is_cpu()) {
        const auto p = logps.exp().contiguous();
        const int64_t rows = p.size(0), vocab = p.size(1);
        auto out = torch::empty({rows}, torch::kInt64);
        const float* data = p.const_data_ptr<float>();
        const double* u = uniforms.const_data_ptr<double>();
        for (int64_t r = 0; r < rows; ++r, data += vocab) {
            double total = 0;
            for (int64_t v = 0; v < vocab; ++v)
                total += static_cast<double>(data[v]);
            const double target = u[r] * total;
            double sum = 0;
            int64_t token = vocab - 1;
            for (int64_t v = 0; v < vocab; ++v) {
                sum += static_cast<double>(data[v]);
                if (sum > target) {
                    token = v;
                    break;
                }
            }
            out.data_ptr<int64_t>()[r] = token;
        }
        return out;
    }
    const auto cdf = logps.to(torch::kFloat64).exp().cumsum(-1);
    const auto target = uniforms.to(logps.device()).unsqueeze(1) * cdf.select(-1, -1).unsqueeze(1);
    return torch::searchsorted(cdf, target, /*out_int32=*/false, /*right=*/true).squeeze(1).clamp_max(logps.size(-1) - 1);
}

/// One step's tokens and their log-probabilities under the full distribution at the temperature (1 when greedy).
std::pair<Tensor, Tensor> pick(const Tensor& logits, const SamplingOptions& options, const std::vector<double>& uniforms) {
    const bool greedy = options.temperature <= 0;
    const auto scaled = greedy || options.temperature == 1.0 ? logits : logits / options.temperature;
    const auto logps = torch::log_softmax(scaled, -1);
    Tensor tokens;
    if (greedy) {
        tokens = logps.argmax(-1);
    } else {
        const auto u = torch::tensor(uniforms, torch::kFloat64);
        const bool cut = options.topK > 0 || options.topP < 1.0;
        tokens = inverseCdf(cut ? torch::log_softmax(truncated(scaled, options), -1) : logps, u);
    }
    return {tokens, logps.gather(1, tokens.unsqueeze(1)).squeeze(1)};
}

/// Rows that run together.
class Group {
public:
    Group(Decoder& model, const std::vector<std::vector<int64_t>>& prompts, const SamplingOptions& options,
          std::vector<size_t> rows, std::vector<Sampled>& results)
        : m_model(model), m_prompts(prompts), m_options(options), m_rows(std::move(rows)), m_results(results),
          m_stops(options.stopIds.begin(), options.stopIds.end()) {}

    /// False when asked to leave.
    bool run(const std::function<bool()>& keepGoing, const std::function<void(size_t, const Sampled&)>& done) {
        Tensor hidden = prefill();
        for (int64_t step = 0;; ++step) {
            std::vector<double> uniforms;
            for (const size_t row : m_rows)
                uniforms.push_back(uniformOf(m_options.seed, m_options.streams.empty() ? row : m_options.streams[row], step));
            const auto [tokens, logps] = pick(m_model->head(hidden), m_options, uniforms);
            // The only wait for the device of a step.
            const auto host = torch::stack({tokens.to(torch::kFloat64), logps.to(torch::kFloat64)}).to(torch::kCPU);
            const size_t unfinished = record(host, step, done);
            if (unfinished == 0 || step + 1 == m_options.maxNewTokens)
                return true;
            if (keepGoing && !keepGoing())
                return false;
            const auto next = compact(tokens, unfinished);
            hidden = m_model->decodeStep(next, m_cache);
        }
    }

private:
    /// Equal prompts are computed once; their rows share nothing afterwards.
    Tensor prefill() {
        std::map<std::vector<int64_t>, int64_t> unique;
        std::vector<const std::vector<int64_t>*> order;
        std::vector<int64_t> source;
        for (const size_t row : m_rows) {
            const auto [it, fresh] = unique.try_emplace(m_prompts[row], static_cast<int64_t>(order.size()));
            if (fresh)
                order.push_back(&it->first);
            source.push_back(it->second);
        }
        int64_t width = 0;
        for (const auto* prompt : order)
            width = std::max(width, static_cast<int64_t>(prompt->size()));
        const auto count = static_cast<int64_t>(order.size());
        auto ids = torch::zeros({count, width}, torch::kInt64);
        auto lengths = torch::empty({count}, torch::kInt64);
        for (int64_t i = 0; i < count; ++i) {
            const auto& prompt = *order[static_cast<size_t>(i)];
            std::copy(prompt.begin(), prompt.end(), ids.data_ptr<int64_t>() + i * width);
            lengths.data_ptr<int64_t>()[i] = static_cast<int64_t>(prompt.size());
        }
        const auto device = m_model->device();
        m_cache = m_model->makeCache(count, width + m_options.maxNewTokens);
        auto hidden = m_model->prefill({ids.to(device), lengths.to(device)}, m_cache);
        if (static_cast<size_t>(count) != m_rows.size()) {
            const auto rows = torch::tensor(source, torch::kInt64).to(device);
            m_cache.selectRows(rows);
            hidden = hidden.index_select(0, rows);
        }
        m_finished.assign(m_rows.size(), false);
        return hidden;
    }

    size_t record(const Tensor& host, int64_t step, const std::function<void(size_t, const Sampled&)>& done) {
        const double* data = host.const_data_ptr<double>();
        const size_t n = m_rows.size();
        size_t unfinished = 0;
        for (size_t i = 0; i < n; ++i) {
            if (m_finished[i])
                continue;
            Sampled& sampled = m_results[m_rows[i]];
            const auto token = static_cast<int64_t>(data[i]);
            sampled.ids.push_back(token);
            sampled.logps.push_back(static_cast<float>(data[n + i]));
            sampled.finished = m_stops.count(token) != 0;
            m_finished[i] = sampled.finished;
            unfinished += sampled.finished ? 0 : 1;
            if (done && (sampled.finished || step + 1 == m_options.maxNewTokens))
                done(m_rows[i], sampled);
        }
        return unfinished;
    }

    /// Packs the cache when enough rows have finished; returns the next ids of the rows that stay.
    Tensor compact(const Tensor& tokens, size_t unfinished) {
        if (static_cast<double>(unfinished) > kCompactBelow * static_cast<double>(m_rows.size()))
            return tokens;
        std::vector<int64_t> keep;
        std::vector<size_t> rows;
        for (size_t i = 0; i < m_rows.size(); ++i)
            if (!m_finished[i]) {
                keep.push_back(static_cast<int64_t>(i));
                rows.push_back(m_rows[i]);
            }
        const auto index = torch::tensor(keep, torch::kInt64).to(tokens.device());
        m_cache.selectRows(index);
        m_rows = std::move(rows);
        m_finished.assign(m_rows.size(), false);
        return tokens.index_select(0, index);
    }

    Decoder& m_model;
    const std::vector<std::vector<int64_t>>& m_prompts;
    const SamplingOptions& m_options;
    std::vector<size_t> m_rows;
    std::vector<Sampled>& m_results;
    std::unordered_set<int64_t> m_stops;
    std::vector<bool> m_finished;
    KvCache m_cache;
};

Status check(const ModelConfig& config, const std::vector<std::vector<int64_t>>& prompts, const SamplingOptions& o) {
    if (!(o.temperature >= 0) || o.topK < 0 || !(o.topP > 0 && o.topP <= 1) || o.maxNewTokens < 1 || o.batchSize < 1)
        return fail(Code::InvalidInput, "a sampling option is out of range (temperature >= 0, top_k >= 0, 0 < top_p <= 1, "
                                        "max_new_tokens >= 1, batch_size >= 1)");
    if (!o.streams.empty() && o.streams.size() != prompts.size())
        return fail(Code::Internal, "sampling needs one random stream a prompt, or none");
    for (size_t i = 0; i < prompts.size(); ++i) {
        if (prompts[i].empty())
            return fail(Code::InvalidInput, fmt::format("prompt {} is empty", i));
        if (static_cast<int64_t>(prompts[i].size()) + o.maxNewTokens > config.maxPositions)
            return fail(Code::InvalidInput,
                        fmt::format("prompt {} has {} tokens: with {} new ones it is longer than the model's {} positions", i,
                                    prompts[i].size(), o.maxNewTokens, config.maxPositions),
                        "Lower max_new_tokens or shorten the prompt.");
        for (const int64_t id : prompts[i])
            if (id < 0 || id >= config.vocabSize)
                return fail(Code::InvalidInput, fmt::format("prompt {}: {} is not a token id of the model", i, id));
    }
    return {};
}

} // namespace

Result<std::vector<Sampled>> sampleBatch(Decoder& model, const std::vector<std::vector<int64_t>>& prompts,
                                         const SamplingOptions& options, const std::function<bool()>& keepGoing,
                                         const std::function<void(size_t index, const Sampled&)>& done) {
    PL_CHECK(check(model->config(), prompts, options));
    torch::NoGradGuard noGrad;
    std::vector<Sampled> results(prompts.size());
    for (size_t begin = 0; begin < prompts.size(); begin += static_cast<size_t>(options.batchSize)) {
        if (keepGoing && !keepGoing())
            return fail(Code::Cancelled, "sampling was stopped");
        std::vector<size_t> rows(std::min(static_cast<size_t>(options.batchSize), prompts.size() - begin));
        std::iota(rows.begin(), rows.end(), begin);
        Group group(model, prompts, options, std::move(rows), results);
        if (!group.run(keepGoing, done))
            return fail(Code::Cancelled, "sampling was stopped");
    }
    return results;
}

} // namespace pl::learn

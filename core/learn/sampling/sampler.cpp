// SPDX-License-Identifier: Apache-2.0
#include "core/learn/sampling/sampler.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "core/base/hash.h"
#include "core/learn/sampling/draw.h"

namespace pl::learn {
namespace {

using torch::Tensor;

constexpr int64_t kRefillShare = 8;                    // new prompts come in when one place of so many is free
constexpr int64_t kPartLeast = 256, kPartMost = 8192;  // positions of prompts that are read together

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
    if (!options.truncates() && logits.device().is_cpu() && logits.scalar_type() == torch::kFloat32)
        return drawTokens(logits, options.temperature, uniforms);
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

/// Continuous batching. Places of the cache are rows of a batch that never waits for its longest answer: who finishes makes room.
/// Prompts are taken prompt by prompt, so that at any time at most one has members both in the cache and waiting; its keys and
/// values stand at the front of a place that is given away last, and the next member takes them from there.
class Scheduler {
public:
    using Done = std::function<void(size_t, const Sampled&)>;

    Scheduler(Decoder& model, const std::vector<std::vector<int64_t>>& prompts, const SamplingOptions& options, const Done& done)
        : m_model(model), m_options(options), m_done(done), m_stops(options.stopIds.begin(), options.stopIds.end()), m_results(prompts.size()), m_graphs(model, m_cache, options.replay) {
        std::map<std::vector<int64_t>, size_t> known;
        std::vector<std::vector<size_t>> members;
        size_t longest = 0;
        for (size_t i = 0; i < prompts.size(); ++i) {
            const auto [it, fresh] = known.try_emplace(prompts[i], m_prompts.size());
            if (fresh) {
                m_prompts.push_back(&prompts[i]);
                members.emplace_back();
            }
            members[it->second].push_back(i);
            longest = std::max(longest, prompts[i].size());
        }
        for (size_t p = 0; p < members.size(); ++p)
            for (const size_t i : members[p])
                m_waiting.push_back({i, p, 0, 0, false});
        m_places = std::min(options.batchSize, static_cast<int64_t>(prompts.size()));
        m_least = std::max<int64_t>(1, m_places / kRefillShare);
        m_cache = model->makeCache(m_places, static_cast<int64_t>(longest) + options.maxNewTokens - 1);
    }
    ~Scheduler() {
        if (m_options.replay.report)
            m_options.replay.report->add(m_graphs.report());
    }

    /// False when asked to leave.
    bool run(const std::function<bool()>& keepGoing) {
        while (m_next < m_waiting.size() || !m_rows.empty()) {
            if (keepGoing && !keepGoing())
                return false;
            if (m_rows.empty() || m_places - static_cast<int64_t>(m_rows.size()) >= std::min(m_least, waiting()))
                admit();
            if (m_rows.empty())
                continue; // everybody who came in has finished with the first token
            std::vector<int64_t> tokens;
            for (const Row& row : m_rows)
                tokens.push_back(row.token);
            draw(m_graphs.step(tokens), all());
            release();
        }
        return true;
    }

    std::vector<Sampled> take() { return std::move(m_results); }

private:
    struct Row {
        size_t index;  ///< of the results
        size_t prompt; ///< of m_prompts
        int64_t step;  ///< tokens it has
        int64_t token; ///< the last of them
        bool finished;
    };

    int64_t waiting() const { return static_cast<int64_t>(m_waiting.size() - m_next); }

    std::vector<size_t> all() const {
        std::vector<size_t> out(m_rows.size());
        std::iota(out.begin(), out.end(), size_t{0});
        return out;
    }

    /// The next token of each of these places, from its row of the logits.
    void draw(const Tensor& logits, const std::vector<size_t>& places) {
        std::vector<double> uniforms;
        for (const size_t place : places) {
            const Row& row = m_rows[place];
            uniforms.push_back(
                uniformOf(m_options.seed, m_options.streams.empty() ? row.index : m_options.streams[row.index], row.step));
        }
        const auto [tokens, logps] = pick(logits, m_options, uniforms);
        // The only wait for the device of a step.
        const auto host = torch::stack({tokens.to(torch::kFloat64), logps.to(torch::kFloat64)}).to(torch::kCPU);
        const double* data = host.const_data_ptr<double>();
        for (size_t i = 0; i < places.size(); ++i) {
            Row& row = m_rows[places[i]];
            Sampled& sampled = m_results[row.index];
            row.token = static_cast<int64_t>(data[i]);
            sampled.ids.push_back(row.token);
            sampled.logps.push_back(static_cast<float>(data[places.size() + i]));
            sampled.finished = m_stops.count(row.token) != 0;
            row.finished = sampled.finished || ++row.step == m_options.maxNewTokens;
            if (row.finished && m_done)
                m_done(row.index, sampled);
        }
    }

    /// Places of finished rows go to the next members of the prompt that is held, and then to the last rows of the batch.
    void release() {
        for (;;) {
            std::vector<size_t> places;
            for (size_t i = 0; i < m_rows.size() && m_next < m_waiting.size() && m_waiting[m_next].prompt == m_held; ++i)
                if (m_rows[i].finished) {
                    m_cache.copyRow(static_cast<int64_t>(m_holder), static_cast<int64_t>(i), length(m_held));
                    m_rows[i] = m_waiting[m_next++];
                    places.push_back(i);
                }
            if (places.empty())
                break;
            draw(m_heldLogits.expand({static_cast<int64_t>(places.size()), -1}), places);
        }
        for (size_t i = m_rows.size(); i-- > 0;)
            if (m_rows[i].finished) {
                m_cache.removeRow(static_cast<int64_t>(i));
                m_rows[i] = m_rows.back();
                m_rows.pop_back();
            }
    }

    int64_t length(size_t prompt) const { return static_cast<int64_t>(m_prompts[prompt]->size()); }

    /// Fills the free places: new prompts are read once each, their members begin with copies.
    void admit() {
        const auto count = static_cast<size_t>(std::min(m_places - static_cast<int64_t>(m_rows.size()), waiting()));
        if (count == 0)
            return;
        const std::vector<Row> rows(m_waiting.begin() + static_cast<std::ptrdiff_t>(m_next),
                                    m_waiting.begin() + static_cast<std::ptrdiff_t>(m_next + count));
        m_next += count;
        std::vector<size_t> prompts; // shortest first: they are padded to the longest of their part
        for (const Row& row : rows)
            if (prompts.empty() || prompts.back() != row.prompt)
                prompts.push_back(row.prompt);
        std::stable_sort(prompts.begin(), prompts.end(), [&](size_t a, size_t b) { return length(a) < length(b); });
        std::map<size_t, size_t> first; // place of each prompt's first member
        std::vector<Tensor> logits;
        for (size_t begin = 0; begin < prompts.size();) {
            const size_t end = partEnd(prompts, begin);
            logits.push_back(m_model->head(prefill({prompts.begin() + static_cast<std::ptrdiff_t>(begin),
                                                    prompts.begin() + static_cast<std::ptrdiff_t>(end)})));
            for (size_t i = begin; i < end; ++i)
                first[prompts[i]] = m_rows.size() + i;
            begin = end;
        }
        const size_t old = m_rows.size();
        m_rows.resize(old + count, Row{});
        std::vector<size_t> places;
        std::vector<int64_t> source;
        size_t next = old + prompts.size(); // of later members
        std::map<size_t, bool> begun;
        for (const Row& row : rows) {
            const size_t holder = first[row.prompt];
            const size_t place = std::exchange(begun[row.prompt], true) ? next++ : holder;
            if (place != holder)
                m_cache.copyRow(static_cast<int64_t>(holder), static_cast<int64_t>(place), length(row.prompt));
            m_rows[place] = row;
            places.push_back(place);
            source.push_back(static_cast<int64_t>(holder - old));
        }
        const auto every = torch::cat(logits);
        m_held = rows.back().prompt;
        m_holder = first[m_held];
        m_heldLogits = every.narrow(0, source.back(), 1);
        draw(prompts.size() == count && source == ascending(count) ? every : every.index_select(0, torch::tensor(source, torch::kInt64).to(every.device())),
             places);
        release();
    }

    static std::vector<int64_t> ascending(size_t count) {
        std::vector<int64_t> out(count);
        std::iota(out.begin(), out.end(), int64_t{0});
        return out;
    }

    /// Where a part of prompts that are read together ends: before padding is an eighth of it, but not before it is large enough for
    /// matrix products to be worth while.
    size_t partEnd(const std::vector<size_t>& prompts, size_t begin) const {
        int64_t real = 0;
        size_t end = begin;
        for (; end < prompts.size(); ++end) {
            const auto rows = static_cast<int64_t>(end - begin);
            const int64_t wide = (rows + 1) * length(prompts[end]);
            if (rows > 0 && (wide > kPartMost || (real >= kPartLeast && 8 * (real + length(prompts[end])) < 7 * wide)))
                break;
            real += length(prompts[end]);
        }
        return end;
    }

    Tensor prefill(const std::vector<size_t>& prompts) {
        const auto count = static_cast<int64_t>(prompts.size());
        const int64_t width = length(prompts.back());
        auto ids = torch::zeros({count, width}, torch::kInt64);
        auto lengths = torch::empty({count}, torch::kInt64);
        for (int64_t i = 0; i < count; ++i) {
            const auto& prompt = *m_prompts[prompts[static_cast<size_t>(i)]];
            std::copy(prompt.begin(), prompt.end(), ids.data_ptr<int64_t>() + i * width);
            lengths.data_ptr<int64_t>()[i] = static_cast<int64_t>(prompt.size());
        }
        const auto device = m_model->device();
        return m_model->prefill({ids.to(device), lengths}, m_cache);
    }

    Decoder& m_model;
    const SamplingOptions& m_options;
    const Done& m_done;
    std::unordered_set<int64_t> m_stops;
    std::vector<Sampled> m_results;
    std::vector<const std::vector<int64_t>*> m_prompts; ///< each once
    std::vector<Row> m_waiting;                         ///< from m_next on
    size_t m_next = 0;
    std::vector<Row> m_rows; ///< by place
    int64_t m_places = 0, m_least = 1;
    KvCache m_cache;
    DecodeGraphs m_graphs; ///< of m_cache
    size_t m_held = 0, m_holder = 0; ///< the prompt that came in last, and a place that begins with it
    Tensor m_heldLogits;             ///< [1, vocab] behind it
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
    if (prompts.empty())
        return std::vector<Sampled>();
    Scheduler scheduler(model, prompts, options, done);
    if (!scheduler.run(keepGoing))
        return fail(Code::Cancelled, "sampling was stopped");
    return scheduler.take();
}

} // namespace pl::learn

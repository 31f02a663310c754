// SPDX-License-Identifier: Apache-2.0
#include "core/learn/sampling/decode_graphs.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <mutex>

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/learn/host/device_memory.h"
#include "core/learn/models/flops.h"

namespace pl::learn {
namespace {

using torch::Tensor;

/// The same kernels on the same numbers: what differs is how sums that are not ordered came out. Of the largest logit.
constexpr double kBound = 1e-4, kBoundHalf = 2e-2;
constexpr size_t kMostShapes = 64;

/// By device.
struct Refusals {
    std::mutex mutex;
    std::map<std::string, std::string> reasons;
} refusals;

Tensor onDevice(const std::vector<int64_t>& values, const torch::Device& device) { return torch::tensor(values, torch::kInt64).to(device); }

} // namespace

void ReplayReport::add(const ReplayReport& other) {
    steps += other.steps;
    replayed += other.replayed;
    recorded += other.recorded;
    if (!other.refusal.empty())
        refusal = other.refusal;
}

std::string ReplayReport::text() const {
    if (!refusal.empty())
        return fmt::format("decode steps are not replayed as device graphs: {}", refusal);
    if (recorded == 0)
        return {};
    return fmt::format("{} of {} decode steps replayed as {} device graphs", replayed, steps, recorded);
}

void forgetReplayRefusals() {
    const std::scoped_lock lock(refusals.mutex);
    refusals.reasons.clear();
}

DecodeGraphs::DecodeGraphs(Decoder& model, KvCache& cache, const ReplayOptions& options) : m_model(model), m_cache(cache), m_options(options) {
    m_options.on = m_options.on && !model->device().is_cpu();
    if (!m_options.on)
        return;
    const std::scoped_lock lock(refusals.mutex);
    if (const auto known = refusals.reasons.find(model->device().str()); known != refusals.reasons.end()) {
        m_report.refusal = known->second;
        m_options.on = false;
    }
}

Tensor DecodeGraphs::plain(const std::vector<int64_t>& tokens) {
    return m_model->head(m_model->decodeStep(onDevice(tokens, m_model->device()), m_cache));
}

Tensor DecodeGraphs::fixed(const Shape& shape, int64_t reach) {
    return m_model->head(m_model->decodeStep(shape.ids, m_cache, shape.positions, reach));
}

/// Rows that nobody uses get a token at slot 0, which the row that comes there writes first.
void DecodeGraphs::feed(Shape& shape, const std::vector<int64_t>& tokens) {
    const int64_t rows = shape.ids.size(0);
    const auto host = torch::zeros({2, rows}, torch::kInt64);
    std::copy(tokens.begin(), tokens.end(), host.data_ptr<int64_t>());
    std::copy(m_cache.lengths.begin(), m_cache.lengths.end(), host.data_ptr<int64_t>() + rows);
    const auto there = host.to(m_model->device());
    shape.ids.copy_(there[0]);
    shape.positions.copy_(there[1]);
}

bool DecodeGraphs::record(Shape& shape, int64_t rows, int64_t reach, const std::vector<int64_t>& tokens) {
    const auto refuse = [&](std::string why) {
        {
            const std::scoped_lock lock(refusals.mutex);
            refusals.reasons[m_model->device().str()] = why;
        }
        m_report.refusal = std::move(why);
        m_options.on = false;
        m_first = nullptr;
        m_shapes.clear(); // and `shape` with them
        return false;
    };
    std::string why;
    auto graph = DeviceGraph::make(m_model->device(), m_first, why);
    if (!graph)
        return refuse(why);
    const auto options = torch::TensorOptions().dtype(torch::kInt64).device(m_model->device());
    shape.ids = torch::zeros({rows}, options);
    shape.positions = torch::zeros({rows}, options);
    const auto counted = [&](const std::function<void()>& work) { // what it costs, which stays counted
        const double others = takeFlops();
        double cost = 0;
        try {
            work();
            cost = takeFlops();
        } catch (...) {
            countFlops(others);
            throw;
        }
        countFlops(others + cost);
        return cost;
    };
    try {
        if (!m_first)
            releaseCache(m_model->device());
        if (!m_logits.defined())
            m_logits = torch::empty({m_cache.keys[0].size(0), m_model->config().vocabSize}, m_cache.keys[0].options());
        // Once for what is made on first use. With other tokens: what the replay leaves in the cache is then its own.
        feed(shape, std::vector<int64_t>(tokens.size(), 0));
        shape.flops = counted([&] { (void)fixed(shape, reach); });
        graph->record([&] { m_logits.narrow(0, 0, rows).copy_(fixed(shape, reach)); });
        feed(shape, tokens);
        graph->replay();
        const auto used = static_cast<int64_t>(tokens.size());
        const auto replayed = m_logits.narrow(0, 0, used).clone(), expected = fixed(shape, reach).narrow(0, 0, used);
        const double off = ((replayed - expected).abs().max() / expected.abs().max().clamp_min(1)).item<double>();
        if (!(off <= (m_model->precision() == Precision::Bf16 ? kBoundHalf : kBound))) // or not a number
            return refuse(fmt::format("a replayed step gave logits that are off by {:.3g} of the largest", off));
    } catch (const std::exception& error) {
        const std::string_view text = error.what();
        return refuse(fmt::format("recording a step failed: {}", text.substr(0, text.find('\n'))));
    }
    shape.graph = std::move(graph);
    if (!m_first)
        m_first = shape.graph.get();
    m_report.recorded += 1;
    return true;
}

Tensor DecodeGraphs::step(const std::vector<int64_t>& tokens) {
    m_report.steps += 1;
    const auto used = static_cast<int64_t>(tokens.size());
    if (!m_options.on || used == 0 || used != m_cache.used())
        return plain(tokens);
    const int64_t longest = *std::max_element(m_cache.lengths.begin(), m_cache.lengths.end()) + 1;
    const int64_t most = std::min(m_cache.capacity, m_model->config().maxPositions);
    if (longest > most)
        return plain(tokens); // which says what is wrong
    const auto rows = std::min(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(used))), m_cache.keys[0].size(0));
    const int64_t reach = std::min((longest + m_options.rounded - 1) / m_options.rounded * m_options.rounded, most);
    if (m_shapes.size() >= kMostShapes && !m_shapes.contains({rows, reach}))
        return plain(tokens);
    auto& shape = m_shapes[{rows, reach}];
    if (++shape.seen <= m_options.plainly)
        return plain(tokens);
    if (!shape.graph && !record(shape, rows, reach, tokens))
        return plain(tokens);
    feed(shape, tokens);
    shape.graph->replay();
    countFlops(shape.flops);
    for (int64_t& length : m_cache.lengths)
        length += 1;
    m_report.replayed += 1;
    return m_logits.narrow(0, 0, used);
}

} // namespace pl::learn

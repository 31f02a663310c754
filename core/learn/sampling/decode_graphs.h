// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/learn/models/decoder.h"
#include "core/learn/models/device_graph.h"

namespace pl::learn {

/// Refusals last as long as the process, so that nobody tries again and again; from now on they are forgotten.
void forgetReplayRefusals();

/// What came of replaying.
struct ReplayReport {
    int64_t steps = 0;    ///< of decoding
    int64_t replayed = 0; ///< of these
    int64_t recorded = 0; ///< shapes
    std::string refusal;  ///< why no step is replayed (any more); empty: some were, or none was worth it yet

    void add(const ReplayReport& other);
    /// "412 of 430 decode steps replayed as 4 device graphs" or why none was; empty where there was nothing to say, as on a processor.
    std::string text() const;
};

struct ReplayOptions {
    bool on = false;       ///< where the device can
    int64_t rounded = 128; ///< slots that are looked at are rounded up to a multiple, rows to a power of two: a shape serves many steps
    int64_t plainly = 2;   ///< steps of a shape before it is recorded, which pays for rows that last
    ReplayReport* report = nullptr;
};

/// Decode steps that are recorded once for each shape and replayed with one call (CUDA graphs), where the device has such a thing and proves it:
/// the first replay of every recording must give the plain step's logits, or it and all others are given up and the reason is kept. On the
/// processor all steps are plain. The weights may not move while it lives; the cache and the model must outlive it.
class DecodeGraphs {
public:
    DecodeGraphs(Decoder& model, KvCache& cache, const ReplayOptions& options);
    /// As model->head(model->decodeStep(tokens, cache)): one token for every row in use, logits [rows, vocab]. They are gone with the next step.
    torch::Tensor step(const std::vector<int64_t>& tokens);
    const ReplayReport& report() const { return m_report; }

private:
    struct Shape {
        int64_t seen = 0;
        torch::Tensor ids, positions; ///< [rows] int64 on the device
        double flops = 0;
        std::unique_ptr<DeviceGraph> graph;
    };
    torch::Tensor plain(const std::vector<int64_t>& tokens);
    torch::Tensor fixed(const Shape& shape, int64_t reach);
    void feed(Shape& shape, const std::vector<int64_t>& tokens);
    /// False, with the reason in the report, where it can't be had or is not proven.
    bool record(Shape& shape, int64_t rows, int64_t reach, const std::vector<int64_t>& tokens);

    Decoder& m_model;
    KvCache& m_cache;
    ReplayOptions m_options;
    ReplayReport m_report;
    std::map<std::pair<int64_t, int64_t>, Shape> m_shapes; ///< by rows and reach
    const DeviceGraph* m_first = nullptr;
    torch::Tensor m_logits; ///< [places, vocab]: of whichever shape was replayed last
};

} // namespace pl::learn

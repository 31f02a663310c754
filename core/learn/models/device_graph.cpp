// SPDX-License-Identifier: Apache-2.0
#include "core/learn/models/device_graph.h"

#include <exception>
#include <optional>
#include <utility>

#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#if __has_include(<ATen/core/GraphImplInterface.h>)
#include <ATen/core/GraphImplInterface.h>
#define PL_GRAPH_REGISTRY
#endif
#ifdef PAIRLAB_CUDA_GRAPHS // where the headers of CUDA's runtime are at hand; libtorch's own registry has no entry for CUDA in 2.13
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace pl::learn {
namespace {

using Pool = std::pair<unsigned long long, unsigned long long>; // libtorch's MempoolId_t, which moved between its versions

#ifdef PAIRLAB_CUDA_GRAPHS
struct Cuda {
    at::cuda::CUDAGraph graph;

    // The mode keeps other threads' calls out of it: they may allocate meanwhile.
    void begin(Pool pool) { graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal); }
    void end() { graph.capture_end(); }
    void replay() { graph.replay(); }
    void reset() { graph.reset(); }
    Pool pool() { return graph.pool(); }
};
#endif

#ifdef PL_GRAPH_REGISTRY
struct Registered {
    std::unique_ptr<at::GraphImplInterface> graph;

    void begin(Pool pool) { graph->capture_begin(pool, at::GraphCaptureMode::ThreadLocal); }
    void end() { graph->capture_end(); }
    void replay() { graph->replay(); }
    void reset() { graph->reset(); }
    Pool pool() { return graph->pool(); }
};
#endif

template<class Backend>
class GraphOf final : public DeviceGraph {
public:
    template<class... Made>
    GraphOf(const torch::Device& device, const DeviceGraph* first, Made&&... made)
        : m_device(device), m_first(static_cast<const GraphOf*>(first)), m_graph{std::forward<Made>(made)...} {}

    void record(const std::function<void()>& work) override {
        const c10::DeviceGuard device(m_device);
        const c10::impl::VirtualGuardImpl streams(m_device.type());
        streams.getStream(streams.getDevice()).synchronize();
        m_stream = m_first ? m_first->m_stream : streams.getStreamFromGlobalPool(streams.getDevice(), false); // each has a workspace of cuBLAS
        const c10::StreamGuard own(*m_stream);
        bool begun = false;
        try {
            m_graph.begin(m_first ? m_first->m_pool : Pool{0, 0}); // 0: one of its own
            begun = true;
            work();
            begun = false;
            m_graph.end();
        } catch (...) {
            const auto failure = std::current_exception();
            try {
                if (begun)
                    m_graph.end(); // or the stream would go on recording
            } catch (const std::exception&) { // of the same cause
            }
            try {
                m_graph.reset();
            } catch (const std::exception&) {
            }
            std::rethrow_exception(failure);
        }
        m_pool = m_graph.pool();
    }

    void replay() override {
        const c10::DeviceGuard device(m_device);
        m_graph.replay();
    }

private:
    torch::Device m_device;
    const GraphOf* m_first;
    Backend m_graph;
    Pool m_pool{0, 0};
    std::optional<c10::Stream> m_stream;
};

} // namespace

std::unique_ptr<DeviceGraph> DeviceGraph::make(const torch::Device& device, const DeviceGraph* first, std::string& reason) {
#ifdef PAIRLAB_CUDA_GRAPHS
    if (device.is_cuda())
        return std::make_unique<GraphOf<Cuda>>(device, first);
#endif
#ifdef PL_GRAPH_REGISTRY
    if (at::has_graph_impl(device.type()))
        return std::make_unique<GraphOf<Registered>>(device, first, at::create_graph_impl(device.type()));
#endif
    static_cast<void>(first);
    reason = device.is_cuda() ? "this build was made without the headers of CUDA's runtime" : fmt::format("there are none for {}", device.str());
    return nullptr;
}

} // namespace pl::learn

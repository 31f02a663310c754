// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/learn/host/job.h"
#include "core/learn/training/checkpoint.h"
#include "core/learn/training/optimizer.h"

namespace pl::sdk {

/// When the host waits for the device and reads a step's loss, gradient norm and metrics. The numbers are the same.
enum class HostSync {
    Auto,      ///< each step on processors, where it costs nothing; when logged elsewhere
    EachStep,  ///< before the optimiser steps
    WhenLogged ///< at log lines, evaluations and checkpoints. What is not finite is not applied, nor anything after it; it is noticed then
};

/// The parameters every trainer has (their names in manifest.json are the same in snake_case).
struct LoopOptions {
    int64_t steps = 0;
    int64_t batchSize = 0;
    int64_t microBatchTokens = 0; ///< of image trainers: micro_batch, in images
    double learningRate = 0;
    learn::Schedule schedule = learn::Schedule::Cosine;
    int64_t warmup = 0; ///< updates
    int64_t hold = 0;   ///< updates at the full rate after the warm-up
    double floor = 0;   ///< share of the rate that the schedule falls to
    double maxGradNorm = 1;
    int64_t evalEvery = 0, saveEvery = 0, logEvery = 1, sampleEvery = 0; ///< steps; 0: never
    learn::AdamWOptions optimizer;
    double ema = 0;            ///< decay of an average of the weights, which is then what checkpoints hold; 0: none
    HostSync hostSync = HostSync::Auto;
    std::string unit = "tokens"; ///< what addTokens counts; the metrics are num_<unit> and <unit>_per_second
};
/// Reads them; steps 0 means `epochs` over `examples`; eval_every and save_every 0 mean a tenth of the run. A trainer of
/// images has micro_batch instead of micro_batch_tokens, and counts images.
Result<LoopOptions> loopOptions(const Json& parameters, size_t examples);

/// One number per metric of a micro-batch, as tensors of one element: copied to the host together.
using MetricSums = std::vector<std::pair<std::string, torch::Tensor>>;

/// The part of training that is the same everywhere: gradients are clipped and applied, the schedule followed, metrics
/// averaged over a window and logged, checkpoints written and pruned, wishes of the desk obeyed, runs resumed exactly.
///
///     PL_TRY(auto loop, TrainLoop::start(job, learn::trainable(model, dir), options, examples));
///     while (loop->next()) {
///         for (micro-batches of loop->step()) {
///             if (loop->leaving()) break;
///             loss.backward();
///             loop->add({{"loss", loss.detach()}}, share);
///         }
///         PL_CHECK(loop->update());
///         if (loop->evaluationDue()) PL_CHECK(loop->evaluated(evaluate(...), ...));
///         PL_CHECK(loop->endStep());
///     }
///     return loop->finish();
class TrainLoop {
public:
    /// Continues from the bundle's newest checkpoint when there is one (and says so with a rewind event).
    static Result<std::unique_ptr<TrainLoop>> start(learn::Job& job, learn::Trainable model, const LoopOptions& options,
                                                    size_t examples);

    /// Opens the next step; false after the last one, or when the run is to be left.
    bool next();
    /// The open step, from 1; 0 before the first.
    int64_t step() const { return m_state.step; }
    bool resumed() const { return m_resumed; }
    /// A trainer's own state: kept in checkpoints and restored before the first step.
    Json& extra() { return m_state.extra; }
    /// The same for tensors; they are written as they are when a checkpoint is.
    learn::TensorMap& tensors() { return m_state.tensors; }
    /// Asked at every micro-batch: true when the desk wants the run to stop or pause. The open step is then given up and
    /// its gradients thrown away, so that the checkpoint is a step boundary.
    bool leaving();

    /// Adds to the open step. A metric's value over the log window is (sum of sums) / (sum of weights).
    void add(const MetricSums& sums, double weight);
    void add(const std::string& name, double sum, double weight);
    /// The least or the greatest value of a step: its metric is their mean over the log window. `value` [].
    void addExtreme(const std::string& name, const torch::Tensor& value, bool greatest);
    /// This micro-batch's share of the step's loss; the shares add up to it.
    void addLoss(const torch::Tensor& share);
    /// Real tokens (or whatever LoopOptions::unit says) that went through the model. The work behind them (total_flos) counts itself: learn::takeFlops.
    void addTokens(int64_t tokens);

    /// The model holds its averaged weights while the result lives: for measurements and samples. Without an average it
    /// keeps its own.
    [[nodiscard]] learn::Averaged averaged() { return learn::Averaged(m_ema.get()); }

    /// Clips, steps the optimizer, logs when due. Diverged when loss or gradient are not finite, naming the step (HostSync).
    Status update();

    bool evaluationDue() const;
    bool samplesDue() const;
    /// Logs held-out metrics at the present step and remembers the best: `metric` decides, higher or lower is better; of equal
    /// values the one with the lower `tieBreak`, then the earlier or, `laterWins`, the later one.
    Status evaluated(const std::map<std::string, double>& values, const std::string& metric, bool higherIsBetter,
                     const std::string& tieBreak = {}, bool laterWins = false);
    /// Logs figures outside the window, such as baselines.
    Status report(std::map<std::string, double> values);

    /// Checkpoints when due or asked for, and progress.
    Status endStep();
    /// The last checkpoint; Cancelled when the run was left.
    Status finish();

private:
    TrainLoop(learn::Job& job, learn::Trainable model, const LoopOptions& options, size_t examples);
    /// Numbers of a step of which some are still on the device.
    struct Unread {
        int64_t step = 0, tokens = 0;
        double learningRate = 0;
        learn::MetricWindow known;
        std::vector<std::pair<std::string, double>> names; ///< of `sums`, with the weights
        std::vector<torch::Tensor> sums, losses;           ///< [] fp64
        std::map<std::string, std::pair<torch::Tensor, bool>> extremes; ///< [] fp64; the greatest?
        std::optional<double> norm;
        torch::Tensor normThere; ///< in place of `norm`
    };
    /// A step's numbers in the host's hands.
    struct Read {
        learn::MetricWindow metrics;
        double loss = 0, norm = 0;
    };
    static std::vector<Read> read(const std::vector<Unread>& steps);
    bool logDue() const;
    /// Takes the step into the window; when loss or norm is not finite, logs it and fails.
    Status account(const Unread& step, Read read);
    /// Reads and accounts for all steps that wait.
    Status settle();
    Status save(const std::string& reason);
    Status log(double learningRate);
    double epoch() const;
    /// Adds the work since the last call to the state's count.
    void settleFlops();

    learn::Job& m_job;
    learn::Trainable m_model;
    LoopOptions m_options;
    size_t m_examples;
    learn::AdamW m_optimizer;
    std::unique_ptr<learn::Ema> m_ema;
    learn::TrainState m_state;
    Unread m_open;                ///< the open step
    std::vector<Unread> m_unread; ///< steps taken whose numbers wait on the device
    bool m_late = false;          ///< HostSync::WhenLogged
    torch::Tensor m_bad;          ///< m_late: [] float on the device, 1 from the first step on that was not finite
    bool m_abandoned = false;
    bool m_resumed = false;
    int64_t m_savedStep = -1;
    // Speed and time left: wall clock, so not part of the state.
    int64_t m_stepStartNs = 0;
    double m_windowSeconds = 0, m_windowTokens = 0, m_secondsPerStep = 0;
};

} // namespace pl::sdk

// SPDX-License-Identifier: Apache-2.0
#include "plugins/sdk/train_loop.h"

#include <cmath>

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/base/os/files.h"
#include "core/learn/models/flops.h"

namespace pl::sdk {

namespace {

constexpr int kKeepLast = 2;

learn::NamedParameters trainedOf(const learn::Trainable& model) {
    learn::NamedParameters out;
    for (const auto& [name, parameter] : model.parameters)
        if (parameter.requires_grad())
            out.emplace_back(name, parameter);
    return out;
}

double rateOf(const LoopOptions& options, int64_t update) {
    if (update < options.warmup)
        return options.learningRate * scheduleFactor(options.schedule, update, options.warmup, options.steps);
    const double factor = scheduleFactor(options.schedule, std::max(options.warmup, update - options.hold), options.warmup,
                                         options.steps - options.hold);
    return options.learningRate * (options.floor + (1 - options.floor) * factor);
}

/// What a checkpoint must agree with to be continued.
std::string configurationOf(const RunSpec& spec) {
    Json models = Json::array();
    for (const auto& model : spec.models)
        models.push_back({model.role, model.hash});
    return sha256Hex(dumpJson({{"plugin", spec.plugin},
                               {"parameters", spec.parameters},
                               {"models", models},
                               {"data", spec.data},
                               {"dataset", spec.datasetHash},
                               {"seed", spec.seed}}));
}

/// Did an earlier process of this run log anything that is now to be done again?
bool startedBefore(const learn::Job& job) {
    const auto events = readEvents(job.bundle().eventsPath());
    if (!events)
        return false;
    for (const auto& event : *events)
        if (event.type == event::kMetrics || event.type == event::kProgress || event.type == event::kSample)
            return true;
    return false;
}

} // namespace

Result<LoopOptions> loopOptions(const Json& p, size_t examples) {
    const std::string_view what = "the parameters";
    LoopOptions out;
    PL_TRY(out.batchSize, field<int64_t>(p, "batch_size", what));
    PL_TRY(out.steps, field<int64_t>(p, "steps", what));
    PL_TRY(const double epochs, field<double>(p, "epochs", what));
    if (out.batchSize < 1)
        return fail(Code::InvalidInput, fmt::format("batch_size is {}, but must be 1 or more", out.batchSize));
    if (examples == 0)
        return fail(Code::InvalidInput, "there is nothing to train on", "Label more pairs, or choose another data set.");
    if (out.steps == 0)
        out.steps = static_cast<int64_t>(std::ceil(epochs * static_cast<double>(examples) / static_cast<double>(out.batchSize)));
    if (out.steps < 1)
        return fail(Code::InvalidInput, "steps and epochs are both 0", "Set one of them above 0.");
    if (p.contains("micro_batch")) {
        PL_TRY(out.microBatchTokens, field<int64_t>(p, "micro_batch", what));
        out.unit = "images";
    } else {
        PL_TRY(out.microBatchTokens, field<int64_t>(p, "micro_batch_tokens", what));
    }
    PL_TRY(out.learningRate, field<double>(p, "learning_rate", what));
    PL_TRY(const std::string schedule, field<std::string>(p, "schedule", what));
    PL_TRY(out.schedule, learn::scheduleOf(schedule));
    PL_TRY(const double warmup, field<double>(p, "warmup", what));
    out.warmup = static_cast<int64_t>(std::lround(warmup * static_cast<double>(out.steps)));
    PL_TRY(const double hold, fieldOr<double>(p, "hold", 0.0, what));
    out.hold = std::min(static_cast<int64_t>(std::lround(hold * static_cast<double>(out.steps))), out.steps - out.warmup);
    PL_TRY(out.floor, fieldOr<double>(p, "final_rate", 0.0, what));
    PL_TRY(out.ema, fieldOr<double>(p, "ema", 0.0, what));
    PL_TRY(out.maxGradNorm, field<double>(p, "max_grad_norm", what));
    PL_TRY(out.optimizer.weightDecay, field<double>(p, "weight_decay", what));
    PL_TRY(out.optimizer.beta2, fieldOr<double>(p, "adam_beta2", 0.999, what));
    const int64_t tenth = std::max<int64_t>(1, (out.steps + 9) / 10);
    PL_TRY(out.evalEvery, field<int64_t>(p, "eval_every", what));
    PL_TRY(out.saveEvery, field<int64_t>(p, "save_every", what));
    PL_TRY(out.logEvery, field<int64_t>(p, "log_every", what));
    if (out.evalEvery == 0)
        out.evalEvery = tenth;
    if (out.saveEvery == 0)
        out.saveEvery = tenth;
    out.logEvery = std::max<int64_t>(1, out.logEvery);
    PL_TRY(out.sampleEvery, fieldOr<int64_t>(p, "sample_every", 0, what));
    if (out.sampleEvery == 0)
        out.sampleEvery = out.evalEvery;
    return out;
}

TrainLoop::TrainLoop(learn::Job& job, learn::Trainable model, const LoopOptions& options, size_t examples)
    : m_job(job)
    , m_model(std::move(model))
    , m_options(options)
    , m_examples(examples)
    , m_optimizer(trainedOf(m_model), options.optimizer) {
    if (options.ema > 0)
        m_ema = std::make_unique<learn::Ema>(trainedOf(m_model), options.ema);
}

Result<std::unique_ptr<TrainLoop>> TrainLoop::start(learn::Job& job, learn::Trainable model, const LoopOptions& options,
                                                    size_t examples) {
    std::unique_ptr<TrainLoop> loop(new TrainLoop(job, std::move(model), options, examples));
    const std::string configuration = configurationOf(job.spec());
    PL_CHECK(learn::pruneCheckpoints(job.bundle().dir(), 1 << 20, -1)); // only left-overs of interrupted writes
    torch::manual_seed(job.spec().seed); // before a checkpoint restores the generator; equal runs then write equal files
    PL_TRY(auto state, learn::resumeNewest(job.bundle().dir(), loop->m_model, loop->m_optimizer, configuration,
                                           loop->m_ema.get()));
    const bool again = startedBefore(job);
    if (state) {
        loop->m_state = std::move(*state);
        loop->m_resumed = true;
        loop->m_savedStep = loop->m_state.step;
        learn::takeFlops(); // setting up again is no part of the uninterrupted run
    }
    loop->m_state.configuration = configuration;
    if (again || state)
        PL_CHECK(job.events().write(event::kRewind, {{"to_step", loop->m_state.step}}));
    job.progress(loop->m_state.step, options.steps);
    return loop;
}

double TrainLoop::epoch() const {
    return static_cast<double>(m_state.step) * static_cast<double>(m_options.batchSize) / static_cast<double>(m_examples);
}

void TrainLoop::settleFlops() {
    m_state.flops += learn::takeFlops();
}

bool TrainLoop::next() {
    m_abandoned = false; // a pause may have been taken back
    settleFlops();
    if (m_state.step >= m_options.steps || m_job.mustLeave())
        return false;
    ++m_state.step;
    m_open.clear();
    m_openLoss = 0;
    m_openTokens = 0;
    m_stepStartNs = monotonicNs();
    m_optimizer.zeroGrad();
    return true;
}

bool TrainLoop::leaving() {
    m_abandoned = m_abandoned || m_job.mustLeave();
    return m_abandoned;
}

void TrainLoop::add(const MetricSums& sums, double weight) {
    if (sums.empty())
        return;
    torch::NoGradGuard noGrad;
    std::vector<torch::Tensor> parts;
    for (const auto& [name, value] : sums)
        parts.push_back(value.detach().reshape({}).to(torch::kFloat64));
    const auto values = torch::stack(parts).cpu();
    for (size_t i = 0; i < sums.size(); ++i)
        m_open.add(sums[i].first, values[static_cast<int64_t>(i)].item<double>(), weight);
}

void TrainLoop::add(const std::string& name, double sum, double weight) {
    m_open.add(name, sum, weight);
}

void TrainLoop::addLoss(const torch::Tensor& share) {
    m_openLoss += share.item<double>();
}

void TrainLoop::addTokens(int64_t tokens) {
    m_openTokens += tokens;
}

Status TrainLoop::update() {
    if (m_abandoned) {
        --m_state.step;
        learn::takeFlops(); // done again, and counted, when the run is continued
        return {};
    }
    const int64_t update = m_state.step - 1;
    const double rate = rateOf(m_options, update);
    const double norm = m_optimizer.clipGradients(m_options.maxGradNorm);
    m_open.add("loss", m_openLoss);
    m_open.add("grad_norm", norm);
    m_state.window.merge(m_open);
    m_state.tokens += m_openTokens;
    const bool finite = std::isfinite(norm) && std::isfinite(m_openLoss);
    if (finite) {
        m_optimizer.step(rate);
        if (m_ema)
            m_ema->update(m_state.step);
    }
    const double seconds = static_cast<double>(monotonicNs() - m_stepStartNs) * 1e-9;
    m_windowSeconds += seconds;
    m_windowTokens += static_cast<double>(m_openTokens);
    m_secondsPerStep = m_secondsPerStep == 0 ? seconds : 0.9 * m_secondsPerStep + 0.1 * seconds;
    if (m_state.step == 1 || m_state.step % m_options.logEvery == 0 || m_state.step == m_options.steps || !finite)
        PL_CHECK(log(rate));
    if (!finite) {
        m_job.alert("error", "diverged",
                    fmt::format("The loss of step {} is {} and its gradient norm {}; training stopped before applying it.",
                                m_state.step, m_openLoss, norm),
                    m_state.step);
        return fail(Code::Diverged, fmt::format("training diverged at step {}: loss {}, gradient norm {}", m_state.step,
                                                m_openLoss, norm),
                    "Lower learning_rate, or lengthen warmup.");
    }
    return {};
}

Status TrainLoop::log(double learningRate) {
    auto values = m_state.window.means();
    values["learning_rate"] = learningRate;
    values["num_" + m_options.unit] = static_cast<double>(m_state.tokens);
    settleFlops();
    values["total_flos"] = m_state.flops;
    if (m_windowSeconds > 0)
        values[m_options.unit + "_per_second"] = m_windowTokens / m_windowSeconds;
    m_state.window.clear();
    m_windowSeconds = m_windowTokens = 0;
    return m_job.events().metrics(m_state.step, epoch(), m_state.tokens, values);
}

bool TrainLoop::evaluationDue() const {
    if (m_abandoned)
        return false;
    if (m_state.step == 0)
        return true;
    return (m_options.evalEvery > 0 && m_state.step % m_options.evalEvery == 0) || m_state.step == m_options.steps;
}

bool TrainLoop::samplesDue() const {
    if (m_abandoned)
        return false;
    if (m_state.step == 0)
        return true;
    return (m_options.sampleEvery > 0 && m_state.step % m_options.sampleEvery == 0) || m_state.step == m_options.steps;
}

Status TrainLoop::evaluated(const std::map<std::string, double>& values, const std::string& metric, bool higherIsBetter,
                            const std::string& tieBreak, bool laterWins) {
    PL_CHECK(report(values));
    const auto at = values.find(metric);
    // Step 0 is the model the run began with: nothing was learnt, so it is no candidate for the best checkpoint.
    if (at == values.end() || !std::isfinite(at->second) || m_state.step == 0)
        return {};
    const auto second = values.find(tieBreak);
    const double tie = second == values.end() || std::isnan(second->second) ? 0.0 : second->second;
    const auto& best = m_state.best;
    const bool better = !best || (higherIsBetter ? at->second > best->value : at->second < best->value) ||
                        (at->second == best->value && (tie < best->tieBreak || (laterWins && tie == best->tieBreak)));
    if (better)
        m_state.best = learn::BestSoFar{m_state.step, metric, at->second, tie};
    return {};
}

Status TrainLoop::report(std::map<std::string, double> values) {
    settleFlops();
    values["total_flos"] = m_state.flops;
    return m_job.events().metrics(m_state.step, epoch(), m_state.tokens, values);
}

Status TrainLoop::save(const std::string& reason) {
    if (m_savedStep == m_state.step || m_state.step == 0)
        return {};
    settleFlops();
    const bool best = m_state.best && m_state.best->step == m_state.step;
    PL_TRY(const auto path, learn::saveCheckpoint(m_job.bundle().dir(), m_model, m_optimizer, m_state, best, m_ema.get()));
    m_savedStep = m_state.step;
    PL_CHECK(m_job.events().write(event::kCheckpoint,
                                  {{"step", m_state.step}, {"path", path}, {"best", best}, {"reason", reason}}));
    return learn::pruneCheckpoints(m_job.bundle().dir(), kKeepLast, m_state.best ? m_state.best->step : -1);
}

Status TrainLoop::endStep() {
    if (m_abandoned)
        return {};
    const bool best = m_state.best && m_state.best->step == m_state.step;
    if (best || (m_options.saveEvery > 0 && m_state.step % m_options.saveEvery == 0))
        PL_CHECK(save(best ? "best" : "every"));
    if (m_job.wish() == learn::Job::Wish::Checkpoint) {
        PL_CHECK(save("asked"));
        m_job.checkpointDone(learn::checkpointName(m_state.step));
    }
    m_job.progress(m_state.step, m_options.steps,
                   m_secondsPerStep * static_cast<double>(m_options.steps - m_state.step));
    return {};
}

Status TrainLoop::finish() {
    const bool complete = m_state.step >= m_options.steps;
    const std::string reason = m_job.stopReason();
    PL_CHECK(save(complete ? "end" : reason));
    if (m_savedStep > 0) // somebody may have asked for one just before
        m_job.checkpointDone(learn::checkpointName(m_savedStep));
    PL_CHECK(m_job.events().sync());
    if (complete)
        return {};
    return fail(Code::Cancelled, reason.empty() ? "left on request" : reason);
}

} // namespace pl::sdk

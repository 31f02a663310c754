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
    PL_TRY(const std::string sync, fieldOr<std::string>(p, "host_sync", "auto", what));
    if (sync != "auto" && sync != "each_step" && sync != "when_logged")
        return fail(Code::InvalidInput, fmt::format("host_sync is '{}'", sync), "Use auto, each_step or when_logged.");
    out.hostSync = sync == "auto" ? HostSync::Auto : sync == "each_step" ? HostSync::EachStep : HostSync::WhenLogged;
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
    for (const auto& [name, parameter] : trainedOf(m_model))
        m_late = m_late || options.hostSync == HostSync::WhenLogged || (options.hostSync == HostSync::Auto && !parameter.device().is_cpu());
    if (options.ema > 0) {
        m_late = false; // an average takes no step back
        m_ema = std::make_unique<learn::Ema>(trainedOf(m_model), options.ema);
    }
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
    m_open = {};
    m_stepStartNs = monotonicNs();
    m_optimizer.zeroGrad();
    return true;
}

bool TrainLoop::leaving() {
    m_abandoned = m_abandoned || m_job.mustLeave();
    return m_abandoned;
}

void TrainLoop::add(const MetricSums& sums, double weight) {
    torch::NoGradGuard noGrad;
    for (const auto& [name, value] : sums) {
        m_open.names.emplace_back(name, weight);
        m_open.sums.push_back(value.detach().reshape({}).to(torch::kFloat64));
    }
}

void TrainLoop::add(const std::string& name, double sum, double weight) {
    m_open.known.add(name, sum, weight);
}

void TrainLoop::addExtreme(const std::string& name, const torch::Tensor& value, bool greatest) {
    torch::NoGradGuard noGrad;
    auto& [best, side] = m_open.extremes[name];
    const auto own = value.detach().reshape({}).to(torch::kFloat64);
    best = !best.defined() ? own : greatest ? torch::maximum(best, own) : torch::minimum(best, own);
    side = greatest;
}

void TrainLoop::addLoss(const torch::Tensor& share) {
    m_open.losses.push_back(share.detach().reshape({}).to(torch::kFloat64));
}

void TrainLoop::addTokens(int64_t tokens) {
    m_open.tokens += tokens;
}

std::vector<TrainLoop::Read> TrainLoop::read(const std::vector<Unread>& steps) {
    torch::NoGradGuard noGrad;
    std::vector<torch::Tensor> parts;
    for (const auto& step : steps) {
        parts.insert(parts.end(), step.sums.begin(), step.sums.end());
        for (const auto& [name, extreme] : step.extremes)
            parts.push_back(extreme.first);
        parts.insert(parts.end(), step.losses.begin(), step.losses.end());
        if (!step.norm)
            parts.push_back(step.normThere.to(torch::kFloat64));
    }
    std::vector<torch::Tensor> there; // a metric that was made on the host stays there
    for (const auto& part : parts)
        if (!part.is_cpu())
            there.push_back(part);
    const auto copied = there.empty() ? torch::Tensor() : torch::stack(there).cpu();
    const double* next = there.empty() ? nullptr : copied.const_data_ptr<double>();
    std::vector<double> values;
    for (const auto& part : parts)
        values.push_back(part.is_cpu() ? *part.const_data_ptr<double>() : *next++);
    const double* at = values.data();
    std::vector<Read> out;
    for (const auto& step : steps) {
        Read one{step.known, 0, 0};
        for (const auto& [name, weight] : step.names)
            one.metrics.add(name, *at++, weight);
        for (const auto& extreme : step.extremes)
            one.metrics.add(extreme.first, *at++, 1);
        for (size_t i = 0; i < step.losses.size(); ++i)
            one.loss += *at++;
        one.norm = step.norm ? *step.norm : *at++;
        out.push_back(std::move(one));
    }
    return out;
}

Status TrainLoop::account(const Unread& step, Read read) {
    read.metrics.add("loss", read.loss);
    read.metrics.add("grad_norm", read.norm);
    m_state.window.merge(read.metrics);
    m_state.tokens += step.tokens;
    if (std::isfinite(read.norm) && std::isfinite(read.loss))
        return {};
    m_state.step = step.step; // nothing was applied since
    PL_CHECK(log(step.learningRate));
    m_job.alert("error", "diverged",
                fmt::format("The loss of step {} is {} and its gradient norm {}; training stopped before applying it.", step.step, read.loss,
                            read.norm),
                step.step);
    return fail(Code::Diverged, fmt::format("training diverged at step {}: loss {}, gradient norm {}", step.step, read.loss, read.norm),
                "Lower learning_rate, or lengthen warmup.");
}

Status TrainLoop::settle() {
    const auto steps = std::exchange(m_unread, {});
    auto numbers = read(steps);
    for (size_t i = 0; i < steps.size(); ++i)
        PL_CHECK(account(steps[i], std::move(numbers[i])));
    return {};
}

bool TrainLoop::logDue() const {
    return m_state.step == 1 || m_state.step % m_options.logEvery == 0 || m_state.step == m_options.steps;
}

Status TrainLoop::update() {
    if (m_abandoned) {
        --m_state.step;
        learn::takeFlops(); // done again, and counted, when the run is continued
        return {};
    }
    auto step = std::exchange(m_open, {});
    step.step = m_state.step;
    step.learningRate = rateOf(m_options, m_state.step - 1);
    const double tokens = static_cast<double>(step.tokens);
    std::optional<Read> now;
    if (m_late) {
        torch::NoGradGuard noGrad;
        step.normThere = m_optimizer.clipGradientsOnDevice(m_options.maxGradNorm);
        auto sum = step.normThere.to(torch::kFloat64);
        for (const auto& loss : step.losses)
            sum = sum + loss;
        const auto bad = torch::isfinite(sum).logical_not().to(torch::kFloat32);
        m_bad = m_bad.defined() ? torch::maximum(m_bad, bad) : bad;
        m_optimizer.step(step.learningRate, m_bad);
    } else {
        step.norm = m_optimizer.clipGradients(m_options.maxGradNorm);
        now = std::move(read({step}).front());
        if (std::isfinite(now->norm) && std::isfinite(now->loss)) {
            m_optimizer.step(step.learningRate);
            if (m_ema)
                m_ema->update(m_state.step);
        }
    }
    const double rate = step.learningRate;
    Status taken;
    if (now)
        taken = account(step, std::move(*now));
    else
        m_unread.push_back(std::move(step));
    const bool due = logDue();
    if (taken && (due || evaluationDue()))
        taken = settle();
    const double seconds = static_cast<double>(monotonicNs() - m_stepStartNs) * 1e-9;
    m_windowSeconds += seconds;
    m_windowTokens += tokens;
    m_secondsPerStep = m_secondsPerStep == 0 ? seconds : 0.9 * m_secondsPerStep + 0.1 * seconds;
    PL_CHECK(taken);
    return due ? log(rate) : Status();
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
    PL_CHECK(settle());
    settleFlops();
    values["total_flos"] = m_state.flops;
    return m_job.events().metrics(m_state.step, epoch(), m_state.tokens, values);
}

Status TrainLoop::save(const std::string& reason) {
    if (m_savedStep == m_state.step || m_state.step == 0)
        return {};
    PL_CHECK(settle());
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
    PL_CHECK(settle());
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

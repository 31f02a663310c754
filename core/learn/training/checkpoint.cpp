// SPDX-License-Identifier: Apache-2.0
#include "core/learn/training/checkpoint.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "core/base/bundle.h"
#include "core/base/log.h"
#include "core/base/os/files.h"

namespace pl::learn {

namespace {

constexpr const char* kPartial = ".partial";
constexpr const char* kTrainersOwn = "trainer/own.safetensors";
constexpr const char* kOwnWeights = "trainer/weights.safetensors"; ///< beside the average in model.safetensors

torch::Generator generator() {
    return at::detail::getDefaultCPUGenerator();
}

Status writeParts(const std::string& dir, const Trainable& model, const AdamW& optimizer, const TrainState& state,
                  Ema* ema) {
    PL_CHECK(os::makeDirs(os::joinPath(dir, "trainer")));
    {
        const Averaged averaged(ema);
        PL_CHECK(model.save(dir));
    }
    if (ema) {
        TensorMap own;
        for (const auto& [name, parameter] : ema->parameters())
            own[name] = parameter.detach();
        PL_CHECK(writeSafetensors(os::joinPath(dir, kOwnWeights), own));
    }
    if (!state.tensors.empty())
        PL_CHECK(writeSafetensors(os::joinPath(dir, kTrainersOwn), state.tensors));
    auto tensors = optimizer.state();
    tensors["rng.cpu"] = generator().get_state();
    PL_CHECK(writeSafetensors(os::joinPath(dir, "trainer/optimizer.safetensors"), tensors));
    return os::writeFileAtomic(os::joinPath(dir, "trainer/state.json"), dumpJsonPretty(state.toJson()) + "\n");
}

Status readInto(const NamedParameters& parameters, const std::string& path) {
    PL_TRY(const auto weights, readSafetensors(path));
    torch::NoGradGuard noGrad;
    for (const auto& [name, parameter] : parameters) {
        const auto at = weights.find(name);
        if (at == weights.end() || at->second.sizes() != parameter.sizes())
            return fail(Code::Corrupt, fmt::format("{} has no fitting tensor '{}'", path, name),
                        "Remove this checkpoint to continue from the one before.");
        auto into = parameter;
        into.copy_(at->second);
    }
    return {};
}

} // namespace

Json TrainState::toJson() const {
    Json out = {{"version", 1},
                {"step", step},
                {"tokens", tokens},
                {"total_flos", flops},
                {"configuration", configuration},
                {"window", window.toJson()},
                {"extra", extra}};
    if (best)
        out["best"] = {{"step", best->step},
                       {"metric", best->metric},
                       {"value", jsonNumber(best->value)},
                       {"tie_break", jsonNumber(best->tieBreak)}};
    return out;
}

Result<TrainState> TrainState::fromJson(const Json& json, std::string_view what) {
    TrainState out;
    PL_TRY(const int64_t version, field<int64_t>(json, "version", what));
    if (version != 1)
        return fail(Code::NewerFormat, fmt::format("{} has version {}, this program reads 1", what, version));
    PL_TRY(out.step, field<int64_t>(json, "step", what));
    PL_TRY(out.tokens, field<int64_t>(json, "tokens", what));
    PL_TRY(out.flops, fieldOr<double>(json, "total_flos", 0.0, what)); // older checkpoints did not count
    PL_TRY(out.configuration, field<std::string>(json, "configuration", what));
    PL_TRY(out.window, MetricWindow::fromJson(json.value("window", Json::object()), what));
    out.extra = json.value("extra", Json::object());
    if (const auto at = json.find("best"); at != json.end()) {
        BestSoFar best;
        PL_TRY(best.step, field<int64_t>(*at, "step", what));
        PL_TRY(best.metric, field<std::string>(*at, "metric", what));
        PL_TRY(best.value, numberOf(at->value("value", Json()), what));
        PL_TRY(best.tieBreak, numberOf(at->value("tie_break", Json()), what));
        out.best = std::move(best);
    }
    return out;
}

std::string checkpointName(int64_t step) {
    return fmt::format("checkpoints/step-{:06d}", step);
}

Result<std::string> saveCheckpoint(const std::string& bundleDir, const Trainable& model, const AdamW& optimizer,
                                   const TrainState& state, bool best, Ema* ema) {
    const std::string name = checkpointName(state.step);
    const std::string target = os::joinPath(bundleDir, name);
    const std::string aside = target + kPartial;
    const auto write = [&]() -> Status {
        PL_CHECK(os::removeTree(aside));
        PL_CHECK(os::makeDirs(aside));
        PL_CHECK(writeParts(aside, model, optimizer, state, ema));
        // A folder of this name is what an interrupted write left: without DONE, or superseded by this run.
        PL_CHECK(os::removeTree(os::joinPath(target, "DONE")));
        PL_CHECK(os::removeTree(target));
        PL_CHECK(os::renamePath(aside, target));
        Json extra = {{"best", best}};
        if (best && state.best)
            extra["metric"] = jsonNumber(state.best->value);
        return writeDone(target, state.step, std::move(extra));
    };
    if (auto written = write(); !written) {
        (void)os::removeTree(aside);
        if (!os::exists(os::joinPath(target, "DONE")))
            (void)os::removeTree(target);
        return tl::unexpected<Error>(std::move(written).error().with(
            fmt::format("while writing checkpoint {}; earlier checkpoints are untouched", name)));
    }
    return name;
}

Result<std::optional<TrainState>> resumeNewest(const std::string& bundleDir, const Trainable& model, AdamW& optimizer,
                                               const std::string& configuration, Ema* ema) {
    const std::string name = newestCheckpoint(bundleDir);
    if (name.empty())
        return std::optional<TrainState>();
    const std::string dir = os::joinPath(bundleDir, name);
    const std::string statePath = os::joinPath(dir, "trainer/state.json");
    PL_TRY(const auto json, readJsonFile(statePath));
    PL_TRY(auto state, TrainState::fromJson(json, statePath));
    if (state.configuration != configuration)
        return fail(Code::InvalidInput,
                    fmt::format("checkpoint {} was written with other parameters, data or seed than this run has", name),
                    "Start a new run from this checkpoint's model instead of resuming.");
    PL_CHECK(readInto(model.parameters, os::joinPath(dir, model.file)));
    if (ema) {
        ema->swap(); // what was read is the average
        PL_CHECK(readInto(ema->parameters(), os::joinPath(dir, kOwnWeights)));
    }
    const std::string momentsPath = os::joinPath(dir, "trainer/optimizer.safetensors");
    PL_TRY(const auto moments, readSafetensors(momentsPath));
    PL_CHECK(optimizer.load(moments, momentsPath));
    if (const auto at = moments.find("rng.cpu"); at != moments.end()) {
        if (at->second.dtype() != torch::kUInt8 || at->second.sizes() != generator().get_state().sizes())
            return fail(Code::Corrupt, fmt::format("{} holds a generator state of another torch version", momentsPath),
                        "Remove this checkpoint to continue from the one before.");
        auto random = generator();
        random.set_state(at->second);
    }
    if (const std::string own = os::joinPath(dir, kTrainersOwn); os::exists(own)) {
        PL_TRY(state.tensors, readSafetensors(own));
    }
    return std::optional<TrainState>(std::move(state));
}

Status pruneCheckpoints(const std::string& bundleDir, int keepLast, int64_t bestStep) {
    const std::string folder = os::joinPath(bundleDir, "checkpoints");
    const auto complete = completeCheckpoints(bundleDir);
    for (size_t i = 0; i + static_cast<size_t>(keepLast) < complete.size(); ++i) {
        const auto& [step, name] = complete[i];
        const std::string dir = os::joinPath(folder, os::baseName(name));
        if (step == bestStep || os::exists(os::joinPath(dir, "PINNED")))
            continue;
        PL_CHECK(os::removeTree(os::joinPath(dir, "DONE")));
        PL_CHECK(os::removeTree(dir));
    }
    PL_TRY(const auto entries, os::listDir(folder));
    for (const auto& entry : entries)
        if (entry.ends_with(kPartial))
            PL_CHECK(os::removeTree(os::joinPath(folder, entry)));
    return {};
}

} // namespace pl::learn

// SPDX-License-Identifier: Apache-2.0
#include "core/desk/exchange/trl_export.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/base/amounts.h"
#include "core/base/hash.h"
#include "core/base/model_folder.h"
#include "core/base/os/files.h"
#include "core/base/os/links.h"
#include "core/base/records.h"
#include "core/desk/exchange/trl_parts.h"
#include "core/desk/runs/shared.h"
#include "core/desk/store/run_erasure.h"

namespace pl::desk {

using trl::Method;

namespace {

constexpr int64_t kChecked = 10;
constexpr double kTolerance = 1e-4;
constexpr const char* kAnswersFile = "rollouts.jsonl";
constexpr const char* kParameters = "the run's parameters";

const char* trainerOf(Method method) {
    switch (method) {
    case Method::Sft:
        return "SFTTrainer";
    case Method::Reward:
        return "RewardTrainer";
    case Method::Dpo:
        return "DPOTrainer";
    case Method::Grpo:
        return "GRPOTrainer";
    }
    return "";
}

Result<uint64_t> weightBytes(const std::string& dir) {
    PL_TRY(const auto files, weightFileNames(dir));
    uint64_t out = 0;
    for (const std::string& file : files) {
        PL_TRY(const auto bytes, os::fileSize(os::joinPath(dir, file)));
        out += bytes;
    }
    return out;
}

/// The model of a role is where it was, and what it was.
Status checkModel(const RunSpec& spec, const ModelSpec& model) {
    if (!os::isDir(model.path))
        return fail(Code::NotFound, fmt::format("run {} began with {}, which is no longer in {}", spec.name, model.name, model.path),
                    "Put the model back there.");
    PL_TRY(const auto hash, modelHash(model.path));
    if (!model.hash.empty() && hash != model.hash)
        return fail(Code::Corrupt, fmt::format("{} is no longer the model that run {} began with", model.path, spec.name),
                    "Put the model back as it was.");
    return {};
}

/// Of a run that samples: how many steps the answers it kept are enough for.
int64_t stepsKept(const Bundle& bundle) {
    const std::string path = os::joinPath(bundle.samplesDir(), kAnswersFile);
    if (!os::exists(path))
        return 0;
    const Json& p = bundle.spec().parameters;
    int64_t rows = 0;
    const auto read = forEachJsonLine(path, [&](const Json&, size_t) -> Status {
        ++rows;
        return {};
    });
    const int64_t round = p.value("prompts_per_step", int64_t{0}) * p.value("num_generations", int64_t{0});
    return read && round > 0 ? rows / round * p.value("num_iterations", int64_t{1}) : 0;
}

struct Work {
    Bundle bundle;
    Method method;
    TrlScriptPlan plan;
    std::map<int64_t, double> logged;
    bool sampled = false;
    bool applied = false; ///< the policy's folder is a model with an adapter that loading merges in
    int64_t kept = 0; ///< steps of a sampling run whose answers are there

    const RunSpec& spec() const { return bundle.spec(); }
    const ModelSpec* reference() const { return method == Method::Dpo ? spec().model("reference") : nullptr; }
};

Result<Work> prepare(const std::string& bundleDir, const TrlScriptOptions& options) {
    PL_TRY(Bundle bundle, Bundle::open(bundleDir));
    PL_TRY(const Method method, trl::methodOf(bundle.spec()));
    PL_CHECK(trl::checkParameters(bundle.spec(), method));
    Work out{std::move(bundle), method, {}, {}, false, false, 0};
    const Json& p = out.spec().parameters;
    const ModelSpec* policy = out.spec().model("policy");
    if (!policy)
        return fail(Code::InvalidInput, fmt::format("run {} names no model it began with", out.spec().name));
    PL_CHECK(checkModel(out.spec(), *policy));
    if (out.reference())
        PL_CHECK(checkModel(out.spec(), *out.reference()));
    PL_TRY(out.logged, loggedLosses(bundleDir));
    PL_TRY(const RunErasure erased, erasureOf(bundleDir));
    out.plan.missing = erased.toString();
    out.plan.lessData = erased.rows > 0;
    if (out.plan.lessData)
        out.logged.clear(); // they are of data that is no longer there
    out.plan.trainer = trainerOf(method);
    out.applied = os::isDir(os::joinPath(policy->path, kAppliedAdapter));
    if (out.reference() && os::isDir(os::joinPath(out.reference()->path, kAppliedAdapter)))
        return fail(Code::Unsupported, fmt::format("run {} cannot be written for TRL: its reference is a model with an adapter applied to it", out.spec().name),
                    "Merge the two with `pairlab-worker merge`, and train with the result.");
    out.plan.fresh = out.applied || p.value("adapter_rank", int64_t{0}) > 0 || p.value("from_scratch", false) ||
                     (method == Method::Reward && !shared::isRewardModelDir(policy->path));
    out.sampled = method == Method::Grpo && p.value("answers", std::string()) != "recorded";
    out.kept = out.sampled ? stepsKept(out.bundle) : 0;
    // Without a number of steps it is by the rows; a run of fewer than are checked is looked at when it is written.
    const int64_t steps = p.value("steps", int64_t{0});
    const int64_t checked = steps > 0 ? std::min(kChecked, steps) : kChecked;
    out.plan.again = eachLogged(out.logged, checked).empty() || (out.sampled && out.kept < checked);
    if (options.copyModels || out.plan.fresh) {
        PL_TRY(out.plan.bytes, weightBytes(policy->path));
    }
    if (options.copyModels && out.reference()) {
        PL_TRY(const auto bytes, weightBytes(out.reference()->path));
        out.plan.bytes += bytes;
    }
    return out;
}

Status writeLines(const std::string& path, const Json& rows) {
    std::string text;
    for (const Json& row : rows)
        text += dumpJson(row) + "\n";
    return os::writeFileAtomic(path, text);
}

/// The folder of the export while it is made.
class Making {
public:
    Making(Work work, const Manifest& manifest, const TrlScriptOptions& options, std::string dir)
        : m_work(std::move(work)), m_manifest(manifest), m_options(options), m_dir(std::move(dir)) {}

    Result<TrlScriptReport> make() {
        PL_CHECK(os::makeDirs(path("data")));
        PL_CHECK(readData());
        PL_CHECK(writeData());
        PL_CHECK(models());
        const Json expected{{"losses", m_losses}, {"tolerance", kTolerance}, {"from", m_script.losses}};
        PL_CHECK(os::writeFileAtomic(path("expected_losses.json"), dumpJsonPretty(expected) + "\n"));
        PL_CHECK(os::writeFileAtomic(path("train.py"), trl::trainPy(m_script)));
        PL_CHECK(os::writeFileAtomic(path("README.md"), trl::readmeMd(m_script)));
        PL_CHECK(os::writeFileAtomic(path("requirements.txt"), trl::requirementsTxt(m_script)));
        PL_CHECK(os::removeTree(path("again")));
        TrlScriptReport out;
        out.plan = m_work.plan;
        out.rows = static_cast<int64_t>(m_rows.rows.size());
        out.steps = m_script.steps;
        out.of = m_rows.steps;
        out.losses = m_losses;
        return out;
    }

private:
    std::string path(const std::string& name) const { return os::joinPath(m_dir, name); }
    void say(const std::string& what) const {
        if (m_options.say)
            m_options.say(what);
    }

    /// Rows, steps and losses; for a run that samples, its first answers.
    Status readData() {
        const Json& p = m_work.spec().parameters;
        m_script.spec = &m_work.spec();
        m_script.missing = m_work.plan.missing;
        m_script.method = m_work.method;
        m_script.rows = &m_rows;
        m_script.sampled = m_work.sampled;
        if (m_work.method != Method::Grpo) {
            PL_TRY(m_rows, trl::readRows(m_work.bundle, m_work.method));
            if (const auto loss = p.value("loss", std::string()); m_rows.weights && loss.starts_with("aot"))
                return fail(Code::Unsupported,
                            fmt::format("run {} cannot be written for TRL: its rows differ in weight, and {} sorts all of a step together",
                                        m_work.spec().name, loss),
                            "Train with use_weights=false, or another loss.");
            m_script.steps = m_rows.steps;
            m_script.checked = std::min(kChecked, m_rows.steps);
            return losses(Json::object());
        }
        PL_TRY(const auto steps, field<int64_t>(p, "steps", kParameters));
        m_script.checked = std::min(kChecked, steps);
        if (!m_work.sampled || m_work.kept >= m_script.checked) {
            const bool own = m_work.sampled; // the policy's own answers: their ratio is 1 by construction
            const std::string file = own ? os::joinPath(m_work.bundle.samplesDir(), kAnswersFile) : m_work.bundle.dataPath(kAnswersFile);
            const bool theirs = !own && p.value("old_logps", std::string("sampler")) != "recompute";
            PL_TRY(m_rows, trl::readRecorded(m_work.bundle, file, theirs));
            m_script.steps = own ? std::min(steps, m_work.kept) : steps;
            PL_CHECK(losses(Json::object()));
        } else {
            PL_CHECK(losses({{"record_answers", true}}, true));
            PL_TRY(m_rows, trl::readRecorded(m_work.bundle, os::joinPath(path("again/losses"), std::string("samples/") + kAnswersFile), false));
            m_script.steps = m_script.checked;
        }
        // Whole rounds only: what is left over belongs to steps that are not here.
        const int64_t iterations = std::max<int64_t>(1, p.value("num_iterations", int64_t{1}));
        const auto wanted = static_cast<size_t>((m_script.steps + iterations - 1) / iterations * p.at("prompts_per_step").get<int64_t>() *
                                                p.at("num_generations").get<int64_t>());
        if (m_rows.rows.size() < wanted)
            return fail(Code::Corrupt, fmt::format("run {} has {} recorded answers, but its first {} steps need {}", m_work.spec().name,
                                                   m_rows.rows.size(), m_script.steps, wanted));
        m_rows.rows.resize(wanted);
        m_rows.withIds = std::count_if(m_rows.rows.begin(), m_rows.rows.end(), [](const Json& row) { return row.contains("prompt_ids"); });
        return {};
    }

    Status losses(const Json& with, bool always = false) {
        m_losses = always ? std::vector<double>() : eachLogged(m_work.logged, m_script.checked);
        m_work.plan.again = m_losses.empty();
        if (!m_losses.empty()) {
            m_script.losses = "as the run logged them";
            return {};
        }
        say(fmt::format("Running the first {} steps of {} again: {}.", m_script.checked, m_work.spec().name,
                        always                   ? "the answers they trained on are not kept"
                        : m_work.plan.lessData ? "rows of its data were erased, so its log is of others"
                                                 : "its log has no loss for each of them"));
        PL_TRY(m_losses, firstLosses(m_work.bundle, m_manifest, path("again/losses"), m_script.checked, with, m_options.rerun));
        PL_CHECK(sameAsLogged(m_work.logged, m_losses));
        m_script.losses = m_work.plan.lessData  ? "of the first steps on the rows that are left, run for this export"
                          : m_work.logged.empty() ? "of its first steps, run for this export"
                                                : "of its first steps run again, which gave what the run had logged";
        return {};
    }

    Status writeData() {
        if (m_work.method == Method::Grpo)
            return writeLines(path("data/rollouts.jsonl"), m_rows.rows);
        PL_CHECK(writeLines(path("data/train.jsonl"), m_rows.rows));
        return writeLines(path("data/order.jsonl"), m_rows.order);
    }

    Status models() {
        const ModelSpec& policy = *m_work.spec().model("policy");
        const Json& p = m_work.spec().parameters;
        std::string from = policy.path;
        if (m_work.plan.fresh) {
            say("Making the weights before the first step again.");
            PL_TRY(const std::string made, weightsBefore(m_work.bundle, m_manifest, path("again/start"), m_options.rerun));
            m_script.adapters = p.value("adapter_rank", int64_t{0}) > 0;
            if (m_script.adapters)
                PL_CHECK(os::copyTree(os::joinPath(made, "adapter"), path("adapter")));
            if (!m_script.adapters || m_work.method == Method::Reward || m_work.applied) // else the model is the folder it began with
                from = made;
        }
        if (m_options.copyModels || from != policy.path)
            PL_CHECK(shared::copyModel(from, path("model")));
        else
            m_script.model = policy.path;
        if (const ModelSpec* reference = m_work.reference(); reference && m_options.copyModels) {
            PL_CHECK(shared::copyModel(reference->path, path("reference")));
            m_script.reference = "reference";
        } else if (reference) {
            m_script.reference = reference->path;
        }
        return {};
    }

    Work m_work;
    const Manifest& m_manifest;
    const TrlScriptOptions& m_options;
    std::string m_dir;
    trl::Rows m_rows;
    trl::Script m_script;
    std::vector<double> m_losses;
};

} // namespace

Result<Method> trl::methodOf(const RunSpec& spec) {
    if (spec.plugin == "sft")
        return Method::Sft;
    if (spec.plugin == "reward_model")
        return Method::Reward;
    if (spec.plugin == "dpo")
        return Method::Dpo;
    if (spec.plugin == "grpo")
        return Method::Grpo;
    const bool image = spec.plugin.starts_with("image_");
    return fail(Code::Unsupported,
                image ? fmt::format("run {} trains an image model, and TRL has no trainer for those", spec.name)
                      : fmt::format("run {} is a run of {}, and TRL has no trainer for that", spec.name, spec.plugin),
                "Runs of sft, reward_model, dpo and grpo can be written out.");
}

Status trl::checkParameters(const RunSpec& spec, Method method) {
    const Json& p = spec.parameters;
    const auto refuse = [&](const std::string& what, const char* hint) {
        return fail(Code::Unsupported, fmt::format("run {} cannot be written for TRL: {}", spec.name, what), hint);
    };
    if (const auto control = p.value("label_control", std::string("none")); control != "none")
        return refuse(fmt::format("label_control is {}, so it is a check of PairLab's own and no way to train", control),
                      "Write out a run with the real labels.");
    if (p.value("precision", std::string("fp32")) != "fp32")
        return refuse("its products were rounded to bf16, which TRL does in other places, so that losses would not be the same",
                      "Train with precision=fp32.");
    const auto loss = p.value("loss", std::string());
    if (method == Method::Dpo && loss == "ipo" && !p.value("ipo_normalised", true))
        return refuse("ipo_normalised is false, and TRL's ipo is always per token", "Train with ipo_normalised=true.");
    if (method == Method::Grpo) {
        if (p.value("loss_type", std::string()) == "bnpo")
            return refuse("loss_type is bnpo, which depends on how a step is split into parts", "Train with another loss_type, such as dapo.");
        if (p.value("mask_truncated", false) && p.value("loss_type", std::string()) != "dapo")
            return refuse("mask_truncated leaves rows out of the mean, and TRL counts them there", "Train with loss_type=dapo.");
        if (spec.model("reference") && p.value("beta", 0.0) != 0)
            return refuse("it has a reference model of its own, and TRL's GRPO always takes the policy's start", "Train without one.");
    }
    return {};
}

std::string TrlScriptPlan::toString() const {
    std::string out = trainer;
    if (bytes > 0)
        out += fmt::format("; the model takes {}", byteText(static_cast<double>(bytes)));
    if (again)
        out += "; the first steps are run again";
    if (fresh)
        out += "; the weights before the first step are made again";
    if (!missing.empty())
        out += fmt::format("; not all that the run was is there: it {}{}", missing, lessData ? ", and the script trains on what is left" : "");
    return out;
}

Json TrlScriptReport::toJson() const {
    return {{"dir", dir},         {"trainer", plan.trainer}, {"model_bytes", plan.bytes}, {"run_again", plan.again}, {"weights_made_again", plan.fresh},
            {"rows", rows},       {"steps", steps},          {"of", of},                  {"losses", losses},
            {"missing", plan.missing}};
}

Result<TrlScriptPlan> planTrlScript(const std::string& bundleDir, const TrlScriptOptions& options) {
    PL_TRY(const Work work, prepare(bundleDir, options));
    return work.plan;
}

Result<TrlScriptReport> writeTrlScript(const std::string& bundleDir, const PluginCatalog& catalog, const TrlScriptOptions& options) {
    const std::string out = os::absolutePath(options.out);
    if (options.out.empty() || os::exists(out))
        return fail(Code::InvalidInput, options.out.empty() ? "no folder is named" : fmt::format("{} exists already", out),
                    "Choose a folder that does not exist.");
    PL_CHECK(os::refuseLinks(os::parentDir(out), {os::baseName(out)})); // one that leads nowhere does not exist
    PL_TRY(Work work, prepare(os::absolutePath(bundleDir), options));
    const Manifest* manifest = catalog.find(work.spec().plugin);
    if (!manifest)
        return fail(Code::NotFound, fmt::format("there is no plugin '{}'", work.spec().plugin), "See `pairlab-cli plugins list`.");
    if (const auto space = os::freeSpace(os::parentDir(out)); space && *space < work.plan.bytes)
        return fail(Code::Io, fmt::format("the models take {}, but only {} are free in {}", byteText(static_cast<double>(work.plan.bytes)),
                                          byteText(static_cast<double>(*space)), os::parentDir(out)),
                    "Free some space, or let the script name the model's folder.");
    if (options.say)
        options.say(fmt::format("{}: {}.", work.spec().name, work.plan.toString()));
    const std::string part = fmt::format("{}.part-{}", out, newUuid().substr(0, 8));
    Making making(std::move(work), *manifest, options, part);
    auto made = making.make();
    if (made)
        if (auto renamed = os::renamePath(part, out); !renamed)
            made = tl::unexpected<Error>(std::move(renamed).error());
    if (!made) {
        (void)os::removeTree(part);
        return made;
    }
    made->dir = out;
    return made;
}

} // namespace pl::desk

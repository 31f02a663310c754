// SPDX-License-Identifier: Apache-2.0
// The text of an export to TRL: train.py, README.md, requirements.txt.
#include <cmath>

#include <fmt/format.h>

#include "core/base/amounts.h"
#include "core/desk/exchange/trl_parts.h"

namespace pl::desk::trl {

namespace {

/// The versions that tests/peers holds PairLab against.
constexpr const char* kRequirements = R"(torch==2.13.0
transformers==5.23.0
trl==1.16.0
accelerate==1.15.0
datasets==5.2.0
tokenizers==0.23.3
safetensors==0.8.0
numpy==2.4.6
)";
constexpr const char* kPeft = "peft==0.19.1\n";

std::string python(const Json& value) {
    if (value.is_boolean())
        return value == Json(true) ? "True" : "False";
    if (value.is_null())
        return "None";
    return value.dump(-1, ' ', true, Json::error_handler_t::replace); // numbers and strings are the same in both languages
}

struct Names {
    const char *title, *trainer, *config, *model;
};
Names namesOf(Method method) {
    switch (method) {
    case Method::Sft:
        return {"Supervised fine-tuning", "SFTTrainer", "SFTConfig", "AutoModelForCausalLM"};
    case Method::Reward:
        return {"A reward model", "RewardTrainer", "RewardConfig", "AutoModelForSequenceClassification"};
    case Method::Dpo:
        return {"Direct preference optimisation", "DPOTrainer", "DPOConfig", "AutoModelForCausalLM"};
    case Method::Grpo:
        return {"Group relative policy optimisation", "GRPOTrainer", "GRPOConfig", "AutoModelForCausalLM"};
    }
    return {};
}

/// Replaces every @KEY@.
std::string fill(std::string text, std::initializer_list<std::pair<const char*, std::string>> values) {
    for (const auto& [key, value] : values)
        for (size_t at = 0; (at = text.find(key, at)) != std::string::npos; at += value.size())
            text.replace(at, std::string_view(key).size(), value);
    return text;
}

bool weighted(const Rows& rows) {
    return rows.weights || rows.labels;
}

std::string folder(const std::string& path) {
    return path.starts_with('/') ? fmt::format("pathlib.Path({})", python(path)) : fmt::format("HERE / {}", python(path));
}

// ---------------------------------------------------------------- what differs by method

constexpr const char* kTexts = R"PY(
def ids(row, name):
    """The tokens of a text. A row whose text alone does not give them brings them along."""
    return row.get(f"{name}_ids") or tokenizer(row[name], add_special_tokens=False)["input_ids"]

)PY";

constexpr const char* kSftRow = R"PY(
def tokenized(row):
    """Only the answer counts in the loss."""
    prompt, answer = ids(row, "prompt"), ids(row, "completion") + [END]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}

)PY";
constexpr const char* kSftRowAll = R"PY(
def tokenized(row):
    """Every token counts in the loss but the first, which nothing predicts."""
    both = ids(row, "prompt") + ids(row, "completion") + [END]
    return {"input_ids": both, "labels": [-100] + both[1:]}

)PY";
constexpr const char* kRewardRow = R"PY(
def tokenized(row):
    """Prompt and answer together; the reward is read at the answer's end."""
    prompt = ids(row, "prompt")
    return {side + "_ids": prompt + ids(row, side) + [END] for side in ("chosen", "rejected")}@MORE@

)PY";
constexpr const char* kDpoRow = R"PY(
def tokenized(row):
    """Answers are tokenised by themselves, so that no token reaches from the prompt into an answer."""
    return {"prompt_ids": ids(row, "prompt"), "chosen_ids": ids(row, "chosen") + [END],
            "rejected_ids": ids(row, "rejected") + [END]}@MORE@

)PY";
constexpr const char* kDataset = R"PY(
def dataset():
    """The rows in the order the run met them: order.jsonl has the numbers of each step's rows."""
    order = [number for step in lines("order.jsonl") for number in step]
    return Dataset.from_list([tokenized(row) for row in lines("train.jsonl")]).select(order)

)PY";

constexpr const char* kCollator = R"PY(
class Collator(DataCollatorForPreference):
    """TRL's, with the weight and the label of every pair."""

    def torch_call(self, examples):
        more = {key: torch.tensor([row.pop(key) for row in examples]) for key in ("weight", "label")}
        return {**super().torch_call(examples), **more}

)PY";
constexpr const char* kRewardTrainer = R"PY(
class Trainer(RewardTrainer):
    """Bradley-Terry with weights and soft labels (a tie has 0.5), for which TRL's loss has no place."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        label, weight, margin = inputs.pop("label"), inputs.pop("weight"), inputs.pop("margin", 0)
        outputs = model(**inputs, use_cache=False)
        chosen, rejected = outputs.logits.squeeze(-1).chunk(2)
        right, wrong = (-torch.nn.functional.logsigmoid(sign * (chosen - rejected) - margin) for sign in (1, -1))
        loss = (weight * (label * right + (1 - label) * wrong)).sum() / weight.sum()
        if self.args.center_rewards_coefficient is not None:
            loss = loss + self.args.center_rewards_coefficient * ((chosen + rejected) ** 2).mean()
        return (loss, outputs) if return_outputs else loss

)PY";
constexpr const char* kDpoTrainer = R"PY(
class Trainer(DPOTrainer):
    """TRL's trainer on rows that are tokenised already."""

    def _prepare_dataset(self, rows, *args, **kwargs):
        return rows
@LOSS@
)PY";
// TRL's own loss on the pairs of equal share, so that every loss_type keeps its formula.
constexpr const char* kDpoWeighted = R"PY(
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Weights and soft labels p: p times the loss of a pair and 1 - p times that of the same pair turned round (a tie has
        p = 0.5). TRL's loss is a mean over pairs, so it is asked once for every group of equal share."""
        label, weight = inputs.pop("label"), inputs.pop("weight")
        pairs, loss = len(label), 0
        turned = {key: torch.cat(value.chunk(2)[::-1]) for key, value in inputs.items()}
        for batch, share in ((inputs, weight * label), (turned, weight * (1 - label))):
            for value in share.unique():
                rows = (share == value).nonzero().squeeze(1)
                if value > 0:
                    part = {key: tensor[torch.cat([rows, rows + pairs])] for key, tensor in batch.items()}
                    loss = loss + value * len(rows) * super().compute_loss(model, part)
        loss = loss / weight.sum()
)PY";
constexpr const char* kDpoWeightedSft = R"PY(        kept, self.loss_types, self.loss_weights = (self.loss_types, self.loss_weights), ["sft"], [@SFT@]
        loss = loss + super().compute_loss(model, inputs)  # the chosen answers' likelihood, over all pairs alike
        self.loss_types, self.loss_weights = kept
)PY";

constexpr const char* kGrpo = R"PY(
rollouts = lines("rollouts.jsonl")  # num_generations answers to a prompt below each other, in the order they are trained on
answers = iter(rollouts)


def recorded(prompts, trainer):
    """Instead of sampling: the answers the run trained on. Without it (rollout_func=None) the model writes them itself, and
    then you want a reward function of your own, too."""
    rows = [next(answers) for _ in prompts]
    if [row["prompt"] for row in rows] != prompts:
        raise SystemExit("data/rollouts.jsonl is not in the order of the prompts")
    return {"prompt_ids": [ids(row, "prompt") for row in rows], "completion_ids": [row["completion_ids"] for row in rows],
            "logprobs": None, "recorded": [row["reward"] for row in rows]@LOGPS_FIELD@}


def reward(recorded, **_):
    """The rewards the run gave; None: it could not score the answer."""
    return recorded

@LOGPS_CLASS@
def dataset():
    """The prompts in the order of their answers."""
    return Dataset.from_list([{"prompt": row["prompt"]} for row in rollouts[::config.num_generations]])

)PY";
constexpr const char* kGrpoLogps = R"PY(
class Trainer(GRPOTrainer):
    """Ratios are taken to the policy that wrote the answers, whose log-probabilities were recorded."""

    def _generate_and_score_completions(self, inputs):
        out = super()._generate_and_score_completions(inputs)
        old = torch.zeros(out["completion_ids"].shape)
        for i, row in enumerate(inputs):
            old[i, :len(row["old_logps"])] = torch.tensor(row["old_logps"])
        return {**out, "old_per_token_logps": old.to(out["completion_ids"].device)}

)PY";

// ---------------------------------------------------------------- the script

constexpr const char* kHead = R"PY(#!/usr/bin/env python3
"""@TITLE@: run @RUN@ of PairLab as a script for TRL.

    pip install -r requirements.txt
    python train.py            trains @STEPS@ steps and saves the model in out/
    python train.py --check    trains the first @CHECKED@ and compares their losses with PairLab's; exit code 1 if they differ

README.md says what is the same and what is not.
"""
import argparse
import json
import pathlib
import sys

import torch
from datasets import Dataset
@PEFT@from transformers import AutoConfig, @MODEL_CLASS@, AutoTokenizer, TrainerCallback
from trl import @CONFIG@, @TRAINER@
@COLLATOR_IMPORT@
HERE = pathlib.Path(__file__).resolve().parent
MODEL = @MODEL@
@REFERENCE@END = @END@  # @END_TEXT@, the token that ends an answer
CPU = @CPU@  # where the run was; False takes a GPU when there is one


def lines(name):
    with open(HERE / "data" / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def load(folder):
    """A model in fp32 and without dropout."""
    settings = AutoConfig.from_pretrained(folder@LABELS@)
    for name in ("attention_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop"):
        if hasattr(settings, name):
            setattr(settings, name, 0.0)
    return @MODEL_CLASS@.from_pretrained(folder, config=settings, dtype=torch.float32)


tokenizer = AutoTokenizer.from_pretrained(MODEL)
tokenizer.eos_token = tokenizer.convert_ids_to_tokens(END)
if tokenizer.pad_token_id in (None, END):  # padding must not be taken for an end
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0 if END else 1)

)PY";

constexpr const char* kConfig = R"PY(
config = @CONFIG@(
    output_dir=str(HERE / "out"),
    max_steps=@ALL@,
@OPTIONS@    bf16=False,
    gradient_checkpointing=False,
    use_cpu=CPU,
    seed=@SEED@,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
)

)PY";

constexpr const char* kTail = R"PY(
class StopAfter(TrainerCallback):
    """Ends early, with the learning rates of the whole run."""

    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = state.global_step >= self.steps


def compare(losses, expected):
    """The losses beside PairLab's; are all of them within the tolerance?"""
    print(f"{'step':>4}  {'PairLab':>12}  {'here':>12}  difference")
    for step, (theirs, ours) in enumerate(zip(expected["losses"], losses), 1):
        print(f"{step:>4}  {theirs:>12.7f}  {ours:>12.7f}  {abs(theirs - ours):.1e}")
    worst = max((abs(a - b) for a, b in zip(expected["losses"], losses)), default=float("nan"))
    same = len(losses) == len(expected["losses"]) and all(
        abs(a - b) <= expected["tolerance"] for a, b in zip(expected["losses"], losses))
    print(f"{'the same' if same else 'NOT the same'}: the largest difference is {worst:.1e}, {expected['tolerance']:g} is allowed")
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="train the first steps only and compare their losses")
    arguments = parser.parse_args()
    model = load(MODEL)
@ADAPTER@    trainer = @TRAINER_CLASS@(
        model=model,
        args=config,
        train_dataset=dataset(),
        processing_class=tokenizer,
@MORE@    )
    if not arguments.check:
@STOP@        trainer.train()
        trainer.save_model(str(HERE / "out"))
        tokenizer.save_pretrained(str(HERE / "out"))
        return 0
    expected = json.loads((HERE / "expected_losses.json").read_text(encoding="utf-8"))
    losses, compute = [], trainer.compute_loss

    def kept(*args, **kwargs):
        loss = compute(*args, **kwargs)
        losses.append(float(loss.detach()))
        return loss

    trainer.compute_loss = kept
    trainer.add_callback(StopAfter(len(expected["losses"])))
    trainer.train()
    return 0 if compare(losses, expected) else 1


if __name__ == "__main__":
    sys.exit(main())
)PY";

std::string optionsOf(const Script& s) {
    const Json& p = s.spec->parameters;
    std::string out;
    const auto put = [&](const char* name, const Json& value) { out += fmt::format("    {}={},\n", name, python(value)); };
    const bool grpo = s.method == Method::Grpo;
    const auto batch = grpo ? p.at("prompts_per_step").get<int64_t>() * p.at("num_generations").get<int64_t>() : p.at("batch_size").get<int64_t>();
    put("per_device_train_batch_size", batch);
    put("learning_rate", p.at("learning_rate"));
    const auto schedule = p.at("schedule").get<std::string>();
    put("lr_scheduler_type", schedule == "constant" ? "constant_with_warmup" : schedule);
    put("warmup_steps", std::lround(p.at("warmup").get<double>() * static_cast<double>(s.rows->steps)));
    put("adam_beta2", p.value("adam_beta2", 0.999));
    put("weight_decay", p.at("weight_decay"));
    put("max_grad_norm", p.at("max_grad_norm"));
    if (grpo) {
        put("shuffle_dataset", false);
        put("num_generations", p.at("num_generations"));
        put("steps_per_generation", 1);
        put("num_iterations", p.at("num_iterations"));
        put("max_completion_length", p.at("max_new_tokens"));
        put("temperature", p.at("temperature"));
        put("loss_type", p.at("loss_type"));
        put("scale_rewards", p.at("scale_rewards"));
        put("epsilon", p.at("epsilon_low"));
        put("epsilon_high", p.at("epsilon_high"));
        put("beta", p.at("beta"));
        put("use_bias_correction_kl", false);
        put("mask_truncated_completions", p.at("mask_truncated"));
        return out;
    }
    put("train_sampling_strategy", "sequential");
    put("max_length", nullptr);
    if (s.method != Method::Sft && (weighted(*s.rows)))
        put("remove_unused_columns", false);
    if (s.method == Method::Reward && p.at("center_rewards_coefficient").get<double>() > 0)
        put("center_rewards_coefficient", p.at("center_rewards_coefficient"));
    if (s.method == Method::Dpo) {
        const Json loss = p.at("loss");
        const double sft = p.at("sft_weight").get<double>();
        put("beta", p.at("beta"));
        const bool both = sft > 0 && !weighted(*s.rows); // else the script's own loss adds it
        put("loss_type", both ? Json::array({loss, "sft"}) : Json::array({loss}));
        if (both)
            put("loss_weights", Json::array({1.0, sft}));
        if (loss != "sigmoid" && p.at("label_smoothing").get<double>() > 0)
            put("label_smoothing", p.at("label_smoothing"));
    }
    return out;
}

std::string bodyOf(const Script& s) {
    const Rows& rows = *s.rows;
    std::string more;
    if (weighted(rows))
        more = " | {\"weight\": row[\"weight\"], \"label\": row[\"label\"]}";
    if (rows.margins)
        more += " | {\"margin\": row[\"margin\"]}";
    std::string out = kTexts;
    switch (s.method) {
    case Method::Sft:
        out += s.spec->parameters.at("loss_on") == "all" ? kSftRowAll : kSftRow;
        return out + kDataset;
    case Method::Reward:
        out += fill(kRewardRow, {{"@MORE@", more}});
        out += kDataset;
        return weighted(rows) ? out + kCollator + kRewardTrainer : out;
    case Method::Dpo: {
        out += fill(kDpoRow, {{"@MORE@", more}});
        out += kDataset;
        if (!weighted(rows))
            return out + fill(kDpoTrainer, {{"@LOSS@", ""}});
        const double sft = s.spec->parameters.at("sft_weight").get<double>();
        const std::string extra = sft > 0 ? fill(kDpoWeightedSft, {{"@SFT@", python(sft)}}) : "";
        return out + kCollator + fill(kDpoTrainer, {{"@LOSS@", kDpoWeighted + extra + "        return loss\n"}});
    }
    case Method::Grpo:
        return out + fill(kGrpo, {{"@LOGPS_FIELD@", rows.oldLogps ? ", \"old_logps\": [row[\"logps\"] for row in rows]" : ""},
                                  {"@LOGPS_CLASS@", rows.oldLogps ? kGrpoLogps : ""}});
    }
    return out;
}

} // namespace

std::string trainPy(const Script& s) {
    const Names names = namesOf(s.method);
    const Rows& rows = *s.rows;
    const bool pairs = s.method == Method::Reward || s.method == Method::Dpo;
    const bool collator = pairs && weighted(rows);
    const bool ownTrainer = s.method == Method::Dpo || collator || rows.oldLogps;
    const std::string module = s.method == Method::Dpo ? "dpo_trainer" : "reward_trainer";
    std::string more;
    if (collator)
        more += "        data_collator=Collator(pad_token_id=tokenizer.pad_token_id),\n";
    if (s.method == Method::Dpo && (!s.reference.empty() || !s.adapters))
        more += s.reference.empty() ? "        ref_model=load(MODEL),\n" : "        ref_model=load(REFERENCE),\n";
    if (s.method == Method::Grpo)
        more += "        reward_funcs=reward,\n        rollout_func=recorded,\n";
    const bool cut = s.steps < rows.steps;
    std::string out = fill(kHead, {{"@TITLE@", names.title},
                                   {"@RUN@", s.spec->name},
                                   {"@STEPS@", cut ? fmt::format("the first {} of {}", s.steps, rows.steps) : fmt::format("all {}", rows.steps)},
                                   {"@CHECKED@", std::to_string(s.checked)},
                                   {"@PEFT@", s.adapters ? "from peft import PeftModel\n" : ""},
                                   {"@COLLATOR_IMPORT@", collator ? fmt::format("from trl.trainer.{} import DataCollatorForPreference\n", module) : ""},
                                   {"@MODEL_CLASS@", names.model},
                                   {"@CONFIG@", names.config},
                                   {"@TRAINER@", names.trainer},
                                   {"@MODEL@", folder(s.model)},
                                   {"@REFERENCE@", s.reference.empty() ? "" : fmt::format("REFERENCE = {}\n", folder(s.reference))},
                                   {"@END@", std::to_string(rows.end)},
                                   {"@END_TEXT@", python(rows.endText)},
                                   {"@CPU@", python(s.spec->device == "cpu")},
                                   {"@LABELS@", s.method == Method::Reward ? ", num_labels=1" : ""}});
    out += fill(kConfig, {{"@CONFIG@", names.config},
                          {"@ALL@", std::to_string(rows.steps)},
                          {"@OPTIONS@", optionsOf(s)},
                          {"@SEED@", std::to_string(s.spec->seed % 0xFFFFFFFFu)}});
    out += bodyOf(s);
    out += fill(kTail, {{"@TRAINER_CLASS@", ownTrainer ? "Trainer" : names.trainer},
                        {"@MORE@", more},
                        {"@ADAPTER@", s.adapters ? "    model = PeftModel.from_pretrained(model, HERE / \"adapter\", is_trainable=True)\n" : ""},
                        {"@STOP@", cut ? fmt::format("        trainer.add_callback(StopAfter({}))  # the answers end there\n", s.steps) : ""}});
    return out;
}

std::string requirementsTxt(const Script& s) {
    return std::string(kRequirements) + (s.adapters ? kPeft : "");
}

std::string readmeMd(const Script& s) {
    const Rows& rows = *s.rows;
    const Json& p = s.spec->parameters;
    const Names names = namesOf(s.method);
    std::string out = fmt::format("# {}, as a script for TRL\n\nRun `{}` of PairLab ({}), written for TRL's {}.\n\n"
                                  "    python -m venv venv && venv/bin/pip install -r requirements.txt\n"
                                  "    venv/bin/python train.py --check    # the first {} losses beside PairLab's\n"
                                  "    venv/bin/python train.py            # the training\n\n",
                                  s.spec->name, s.spec->name, s.spec->plugin, names.trainer, s.checked);
    if (!s.missing.empty())
        out += fmt::format("**Not all of the run is here:** it {}. What was erased is in none of these files.\n\n", s.missing);
    out += "| File | What |\n|---|---|\n| `train.py` | the script |\n";
    out += s.method == Method::Grpo ? fmt::format("| `data/rollouts.jsonl` | {} answers with their rewards, in the order they are trained on |\n", rows.rows.size())
                                    : fmt::format("| `data/train.jsonl` | the {} rows that were trained on, in TRL's columns |\n"
                                                  "| `data/order.jsonl` | the numbers of each step's rows, from 0 |\n",
                                                  rows.rows.size());
    if (s.model == "model")
        out += "| `model/` | the model before the first step |\n";
    if (s.reference == "reference")
        out += "| `reference/` | the reference model |\n";
    if (s.adapters)
        out += "| `adapter/` | the adapters before the first step, in PEFT's layout |\n";
    out += fmt::format("| `expected_losses.json` | PairLab's first {} losses: {} |\n\n", s.checked, s.losses);
    if (s.model != "model")
        out += fmt::format("The model is not here: the script reads `{}`.\n\n", s.model);

    out += "## The same\n\n"
           "* Weights before the first step, tokens, rows and their order, batch size, schedule and warm-up, AdamW, weight decay (matrices only), "
           "clipping, fp32, no dropout. The first losses agree within 1e-4.\n"
           "* Prompts are written as the model sees them, its chat template applied; the end token is put behind every answer.\n";
    if (weighted(rows))
        out += s.method == Method::Dpo
                   ? "* Weights and soft labels of rows (a tie has 0.5), by `Trainer.compute_loss` in the script: it asks TRL's own loss once for "
                     "every group of rows of equal share, which takes longer than PairLab's one pass.\n"
                   : "* Weights and soft labels of rows (a tie has 0.5), by `Trainer.compute_loss` in the script.\n";
    if (s.method == Method::Dpo && p.at("loss") == "sigmoid" && p.at("label_smoothing").get<double>() > 0)
        out += "* Label smoothing, which TRL's `sigmoid` no longer has, as soft labels.\n";
    if (s.method == Method::Dpo)
        out += s.adapters && s.reference.empty() ? "* The reference: the model without its adapters.\n" : "* The reference: a frozen model beside the policy.\n";
    if (rows.tooLong + rows.identical > 0)
        out += fmt::format("* {} rows longer than max_length and {} whose sides have the same tokens are left out, as in the run.\n", rows.tooLong, rows.identical);
    if (rows.withIds > 0)
        out += fmt::format("* {} rows bring the tokens of a text along (`..._ids`), because the text alone would be tokenised differently.\n", rows.withIds);

    out += "\n## Not the same\n\n"
           "* After many steps the two drift apart: other kernels sum in another order.\n"
           "* A step is one batch. With `gradient_accumulation_steps` TRL averages parts by themselves, which is another loss where rows differ "
           "in weight or length.\n"
           "* No held-out measurements, checkpoints or samples on the way; the script saves the last step, PairLab's run chooses the best.\n";
    if (s.method == Method::Grpo) {
        out += "* Nothing is sampled: the answers and rewards are the run's own, recorded. So the script follows PairLab's policy, which is its own "
               "only as long as the two agree.\n";
        if (s.sampled && s.steps < rows.steps)
            out += fmt::format("* Only the answers of the first {} steps are here. A run with `record_answers` keeps all of them.\n", s.steps);
        out += "* Reward terms (rules, verifiers, reward models) are not translated: their values are in the data.\n";
    }
    return out;
}

} // namespace pl::desk::trl

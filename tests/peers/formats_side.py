# SPDX-License-Identifier: Apache-2.0
"""Reads what `pairlab-cli export` wrote, with the programs the forms are for. One JSON line a form on stdout.

usage: formats_side.py hub FOLDER MODEL     datasets and trl
       formats_side.py factory FOLDER PACKAGE     LLaMA-Factory's own reading of dataset_info.json and its converter, from an unpacked package
       formats_side.py tools FOLDER         argilla and label-studio-sdk
"""
import json
import pathlib
import sys


def say(name, **values):
    print(json.dumps({"form": name, **values}), flush=True)


def hub(folder, model_dir):
    import datasets
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer
    from trl.data_utils import is_conversational

    datasets.disable_progress_bars()
    loaded = {}
    for path in sorted(folder.glob("*.json*")):
        sets = ".rankings" in path.name and not path.name.endswith(".settings.json")
        if path.suffix not in (".json", ".jsonl") or path.name == "dataset_info.json" or (not sets and (".json." in path.name or ".jsonl." in path.name)):
            continue
        name = path.name if sets else path.stem
        rows = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache"))
        loaded[name] = rows
        say(name, reader="datasets", rows=len(rows), columns=sorted(rows.column_names))

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token

    def common(out):
        return dict(output_dir=str(folder / out), report_to=[], use_cpu=True, per_device_train_batch_size=2, max_steps=1)

    for name in ("trl_explicit", "trl_implicit", "trl_conversational", "trl_implicit_conversational", "hh", "ultrafeedback_binarized", "reward_bench"):
        rows = loaded[name]
        if name == "ultrafeedback_binarized":  # its prompt is a text beside conversations, the corpus's own too: TRL takes the sides alone
            rows = rows.select_columns(["chosen", "rejected"])
        trainer = DPOTrainer(model=AutoModelForCausalLM.from_pretrained(model_dir), args=DPOConfig(**common("dpo")), train_dataset=rows,
                             processing_class=tokenizer)
        made = trainer.train_dataset
        first = made[0]
        say(name, reader="trl DPOTrainer", rows=len(made), conversational=bool(is_conversational(rows[0])), columns=sorted(made.column_names),
            whole=bool(first.get("prompt_ids") and first.get("chosen_ids") and first.get("rejected_ids")))
    for name in ("trl_implicit", "trl_implicit_conversational", "trl_explicit"):
        model = AutoModelForSequenceClassification.from_pretrained(model_dir, num_labels=1)
        model.config.pad_token_id = tokenizer.pad_token_id
        trainer = RewardTrainer(model=model, args=RewardConfig(**common("reward")), train_dataset=loaded[name], processing_class=tokenizer)
        say(name, reader="trl RewardTrainer", rows=len(trainer.train_dataset), whole=bool(trainer.train_dataset[0].get("chosen_ids")))
    from trl import KTOConfig, KTOTrainer

    trainer = KTOTrainer(model=AutoModelForCausalLM.from_pretrained(model_dir), ref_model=AutoModelForCausalLM.from_pretrained(model_dir),
                         args=KTOConfig(**common("kto")), train_dataset=loaded["trl_unpaired"], processing_class=tokenizer)
    say("trl_unpaired", reader="trl KTOTrainer", rows=len(trainer.train_dataset), whole=True)
    from trl import GRPOConfig, GRPOTrainer
    trainer = GRPOTrainer(model=AutoModelForCausalLM.from_pretrained(model_dir), reward_funcs=lambda completions, **_: [0.0] * len(completions),
                          args=GRPOConfig(**{**common("grpo"), "num_generations": 2}), train_dataset=loaded["trl_prompt_only"], processing_class=tokenizer)
    say("trl_prompt_only", reader="trl GRPOTrainer", rows=len(trainer.train_dataset), whole=True)


def tools(folder):
    from label_studio_sdk.label_interface import LabelInterface

    for name, control_name in (("label_studio.json", "preference"), ("label_studio.json.rankings.json", "ranking")):
        config = LabelInterface((folder / (name + ".config.xml")).read_text())
        tasks = json.loads((folder / name).read_text())
        # validate_task of this SDK fails on its own call where there are annotations or predictions; they are checked by themselves.
        good = sum(bool(config.validate_task({k: v for k, v in task.items() if k not in ("annotations", "predictions")})) for task in tasks)
        said = [(task, result) for task in tasks for annotation in task["annotations"] for result in annotation["result"]]
        # Its validate_annotation wants to_name among the texts, where Label Studio and this SDK's own Pairwise write the control's name: what we
        # wrote must be what the SDK writes.
        control = config.get_control(control_name)
        parts = ("from_name", "to_name", "type", "value")
        valid = 0
        for task, result in said:
            value = result["value"]
            made = control.label(**value)._dict() if "ranker" in value else control.label(value["selected"])._dict()
            whole = "ranker" not in value or (control.validate_value(value)
                                              and sorted(value["ranker"][control_name]) == sorted(item["id"] for item in task["data"]["items"]))
            valid += whole and {k: result[k] for k in parts} == {k: made[k] for k in parts}
        say(name if control_name == "ranking" else "label_studio", reader="label-studio-sdk", rows=len(tasks), valid_tasks=good,
            annotations=len(said), valid_annotations=valid, whole=good == len(tasks) and valid == len(said) and len(said) > 0)

    import argilla as rg
    from argilla._models import RecordModel
    from argilla._models._settings._questions import LabelQuestionSettings, RankingQuestionSettings

    # Without a server there are no settings to log records into; their models check by themselves.
    for path in [folder / "argilla.json", *sorted(folder.glob("argilla.json.rankings-*[0-9].json"))]:
        names = json.loads(pathlib.Path(str(path) + ".settings.json").read_text())
        asked = names["questions"][0]
        kind = RankingQuestionSettings if asked["type"] == "ranking" else LabelQuestionSettings
        options = [option["value"] for option in kind(options=[{"value": name, "text": name} for name in asked["options"]]).options]
        fields = {field["name"] for field in names["fields"]}
        records = json.loads(path.read_text())
        good = 0
        for row in records:
            record = rg.Record.from_dict(row)
            answers = list(record.responses[asked["name"]])
            model = RecordModel(fields=record.fields.to_dict(), metadata=record.metadata.api_models(), external_id=str(record.id))
            fits = all(sorted(a.value) == sorted(options) if asked["type"] == "ranking" else a.value in options for a in answers)
            good += (len(model.metadata) >= 1 and len(answers) == len(row["responses"][asked["name"]]) > 0 and fits
                     and set(row["fields"]) == fields and record.to_dict()["fields"] == row["fields"])
        say(path.name if ".rankings" in path.name else "argilla", reader="argilla " + rg.__version__, rows=len(records), whole=good == len(records))


def factory(folder, package):
    """Without its trainers, which want torch and more: what reads dataset_info.json (data/parser.py) and turns a row into turns and answers
    (data/converter.py), as its loader calls them. What they import from the rest is four names."""
    import types

    import datasets

    def module(name, path=None, **names):
        made = types.ModuleType(name)
        made.__dict__.update(names)
        if path:
            made.__path__ = [str(path)]
        sys.modules[name] = made

    root = pathlib.Path(package) / "llamafactory"
    module("llamafactory", root)
    module("llamafactory.data", root / "data")
    module("llamafactory.extras", root / "extras")
    module("llamafactory.extras.constants", DATA_CONFIG="dataset_info.json", RUNNING_LOG="running_log.txt")
    module("llamafactory.extras.misc", use_modelscope=lambda: False, use_openmind=lambda: False)
    from llamafactory.data.converter import get_dataset_converter
    from llamafactory.data.parser import get_dataset_list

    attributes = get_dataset_list(["llama_factory"], str(folder))[0]
    read = get_dataset_converter(attributes.formatting, attributes, types.SimpleNamespace(media_dir=str(folder)))
    rows = datasets.load_dataset("json", data_files=str(folder / attributes.dataset_name), split="train", cache_dir=str(folder / "cache-factory"))
    good = 0
    for row in rows:
        made = read(row)
        turns = [(turn["role"], turn["content"]) for turn in made["_prompt"]]
        good += (turns == [({"human": "user", "gpt": "assistant"}[turn["from"]], turn["value"]) for turn in row["conversations"]]
                 and turns[-1][0] == "user" and made["_system"] == row["system"]
                 and [(answer["role"], answer["content"]) for answer in made["_response"]]
                 == [("assistant", row["chosen"]["value"]), ("assistant", row["rejected"]["value"])])
    say("llama_factory", reader="llamafactory", rows=len(rows), ranking=attributes.ranking, whole=attributes.ranking and good == len(rows))


if __name__ == "__main__":
    if sys.argv[1] == "factory":
        factory(pathlib.Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "hub":
        hub(pathlib.Path(sys.argv[2]), sys.argv[3])
    else:
        tools(pathlib.Path(sys.argv[2]))

"""Situations: sweep and space files, overrides, names."""

from pathlib import Path

from dpo_ray.demo.place import placed_when_whole
from tests.errors.book import Chapter, Said, command, dry_run

FILES = Chapter("Sweep and space files")

SWEEPS = {
    "a sweep file that is empty": "# nothing\n",
    "a sweep file that is a list": "- a\n",
    "a sweep file of more than a megabyte": "#" * 1_000_001,
    "a sweep file that is no UTF-8": b"training: {beta: 0.1} # \xff\n",
    "a sweep file that is no YAML": "a: [1,\nb: 2\n",
    "a sweep file with a control character": "a: \x01\n",
    "a sweep file with a tag": "a: !!python/name:os.system\n",
    "a sweep file with an alias": "a: &x 1\nb: *x\n",
    "a sweep file nested too deeply": "a: " + "[" * 20 + "\n",
    "a key that is no text": "1: a\n",
    "a key written twice": "data: {}\ndata: {}\n",
    "a number nobody can read": "a: " + "9" * 5000 + "\n",
    "half of a character": 'a: "\\ud83d"\n',
    "a key that does not exist": "training: {learing_rate: 1e-3}\n",
    "several mistakes at once": "search: {trials: 0}\ntraining: {beta: -1}\n",
    "a base file that is none": "extends: 5\n",
    "a base file that is not there": "extends: nosuch.yaml\n",
    "a base file whose name no file can have": 'extends: "s\\0.yaml"\n',
    "a base file that extends another": "extends: sweeps/nightly.yaml\n",
    "all prompts kept from training": "data: {validation: 0.5, test: 0.5}\n",
    "rungs that do not end with 1": "evaluation: {at: [0.5]}\n",
    "a judge named like a group of metrics": (
        "evaluation: {further_judges: {rewards: {type: reward}}}\n"
    ),
    "a judge's own code without a commit": (
        "evaluation: {judge: {type: reward_model, model: org/m, trust_remote_code: true}}\n"
    ),
    "a model's own code without a commit": (
        "model: {name: org/m, revision: main, trust_remote_code: true}\n"
    ),
    "a revision of a model that is no hub's": "model: {name: ./model, revision: main}\n",
    "an objective in the wrong direction": "objective: {metric: kl, direction: maximize}\n",
    "a penalty on a metric that is to be small": (
        "objective: {metric: kl, direction: minimize, penalty: {budget: 1, weight: 1}}\n"
    ),
    "an objective that nobody measures": "objective: {metric: win_rat}\n",
    "a score from a judge that compares": (
        "objective: {metric: gold_reward}\nevaluation:\n"
        "  judge: {type: llm, model: m, url: 'http://127.0.0.1:1/v1'}\n"
    ),
    "two objectives in the wrong order": (
        "objective: [{metric: kl, direction: minimize}, {metric: win_rate}]\n"
    ),
    "two objectives and a penalty": (
        "objective: [{metric: win_rate, penalty: {budget: 1, weight: 1}}, "
        "{metric: kl, direction: minimize}]\n"
    ),
    "a confirmation without test prompts": "data: {test: 0}\nconfirm: {top: 1}\n",
    "full training of quantized weights": (
        "model: {quantization: nf4}\ntraining: {mode: full}\n"
    ),
    "an SFT batch that workers cannot share": (
        "resources: {workers: 3}\nreference: {sft: {batch_size: 8}}\n"
        "training: {batch_size: 6}\n"
    ),
    "a batch that workers cannot share": "resources: {workers: 3}\n",
    "a cluster's address with a password": "cluster: {address: 'http://me:hunter2@head:8265'}\n",
    "tracking in a folder": "tracking: {uri: ./mlruns}\n",
    "target modules that are one name": "training: {target_modules: q_proj}\n",
    "example_weight with another loss": "training: {example_weight: false, loss_type: ipo}\n",
    "label smoothing that the loss ignores": "training: {label_smoothing: 0.1}\n",
    "exo_pair without label smoothing": "training: {loss_type: exo_pair}\n",
    "sft_weight with loss_type sft": "training: {loss_type: sft, sft_weight: 0.1}\n",
    "sft_weight without example_weight": "training: {example_weight: false, sft_weight: 0.1}\n",
    "a GPU and a half": "resources: {gpus_per_worker: 1.5}\n",
    "half a GPU for two workers": "resources: {gpus_per_worker: 0.5, workers: 2}\n",
    "a cron line that is none": "schedule: {cron: 'every night'}\n",
    "a cron line for a day and for a weekday": 'schedule: {cron: "30 2 1 * 5"}\n',
    "a weekday that is none": 'schedule: {cron: "30 2 * * 8"}\n',
    "an hour that is none": 'schedule: {cron: "30 25 * * *"}\n',
    "a time zone that is none": "schedule: {cron: '30 2 * * *', timezone: Mars/Olympus}\n",
    "more first trials than trials": (
        "search: {trials: 1, try_first: [{beta: 0.2}]}\n"
    ),
    "more full trials than trials": "search: {trials: 4, full_trials: 5}\n",
    "a generation as large as the search": (
        "search: {trials: 8, sampler: {type: nsgaii, population_size: 8}}\n"
    ),
    "a grid that is to be taught": "search: {sampler: grid, warm_start: older}\n",
    "a grid of a million points": (
        "search: {sampler: {type: grid, points: 10000}}\n"
    ),
    "a penalty-free objective that measures beta": "objective: {metric: rewards/margins}\n",
    "a first trial outside its range": "search: {try_first: [{beta: 9.0}]}\n",
    "a first trial given twice": "search: {try_first: [{beta: 0.2}, {beta: 0.2}]}\n",
    "a first trial of what is not searched": "search: {try_first: [{warmup: 0.2}]}\n",
    "a number in quotes": "training: {beta: '0.3'}\n",
    "a number that is none": "training: {beta: .nan}\n",
    "text for a whole number": "training: {lora_rank: many}\n",
    "a word that is none of those allowed": "training: {loss_type: sigmod}\n",
    "nothing where there must be something": "training:\n",
    "a source that nobody can read": "data: {source: pairs.docx}\n",
    "a split of a source that has none": "data: {source: pairs.jsonl, split: test}\n",
    "more workers than there are CPUs": "resources: {workers: 512}\ntraining: {batch_size: 512}\n",
    "more GPUs than there are": "resources: {gpus_per_worker: 64}\n",
}  # fmt: skip

SPACES = {
    "a range relative to 0": "weight_decay: {type: float, low: 0.5, high: 2, relative: true}",
    "epochs where the steps are fixed": "epochs: {type: int, low: 1, high: 3}",
    "a range for what is one of a few words": "loss_type: {type: float, low: 0, high: 1}",
    "a tie that gives no whole numbers": (
        "lora_rank: {type: int, low: 2, high: 8}\n"
        "  lora_alpha: {type: tied, to: lora_rank, times: 0.5}"
    ),
    "a control trial that breaks a tie": (
        "lora_rank: {type: int, low: 2, high: 8}\n"
        "  lora_alpha: {type: tied, to: lora_rank, times: 5}"
    ),
    "a step on a logarithmic scale": "beta: {type: float, low: 0.1, high: 1, log: true, step: 0.1}",
    "a whole-number step on a logarithmic scale": (
        "lora_rank: {type: int, low: 2, high: 8, log: true, step: 2}"
    ),
    "a choice given twice": "lora_rank: {type: categorical, choices: [4, 4]}",
    "a range that ends before it begins": "beta: {type: float, low: 0.5, high: 0.1}",
    "a logarithmic range from 0": "beta: {type: float, low: 0, high: 1, log: true}",
    "a range that its step does not reach": "beta: {type: float, low: 0.1, high: 0.5, step: 0.3}",
    "a parameter that is none": "betta: {type: float, low: 0.1, high: 0.5}",
    "a parameter that must stay fixed": "batch_size: {type: categorical, choices: [8, 16]}",
    "a value that training refuses": "lora_rank: {type: int, low: 0, high: 8}",
    "a range that leaves the sweep's own value out": "beta: {type: float, low: 0.9, high: 1.0}",
    "branches that overlap": (
        "loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
        "  beta: [{type: float, low: 0.1, high: 0.5}, {type: float, low: 0.1, high: 0.5}]"
    ),
    "a condition on what is not there": (
        "beta: {type: float, low: 0.1, high: 0.5, when: {loss: [ipo]}}"
    ),
    "a condition on a range": (
        "lora_rank: {type: int, low: 2, high: 8}\n"
        "  beta: {type: float, low: 0.1, high: 0.5, when: {lora_rank: [2]}}"
    ),
    "a condition on a choice that is none": (
        "loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
        "  beta: {type: float, low: 0.1, high: 0.5, when: {loss_type: [hinge]}}"
    ),
    "a tie with branches": (
        "lora_rank: {type: int, low: 2, high: 8}\n  lora_alpha: [{type: tied, to: lora_rank}]"
    ),
    "a tie to what is not drawn": "lora_alpha: {type: tied, to: lora_rnk}",
    "a tie to a word": (
        "loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
        "  lora_alpha: {type: tied, to: loss_type}"
    ),
}

for title, content in SWEEPS.items():

    @FILES.when(title)
    def _(place, content=content) -> Said:
        place.write("pairs.jsonl", "{}\n")
        return dry_run("--sweep", place.write("s.yaml", content))


for title, content in SPACES.items():

    @FILES.when(title)
    def _(place, content=content) -> Said:
        return dry_run(space=place.write("q.yaml", f"parameters:\n  {content}\n"))


OVERRIDES = {
    "an override without a value": "search.trials",
    "an override that extends": "extends=a.yaml",
    "an override below a value": "training.beta.x=1",
    "an override that hides a secret": "api_key=hunter2",
}
for title, override in OVERRIDES.items():

    @FILES.when(title)
    def _(place, override=override) -> Said:
        return dry_run("--set", override)


@FILES.when("a sweep file that is not there")
def _(place) -> Said:
    return dry_run("--sweep", "sweeps/locl.yaml")


@FILES.when("a sweep file that is a folder")
def _(place) -> Said:
    return dry_run("--sweep", "sweeps")


@FILES.when("a name that leads elsewhere")
def _(place) -> Said:
    return dry_run("--name", "../elsewhere")


@FILES.when("a sampler that cannot search branches")
def _(place) -> Said:
    return dry_run("--set", "search.sampler=gp", space="search_spaces/loss_type.yaml")


@FILES.when("a number of trials that is none")
def _(place) -> Said:
    return dry_run("--trials", "many")


@FILES.when("more trials for a sweep that has not begun")
def _(place) -> Said:
    return dry_run("--trials", "+4", "--store", "store")


@FILES.when("a toy language to be built over somebody's files")
def _(place) -> object:
    place.write("mine/letter.txt", "dear")
    with placed_when_whole(Path("mine")):
        return None


@FILES.when("a warm start from a sweep that is not there")
def _(place) -> Said:
    return dry_run("--set", "search.warm_start=older")


@FILES.when("a warm start from itself")
def _(place) -> Said:
    return dry_run("--name", "same", "--set", "search.warm_start=same")


SCHEDULE = Chapter("Schedules")
NIGHTLY = ("python", "-m", "dpo_ray.schedule")


@SCHEDULE.when("a sweep file without a schedule")
def _(place) -> Said:
    return command(*NIGHTLY, "sweeps/local.yaml", "status")


@SCHEDULE.when("a schedule that names no space")
def _(place) -> Said:
    place.write("s.yaml", "schedule: {cron: '30 2 * * *'}\n")
    return command(*NIGHTLY, "s.yaml", "status")


@SCHEDULE.when("a schedule with a name that leads elsewhere")
def _(place) -> Said:
    return command(*NIGHTLY, "sweeps/nightly.yaml", "status", "--name", "../x")


@SCHEDULE.when("a schedule with a secret in its command")
def _(place) -> Said:
    secret = "tracking.uri=http://me:hunter2@mlflow:5000"
    return command(*NIGHTLY, "sweeps/nightly.yaml", "render", "--set", secret)


@SCHEDULE.when("a schedule that names its own teachers")
def _(place) -> Said:
    return command(*NIGHTLY, "sweeps/nightly.yaml", "status", "--set", "search.warm_start=older")


@SCHEDULE.when("a manifest without a budget")
def _(place) -> Said:
    return command(*NIGHTLY, "sweeps/nightly.yaml", "render", "--to", "raycronjob")


@SCHEDULE.when("a CronJob without a head to submit to")
def _(place) -> Said:
    return command(*NIGHTLY, "sweeps/nightly.yaml", "render", "--to", "cronjob")


@SCHEDULE.when("a ledger that was damaged")
def _(place) -> Said:
    place.write("store/schedules/nightly/nights.jsonl", '{"kind": "nap"}\n')
    return command(*NIGHTLY, "sweeps/nightly.yaml", "history", "--store", "store")

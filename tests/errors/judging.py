"""Situations: judges that are not there, break, or answer what is no verdict."""

from dataclasses import replace
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from dpo_ray.config.judging import LlmJudge, RewardModelJudge
from dpo_ray.config.loading import load_sweep
from dpo_ray.data import retrying
from dpo_ray.evaluation.baseline import MAIN, Baseline, Prompt
from dpo_ray.evaluation.function_lookup import function_digest, locate_function
from dpo_ray.evaluation.judged import ask
from dpo_ray.evaluation.judging import Comparison
from dpo_ray.evaluation.llm_judge import build_llm_judge
from dpo_ray.evaluation.reward_function import function_scorer
from dpo_ray.evaluation.reward_model import reward_model_scorer
from dpo_ray.evaluation.sampling import Sample
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_tokenizer, model_folder
from dpo_ray.search.judges import find_judges
from tests.errors.book import Chapter, Place
from tests.evaluation.llm_server import always_first, failing, first, garbage, running_llm

JUDGES = Chapter("Judges")
PROMPT = Prompt(
    row=7,
    ids=[5],
    text="The soup was",
    content="The soup was",
    chosen=" good.",
    rejected=" bad.",
)

MODULES = {
    "a judge's module that is not there": ("nosuch:score", ""),
    "a judge's module that breaks": ("broken_judge:score", "1 / 0\n"),
    "a judge's function that is not there": ("a_judge:scroe", "def score(): ...\n"),
    "a judge that is no function": ("b_judge:score", "score = 5\n"),
    "a judge that is an async function": ("c_judge:score", "async def score(): ...\n"),
}
for title, (name, content) in MODULES.items():

    @JUDGES.when(title)
    def _(place, name=name, content=content) -> object:
        if content:
            place.write(f"{name.partition(':')[0]}.py", content)
        place.patch.syspath_prepend(str(place.folder))
        return locate_function(name)


@JUDGES.when("a judge that is not written in Python")
def _(place) -> object:
    return function_digest("math:hypot")


SCORES = {
    "a function that raises": "def score(prompts, completions, **rest): raise KeyError('soup')\n",
    "a function with a score too few": "def score(prompts, completions, **rest): return []\n",
    "a function that gives no number": "def score(prompts, completions, **rest): return ['good']\n",
}
for title, content in SCORES.items():

    @JUDGES.when(title)
    def _(place, title=title, content=content) -> object:
        module = "judge_" + title.replace(" ", "_")
        place.write(f"{module}.py", content)
        place.patch.syspath_prepend(str(place.folder))
        return function_scorer(f"{module}:score")([PROMPT], [" good."])


def reward_model(place: Place, labels: int = 1, template: bool = True, pad: bool = True) -> None:
    torch.manual_seed(0)
    tokenizer = load_tokenizer(model_folder("embedded"))
    if not template:
        tokenizer.chat_template = None
    if not pad:
        tokenizer.pad_token = tokenizer.eos_token = tokenizer.bos_token = None
    tokenizer.save_pretrained(place.folder / "judge")
    config = LlamaConfig(
        vocab_size=768, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_labels=labels,
        **({"pad_token_id": 0} if pad else {"bos_token_id": None, "eos_token_id": None}),
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(place.folder / "judge")


def scored(place: Place, content: object = "The soup was") -> object:
    judge = RewardModelJudge(type="reward_model", model="./judge")
    score = reward_model_scorer(judge, place.folder / "judge", "cpu")
    return score([replace(PROMPT, content=content)], [" good."])


@JUDGES.when("a reward model that does not load")
def _(place) -> object:
    place.write("judge/config.json", "{}")
    return scored(place)


@JUDGES.when("a reward model with two outputs")
def _(place) -> object:
    reward_model(place, labels=2)
    return scored(place)


@JUDGES.when("a reward model without its head")
def _(place) -> object:
    from safetensors.torch import load_file, save_file

    reward_model(place)
    file = place.folder / "judge/model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "score" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    return scored(place)


@JUDGES.when("a reward model without any token to fill up with")
def _(place) -> object:
    reward_model(place, pad=False)
    return scored(place)


@JUDGES.when("a reward model without a chat template, asked about conversations")
def _(place) -> object:
    reward_model(place, template=False)
    return scored(place, [{"role": "user", "content": "The soup?"}])


@JUDGES.when("a reward model whose chat template refuses a prompt")
def _(place) -> object:
    reward_model(place)
    template = "{{ raise_exception('roles must alternate') }}"
    place.write("judge/chat_template.jinja", template)
    return scored(place, [{"role": "user", "content": "The soup?"}])


@JUDGES.when("a reward model that gives no number")
def _(place) -> object:
    from safetensors.torch import load_file, save_file

    reward_model(place)
    file = place.folder / "judge/model.safetensors"
    weights = {name: value * torch.nan for name, value in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    return scored(place)


def compared(place: Place, url: str, **settings: object) -> object:
    place.patch.setattr(retrying, "FIRST_WAIT", 0.01)
    judge = LlmJudge.model_validate({"type": "llm", "model": "m", "url": url, **settings})
    found = build_llm_judge(judge, place.folder / "calls", place.folder / "answers")
    baseline = Baseline([PROMPT] * 4, [" bad."] * 4, [1] * 4, {}, {})
    samples = [Sample([5], f" good, {n}.", True) for n in range(4)]
    return ask({MAIN: found}, baseline, samples, Ranks())


@JUDGES.when("an endpoint that does not accept the key")
def _(place) -> object:
    place.patch.setenv("JUDGE_KEY", "sk-1234567890")
    with running_llm(first(*[failing(401, "bad key")] * 4)) as llm:
        return compared(place, llm.url, api_key_env="JUDGE_KEY")


@JUDGES.when("an endpoint that knows no such model")
def _(place) -> object:
    with running_llm(first(*[failing(404, "no model m")] * 4)) as llm:
        return compared(place, llm.url)


@JUDGES.when("an endpoint that is not there")
def _(place) -> object:
    return compared(place, "http://127.0.0.1:9/v1/chat/completions", retries=0)


@JUDGES.when("a language model that chats instead of judging")
def _(place) -> object:
    with running_llm(garbage) as llm:
        return compared(place, llm.url, retries=0)


@JUDGES.when("more comparisons than calls are allowed")
def _(place) -> object:
    with running_llm(always_first) as llm:
        return compared(place, llm.url, max_calls=3, concurrency=1)


@JUDGES.when("a key's variable that is not set")
def _(place) -> object:
    return compared(place, "http://127.0.0.1:9/v1", api_key_env="NO_SUCH_KEY")


@JUDGES.when("a key that cannot be sent")
def _(place) -> object:
    place.patch.setenv("JUDGE_KEY", "sk\n12")
    return compared(place, "http://127.0.0.1:9/v1", api_key_env="JUDGE_KEY")


@JUDGES.when("calls that cannot be counted")
def _(place) -> object:
    place.write("calls", "a file where a folder is to be")
    with running_llm(always_first) as llm:
        settings = LlmJudge(type="llm", model="m", url=llm.url)
        folder = place.folder / "calls" / "judge"
        judge = build_llm_judge(settings, folder, place.folder / "answers")
        return judge.compare([Comparison(PROMPT, " good.", " bad.", None)])


@JUDGES.when("a judge whose key is asked for before a sweep")
def _(place) -> object:
    judge = "{type: llm, model: m, url: 'http://127.0.0.1:9/v1', api_key_env: NO_SUCH_KEY}"
    sweep = load_sweep(Path("sweeps/local.yaml"), [f"evaluation.judge={judge}"])
    return find_judges(sweep.evaluation, place.folder / "cache", False)


@JUDGES.when("a judge none of whose verdicts came")
def _(place) -> object:
    with running_llm(garbage) as llm:
        settings = LlmJudge(type="llm", model="m", url=llm.url, retries=0, max_failed=1.0)
        judge = build_llm_judge(settings, place.folder / "calls", place.folder / "answers")
        baseline = Baseline([PROMPT], [" bad."], [1], {}, {})
        sample = Sample([5], " good.", True)
        return ask({"judge": judge}, baseline, [sample], Ranks())

"""Journals made to measure: any number of trials, any kind of space, any kind of end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    AnyRecord,
    Candidate,
    CandidateConfirmed,
    ConfirmationPlanned,
    Confirmed,
    DataChecked,
    Prepared,
    ReferenceEnded,
    ReferenceStarted,
    RungDecided,
    RungReached,
    SlotsOpened,
    SweepEnded,
    SweepPlanned,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
)

BETA = {"type": "float", "low": 0.1, "high": 0.5, "log": False, "step": None}
RATE = {"type": "float", "low": 5e-4, "high": 5e-3, "log": True, "step": None}
RANK = {"type": "categorical", "choices": [2, 4, 8, 16]}
USUAL = {"beta": BETA, "learning_rate": RATE, "lora_rank": RANK}
BRANCHED = {
    "loss_type": {"type": "categorical", "choices": ["sigmoid", "ipo"]},
    "beta": [
        {**BETA, "when": {"loss_type": ["sigmoid"]}},
        {**BETA, "low": 1.0, "high": 5.0, "when": {"loss_type": ["ipo"]}},
    ],
    "label_smoothing": {
        "type": "float", "low": 0.0, "high": 0.3, "log": False, "when": {"loss_type": ["sigmoid"]}
    },
}  # fmt: skip
WORDS_ONLY = {
    "loss_type": {"type": "categorical", "choices": ["sigmoid", "ipo", "robust"]},
    "example_weight": {"type": "categorical", "choices": [True, False]},
}
ONE = [{"metric": "win_rate", "direction": "maximize", "penalty": None}]
TWO = [*ONE, {"metric": "kl", "direction": "minimize", "penalty": None}]
START = 1767319200.0


def made(
    trials: int = 12,
    *,
    steps: int = 60,
    every: int = 5,
    space: Mapping[str, Any] = USUAL,
    objectives: Sequence[Mapping[str, Any]] = ONE,
    fails: bool = False,
    reason: str = "ValueError: a loss that is not finite",
    confirms: bool = False,
    sft: bool = False,
    ends: bool = True,
    name: str = "beta-1a2b3c4d",
    seed: int = 0,
    folder: Path = Path("/store/sweeps/beta"),
    question: str = "How hard should the policy be held?",
    prompts: str = "completions-1",
) -> list[AnyRecord]:
    """Return a whole journal; without `ends` that of a sweep in the middle of its last trial."""
    rng = np.random.default_rng(seed)
    found: list[AnyRecord] = [
        _planned(space, objectives, trials, name, question),
        SlotsOpened(slots=2, workers=1, gpus=0.0),
        DataChecked(report=_data()),
        *([*_sft()] if sft else []),
        Prepared(
            rows={"train": 900}, reused=False, seconds=20.0, reference=_reference(),
            hashes={"data": "d1", "tokens": "t1", "scores": "s1", "completions": prompts},
        ),
    ]  # fmt: skip
    for number in range(trials):
        params = _draw(space, rng) if number else _control(space)
        stopped = not fails and number % 3 == 2
        found += _trial(number, params, rng, steps, every, fails, stopped, reason, folder)
    if not ends:
        found = found[: -3 if trials else None]
    elif confirms:
        found += _confirmation(found, steps)
    if ends:
        best = None if fails or not trials else 0
        found.append(SweepEnded(exit_code=3 if best is None else 0, reason=reason, best=best))
    return stamped(found)


def stamped(records: Sequence[AnyRecord]) -> list[AnyRecord]:
    """Number the records, a fifth of a second apart."""
    return [
        record.model_copy(update={"seq": seq, "time": START + 0.2 * seq})
        for seq, record in enumerate(records)
    ]


def _planned(space, objectives, trials, name, question) -> SweepPlanned:
    sweep = {
        "model": {"name": "embedded", "revision": None},
        "data": {"source": "embedded"},
        "training": {"learning_rate": 2e-3, "max_steps": 60, "seed": 0},
        "objective": [dict(each) for each in objectives],
        "search": {"trials": trials, "seed": 0},
        "confirm": None,
    }
    plan = {
        "name": name, "question": question, "store": "/store", "space_path": "/a/beta.yaml",
        "sweep_path": "/a/local.yaml", "space": {"parameters": dict(space)}, "sweep": sweep,
        "control": _control(space), "trials": trials,
    }  # fmt: skip
    return SweepPlanned(name=name, plan=plan, host="node", pid=1, versions={"trl": "1.16.0"})


def _data() -> dict[str, Any]:
    lengths = {"p5": 3, "p50": 5, "p95": 6, "p99": 8, "max": 10}
    finding = {"reason": "duplicate_pair", "count": 7, "action": "drop", "rows": [1, 2, 3, 4, 5]}
    rows = {
        "source": "pairs.jsonl", "digest": "d1", "revision": None, "format": "standard",
        "read": 1600, "kept": 1593, "findings": [finding], "prompts": {"train": 985},
        "prompts_in_two_splits": 0,
    }  # fmt: skip
    tokens = {
        "rows": {"train": 985, "validation": 323, "test": 285}, "findings": [],
        "lengths": {name: lengths for name in ("prompt", "chosen", "rejected")},
        "cut_share": 0.0, "chosen_longer_share": 0.81, "max_length": 512,
    }  # fmt: skip
    return {"rows": rows, "tokens": tokens}


def _sft() -> list[AnyRecord]:
    started = ReferenceStarted(settings={}, model="/m", texts=10, total_steps=5, slot="s")
    ended = ReferenceEnded(state="COMPLETED", reason="done", step=5, seconds=3.0, model="/r")
    return [started, ended]


def _reference() -> dict[str, float]:
    return {
        "eval/win_rate": 0.51, "eval/win_rate_low": 0.44, "eval/win_rate_high": 0.59,
        "eval/gold_reward": -0.05, "eval/kl": 0.0,
    }  # fmt: skip


def _control(space) -> dict[str, Any]:
    known = {"beta": 0.1, "learning_rate": 2e-3, "lora_rank": 8, "label_smoothing": 0.0}
    more = {"lora_alpha": 16, "weight_decay": 0.01, "warmup": 0.1}
    words = {"loss_type": "sigmoid", "example_weight": True}
    return {name: (known | more | words)[name] for name in space}


def _draw(space, rng) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, entry in space.items():
        branches = entry if isinstance(entry, list) else [entry]
        for each in branches:
            when = each.get("when") or {}
            if all(params.get(root) in values for root, values in when.items()):
                params[name] = _value(each, rng)
    return params


def _value(each, rng) -> Any:
    if "choices" in each:
        return each["choices"][int(rng.integers(len(each["choices"])))]
    if each.get("log"):
        return float(np.exp(rng.uniform(np.log(each["low"]), np.log(each["high"]))))
    return float(rng.uniform(each["low"], each["high"]))


def _trial(number, params, rng, steps, every, fails, stopped, reason, folder) -> list[AnyRecord]:
    place = str(folder / "trials" / f"t{number:02d}")
    origin = "sampler" if number else "control"
    found: list[AnyRecord] = [
        TrialStarted(
            trial=number, params=params, origin=origin, slot="s", folder=place, total_steps=steps
        )
    ]
    skill = float(rng.uniform(0.1, 0.4))
    until = steps // 2 if stopped or fails else steps
    for step in range(every, until + 1, every):
        loss = 0.69 * (1 - skill * step / steps) + float(rng.normal(0, 0.02))
        found.append(TrainMetrics(trial=number, step=step, metrics={"train/loss": loss}))
        if not fails and step in (steps // 4 // every * every, steps // 2, steps):
            found += _rung(number, step, steps, skill, stopped and step == steps // 2)
    state = "FAILED" if fails else "STOPPED" if stopped else "COMPLETED"
    why = reason if fails else "stopped at a rung" if stopped else "ran all its steps"
    found.append(
        TrialEnded(
            trial=number, state=state, reason=why, step=until, seconds=9.0,
            timings={"evaluation_s": 2.0, "gap_s": 0.4},
        )
    )  # fmt: skip
    return found


def _rung(number, step, steps, skill, stops) -> list[AnyRecord]:
    share = step / steps
    win, kl = 0.5 + skill * share, 0.2 + 12 * skill * share**2
    metrics = {
        "eval/win_rate": win, "eval/win_rate_low": win - 0.07, "eval/win_rate_high": win + 0.07,
        "eval/kl": kl, "eval/gold_reward": 2 * skill * share, "eval/logratio_margin": 5 * share,
    }  # fmt: skip
    fraction = round(share, 2) if share < 1 else 1.0
    reached = RungReached(trial=number, step=step, fraction=fraction, metrics=metrics)
    action = "stop" if stops else "continue"
    decided = RungDecided(
        trial=number, step=step, action=action, reason="below the median", spared=number % 3 == 0
    )
    return [reached, decided]


def _confirmation(found, steps) -> list[AnyRecord]:
    starts = {each.trial: each for each in found if isinstance(each, TrialStarted)}
    rungs = {each.trial: each for each in found if isinstance(each, RungReached)}
    whole = [number for number, each in rungs.items() if each.step == steps]
    chosen = sorted(whole, key=lambda number: -rungs[number].metrics["eval/win_rate"])[:2]
    candidates = [
        Candidate(
            trial=number, step=steps, fraction=1.0, total_steps=steps, is_default=number == 0,
            params=starts[number].params, metrics=rungs[number].metrics,
        )
        for number in dict.fromkeys([*(each for each in chosen if each), 0])
    ]  # fmt: skip
    planned = ConfirmationPlanned(
        candidates=candidates, seeds=[1001, 1002], prompts=292, reference=_reference()
    )
    trained: list[AnyRecord] = []
    for index, each in enumerate(candidates):
        for seed in (1001, 1002):
            number = CONFIRMATIONS + 2 * index + seed % 2
            trained += [
                TrialStarted(
                    trial=number, params=each.params, origin="confirmation", slot="s", folder="/c",
                    total_steps=steps, confirms=index, seed=seed,
                ),
                RungReached(trial=number, step=steps, fraction=1.0, metrics=each.metrics),
                TrialEnded(trial=number, state="COMPLETED", reason="", step=steps, seconds=9.0),
            ]  # fmt: skip
    means = [
        CandidateConfirmed(candidate=index, metrics=_means(index, each.is_default))
        for index, each in enumerate(candidates)
    ]
    verdict = "beta 0.3 beats the default by 9.2 +- 2.5 points on 292 unseen prompts"
    return [planned, *trained, *means, Confirmed(champion=0, verdict=verdict)]


def _means(index: int, is_default: bool) -> dict[str, float]:
    value = 0.8 - 0.05 * index
    found = {
        "confirm/win_rate": value, "confirm/win_rate_low": value - 0.04,
        "confirm/win_rate_high": value + 0.04, "confirm/kl": 2.5 - index,
        "confirm/gold_reward": 0.6, "confirm/optimism": 0.03, "confirm/seed_spread": 0.01,
    }  # fmt: skip
    lead = {
        "confirm/against_default": 0.09, "confirm/against_default_low": 0.06,
        "confirm/against_default_high": 0.12, "confirm/against_default_p": 1e-6,
    }  # fmt: skip
    return found if is_default else found | lead

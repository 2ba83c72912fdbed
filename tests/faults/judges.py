"""Reward functions of a person's own that do harm, each in trials of its own.

They run where a trial is evaluated, in the worker: between two optimizer steps.
"""

import inspect
import json
import math
import os
import signal
import time

import torch

BEST = 1_000.0
TOO_MANY = 2**50
"""Values of a tensor that no machine has room for."""
NOTES = "judged.jsonl"
"""Beside the trials' folders: every evaluation with the process it was made in."""


def many(prompts, completions, **columns):
    """One trial each is spoilt in its weights or its loss, deprived of memory, killed once, killed
    for ever, or breaks."""
    return _judge(completions, MANY)


def hanging(prompts, completions, **columns):
    """Trial 1 sleeps for ever; of trial 2 rank 1 does, where there are two."""
    return _judge(completions, HANGING)


def poor(prompts, completions, **columns):
    """Trial 2 gets the worst scores, trial 3 none that is a number."""
    return _judge(completions, POOR)


def raising(prompts, completions, **columns):
    """Every trial breaks."""
    return _judge(completions, ALL_BREAK)


def breaking_late(prompts, completions, **columns):
    """Trial 1 breaks at its last rung: an end for which nobody is asked."""
    return _judge(completions, LATE)


def plain(prompts, completions, **columns):
    """Prefer what is short; nobody is harmed."""
    return _judge(completions, {})


def _judge(completions, strikes):
    scores = [-float(len(text)) for text in completions]
    frame = next((each.frame for each in inspect.stack() if each.function == "attempt"), None)
    if frame is None:
        return scores  # the reference is judged, before any trial
    job, trainer, desk = (frame.f_locals[name] for name in ("job", "trainer", "desk"))
    step, rank = trainer.state.global_step, desk.ranks.rank
    _note(job, {"trial": job.trial, "step": step, "pid": os.getpid(), "rank": rank})
    strike = strikes.get(job.trial, strikes.get("every"))
    return scores if strike is None else strike(scores, trainer, step, rank)


def _note(job, facts):
    with (job.folder.parent / NOTES).open("a") as file:
        file.write(json.dumps({**facts, "time": time.time()}) + "\n")


def _spoil(scores, trainer, step, rank):
    """Write NaN into a weight of the adapter."""
    weight = next(each for each in trainer.model.parameters() if each.requires_grad)
    with torch.no_grad():
        weight.view(-1)[0] = math.nan
    return scores


def _overflow(scores, trainer, step, rank):
    """Have the loss of the trial's next step be infinite, as half precision does."""
    loss_of = trainer.compute_loss
    trainer.compute_loss = lambda *inputs, **named: loss_of(*inputs, **named) + math.inf
    return scores


def _break_when_best(scores, trainer, step, rank):
    """Beat everybody at the first rung, and break at the next."""
    if step > trainer.state.max_steps // 4:
        raise RuntimeError("no answer was good enough")
    return [BEST for _ in scores]


def _break_at_the_end(scores, trainer, step, rank):
    if step == trainer.state.max_steps:
        raise RuntimeError("the last answers were too much")
    return scores


def _exhaust(scores, trainer, step, rank):
    """Ask for more memory than there is, in the trial's next step."""
    trainer.model.register_forward_pre_hook(lambda *_: torch.empty(TOO_MANY) and None)
    return scores


def _die_once(scores, trainer, step, rank):
    """End the worker as the kernel does, once, at the second rung."""
    struck = os.path.join(trainer.args.output_dir, "struck")
    if step > trainer.state.max_steps // 4 and not os.path.exists(struck):
        with open(struck, "w") as file:
            file.write(str(os.getpid()))
        _die(scores, trainer, step, rank)
    return scores


def _die(scores, trainer, step, rank):
    """End the worker as the kernel does, at every attempt."""
    os.kill(os.getpid(), signal.SIGKILL)


def _sleep(scores, trainer, step, rank):
    time.sleep(1e6)


def _sleep_on_rank_1(scores, trainer, step, rank):
    if rank == 1:
        time.sleep(1e6)
    return scores


def _raise(scores, trainer, step, rank):
    raise RuntimeError("this judge likes nothing")


SPOILT, BROKEN, EXHAUSTED, KILLED_ONCE, KILLED, UNHARMED = 1, 2, 3, 4, 5, 6
OVERFLOWN = 7
MANY = {
    SPOILT: _spoil,
    BROKEN: _break_when_best,
    EXHAUSTED: _exhaust,
    KILLED_ONCE: _die_once,
    KILLED: _die,
    OVERFLOWN: _overflow,
}
SLEEPING, HALF_ASLEEP = 1, 2
HANGING = {SLEEPING: _sleep, HALF_ASLEEP: _sleep_on_rank_1}
STOPPED, WITHOUT_NUMBER = 2, 3
POOR = {
    STOPPED: lambda scores, *_: [-BEST for _ in scores],
    WITHOUT_NUMBER: lambda scores, *_: [math.inf for _ in scores],
}
BREAKS_LATE = 1
LATE = {BREAKS_LATE: _break_at_the_end}
ALL_BREAK = {"every": _raise}

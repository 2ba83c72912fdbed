"""What a rehearsed trial reports: formulas with the shape of real sweeps, and seeded noise.

The policy moves the further the larger learning rate and rank are and the smaller beta is; win rate
rises with it to an optimum and falls beyond, KL only rises.
"""

import math
import random
from functools import cache

from dpo_ray.training.jobs import TrialJob

Metrics = dict[str, float]
BEST = 1.5
"""The pull at which win rate is highest, in units of the shipped sweep's own configuration."""
Z95 = 1.96
REFERENCE_LENGTH = 12.0


def evaluation_metrics(job: TrialJob, step: int, total: int) -> Metrics:
    """Return a rung's `eval/*`, named as a real evaluation names them."""
    noise, moved = _noise(job, step), _moved(job, step / total)
    error = 0.5 / math.sqrt(job.evaluation.prompts)
    off = math.log(max(_pull(job), 1e-9) / BEST)
    quality = 0.5 + 0.3 * (1 - math.exp(-3 * step / total)) * math.exp(-(off**2) / 2)
    win_rate = min(max(quality + noise.gauss(0, error / 4), 0.0), 1.0)
    found = {
        **_with_interval("win_rate", win_rate, Z95 * error),
        **_with_interval("gold_reward", 0.1 + 0.8 * (win_rate - 0.5), Z95 * error / 2),
        **_with_interval("kl", moved**1.2 * math.exp(noise.gauss(0, 0.05)), 0.05 * moved),
        **_pairs(job, moved * math.exp(noise.gauss(0, 0.05))),
        **_text(moved),
        "win_rate_length_controlled": win_rate,
    }
    return {f"eval/{name}": value for name, value in found.items()}


def reference_metrics() -> Metrics:
    """Return the reference's own row: even with itself, and nowhere away from itself."""
    found = {**_with_interval("win_rate", 0.5, 0.08), **_with_interval("kl", 0.0, 0.0)}
    found |= {**_with_interval("gold_reward", 0.1, 0.04), **_text(0.0)}
    return {f"eval/{name}": value for name, value in found.items()}


def training_metrics(job: TrialJob, step: int, total: int) -> Metrics:
    """Return a logging step's `train/*`."""
    noise, margin = _noise(job, -step), job.training.beta * 4 * _moved(job, step / total)
    return {
        "train/loss": math.log1p(math.exp(-margin)) + noise.gauss(0, 0.01),
        "train/learning_rate": job.training.learning_rate * (1 - step / total),
        "train/grad_norm": math.exp(noise.gauss(0, 0.3)),
        "train/rewards/margins": margin,
    }


def _pull(job: TrialJob) -> float:
    """How hard the configuration pulls the policy away: 1 for the shipped sweep's own."""
    training = job.training
    rank = math.pow(training.lora_rank / 8, 0.25)
    return rank * training.learning_rate / 2e-3 * (0.1 / training.beta) * _loss(training.loss_type)


@cache
def _loss(loss_type: str) -> float:
    return 0.8 + 0.4 * random.Random(loss_type).random()


def _moved(job: TrialJob, fraction: float) -> float:
    """How far the policy is from its reference: what the other numbers grow with."""
    return 2 * min(_pull(job), 20.0) * (1 - math.exp(-3 * fraction))


def _noise(job: TrialJob, step: int) -> random.Random:
    return random.Random(f"{job.training.seed} {job.trial} {step}")


def _with_interval(name: str, value: float, half: float) -> Metrics:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def _pairs(job: TrialJob, moved: float) -> Metrics:
    beta, chosen, rejected = job.training.beta, 0.5 - 0.4 * moved, 0.5 - 2.4 * moved
    margin = chosen - rejected
    return {
        "accuracy": 1 / (1 + math.exp(-margin / 2)),
        "loss": math.log1p(math.exp(-beta * margin)),
        "logratio_margin": margin,
        "logratio/chosen": chosen,
        "logratio/rejected": rejected,
        "rewards/chosen": beta * chosen,
        "rewards/rejected": beta * rejected,
        "rewards/margins": beta * margin,
        "dpo_weight/mean": 1 / (1 + math.exp(beta * margin)),
        "displacement/both_falling": 1 - math.exp(-moved / 3),
        "displacement/chosen_falling": 1 - math.exp(-moved / 2),
    }


def _text(moved: float) -> Metrics:
    length = REFERENCE_LENGTH * (1 + 0.02 * moved)
    return {
        "length": length,
        "length_ratio": length / REFERENCE_LENGTH,
        "repetition": min(0.04 + 0.002 * moved, 1.0),
        "distinct_2": max(0.6 - 0.005 * moved, 0.0),
        "eos_rate": 0.9,
        "truncated": 0.1,
        "kl_k1": 1.03 * moved**1.2,
    }

"""The pictures of the method: what is drawn is what was measured."""

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy.special import expit

from dpo_ray.report.figures import sweep_pictures, trial_pictures
from dpo_ray.report.figures.confirmation import confirmation
from dpo_ray.report.figures.displacement import displacement
from dpo_ray.report.figures.examples import Checkpoint, checkpoints, heaviest
from dpo_ray.report.figures.frontier import front, frontier, points
from dpo_ray.report.figures.margin_trap import margin_trap
from dpo_ray.report.figures.weights import weights
from dpo_ray.tracking.records import Candidate, CandidateConfirmed, ConfirmationPlanned, Confirmed

BETA = 0.2
PAIRS = 40


def examples(seed: int = 0, weighted: bool = True) -> pa.Table:
    """A checkpoint's table: D drawn from a normal distribution, weights by the formula."""
    draw = np.random.default_rng(seed)
    chosen, rejected = draw.normal(0, 4, PAIRS), draw.normal(-3, 4, PAIRS)
    margin = chosen - rejected
    return pa.table(
        {
            "row": list(range(1, PAIRS + 1)),
            "prompt_text": [f"prompt {row}" for row in range(1, PAIRS + 1)],
            "l_chosen": chosen,
            "l_rejected": rejected,
            "margin": margin,
            "reward_margin": BETA * margin,
            "weight": expit(-BETA * margin) if weighted else np.ones(PAIRS),
            "chosen_tokens": [5] * PAIRS,
            "rejected_tokens": [6] * PAIRS,
        }
    )


@pytest.fixture
def found() -> list[Checkpoint]:
    return [Checkpoint(step, examples(step)) for step in (15, 30, 60)]


@pytest.fixture
def trial(state):
    """The best trial of the example, with what displacement needs."""
    row = state.trials[10]
    for place, rung in enumerate(row.rungs, 1):
        chosen, rejected = -1.0 * place, -3.0 * place
        rung.metrics.update(
            {
                "eval/logratio/chosen": chosen,
                "eval/logratio/rejected": rejected,
                "eval/logratio_margin": chosen - rejected,
                "eval/displacement/both_falling": 0.2 * place,
            }
        )
    return row


def drawn(axes, marker: str) -> np.ndarray:
    (line,) = (each for each in axes.lines if each.get_marker() == marker and len(each.get_xdata()))
    return np.column_stack(line.get_data())


def test_every_pair_lies_on_the_curve_of_its_weight(trial, found):
    figure = weights(trial, found)
    upper = figure.axes[: len(found)]
    for axes, each in zip(upper, found, strict=True):
        x, y = drawn(axes, "o").T
        assert x == pytest.approx(each.examples["reward_margin"].to_numpy(), abs=1e-12)
        assert y == pytest.approx(expit(-x), abs=1e-6)
        assert axes.get_title(loc="left").startswith(f"step {each.step}")


def test_saturated_pairs_and_the_effective_sample_are_counted(trial, found):
    weight = found[0].examples["weight"].to_numpy()
    effective = weight.sum() ** 2 / (weight**2).sum()
    said = weights(trial, found[:1]).axes[0].get_title(loc="left")
    assert f"{(weight < 0.05).mean():.0%} saturated" in said
    assert f"{PAIRS} pairs count as {effective:,.0f}" in said


def test_without_the_weight_the_title_says_so(trial):
    figure = weights(trial, [Checkpoint(60, examples(weighted=False))])
    assert "every pair weighs the same" in figure.get_suptitle()


def test_both_log_ratios_are_drawn_and_their_gap_is_d(trial):
    upper, lower = displacement(trial).axes
    chosen, rejected = (drawn(upper, marker) for marker in "ov")
    assert chosen[0].tolist() == rejected[0].tolist() == [0, 0]
    gaps = [rung.metrics["eval/logratio_margin"] for rung in trial.rungs]
    assert (chosen - rejected)[1:, 1] == pytest.approx(gaps)
    assert drawn(lower, "s")[-1].tolist() == [60, pytest.approx(0.6)]
    assert "while both answers lose probability" in upper.figure.get_suptitle()


def test_the_margin_grows_with_beta_and_nothing_else_does(state, trial, found):
    figure = margin_trap(state, trial, found)
    left, right = (axes.lines[0].get_data() for axes in figure.axes)
    (betas, margins), (_, gaps) = left, right
    assert margins == pytest.approx(np.asarray(betas) * gaps[0])
    assert set(gaps) == {found[-1].examples["margin"].to_numpy().mean()}
    assert "the margin grows 5 times, the policy is the same" in figure.get_suptitle()


def test_no_point_above_and_left_of_the_front_was_measured(state):
    every = points(state)
    best = front(every)
    assert len(every) == sum(len(row.rungs) for row in state.with_status("COMPLETED", "STOPPED"))
    for each in every:
        beaten = any(
            other.kl <= each.kl and other.win_rate >= each.win_rate and other is not each
            for other in every
        )
        assert (each in best) != beaten


def test_what_a_limit_failed_is_seen_and_never_on_the_front(state):
    row = state.trials[5]
    row.by_limits, row.metrics = True, {"eval/kl": 0.001, "eval/win_rate": 0.99}
    every = points(state)
    failed = [each for each in every if each.failed]
    assert (row.number, row.step) in {(each.trial.number, each.step) for each in failed}
    assert not any(each.failed for each in front(every))
    assert frontier(state) is not None


def test_the_heaviest_pairs_come_with_their_texts_the_most_wrong_first():
    rows = [
        {"row": row, "prompt_text": f"prompt {row}", "chosen": "good", "rejected": "bad"}
        for row in range(1, PAIRS + 1)
    ]
    table = heaviest(Checkpoint(60, examples()), datasets.Dataset.from_list(rows))
    listed = table["weight"].to_pylist()
    assert listed == sorted(listed, reverse=True)
    assert table["prompt"].to_pylist()[0] == f"prompt {table['row'].to_pylist()[0]}"
    assert table["D"].to_numpy()[0] == examples()["margin"].to_numpy().min()


def confirmed(state, champion):
    metrics = {"eval/win_rate": 0.8, "eval/win_rate_low": 0.75, "eval/win_rate_high": 0.85}
    tried = Candidate(
        trial=10, step=30, fraction=0.5, total_steps=60, params=state.trials[10].params,
        is_default=False, metrics=metrics,
    )  # fmt: skip
    default = tried.model_copy(update={"trial": 0, "step": 60, "is_default": True})
    state.apply(
        ConfirmationPlanned(
            candidates=[tried, default], seeds=[1, 2], prompts=99, reference=metrics
        )
    )
    for number, rate in enumerate((0.7, 0.6)):
        values = {"win_rate": rate, "win_rate_low": rate - 0.04, "win_rate_high": rate + 0.04}
        values |= {"against_default": 0.1}
        state.apply(
            CandidateConfirmed(
                candidate=number, metrics={f"confirm/{name}": each for name, each in values.items()}
            )
        )
    state.apply(Confirmed(champion=champion, verdict="said"))
    return state


def test_the_confirmation_shows_means_intervals_and_what_the_search_had_said(state):
    figure = confirmation(confirmed(state, 0))
    (axes,) = figure.axes
    assert "t10 beats the default configuration by 10 points" in figure.get_suptitle()
    assert drawn(axes, "*").tolist() == [[0.7, 1]]
    intervals = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2]
    assert [tuple(np.round(each, 2)) for each in intervals] == [(0.66, 0.74), (0.56, 0.64)]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[1].endswith("stopped at step 30 of 60")


def test_no_winner_is_said_in_the_title(state):
    title = confirmation(confirmed(state, None)).get_suptitle()
    assert title == "Confirmation: no configuration is distinguishable from the default"


def test_without_a_confirmation_there_is_no_such_picture(state, tmp_path):
    names = [picture.path.name for picture in sweep_pictures(state, tmp_path)]
    assert names == ["sweep.png", "frontier.png"]


@pytest.fixture
def on_disk(state, trial, tmp_path):
    """The trial's tables and the checked rows where a sweep would have left them."""
    trial.folder = str(tmp_path / "t10")
    for rung in trial.rungs:
        folder = tmp_path / "t10" / f"step-{rung.step:05d}"
        folder.mkdir(parents=True)
        parquet.write_table(examples(rung.step), folder / "examples.parquet")
    rows = [
        {"row": row, "prompt_text": f"prompt {row}", "chosen": "good", "rejected": "bad"}
        for row in range(1, PAIRS + 1)
    ]
    state.plan.plan["store"] = str(tmp_path)
    state.prepared.hashes["rows"] = "rows-1"
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "cache/rows-1/validation"))
    return state


def test_a_trials_pictures_and_its_table_lie_in_its_own_folder(on_disk, tmp_path):
    pictures = trial_pictures(on_disk, tmp_path / "out", 10)
    place = tmp_path / "out" / "figures" / "t10"
    names = ("weights.png", "displacement.png", "margin_trap.png", "heaviest.parquet")
    assert [picture.path for picture in pictures] == [place / name for name in names]
    assert all(picture.trial == 10 for picture in pictures)
    assert [picture.table for picture in pictures] == [False, False, False, True]
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not any(name.startswith(".") for name in left)


def test_a_table_that_is_gone_or_torn_costs_its_picture_and_nothing_else(on_disk, tmp_path):
    trial = on_disk.trials[10]
    (tmp_path / "t10" / "step-00015" / "examples.parquet").write_bytes(b"PAR1 torn")
    assert [each.step for each in checkpoints(trial)] == [30, 60]
    for rung in trial.rungs[1:]:
        (tmp_path / "t10" / f"step-{rung.step:05d}" / "examples.parquet").unlink()
    names = [picture.path.name for picture in trial_pictures(on_disk, tmp_path / "out", 10)]
    assert names == ["displacement.png"]


def test_a_picture_that_breaks_is_said_to_be_missing(on_disk, tmp_path):
    on_disk.trials[10].rungs[0].metrics["eval/logratio/chosen"] = "no number"
    with pytest.warns(RuntimeWarning, match="displacement.png was not written"):
        names = [picture.path.name for picture in trial_pictures(on_disk, tmp_path / "out", 10)]
    assert "weights.png" in names

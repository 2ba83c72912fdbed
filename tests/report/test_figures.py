"""The picture is written whole, for any sweep, without a display."""

import threading

import pytest
from matplotlib import image

from dpo_ray.report.figures import draw_sweep
from dpo_ray.tracking.state import SweepState, fold


def pixels(path):
    return image.imread(path)


def test_the_picture_is_a_wide_png_and_nothing_else_is_left(state, tmp_path):
    path = draw_sweep(state, tmp_path / "sweep.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    height, width, _ = pixels(path).shape
    assert (width, height) == (1824, 704)
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.png"]


@pytest.mark.parametrize("colour", [(0, 158, 115), (213, 94, 0), (0, 114, 178)])
def test_best_default_and_completed_trials_are_on_it_in_their_colours(state, tmp_path, colour):
    drawn = (pixels(draw_sweep(state, tmp_path / "a.png"))[..., :3] * 255).round().astype(int)
    assert ((drawn == colour).all(axis=-1)).sum() > 100


@pytest.mark.parametrize("searched", [["beta"], ["learning_rate"], ["lora_rank"]])
def test_linear_logarithmic_and_categorical_axes_can_be_drawn(state, tmp_path, searched):
    space = state.plan.plan["space"]["parameters"]
    for name in set(space) - set(searched):
        del space[name]
    assert pixels(draw_sweep(state, tmp_path / "a.png")).std() > 0


def test_any_prefix_of_a_sweep_can_be_drawn(records, tmp_path):
    for count in (0, 1, 2, 12, 40, 100):
        draw_sweep(fold(records[:count]), tmp_path / "a.png")


def test_a_sweep_without_a_plan_or_an_interval_can_be_drawn(state, tmp_path):
    draw_sweep(SweepState(), tmp_path / "a.png")
    for trial in state.trials.values():
        trial.metrics = {"eval/win_rate": 0.6, "eval/kl": float("nan")}
    draw_sweep(state, tmp_path / "a.png")


def test_it_is_drawn_outside_the_main_thread_too(state, tmp_path):
    thread = threading.Thread(target=draw_sweep, args=(state, tmp_path / "a.png"))
    thread.start()
    thread.join(30)
    assert (tmp_path / "a.png").exists()

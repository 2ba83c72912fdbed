"""Pictures of a sweep and of its trials, for MLflow and for the sweep's folder."""

from dpo_ray.report.figures.overview import draw_sweep
from dpo_ray.report.figures.pictures import Picture, sweep_pictures, trial_pictures

__all__ = ["Picture", "draw_sweep", "sweep_pictures", "trial_pictures"]

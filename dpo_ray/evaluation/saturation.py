"""Which pairs have stopped teaching. Beside the formulas, which need torch: figures need none."""

SATURATED = 0.05
"""A pair of less weight in DPO's gradient than this teaches next to nothing."""

"""One page about a sweep: HTML that holds all it needs, from the journal alone."""

from dpo_ray.report.page.writing import write_page
from dpo_ray.tracking.earlier import REPORT

__all__ = ["REPORT", "write_page"]

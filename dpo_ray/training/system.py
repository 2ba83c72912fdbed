"""What a worker and its machine use while it trains, under the names MLflow's System tab knows."""

from contextlib import suppress

import psutil
import torch

MB = 1e6


class SystemMeter:
    """Asked at logging steps; an answer costs well under a millisecond and touches no tensor.

    Percentages of CPU are of the whole machine, since the question before.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        psutil.cpu_percent()  # the first answer is about nothing

    def __call__(self) -> dict[str, float]:
        """Return megabytes and percentages under `system/`."""
        memory = psutil.virtual_memory()
        used = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MB,
            "system_memory_usage_percentage": memory.percent,
            "process_memory_usage_megabytes": self._process.memory_info().rss / MB,
            **self._gpu(),
        }
        return {f"system/{name}": round(value, 1) for name, value in used.items()}

    def _gpu(self) -> dict[str, float]:
        if self._device.type != "cuda":
            return {}
        name = f"gpu_{self._device.index or 0}"
        free, total = torch.cuda.mem_get_info(self._device)
        used = {
            f"{name}_memory_usage_megabytes": (total - free) / MB,
            f"{name}_memory_usage_percentage": 100 * (1 - free / total),
        }
        with suppress(ImportError, RuntimeError):  # NVIDIA's own library is not everywhere
            used[f"{name}_utilization_percentage"] = float(torch.cuda.utilization(self._device))
        return used

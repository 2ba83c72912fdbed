"""S3: what the canary looks for in Ray's open counters would be found there."""

import shutil
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from dpo_ray.commands.serving import end_family
from tests.security.scraping import REPORTS, Scraper, ports_of, without_ray

NAMED = """
import ray, sys, time
ray.init(address="local", num_cpus=1, include_dashboard=True, log_to_driver=False)
slot = ray.remote(num_cpus=0)(type("Slot", (), {})).options(name=sys.argv[1]).remote()
time.sleep(60)
"""


@pytest.mark.slow
def test_s3_the_search_would_find_a_name_in_rays_counters(tmp_path):
    """A Ray that counts in the open, as it does unless it is told otherwise."""
    scratch = tempfile.mkdtemp(prefix="n-")
    own = {"HOME": str(tmp_path), "RAY_TMPDIR": scratch, "RAY_enable_metrics_collection": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", NAMED, "canary-slot-0"], env={**without_ray(), **REPORTS, **own}
    )
    try:
        whole = psutil.Process(process.pid)
        with Scraper(lambda: ports_of(whole), "canary-slot-0") as counters:
            while not counters.lines and process.poll() is None:
                time.sleep(0.3)
    finally:
        end_family(process.pid)
        process.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    assert [line for line in counters.lines if line.startswith("ray_")]

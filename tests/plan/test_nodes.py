"""Workers are fitted node by node: nobody runs on parts of two."""

import pytest

from dpo_ray.errors import ConfigError
from dpo_ray.nodes import NodeRoom, available, room
from dpo_ray.plan import check_resources

HEAD = NodeRoom("head", {"CPU": 2.0})
BIG = NodeRoom("big", {"CPU": 16.0, "GPU": 2.0, "accelerator_type:H100": 1.0, "fast": 1.0})
SMALL = NodeRoom("small", {"CPU": 4.0, "GPU": 1.0})


@pytest.mark.parametrize(
    ("worker", "fitting"),
    [
        ({"CPU": 1.0}, 22),
        ({"CPU": 3.0}, 6),  # 5 + 1: the head's 2 are too few for one
        ({"CPU": 1.0, "GPU": 1.0}, 3),
        ({"CPU": 1.0, "GPU": 0.4}, 6),  # two to a GPU
        ({"CPU": 3.0, "GPU": 0.4}, 5),  # the small node's CPUs take one
        ({"CPU": 1.0, "GPU": 2.0}, 1),
        ({"CPU": 1.0, "fast": 0.5}, 2),
        ({"CPU": 1.0, "nowhere": 1.0}, 0),
    ],
)
def test_workers_are_counted_node_by_node(worker, fitting):
    assert room([HEAD, BIG, SMALL], worker) == fitting


def test_a_cluster_is_the_sum_of_its_nodes():
    found = available([HEAD, BIG, SMALL], "the cluster")
    assert (found.cpus, found.gpus, found.gpu_name) == (22.0, 3, "H100")


def test_enough_cpus_in_all_but_none_on_one_node_is_refused_naming_both(shipped):
    plan = shipped("resources.cpus_per_worker=3", "resources.gpus_per_worker=0")
    nodes = available([HEAD, NodeRoom("second", {"CPU": 5.0})], "the cluster")
    with pytest.raises(ConfigError) as refused:
        check_resources(plan, nodes)
    assert str(refused.value) == (
        f"{plan.sweep_path}: 2 trials at once x 1 workers ask for room for 2 workers of 3 CPU on "
        "one node each, the cluster has room for 1 (head: 2 CPU; second: 5 CPU); lower "
        "search.concurrent or what resources asks for, or set cluster.wait_minutes where an "
        "autoscaler brings nodes"
    )


def test_a_custom_resource_chooses_the_nodes(shipped):
    plan = shipped("resources.custom={fast: 0.5}", "resources.gpus_per_worker=0")
    assert check_resources(plan, available([HEAD, BIG], "the cluster")).cpus_asked == 1.82
    with pytest.raises(ConfigError, match=r"workers of 0.9 CPU, 0.5 fast .* has room for 0"):
        check_resources(plan, available([HEAD, SMALL], "the cluster"))


def test_nodes_that_may_still_come_are_waited_for(shipped):
    plan = shipped("cluster.wait_minutes=5", "resources.gpus_per_worker=1")
    assert check_resources(plan, available([HEAD], "the cluster")).device == "cuda"


def test_what_cannot_be_known_of_late_nodes_must_be_said(shipped):
    with pytest.raises(ConfigError, match=r"resources.gpus_per_worker must be said"):
        shipped("cluster.wait_minutes=5")


def test_a_custom_resource_is_no_cpu(shipped):
    with pytest.raises(ConfigError, match=r"CPU is said by resources.cpus_per_worker"):
        shipped("resources.custom={CPU: 1.0}")

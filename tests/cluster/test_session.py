import socket

import pytest

from dpo_ray.cluster.addresses import refuse_silence
from dpo_ray.errors import ClusterUnreachable


def test_a_listening_address_passes():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refuse_silence(f"127.0.0.1:{port}")
        refuse_silence(f"ray://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379", "127.0.0.1:nonsense"])
def test_an_address_where_nobody_listens_is_refused_by_name(address):
    with pytest.raises(ClusterUnreachable, match=r"cluster\.address") as refused:
        refuse_silence(address, seconds=2)
    assert address in str(refused.value)
    assert refused.value.exit_code == 7

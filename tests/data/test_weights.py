"""Safetensors files are whole, or named; nothing but their headers is read."""

import json

import pytest
import torch
from safetensors.torch import save_file

from dpo_ray.data.weights import check_safetensors, check_weights
from dpo_ray.errors import ConfigError


@pytest.fixture
def folder(tmp_path):
    save_file({"a": torch.zeros(3, 5), "b": torch.ones(7)}, tmp_path / "model.safetensors")
    return tmp_path


def refusal(call, path):
    with pytest.raises(ConfigError) as caught:
        call(path)
    return str(caught.value)


def test_a_whole_file_passes(folder):
    check_safetensors(folder / "model.safetensors")
    check_weights(folder)


def test_a_file_without_tensors_passes(tmp_path):
    save_file({}, tmp_path / "none.safetensors", metadata={"format": "pt"})
    check_safetensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize("change", [-1, -60, 1])
def test_a_file_of_another_size_is_named_with_both_sizes(folder, change):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + b"\0")
    assert refusal(check_weights, folder) == (
        f"{path}: must have the {len(content):,} bytes that its header promises, has "
        f"{len(content) + change:,}; it was cut off or damaged: delete it, and copy or "
        "download it again"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7\n",
     (2).to_bytes(8, "little") + b"[]", (9).to_bytes(8, "little") + b'{"a": {}}', b"\xff" * 99],
)  # fmt: skip
def test_a_file_without_a_header_is_named(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert refusal(check_safetensors, path) == (
        f"{path}: must be a safetensors file, begins with no header of one"
    )


def test_a_folder_without_weights_is_refused(tmp_path):
    assert refusal(check_weights, tmp_path) == (
        f"{tmp_path}: holds no *.safetensors, the only weights read"
    )


def test_a_part_that_the_index_names_must_be_there(folder):
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "two.safetensors"}}))
    assert refusal(check_weights, folder) == (
        f"{index}: names files that are not there: two.safetensors"
    )


def test_an_index_that_is_no_index_is_named(folder):
    index = folder / "model.safetensors.index.json"
    index.write_text("[]")
    assert refusal(check_weights, folder).startswith(
        f"{index}: must be a JSON object whose weight_map names"
    )

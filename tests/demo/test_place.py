import json

import pytest

from dpo_ray.demo.place import NAME, placed_when_whole
from dpo_ray.errors import ConfigError


def _toy(folder, text):
    folder.joinpath("manifest.json").write_text(json.dumps({"name": NAME}), encoding="utf-8")
    folder.joinpath("new.txt").write_text(text, encoding="utf-8")


def test_a_whole_toy_language_takes_its_place(tmp_path):
    with placed_when_whole(tmp_path / "deep" / "toy") as folder:
        _toy(folder, "whole")
        assert not (tmp_path / "deep" / "toy").exists()
    assert (tmp_path / "deep" / "toy" / "new.txt").read_text(encoding="utf-8") == "whole"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["toy"]


def test_an_earlier_toy_language_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "toy"
    with placed_when_whole(out) as folder:
        _toy(folder, "first")
        (folder / "left-over.txt").touch()
    with placed_when_whole(out) as folder:
        _toy(folder, "second")
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "new.txt"]
    assert (out / "new.txt").read_text(encoding="utf-8") == "second"


def test_a_build_that_fails_leaves_what_was_there(tmp_path):
    out = tmp_path / "toy"
    with placed_when_whole(out) as folder:
        _toy(folder, "first")
    with pytest.raises(ZeroDivisionError), placed_when_whole(out) as folder:
        folder.joinpath("new.txt").write_text(str(1 / 0), encoding="utf-8")
    assert (out / "new.txt").read_text(encoding="utf-8") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize("manifest", [None, "{}", "[]", "{torn"])
def test_a_folder_with_anything_else_is_refused_before_the_work(tmp_path, manifest):
    (tmp_path / "thesis.txt").touch()
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--out: .*, got "), placed_when_whole(tmp_path):
        pytest.fail("the work began")
    assert (tmp_path / "thesis.txt").exists()


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "toy").touch()
    with pytest.raises(ConfigError), placed_when_whole(tmp_path / "toy"):
        pytest.fail("the work began")

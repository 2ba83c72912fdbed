import subprocess
import sys
from hashlib import sha256

from dpo_ray.demo import model_folder, pairs_file


def test_the_manifest_names_every_shipped_file_with_its_hash(assets, manifest):
    files = [path for path in assets.rglob("*") if path.is_file() and path.name != "manifest.json"]
    found = {
        path.relative_to(assets).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files
    }
    assert found == manifest["sha256"]


def test_the_assets_stay_small(assets):
    assert sum(path.stat().st_size for path in assets.rglob("*")) < 2.5e6


def test_the_model_is_the_size_it_is_said_to_be(model):
    assert 0.42e6 < sum(weight.numel() for weight in model.parameters()) < 0.46e6
    assert model.config.max_position_embeddings == 2048
    assert model.config.tie_word_embeddings
    assert str(model.dtype) == "torch.float32"


def test_places_are_real_paths_found_without_torch():
    assert (model_folder() / "config.json").is_file()
    assert pairs_file().is_file()
    code = "import sys, dpo_ray.demo as d; d.pairs_file(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

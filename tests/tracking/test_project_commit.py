"""The user's project is told by its commit, where it has one."""

import subprocess

import pytest

from dpo_ray.tracking.project_commit import project_commit


def git(folder, *words):
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "space.yaml").write_text("parameters: {}\n")
    git(tmp_path, "add", "space.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "A space")
    return tmp_path


def test_a_clean_project_and_its_commit(project):
    found = project_commit(project)
    assert found.commit == git(project, "rev-parse", "HEAD")
    assert not found.dirty


def test_a_changed_file_makes_it_dirty_and_a_store_inside_does_not(project):
    (project / "store").mkdir()
    (project / "store" / "mlflow.db").touch()
    assert not project_commit(project / "store").dirty
    (project / "space.yaml").write_text("parameters: {beta: 1}\n")
    assert project_commit(project).dirty


def test_outside_a_repository_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert project_commit(tmp_path) is None


def test_without_git_there_is_none(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    assert project_commit(project) is None

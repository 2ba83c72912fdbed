"""The mirror's benchmark measures what it says, at a hundredth of its size."""

from benchmarks import mirroring
from dpo_ray.tracking.journal import read_journal


def test_a_journal_of_the_size_it_names_is_mirrored_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(mirroring, "TRIALS", 2)
    monkeypatch.setattr(mirroring, "STEPS", 20)
    seconds, cpu_s, complete = mirroring._to_sqlite(tmp_path)
    assert complete
    assert 0 < cpu_s <= seconds + 1 < 120
    records = read_journal(tmp_path / "sweeps" / "mirror" / "journal.jsonl")
    logged = [each for each in records if each.kind == "train"]
    assert sum(len(each.metrics) for each in logged) == 2 * 20 * mirroring.METRICS


def test_a_blocked_loop_shows_as_a_pause(tmp_path):
    journal = mirroring._journal(tmp_path)
    blocked = iter([0.3])

    def block(_):
        mirroring.time.sleep(next(blocked, 0.0))

    journal.subscribe(block)
    assert 0.3 <= mirroring._longest_pause(journal, 0.5) < 3

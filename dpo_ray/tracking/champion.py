"""Which version of a registered model carries which alias: decisions only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Version:
    """A version of a registered model, as the registry tells of it."""

    number: str
    sweep: str
    """`journal_id` of the sweep it came from; empty for one that people registered."""
    began: float = 0.0
    """Unix seconds at which that sweep was planned."""
    run: str = ""
    source: str = ""
    name: str = ""
    """Of that sweep."""
    weights: str = ""
    """Content hash of the base model it belongs to; empty where that is not known."""


@dataclass(frozen=True)
class Registered:
    """A registered model: its versions by number, and the aliases they carry."""

    versions: Sequence[Version] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def with_alias(self, alias: str) -> Version | None:
        """Return the version that carries an alias."""
        number = self.aliases.get(alias)
        return next((each for each in self.versions if each.number == number), None)

    def of_sweep(self, sweep: str) -> Version | None:
        """Return a sweep's latest version."""
        mine = [each for each in self.versions if each.sweep == sweep]
        return max(mine, key=lambda each: int(each.number), default=None)

    def same_as(self, version: Version) -> Version | None:
        """Return the version that holds the same policy already, so that it gets no twin."""
        alike = (each for each in self.versions if each.source == version.source)
        return next(alike, None)


@dataclass(frozen=True)
class Promotion:
    """What is to become of the alias `champion`."""

    version: str
    previous: str | None
    """The version that has carried it until now."""

    @property
    def moves(self) -> bool:
        """Whether there is anything to do."""
        return self.version != self.previous


def challenges(registered: Registered, version: Version) -> bool:
    """Whether a version becomes the challenger: an older sweep, mirrored again, does not."""
    present = registered.with_alias(CHALLENGER)
    return present is None or version.began >= present.began


def coronation(registered: Registered, version: Version, previous: str | None) -> Promotion | None:
    """Make the version of a sweep that has beaten version `previous` the champion.

    None where the alias has moved meanwhile: what was decided was decided against another.
    """
    present = registered.aliases.get(CHAMPION)
    return Promotion(version.number, present) if present in (previous, version.number) else None


def promotion(registered: Registered, sweep: str) -> Promotion | None:
    """Make a sweep's version the champion; None where the sweep has none.

    A person has asked for it, so nothing else is weighed.
    """
    version = registered.of_sweep(sweep)
    if version is None:
        return None
    return Promotion(version.number, registered.aliases.get(CHAMPION))

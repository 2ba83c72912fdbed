"""What a saved adapter or model was trained with, in a file beside it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpo_ray.errors import DataError

CARD = "dpo_ray.json"


@dataclass(frozen=True)
class AdapterCard:
    """Enough to ask the policy and its reference again.

    `model` is the folder of the reference; dtype, attention, quantization and
    trust_remote_code say how it was loaded.
    """

    beta: float
    loss_type: str
    example_weight: bool
    model: str
    dtype: str
    attention: str
    quantization: str
    trust_remote_code: bool
    max_length: int
    trial: int
    params: dict[str, Any]
    step: int
    seed: int

    @classmethod
    def plain(cls, model: str, beta: float) -> "AdapterCard":
        """Return the card of an adapter that was trained elsewhere."""
        return cls(
            beta=beta, loss_type="sigmoid", example_weight=True, model=model, dtype="float32",
            attention="sdpa", quantization="none", trust_remote_code=False, max_length=1024,
            trial=-1, params={}, step=0, seed=0,
        )  # fmt: skip


def write_card(folder: Path, card: AdapterCard) -> None:
    """Write the card into the folder of an adapter or a model."""
    (folder / CARD).write_text(json.dumps(asdict(card), indent=2))


def read_card(folder: Path) -> AdapterCard | None:
    """Read the card beside an adapter or a model; None where there is none.

    Raises:
        DataError: the file is no such card.
    """
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        return AdapterCard(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        fields = ", ".join(AdapterCard.__dataclass_fields__)
        raise DataError(
            f"{path}: must be the card that dpo-ray writes beside an adapter, a JSON object with "
            f"{fields}; without the file, --reference and --beta say what is needed"
        ) from None

"""Keep secrets out of what others can open: errors, journals, the tracking server."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "***"
_SECRET_WORDS = {
    "token", "secret", "secrets", "password", "passwd", "passphrase",
    "key", "apikey", "credential", "credentials",
}  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DATABASE = r"(?:postgres|mysql|mariadb|mssql|oracle)[\w+]*"
_PORT = r"\d*(?:[/?#\s\"'<>)\],;]|$)"
_USER_INFO = re.compile(
    # SQLAlchemy takes all up to the next @ for a password, be it /, ?, # or a space.
    rf"(?i)(\b{_DATABASE}://)[^:/\s]*:(?!\d+(?:/\S*)?\s)[^@\n]*(?:@[^/\s?#@]*)*(?=@)"
    # Elsewhere host:port/path@revision is no secret, and what is no port is a password.
    rf"|(://)[^:/\s?#@\[]*:(?!{_PORT})[^@\s]*(?:@[^/\s?#@]*)*(?=@)"
    r"|(://)[^/\s?#\"<>]+(?=@)"
)
_QUERY = re.compile(
    # A saved view of MLflow is found by its key, which is no secret.
    r"(?i)([?&](?!viewStateShareKey=)[\w.-]*(?:token|secret|password|key|credential|signature)"
    r"[\w.-]*=)[^&\s]+"
)


def redact(value: Any) -> Any:
    """Return a copy with every secret replaced: values under telling keys, and parts of URLs."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if _hides(key, inner) else redact(inner) for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Hide a URL's user and password, and the secrets in its query."""
    shown = _USER_INFO.sub(lambda found: f"{found[found.lastindex or 0]}{HIDDEN}", text)
    return _QUERY.sub(rf"\1{HIDDEN}", shown)


def redact_command(words: Sequence[str]) -> list[str]:
    """Return a command line as it may be shown: `--set KEY=VALUE` hides what its key tells of."""
    found = []
    for word in words:
        option = "--set=" if word.startswith("--set=") else ""
        key, equals, value = word.removeprefix(option).partition("=")
        found.append(f"{option}{key}{equals}{redact_field(key, value)}" if equals else word)
    return [redact_text(word) for word in found]


def redact_field(name: str, value: Any) -> Any:
    """Return `value` as it may be shown under `name`."""
    return redact({name: value})[name]


def _hides(key: object, value: Any) -> bool:
    """Whole words only: `hf_token` and `apiKey` hide their values, `max_new_tokens` does not.

    No secret has a fraction: `max_kl_per_token: 0.7` is a measure.
    """
    if isinstance(value, float):
        return False
    words = {word.lower() for word in _WORD.findall(str(key))}
    return value is not None and bool(words & _SECRET_WORDS)

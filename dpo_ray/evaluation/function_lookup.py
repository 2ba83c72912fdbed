"""A person's own Python function, found by its name and told by its file."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from dpo_ray.config.wording import did_you_mean, show
from dpo_ray.errors import ConfigError


def locate_function(name: str) -> Callable[..., Any]:
    """Import `package.module:function`; the current folder is searched first, as by `python -m`.

    Raises:
        ConfigError: no such module or function, one that cannot be imported, or an async one.
    """
    module_name, _, attribute = name.partition(":")
    module = _import(module_name)
    if not hasattr(module, attribute):
        raise ConfigError(
            f"function {name}: {module_name} ({_place(module)}) has no {attribute}"
            f"{did_you_mean(attribute, _functions(module) or ['it defines no function'])}"
        )
    found = getattr(module, attribute)
    if not callable(found):
        raise ConfigError(f"function {name}: must be a function, got {show(found)}")
    if inspect.iscoroutinefunction(found):
        raise ConfigError(f"function {name}: must be a plain function, got an async one")
    return found  # type: ignore[no-any-return]


def function_digest(name: str) -> str:
    """Return the SHA-256 of the file that defines the function, so an edit gives new cache keys.

    Files that this one imports are not looked at.

    Raises:
        ConfigError: the function cannot be located, or has no Python source file.
    """
    function = inspect.unwrap(locate_function(name))
    for defined in (function, type(function), sys.modules[name.partition(":")[0]]):
        try:
            file = inspect.getsourcefile(defined)
        except TypeError:  # neither written in Python, nor a module that is
            continue
        if file is not None:
            return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    raise ConfigError(f"function {name}: must be written in a Python file, which is hashed")


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()  # the file may be newer than the last look at its folder
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"function: there is no module {error.name}; searched: the current folder ({here}),"
                f" PYTHONPATH and the packages installed for {sys.executable}"
            ) from error
        raise ConfigError(
            f"function: module {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _place(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "no file"


def _functions(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]

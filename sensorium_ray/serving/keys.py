"""API keys: who may ask an endpoint for what. Only their hashes are kept.

A key is 32 random bytes, so that a plain SHA-256 of it tells nothing; it is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigError
from ..storage import atomic_path

Scope = Literal["predict", "submit", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a key may be for; 'admin' includes the others."""
_PREFIX = "sensorium-"
_VARIABLE = "SENSORIUM_KEYS"


class Key(BaseModel):
    """A key, without the key: whose it is, what it is for, and its SHA-256 in hex."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scopes: tuple[Scope, ...]
    sha256: str

    def allows(self, scope: Scope) -> bool:
        """Whether it is for that."""
        return scope in self.scopes or "admin" in self.scopes


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    keys: tuple[Key, ...]


def make(name: str, scopes: Collection[str]) -> tuple[str, Key]:
    """A new key, and what is kept of it.

    Raises
    ------
    ConfigError : there is no such scope, or the name is blank.
    """
    if not name.strip():
        raise ConfigError("is blank", "the key's name", "say whose it is, such as `lab`")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise ConfigError(f"'{unknown[0]}' is nothing that a key is for", "scope", f"known: {', '.join(SCOPES)}")
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, Key.model_validate({"name": name, "scopes": tuple(scopes), "sha256": _hash(key)})


def find(keys: Sequence[Key], presented: str) -> Key | None:
    """Whose key it is; takes as long whether it is one of them or not."""
    digest, found = _hash(presented), None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def parse(text: str | bytes, where: str) -> tuple[Key, ...]:
    """Keys of a file's content.

    Raises
    ------
    ConfigError : it is no such content, or names one twice.
    """
    try:
        keys = _File.model_validate_json(text).keys
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{field}: {first['msg']}", where, "make it with `sensorium keys add`") from error
    names = [key.name for key in keys]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"names '{twice[0]}' twice", where, "remove one with `sensorium keys remove`")
    return keys


def read(path: Path) -> tuple[Key, ...]:
    """Keys of a file; none if it does not exist.

    Raises
    ------
    ConfigError : it may not be read, or holds no keys.
    """
    try:
        return parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", str(path), "name a file of `sensorium keys`") from error


def given(path: Path | None) -> tuple[Key, ...]:
    """Keys of a file, or of the environment variable SENSORIUM_KEYS, which holds what such a file does.

    Raises
    ------
    ConfigError : the file or the variable holds none.
    """
    if path is None:
        text = os.environ.get(_VARIABLE)
        return () if text is None else parse(text, _VARIABLE)
    keys = read(path)
    if not keys:
        raise ConfigError("holds no key", str(path), "make one with `sensorium keys add`")
    return keys


def write(path: Path, keys: Sequence[Key]) -> None:
    """Write keys to a file that only its owner may read."""
    with atomic_path(path) as partial:
        partial.touch(mode=0o600)
        partial.write_text(_File(keys=tuple(keys)).model_dump_json(indent=1) + "\n")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()

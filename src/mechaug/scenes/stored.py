"""Scenes as files: one JSON object with the version of its form."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mechaug import mechanisms, spec
from mechaug.errors import UserError
from mechaug.files import write_text
from mechaug.scenes import balance, camera, relations, sky
from mechaug.scenes.scene import Scene, SceneNoise, SceneParams
from mechaug.scenes.variable import Variable
from mechaug.version import VERSION

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True)
class StoredScene:
    """What a scene's file holds.

    Attributes:
        schema_version: of this form.
        mechaug: the version that wrote it.
        scene: the scene.
    """

    schema_version: int
    mechaug: str
    scene: Scene


TYPES: Final[Mapping[str, type]] = {
    **mechanisms.TYPES,
    **{
        cls.__name__: cls
        for cls in (
            Scene, SceneNoise, SceneParams, StoredScene, Variable, relations.Linear, relations.Power, relations.Lookup,
            relations.Band, relations.Sometimes, relations.Quantiles, relations.Changed,
            camera.AutoExposure, camera.Ev100, camera.Programme, sky.SunElevation,
            balance.Balance, balance.BalanceParams,
        )
    },
}  # fmt: skip
"""What may occur in a stored scene or in its parameters, by name."""


def write_scene(scene: Scene, path: Path | os.PathLike[str]) -> None:
    """Write a scene, whole or not at all.

    Raises:
        mechaug.spec.SpecError: something in it has no JSON form.
        OSError: the file cannot be written.
    """
    text = spec.dumps(StoredScene(SCHEMA_VERSION, VERSION, scene), indent=1)
    write_text(Path(path), text + "\n")


def read_scene(path: Path | os.PathLike[str]) -> Scene:
    """Read a scene.

    Raises:
        UserError: there is no such file, or it holds no scene, one of another version, or one that does not fit
            together; the sentence says what.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    version = _version(text)
    if version is not None and version != SCHEMA_VERSION:
        raise UserError(
            f"{path} is a scene of schema version {version}, and this mechaug reads {SCHEMA_VERSION}: "
            "fit it again, or read it with the version that wrote it"
        )
    try:
        stored = spec.loads(text, TYPES)
    except spec.SpecError as error:
        raise UserError(f"{path} holds no scene that can be used: {error}") from error
    if not isinstance(stored, StoredScene):
        raise UserError(f"{path} holds no scene: give a file that write_scene or `mechaug fit` wrote")
    return stored.scene


def _version(text: str) -> object:
    """The version that a file states, before anything else in it is looked at; None where it states none."""
    import json

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value.get("schema_version") if isinstance(value, dict) else None

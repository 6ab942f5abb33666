"""Corrupted pictures from files where there are some, and made here where there are none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import Variant, corrupt
from mechaug.evaluation.export import Manifest, export
from mechaug.evaluation.supply import Supply
from mechaug.keys import Key

INDEX = torch.tensor([1, 4, 5])


def pictures() -> Pictures:
    level = torch.arange(6)[:, None, None, None] * 30
    return Pictures(level.expand(6, 3, 16, 16).to(torch.uint8).contiguous(), torch.arange(6) % 2, torch.arange(6))


def made(name: str, severity: int, **options: Variant) -> torch.Tensor:
    given = pictures().rows(INDEX)
    return corrupt(given.pixels, name, severity, Key(0).fold("corruptions").at(given.index), **options)


def test_without_files_pictures_are_made() -> None:
    supply = Supply()
    assert supply.origin("fog") == "regenerated"
    assert torch.equal(supply.get(pictures().rows(INDEX), "fog", 2, total=6), made("fog", 2))
    variant = Variant(rounded=True)
    rounded = Supply(variant=variant).get(pictures().rows(INDEX), "fog", 2, total=6)
    assert torch.equal(rounded, made("fog", 2, variant=variant))


def test_published_files_are_preferred_where_they_are(tmp_path: Path) -> None:
    stored = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 3), np.uint8)
    np.save(tmp_path / "fog.npy", stored)
    np.save(tmp_path / "labels.npy", np.tile(np.arange(6) % 2, 5))
    supply = Supply(tmp_path)
    assert (supply.origin("fog"), supply.origin("snow")) == ("official", "regenerated")
    read = supply.get(pictures().rows(INDEX), "fog", 3, total=6)
    assert read[:, 0, 0, 0].tolist() == [13, 16, 17]
    assert torch.equal(supply.get(pictures().rows(INDEX), "snow", 3, total=6), made("snow", 3))


def test_files_that_mechaug_wrote_are_not_called_official(tmp_path: Path) -> None:
    manifest = Manifest("npz:x", 6, "npy", "cifar", 0, "procedural")
    export(pictures(), ("a", "b"), tmp_path, manifest, ("fog",))
    supply = Supply(tmp_path)
    assert supply.origin("fog") == "regenerated"
    assert torch.equal(supply.get(pictures().rows(INDEX), "fog", 3, total=6), made("fog", 3))


def test_what_a_reader_must_know(tmp_path: Path) -> None:
    assert Supply().note(("fog",)) == "regenerated: not the published files"
    assert Supply().note(("fog", "frost")).endswith("textures of frost are drawn")
    assert Supply(variant=Variant(rounded=True)).note(("fog",)).endswith("unlike the published code: rounded")
    np.save(tmp_path / "fog.npy", np.zeros((30, 16, 16, 3), np.uint8))
    assert Supply(tmp_path).note(("fog",)) == f"published files, from {tmp_path}"
    assert Supply(tmp_path).note(("fog", "snow")) == "published files for fog, the others regenerated"
    with pytest.raises(UserError, match="there is no folder"):
        Supply(tmp_path / "nowhere").origin("fog")

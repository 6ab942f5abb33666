"""Which mechanisms a contact sheet shows."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from mechaug.errors import UserError
from mechaug.mechanisms import CHAIN_ORDER, VIEWS
from mechaug.reports.show import choose


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    Image.fromarray(torch.arange(256 * 3 * 256).reshape(256, 256, 3).to(torch.uint8).numpy()).save(file)
    return file


def test_all_by_default_in_the_order_of_light(photo: Path) -> None:
    assert [type(mechanism) for mechanism in choose(photo, None, only=(), view="auto")] == list(CHAIN_ORDER)


def test_some_by_name_still_in_that_order(photo: Path) -> None:
    chosen = choose(photo, None, only=("Jpeg", "Haze"), view="phone")
    assert [type(mechanism).__name__ for mechanism in chosen] == ["Haze", "Jpeg"]


@pytest.mark.parametrize(("size", "view", "expected"), [
    (None, "auto", "photograph"), (65, "auto", "photograph"), (64, "auto", "object"), (32, "dash", "dash"),
])  # fmt: skip
def test_the_view_follows_the_size_unless_it_is_given(photo: Path, size: int | None, view: str, expected: str) -> None:
    (defocus,) = choose(photo, size, only=("Defocus",), view=view)
    assert defocus.view == VIEWS[expected]  # pyright: ignore[reportAttributeAccessIssue]


def test_unknown_names_are_refused_with_those_that_exist(photo: Path) -> None:
    with pytest.raises(UserError, match=r"'haze': choose from Viewpoint, .*Haze.*Jpeg"):
        choose(photo, None, only=("haze",), view="auto")
    with pytest.raises(UserError, match="'moon': choose from photograph, object"):
        choose(photo, None, only=(), view="moon")

"""Models that come as a program in a file: TorchScript, `torch.export` and ONNX; `models` says which can run code."""

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from mechaug.errors import UserError
from mechaug.evaluation.predict import told
from mechaug.types import Image

_TRUST = "give --trust if you trust whoever made it"


@dataclass(frozen=True)
class Loaded:
    """A model, and what is known of it without measuring.

    Attributes:
        model: maps pictures in [0, 1] to logits.
        gradients: whether gradients reach the pictures.
        image_size: side of the pictures that it was made for; None if unknown.
        classes: names of its outputs; None if unknown.
        content: the file that it was read from, or None.
        takes: channels, height and width of the pictures that it takes, each None where it takes any.
    """

    model: nn.Module
    gradients: bool = True
    image_size: int | None = None
    classes: tuple[str, ...] | None = None
    content: Path | None = None
    takes: tuple[int | None, ...] = ()


def load_torchscript(path: Path, *, trust: bool) -> Loaded:
    """The model in an archive of TorchScript.

    Raises:
        UserError: it is not trusted, or cannot be opened.
    """
    if not trust:
        raise UserError(f"{path} is TorchScript, a program that can read and write files: {_TRUST}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            model = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be opened as TorchScript ({told(error)})") from error
    return Loaded(model, content=path)


def load_exported(path: Path, *, trust: bool) -> Loaded:
    """The model in a file of `torch.export`.

    Raises:
        UserError: it is not trusted, cannot be opened, or takes something other than pictures.
    """
    if not trust:
        raise UserError(f"{path} is a file of torch.export, and opening it can run code: {_TRUST}")
    try:
        program = torch.export.load(str(path))
    except Exception as error:  # torch raises what it likes
        raise UserError(f"{path} cannot be opened as a program of torch.export ({told(error)})") from error
    names = program.graph_signature.user_inputs
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(names) != 1 or len(shapes) != 1 or len(shapes[0]) != 4:
        raise UserError(f"{path} takes {len(names)} inputs: export a net that takes pictures (n, 3, h, w) alone")
    takes, side = _fixed(shapes[0])
    model = _Frozen(program.module(), *_bounds(shapes[0][0], program.range_constraints))
    return Loaded(model, image_size=side, content=path, takes=takes)


def _bounds(size: Any, ranges: Any) -> tuple[int, int | None]:  # noqa: ANN401
    """How few and how many pictures a program takes at once; what is not fixed is a symbol, whose range is known."""
    if isinstance(size, int):
        return size, size
    known = ranges.get(size.node.expr)
    if known is None:
        return 0, None
    fewest, most = (int(end) if end.is_Integer else None for end in (known.lower, known.upper))
    return fewest or 0, most


def _fixed(shape: Sequence[object]) -> tuple[tuple[int | None, ...], int | None]:
    """What an input's shape (n, c, h, w) fixes: channels, height and width; and the side, where that is one."""
    takes = tuple(size if isinstance(size, int) else None for size in shape[1:])
    return takes, takes[2] if takes[1] in (None, takes[2]) else None


@final
class _Frozen(nn.Module):
    """An exported program, which is in the mode that it was exported in and refuses to be told another.

    Args:
        program: maps pictures to logits.
        fewest: pictures that it takes at once.
        most: likewise; None for any number.
    """

    def __init__(self, program: nn.Module, fewest: int, most: int | None) -> None:
        super().__init__()
        self.program, self._fewest, self._most = program, fewest, most

    def train(self, mode: bool = True) -> "_Frozen":  # noqa: ARG002
        """Nothing: the program's mode is part of it."""
        return self

    def forward(self, picture: Image) -> Any:  # noqa: ANN401
        """Logits; where the program fixes the size of a batch, the last one is filled up and cut again."""
        return _in_batches(self.program, picture, self._fewest, self._most)


def load_onnx(path: Path) -> Loaded:
    """The model in an ONNX file, which has no gradients.

    Raises:
        UserError: onnxruntime is not installed, the file cannot be opened, or takes something other than float32
            pictures.
    """
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UserError("onnxruntime is not installed: pip install 'mechaug[onnx]'") from error
    try:
        # From bytes, so that nothing beside the file is opened.
        session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has errors of its own
        raise UserError(f"{path} cannot be opened as ONNX ({told(error)})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
        raise UserError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: export a net that takes pictures "
            "(n, 3, h, w) alone and returns logits alone"
        )
    if inputs[0].type != "tensor(float)":
        raise UserError(f"{path} takes {inputs[0].type} and not float32 pictures in [0, 1]: export it with those")
    (takes, side), batch = _fixed(inputs[0].shape), inputs[0].shape[0]
    model = _OnnxNet(session, inputs[0].name, batch if isinstance(batch, int) else None)
    return Loaded(model, gradients=False, image_size=side, content=path, takes=takes)


@final
class _OnnxNet(nn.Module):
    """An ONNX session as a net without gradients; it runs on the CPU wherever the pictures are."""

    def __init__(self, session: Any, name: str, batch: int | None) -> None:  # noqa: ANN401
        super().__init__()
        self._session, self._name, self._batch = session, name, batch

    def forward(self, picture: Image) -> Tensor:
        """Logits; where the file fixes the size of a batch, the last one is filled up and cut again."""

        def run(part: Tensor) -> Tensor:
            return torch.from_numpy(self._session.run(None, {self._name: part.numpy()})[0])

        said = _in_batches(run, picture.detach().cpu(), self._batch or 0, self._batch)
        return said.to(picture.device)


def _in_batches(run: Callable[[Tensor], object], picture: Image, fewest: int, most: int | None) -> Any:  # noqa: ANN401
    """What a program says of pictures, asked in batches of sizes that it takes.

    What is no row of logits per picture is returned as it is: `predict.ask` says what is wrong with it.
    """
    said = []
    for part, filled in _parts(picture, fewest, most or max(len(picture), 1)):
        rows = run(filled)
        if not isinstance(rows, Tensor) or rows.shape[:1] != filled.shape[:1]:
            return rows
        said.append(rows[: len(part)])
    return torch.cat(said)


def _parts(picture: Image, fewest: int, most: int) -> Iterator[tuple[Image, Image]]:
    """Pictures in parts of a size at most, each as it is and filled up with its first one to a size at least."""
    for part in picture.split(most):
        missing = max(fewest - len(part), 0)
        yield part, torch.cat((part, part[:1].expand(missing, -1, -1, -1))) if missing else part

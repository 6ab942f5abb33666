"""Models from wherever they are: a function, a file, a library; and what one look at them says.

Which files can run code, and which cannot:

- safetensors and `torch.save` files with weights alone hold numbers; the latter are read with `weights_only=True`,
  which refuses everything else.
- ONNX is a graph of a closed list of operators without access to files or to Python (external data files are refused).
- TorchScript is a program. It cannot name Python functions, but its operators include some that read and write files.
- `torch.export` files (.pt2) may hold pickles, which torch opens without restriction, and expressions that SymPy
  evaluates: whoever made the file can run anything.

The last two are opened only where the user says that the file is trusted. `package.module:function` runs the user's
own code.
"""

import hashlib
import importlib
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from mechaug.errors import ModelError, UserError
from mechaug.evaluation.predict import are_probabilities, ask
from mechaug.types import Bytes, Image

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
    """

    model: nn.Module
    gradients: bool = True
    image_size: int | None = None
    classes: tuple[str, ...] | None = None
    content: Path | None = None


def load_model(name: str, *, trust: bool = False) -> Loaded:
    """A model by what the user calls it.

    Args:
        name: "package.module:function", "timm:NAME", or a file: .onnx, .pt2 of torch.export, or TorchScript.
        trust: whether files that can run code are opened.

    Raises:
        UserError: there is no such model, it cannot be opened, or it is not trusted.
    """
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix == ".onnx":
            return _onnx(path)
        if path.suffix == ".pt2":
            return _exported(path, trust)
        if is_torchscript(path):
            return _torchscript(path, trust)
        raise UserError(f"{path} holds weights and no model, or is none: name its architecture by --net")
    kind, colon, rest = name.partition(":")
    if kind == "timm" and rest:
        return _timm(rest)
    if not (kind and colon and rest) or "/" in kind:
        raise UserError(
            f"there is no model {name}: give a file (.safetensors, .onnx, .pt2, TorchScript), a folder with "
            "model.safetensors, timm:NAME, or package.module:function"
        )
    return Loaded(_function(kind, rest))


def load_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a safetensors file, or from a file of `torch.save` that holds weights alone.

    Raises:
        UserError: it cannot be read, or holds something other than tensors by name.
    """
    from safetensors.torch import load_file

    try:
        state: Any = (
            load_file(str(path))
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # readers of damaged files raise what they like
        if type(error).__name__ == "UnpicklingError" and "weights" in str(error).lower():
            raise UserError(
                f"{path} holds more than weights, and opening it could run code: save model.state_dict() alone, or use "
                "safetensors"
            ) from error
        raise UserError(f"{path} cannot be read as weights ({_first_line(error)}): save model.state_dict()") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no state dict: it should be tensors by name")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of TorchScript: it has code, where weights have none."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:2] == ["code"] for name in archive.namelist())


def fingerprint(loaded: Loaded, name: str) -> str:
    """A text that tells models apart: of its weights, and of its file or its source where it has one."""
    made = hashlib.blake2b(name.encode(), digest_size=12)
    if loaded.content is not None:
        with loaded.content.open("rb") as file:
            while block := file.read(2**22):
                made.update(block)
        return made.hexdigest()
    for key, value in loaded.model.state_dict().items():
        made.update(key.encode())
        if isinstance(value, Tensor):
            made.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return made.hexdigest()


@torch.no_grad()
def look(model: nn.Module, pictures: Bytes, device: str) -> int:
    """Show a model two pictures, and return how many outputs it has.

    Args:
        model: is moved to the device and left in evaluation mode.
        pictures: stored pictures, two at least, or one.
        device: where it will be measured.

    Raises:
        UserError: the model cannot take the pictures, or what it returns cannot be measured: one sentence that says
            what is wrong and how to mend it.
    """
    try:
        model.to(device).eval()
    except NotImplementedError as error:
        raise UserError(f"the model cannot be moved to {device}: {_first_line(error)}") from error
    shown = pictures[:2].to(device).float() / 255
    size = "×".join(str(side) for side in pictures.shape[1:])
    kinds = {p.dtype for p in (*model.parameters(), *model.buffers()) if p.is_floating_point()}
    try:
        logits = ask(model, shown)
    except ModelError as error:
        said = _first_line(error.__cause__ or error)
        if kinds - {torch.float32} and "type" in said:
            kind = next(iter(kinds - {torch.float32}))
            raise UserError(
                f"the model computes in {str(kind).removeprefix('torch.')} and takes no float32 pictures: return "
                f"model.float(), or convert the pictures inside it ({said})"
            ) from error
        if "device" in said or "meta" in said or "cuda" in said:
            raise UserError(
                f"part of the model stays on another device than {device}: register its tensors as buffers, so that "
                f"model.to({device!r}) moves them ({said})"
            ) from error
        if isinstance(error.__cause__, RuntimeError) and ("size" in said or "shape" in said):
            raise UserError(
                f"the model cannot take pictures of {size} ({said}): choose their side with --image-size, or mend the "
                "model"
            ) from error
        raise UserError(str(error)) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    if are_probabilities(logits):
        raise UserError(
            "the model returns probabilities, and confidences and attacks need logits: leave its last softmax out"
        )
    return logits.shape[1]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _function(module: str, function: str) -> nn.Module:
    # A file in the folder where one works, as it is with `python -m`.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(module), function)()
    except Exception as error:  # it is the user's program, which may raise anything
        raise UserError(
            f"cannot make a model from {module}:{function} ({type(error).__name__}: {_first_line(error)}): name a "
            "function without arguments that returns a torch.nn.Module"
        ) from error
    if not isinstance(made, nn.Module):
        raise UserError(f"{module}:{function} returned a {type(made).__name__}, not a torch.nn.Module")
    return made


def _torchscript(path: Path, trust: bool) -> Loaded:
    if not trust:
        raise UserError(f"{path} is TorchScript, a program that can read and write files: {_TRUST}")
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            model = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be opened as TorchScript ({_first_line(error)})") from error
    return Loaded(model, content=path)


def _exported(path: Path, trust: bool) -> Loaded:
    if not trust:
        raise UserError(f"{path} is a file of torch.export, and opening it can run code: {_TRUST}")
    try:
        program = torch.export.load(str(path))
    except Exception as error:  # torch raises what it likes
        raise UserError(f"{path} cannot be opened as a program of torch.export ({_first_line(error)})") from error
    names = program.graph_signature.user_inputs
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(names) != 1 or len(shapes) != 1 or len(shapes[0]) != 4:
        raise UserError(f"{path} takes {len(names)} inputs: export a net that takes pictures (n, 3, h, w) alone")
    # What is not fixed is a symbol.
    batch, side = (size if isinstance(size, int) else None for size in (shapes[0][0], shapes[0][-1]))
    return Loaded(_Frozen(program.module(), batch), image_size=side, content=path)


@final
class _Frozen(nn.Module):
    """An exported program, which is in the mode that it was exported in and refuses to be told another."""

    def __init__(self, program: nn.Module, batch: int | None) -> None:
        super().__init__()
        self.program, self._batch = program, batch

    def train(self, mode: bool = True) -> "_Frozen":  # noqa: ARG002
        """Nothing: the program's mode is part of it."""
        return self

    def forward(self, picture: Image) -> Tensor:
        """Logits; where the program fixes the size of a batch, the last one is filled up and cut again."""
        if self._batch is None:
            return self.program(picture)
        said = [self.program(filled)[: len(part)] for part, filled in _batches(picture, self._batch)]
        return torch.cat(said)


def _timm(name: str) -> Loaded:
    """A net of timm, with its published weights and its normalisation inside."""
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise UserError("timm is not installed: pip install 'mechaug[timm]'") from error
    try:
        net = timm.create_model(name, pretrained=True)
    except Exception as error:  # an unknown name, no network, a damaged download
        raise UserError(f"timm cannot make {name!r} with its weights ({_first_line(error)})") from error
    settings = net.pretrained_cfg
    model = Normalised(net, tuple(settings["mean"]), tuple(settings["std"]))
    return Loaded(model, image_size=int(settings["input_size"][-1]))


@final
class Normalised(nn.Module):
    """A net that expects normalised pictures, as one on pictures in [0, 1].

    Args:
        net: maps (picture − mean) / std to logits.
        mean: of each channel, in [0, 1].
        std: of each channel, likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, picture: Image) -> Tensor:
        """Logits of pictures in [0, 1]."""
        return self.net((picture - self.mean) / self.std)


def _onnx(path: Path) -> Loaded:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UserError("onnxruntime is not installed: pip install 'mechaug[onnx]'") from error
    try:
        # From bytes, so that nothing beside the file is opened.
        session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has errors of its own
        raise UserError(f"{path} cannot be opened as ONNX ({_first_line(error)})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
        raise UserError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: export a net that takes pictures "
            "(n, 3, h, w) alone and returns logits alone"
        )
    if inputs[0].type != "tensor(float)":
        raise UserError(f"{path} takes {inputs[0].type} and not float32 pictures in [0, 1]: export it with those")
    batch, side = inputs[0].shape[0], inputs[0].shape[-1]
    model = _OnnxNet(session, inputs[0].name, batch if isinstance(batch, int) else None)
    return Loaded(model, gradients=False, image_size=side if isinstance(side, int) else None, content=path)


@final
class _OnnxNet(nn.Module):
    """An ONNX session as a net without gradients; it runs on the CPU wherever the pictures are."""

    def __init__(self, session: Any, name: str, batch: int | None) -> None:  # noqa: ANN401
        super().__init__()
        self._session, self._name, self._batch = session, name, batch

    def forward(self, picture: Image) -> Tensor:
        """Logits; where the file fixes the size of a batch, the last one is filled up and cut again."""
        said = [
            torch.from_numpy(self._session.run(None, {self._name: filled.numpy()})[0])[: len(part)]
            for part, filled in _batches(picture.detach().cpu(), self._batch or max(len(picture), 1))
        ]
        return torch.cat(said).to(picture.device)


def _batches(picture: Image, size: int) -> Iterator[tuple[Image, Image]]:
    """Pictures in parts of a size, each as it is and filled up with its first one."""
    for part in picture.split(size):
        missing = size - len(part)
        yield part, torch.cat((part, part[:1].expand(missing, -1, -1, -1))) if missing else part

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from mechaug.errors import ModelError, UserError
from mechaug.evaluation.predict import are_probabilities, ask, told
from mechaug.evaluation.programs import Loaded as Loaded
from mechaug.evaluation.programs import load_exported, load_onnx, load_torchscript
from mechaug.types import Bytes, Image


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
            return load_onnx(path)
        if path.suffix == ".pt2":
            return load_exported(path, trust=trust)
        if is_torchscript(path):
            return load_torchscript(path, trust=trust)
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
        raise UserError(f"{path} cannot be read as weights ({told(error)}): save model.state_dict()") from error
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


def check_shape(loaded: Loaded, pictures: Bytes, name: str) -> None:
    """Refuse a file that says which pictures it takes, where those of the data are others.

    Raises:
        UserError: they do not fit.
    """
    sizes = pictures.shape[1:]
    if any(wanted not in (None, size) for wanted, size in zip(loaded.takes, sizes, strict=bool(loaded.takes))):
        wanted = "×".join("any" if size is None else str(size) for size in loaded.takes)
        raise UserError(
            f"{name} takes pictures of {wanted} (channels, height, width), and the data's are "
            f"{'×'.join(map(str, sizes))}: choose their side with --image-size, or export it with the conversion inside"
        )


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
        raise UserError(f"the model cannot be moved to {device}: {told(error)}") from error
    shown = pictures[:2].to(device).float() / 255
    before = shown.clone()
    size = "×".join(str(side) for side in pictures.shape[1:])
    kinds = {p.dtype for p in (*model.parameters(), *model.buffers()) if p.is_floating_point()}
    try:
        logits = ask(model, shown)
    except ModelError as error:
        said = told(error.__cause__ or error)
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
        if "channels" in said:
            raise UserError(
                f"the model cannot take pictures of {pictures.shape[1]} channels ({said}): convert them inside it, "
                "where it knows what it wants"
            ) from error
        if isinstance(error.__cause__, RuntimeError) and ("size" in said or "shape" in said):
            raise UserError(
                f"the model cannot take {len(shown)} pictures of {size} ({said}): choose their side with --image-size, "
                "or make it take any number of pictures at once"
            ) from error
        raise UserError(str(error)) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    if not torch.equal(shown, before):
        raise UserError(
            "the model changes the pictures that it is given, and attacks on it would go astray: let its first step "
            "make a new tensor (inplace=False, x = x - mean in the place of x -= mean)"
        )
    if are_probabilities(logits):
        raise UserError(
            "the model returns probabilities, and confidences and attacks need logits: leave its last softmax out"
        )
    return logits.shape[1]


def _function(module: str, function: str) -> nn.Module:
    # A file in the folder where one works, as it is with `python -m`.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(module), function)()
    except (Exception, SystemExit) as error:  # it is the user's program, which may raise anything, and even exit
        raise UserError(
            f"cannot make a model from {module}:{function} ({type(error).__name__}: {told(error)}): name a "
            "function that needs no arguments, no command line and no other device than the CPU, and returns a "
            "torch.nn.Module"
        ) from error
    if not isinstance(made, nn.Module):
        raise UserError(
            f"{module}:{function} returned a {type(made).__name__}, not a torch.nn.Module: name a function that "
            "returns the model itself"
        )
    return made


def _timm(name: str) -> Loaded:
    """A net of timm, with its published weights and its normalisation inside."""
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise UserError("timm is not installed: pip install 'mechaug[timm]'") from error
    try:
        net = timm.create_model(name, pretrained=True)
    except Exception as error:  # an unknown name, no network, a damaged download
        raise UserError(f"timm cannot make {name!r} with its weights ({told(error)})") from error
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

"""Models from files and functions, and every way in which one cannot be measured, each in one sentence."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mechaug.errors import UserError
from mechaug.evaluation.models import (
    Loaded,
    Normalised,
    check_shape,
    fingerprint,
    is_torchscript,
    load_model,
    load_weights,
    look,
)
from mechaug.job import find_model
from mechaug.keys import Key
from mechaug.training import nets

PICTURES = (Key(0).at(torch.arange(4)).unit(3 * 8 * 8).reshape(4, 3, 8, 8) * 255).to(torch.uint8)


class Small(nn.Module):
    """Four classes from colour means."""

    def __init__(self, outputs: int = 4) -> None:
        super().__init__()
        self.head = nn.Linear(3, outputs)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-2, 2, 3 * outputs).reshape(outputs, 3))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)))


def answer(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model.eval()(PICTURES.float() / 255)


def small() -> nn.Module:
    return Small()


def no_module() -> str:
    return "not a module"


def fails() -> nn.Module:
    raise FileNotFoundError("no weights")


def leaves() -> nn.Module:
    sys.exit("usage: no such option")


# Where models come from


def test_a_function_makes_a_model() -> None:
    loaded = load_model("test_evaluation_models:small")
    assert torch.equal(answer(loaded.model), answer(Small()))
    assert loaded.gradients


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_evaluation_models:no_module", "returned a str"),
        ("test_evaluation_models:absent", "absent"),
        ("test_evaluation_models:fails", r"FileNotFoundError: no weights\): name a function that needs no arguments"),
        ("test_evaluation_models:leaves", r"SystemExit: usage: no such option\)"),
        ("test_evaluation_models:answer", "missing 1 required positional argument"),
        ("mechaug_no_such:net", "mechaug_no_such"),
        ("nothing", "there is no model nothing"),
        ("/nowhere/at/all.onnx", "there is no model"),
        ("timm:", "there is no model"),
    ],
)
def test_names_that_lead_nowhere(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_model(name)


def test_torchscript_needs_trust_and_answers_as_its_source(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with pytest.warns(DeprecationWarning) if _warns() else _nothing():
        torch.jit.save(torch.jit.trace(Small().eval(), torch.rand(2, 3, 8, 8, generator=torch.Generator())), str(path))
    assert is_torchscript(path)
    with pytest.raises(UserError, match=r"can read and write files: give --trust"):
        load_model(str(path))
    loaded = load_model(str(path), trust=True)
    assert torch.allclose(answer(loaded.model), answer(Small()))
    assert look(loaded.model, PICTURES, "cpu") == 4
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"net\.pt"):
        load_model(str(path), trust=True)


def _warns() -> bool:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.jit.trace(nn.Identity(), torch.zeros(1))
    return any(issubclass(warning.category, DeprecationWarning) for warning in caught)


def _nothing() -> "_Nothing":
    return _Nothing()


class _Nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.mark.untyped
def test_exported_programs_need_trust_and_take_any_batch(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    example = torch.zeros(2, 3, 8, 8)
    program = torch.export.export(Small().eval(), (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, str(path))
    with pytest.raises(UserError, match=r"opening it can run code: give --trust"):
        load_model(str(path))
    loaded = load_model(str(path), trust=True)
    assert torch.allclose(answer(loaded.model), answer(Small()))
    assert look(loaded.model, PICTURES[:1], "cpu") == 4
    path.write_bytes(b"not an archive")
    with pytest.raises(UserError, match=r"net\.pt2 cannot be opened"):
        load_model(str(path), trust=True)


@pytest.mark.untyped
def test_an_exported_program_of_a_fixed_batch_takes_any(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Small().eval(), (torch.zeros(3, 3, 8, 8),)), str(path))
    loaded = load_model(str(path), trust=True)
    assert loaded.image_size == 8
    assert torch.allclose(answer(loaded.model), answer(Small()))
    pictures = torch.rand(4, 3, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(loaded.model(pictures).sum(), pictures)
    assert (slope != 0).any((1, 2, 3)).all()


@pytest.mark.untyped
@pytest.mark.parametrize(("fewest", "most"), [(2, 3), (4, 16), (4, None)])
def test_an_exported_program_of_a_range_of_batches_takes_any(tmp_path: Path, fewest: int, most: int | None) -> None:
    path, batch = tmp_path / "net.pt2", torch.export.Dim("batch", min=fewest, max=most)
    shown = torch.zeros(most or fewest, 3, 8, 8)
    torch.export.save(torch.export.export(Small().eval(), (shown,), dynamic_shapes=({0: batch},)), str(path))
    model = load_model(str(path), trust=True).model
    pictures = torch.rand(17, 3, 8, 8)
    for count in (1, 3, 17):
        assert torch.allclose(model(pictures[:count]), Small()(pictures[:count]), atol=1e-6), count


@pytest.mark.untyped
def test_an_exported_program_of_other_pictures_or_outputs_is_refused(tmp_path: Path) -> None:
    class Named(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": x.mean((2, 3))}

    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Named(), (torch.zeros(2, 3, 8, 8),)), str(path))
    with pytest.raises(UserError, match=r"output has type dict, .* returns one tensor"):
        look(load_model(str(path), trust=True).model, PICTURES, "cpu")
    for sizes, said in (((1, 8, 8), "1×8×8"), ((3, 8, 12), "3×8×12"), ((3, 16, 16), "3×16×16")):
        torch.export.save(torch.export.export(Means(), (torch.zeros(2, *sizes),)), str(path))
        loaded = load_model(str(path), trust=True)
        assert loaded.image_size == (sizes[1] if sizes[1] == sizes[2] else None)
        with pytest.raises(UserError, match=rf"takes pictures of {said} .* the data's are 3×8×8: choose their"):
            check_shape(loaded, PICTURES, "net.pt2")
    check_shape(Loaded(Means(), takes=(3, None, 8)), PICTURES, "net.pt2")
    check_shape(Loaded(Means()), PICTURES, "net.pt2")


@pytest.mark.untyped
def test_an_exported_program_of_more_than_pictures_is_refused(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return (x + y).mean((2, 3))

    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Two(), (torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))), str(path))
    with pytest.raises(UserError, match="takes 2 inputs: export a net that takes pictures"):
        load_model(str(path), trust=True)


def write_onnx(path: Path, batch: int | str, kind: str = "FLOAT") -> None:
    """`Small` as an ONNX graph."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed, so no graph can be made")
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(Small().head.weight.detach().T.contiguous().numpy(), "weights")
    element = getattr(TensorProto, kind)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["pictures"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "small",
        [helper.make_tensor_value_info("pictures", element, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("logits", element, [batch, 4])],
        [weights] if kind == "FLOAT" else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))


@pytest.mark.parametrize("batch", ["n", 3])
def test_onnx_answers_as_its_source_whatever_batch_it_fixes(tmp_path: Path, batch: int | str) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed, so no graph can be run")
    write_onnx(tmp_path / "net.onnx", batch)
    loaded = load_model(str(tmp_path / "net.onnx"))
    assert not loaded.gradients
    assert loaded.image_size == 8
    assert torch.allclose(answer(loaded.model), answer(Small()), atol=1e-6)


def test_onnx_that_is_none_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed, so no graph can be run")
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"net\.onnx cannot be opened as ONNX"):
        load_model(str(tmp_path / "net.onnx"))


def test_libraries_that_are_missing_are_named_with_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UserError, match=r"pip install 'mechaug\[onnx\]'"):
        load_model(str(tmp_path / "net.onnx"))
    with pytest.raises(UserError, match=r"pip install 'mechaug\[timm\]'"):
        load_model("timm:resnet18")


def test_timm_by_name_has_its_normalisation_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    made = timm.create_model("resnet18", pretrained=False)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: made)
    loaded = load_model("timm:resnet18")
    assert loaded.image_size == 224
    x = torch.full((1, 3, 32, 32), 0.5)
    mean, std = (torch.tensor(made.pretrained_cfg[name])[:, None, None] for name in ("mean", "std"))
    made.eval()
    with torch.no_grad():
        assert torch.allclose(loaded.model(x), made((x - mean) / std), atol=1e-5)


def test_normalised_subtracts_and_divides_by_channel() -> None:
    model = Normalised(nn.Identity(), (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
    seen = model(torch.full((1, 3, 1, 1), 0.5)).flatten().tolist()
    assert seen == pytest.approx([0.8, 0.3, 0.1])


# Weights


def test_weights_by_safetensors_or_by_torch_save(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    net = nets.build("small", 7, key=Key(3))
    save_file(net.state_dict(), str(tmp_path / "a.safetensors"))
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "b.pth")
    for name in ("a.safetensors", "b.pth"):
        loaded = find_model(str(tmp_path / name), net="small")
        assert torch.equal(answer(loaded.model), answer(net))
    with pytest.raises(UserError, match="name their architecture by --net"):
        find_model(str(tmp_path / "a.safetensors"))
    with pytest.raises(UserError, match="name its architecture by --net"):
        find_model(str(tmp_path / "b.pth"))
    with pytest.raises(UserError, match="holds no weights of the net 'wrn-40-2'"):
        find_model(str(tmp_path / "a.safetensors"), net="wrn-40-2")


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("evil"),))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="could run code"):
        load_weights(tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match=r"plain\.pth"):
        load_weights(tmp_path / "plain.pth")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04damaged"])
def test_damaged_weights_are_named(tmp_path: Path, content: bytes) -> None:
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as weights"):
            load_weights(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="holds no state dict"):
        load_weights(tmp_path / "list.pth")


def test_fingerprints_follow_the_weights() -> None:
    one, same, other = Small(), Small(), Small()
    with torch.no_grad():
        other.head.bias[0] += 1e-3
    prints = [fingerprint(Loaded(net), "name") for net in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]
    assert fingerprint(Loaded(one), "another name") != prints[0]


# One look


class Means(nn.Module):
    """The mean of each channel; what it does to the pictures first is `change`."""

    def __init__(self, change: Callable[[Tensor], Tensor] = torch.clone) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x).mean((2, 3))


def test_a_look_counts_the_outputs_of_a_model_that_can_be_measured() -> None:
    model = Small(9)
    assert look(model, PICTURES, "cpu") == 9
    assert not model.training


class Elsewhere(nn.Module):
    """Keeps a tensor that `to` does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.ones(3, 1, 1, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.scale).mean((2, 3))


class Fixed(nn.Module):
    """Takes pictures of 16×16 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 16 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))


class Picky(nn.Module):
    """Raises an error of its own."""

    def forward(self, x: Tensor) -> Tensor:
        assert len(x) == 1, "one at a time\nand slowly"
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            Picky(),
            r"failed on 2 pictures of 3×8×8 \(AssertionError: one at a time, test_evaluation_models\.py line \d+\)",
        ),
        (nn.Sequential(Small(), nn.Softmax(1)), "returns probabilities, and confidences and attacks need logits"),
        (nn.Sequential(Small(), nn.Threshold(100.0, float("nan"))), "not finite"),
        (Small().half(), "computes in float16 and takes no float32 pictures: return model.float()"),
        (Small().double(), "computes in float64"),
        (Elsewhere(), "stays on another device than cpu: register its tensors as buffers"),
        (Fixed(), r"cannot take 2 pictures of 3×8×8 .* --image-size, or make it take any number of pictures"),
        (nn.Conv2d(1, 4, 3), r"cannot take pictures of 3 channels .*: convert them inside"),
        (Means(lambda x: x.sub_(0.5)), "changes the pictures that it is given, .* make a new tensor"),
        (nn.Identity(), "wrap the model so that it returns one tensor of shape"),
        (nn.Sequential(Small(), nn.Flatten(0)), "rows of logits"),
    ],
    ids=[
        "own error",
        "probabilities",
        "NaN",
        "half",
        "double",
        "device",
        "size",
        "channels",
        "in place",
        "pictures",
        "flat",
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(model: nn.Module, said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        look(model, PICTURES, "cpu")
    assert "\n" not in str(told.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning")
def test_what_a_torchscript_model_dies_of_is_said_and_not_that_its_interpreter_failed() -> None:
    model = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)), torch.zeros(2, 3, 16, 16))
    with pytest.raises(UserError, match=r"mat1 and mat2 shapes cannot be multiplied .*: choose their side"):
        look(model, PICTURES, "cpu")

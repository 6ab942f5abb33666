"""The architecture as tests: which way imports run, what no file may do, and what importing costs."""

import ast
import functools
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mechaug

ROOT = Path(mechaug.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
each_file = pytest.mark.parametrize("path", FILES, ids=NAMES)

# A unit is a folder, or a file beside the folders; it may import itself and the units of lower layers.
LAYERS = (
    ("errors", "fields", "files", "keys", "laws", "memory", "philox", "spec", "types", "version", "watch"),
    ("mechanisms", "groups"),
    ("scenes", "meaning", "heuristics", "data"),
    # The contract tests are of every room below them.
    ("testing", "training", "evaluation", "analysis"),
    ("reports",),
    ("study", "protocol", "domains", "spread", "pace", "job", "config", "progress"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
# Files that together are one layer: the vocabulary that everything uses, and the job that uses everything.
TOGETHER = (frozenset(LAYERS[0]), frozenset(LAYERS[5]))

HEAVY = ("scipy", "torchmetrics", "jinja2", "rich", "PIL", "tyro")
BANNED = ("torchvision", "timm", "kornia", "cv2", "skimage", "albumentations")
COMMAND_LINE = ("cli.py", "progress.py", "ranking.py")


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def unit_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(node: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Dotted names of everything that is imported, wherever it stands: `from a.b import c` gives a.b.c."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute"
            yield from ((f"{child.module}.{alias.name}", child) for alias in child.names)


def at_module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import: not those of functions, nor those that only a type checker reads."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            yield from at_module_level(statement.orelse)
            continue
        yield statement
        for field in ("body", "orelse", "finalbody"):
            yield from at_module_level(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from at_module_level(handler.body)


def imported_on_import(path: Path) -> Iterator[str]:
    for statement in at_module_level(tree(path).body):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (name for name, _ in imports(statement))


# Imports ----------------------------------------------------------------------------------------------------------


def allowed(importer: str, imported: str) -> bool:
    if importer == imported or any({importer, imported} <= together for together in TOGETHER):
        return True
    return LEVEL[imported] < LEVEL[importer]


@each_file
def test_imports_run_one_way(path: Path) -> None:
    importer = unit_of(path)
    if importer == "__init__":
        pytest.skip("the package's own front gives names from every layer")
    assert importer in LEVEL, f"{importer} has no place in the layers: say in DESIGN where it belongs"
    for name, statement in imports(tree(path)):
        if not name.startswith("mechaug."):
            continue
        imported = name.split(".")[1]
        if imported not in LEVEL:
            # `from mechaug import X` for what the front gives: allowed to nobody inside.
            pytest.fail(f"{path.name}:{statement.lineno} imports {name}, which is no unit of a layer")
        assert allowed(importer, imported), f"{path.name}:{statement.lineno}: {importer} may not import {imported}"


def test_the_layers_are_those_of_the_design() -> None:
    """The rule itself, on cases that everyone can judge."""
    assert allowed("mechanisms", "keys")
    assert allowed("keys", "types")
    assert allowed("evaluation", "data")
    assert allowed("cli", "study")
    for importer, imported in (
        ("keys", "mechanisms"), ("mechanisms", "heuristics"), ("mechanisms", "groups"), ("data", "heuristics"),
        ("training", "evaluation"), ("evaluation", "training"), ("evaluation", "reports"), ("reports", "study"),
        ("heuristics", "training"), ("study", "cli"), ("mechanisms", "testing"),
        ("scenes", "testing"), ("scenes", "data"), ("testing", "evaluation"),
    ):  # fmt: skip
        assert not allowed(importer, imported), f"{importer} must not import {imported}"


def test_every_file_has_its_place() -> None:
    units = {unit_of(path) for path in FILES} - {"__init__"}
    assert units <= LEVEL.keys()
    # And the layers that the design is about are there at all.
    assert {"keys", "mechanisms", "training", "evaluation", "reports"} <= units


@each_file
def test_nothing_else_is_needed(path: Path) -> None:
    """Other libraries of augmentations and models are compared with, never built on."""
    for name, statement in imports(tree(path)):
        assert name.split(".")[0] not in BANNED, f"{path.name}:{statement.lineno} imports {name}"


# A pickle names functions to call. Only a reader that says which names it knows may open one.
TRUSTING = {"eval", "exec", "pickle.load", "pickle.loads", "joblib.load", "yaml.load", "marshal.loads"}


def trusting_reads(module: ast.Module) -> Iterator[str]:
    """Calls that run code which a file names."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        unsafe_load = name == "torch.load" and given.get("weights_only") != "True"
        if name in TRUSTING or unsafe_load or given.get("allow_pickle", "False") != "False":
            yield f"line {node.lineno}: {ast.unparse(node)}"


@each_file
def test_no_file_can_name_code_to_run(path: Path) -> None:
    assert list(trusting_reads(tree(path))) == []
    if path.name != "cifar.py":  # whose published form is a pickle, and which reads arrays alone
        assert not any(name.split(".")[0] in ("pickle", "dill", "joblib", "marshal") for name, _ in imports(tree(path)))


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)",
        "pickle.load(f)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
    ],
)
def test_the_search_for_trusting_reads_finds_them(code: str) -> None:
    assert list(trusting_reads(ast.parse(code)))


@each_file
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    if path.name in COMMAND_LINE:
        pytest.skip("the command line's own libraries")
    heavy = set(HEAVY) - ({"tyro"} if unit_of(path) == "commands" else set())
    for name in imported_on_import(path):
        assert name.split(".")[0] not in heavy, f"{path.name} imports {name} for everyone: move it into the function"


@each_file
def test_annotations_are_not_strings(path: Path) -> None:
    """Otherwise the run-time checker skips dataclasses in silence."""
    assert not any(name.startswith("__future__") for name, _ in imports(tree(path)))


# Randomness -------------------------------------------------------------------------------------------------------

SEEDING = {"torch.manual_seed", "torch.seed", "torch.set_rng_state", "torch.random.set_rng_state"}
TORCH_DRAWS = {
    f"torch.{name}"
    for name in ("rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "poisson")
}
# These take no generator at all, so that nothing but the global state can feed them.
ALWAYS_GLOBAL = {
    f"torch.{name}" for name in ("rand_like", "randn_like", "randint_like", "dropout", "rrelu", "binomial")
}
IN_PLACE_DRAWS = {
    "normal_",
    "uniform_",
    "random_",
    "bernoulli_",
    "exponential_",
    "cauchy_",
    "geometric_",
    "log_normal_",
}


def dotted(node: ast.expr) -> str:
    """`a.b.c` for an attribute or a name, else the empty string."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def global_draws(module: ast.Module) -> Iterator[str]:
    """Every use of global random state in a module, with its line."""
    known = {}
    for name, statement in imports(module):
        for alias in getattr(statement, "names", []):
            if name == alias.name or name.endswith(f".{alias.name}"):
                # `import a.b` binds a; every other import binds what it names.
                full = name if alias.asname or isinstance(statement, ast.ImportFrom) else name.split(".")[0]
                known[alias.asname or alias.name.split(".")[0]] = full
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute | ast.Name):
            head, _, rest = dotted(node).partition(".")
            full = f"{known[head]}.{rest}".rstrip(".") if head in known else ""
            if full.startswith(("numpy.random.", "random.")) or full in SEEDING | ALWAYS_GLOBAL:
                yield f"line {node.lineno}: {full}"
        if not isinstance(node, ast.Call):
            continue
        head, _, rest = dotted(node.func).partition(".")
        full = f"{known.get(head, head)}.{rest}".rstrip(".")
        seeded = any(keyword.arg == "generator" for keyword in node.keywords)
        if full in TORCH_DRAWS and not seeded:
            yield f"line {node.lineno}: {full} without generator="
        in_place = isinstance(node.func, ast.Attribute) and node.func.attr in IN_PLACE_DRAWS
        if in_place and not seeded:
            yield f"line {node.lineno}: .{node.func.attr} without generator="


@each_file
def test_no_global_randomness(path: Path) -> None:
    if unit_of(path) == "testing":
        pytest.skip("it tests exactly this")
    assert list(global_draws(tree(path))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.manual_seed(0)",
        "import torch\nx = torch.rand(3)",
        "import torch as t\nx = t.randn(3, device='cpu')",
        "from torch import randperm\nx = randperm(3)",
        "from torch import rand as r\nx = r(3)",
        "import torch\nx = torch.rand_like(y)",
        "import torch\nf = torch.randn_like",
        "import torch\nx = torch.empty(3).normal_()",
        "import torch\nx = torch.bernoulli(p)",
        "import numpy as np\nx = np.random.rand(3)",
        "import numpy as np\nr = np.random.default_rng()",
        "from numpy import random\nx = random.rand(3)",
        "from numpy.random import default_rng\nr = default_rng(0)",
        "import numpy.random\nx = numpy.random.rand(3)",
        "import random\nrandom.shuffle(x)",
        "from random import choice\nx = choice(y)",
        "def f():\n    import random as r\n    return r.random()",
    ],
)
def test_the_search_for_global_randomness_finds_it(code: str) -> None:
    assert list(global_draws(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nx = torch.rand(3, generator=g)",
        "import torch\nx = torch.empty(3).normal_(generator=g)",
        "import torch\nwith torch.random.fork_rng(): pass",
        "g.manual_seed(3)",
        "x = key.normal(0.0, 1.0)",
        "import secrets\nx = secrets.token_hex(4)",
    ],
)
def test_the_search_for_global_randomness_lets_the_rest_be(code: str) -> None:
    assert not list(global_draws(ast.parse(code)))


# Form -------------------------------------------------------------------------------------------------------------


@each_file
def test_every_module_says_what_it_is(path: Path) -> None:
    text = ast.get_docstring(tree(path))
    assert text, f"{path.name} has no docstring"
    assert text.splitlines()[0].endswith((".", ":", ";")), f"{path.name}: the first line is a sentence"


@each_file
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


# `replace` hands its arguments to dataclasses.replace, which refuses names that do not exist.
OPEN_ARGUMENTS = {("base.py", "replace")}


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if unit_of(path) in ("mechanisms", "heuristics")],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_arguments_have_names(path: Path) -> None:
    """A function with **kwargs accepts every misspelling."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.kwarg:
            assert (path.name, node.name) in OPEN_ARGUMENTS, f"{path.name}:{node.lineno} {node.name} takes **kwargs"


MODULES = [
    ".".join(["mechaug", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__") for path in FILES
]


@pytest.mark.parametrize("name", MODULES)
def test_what_is_exported_exists(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported), "named twice"
    for thing in exported:
        assert hasattr(module, thing), f"{name}.__all__ names {thing}, which is not there"


@pytest.mark.parametrize("folder", ["mechanisms"])
def test_a_folder_exports_what_it_imports(folder: str) -> None:
    """What a folder's front imports is its public surface: nothing is there by accident."""
    module = importlib.import_module(f"mechaug.{folder}")
    own = {
        name.rpartition(".")[2]
        for name in imported_on_import(ROOT / folder / "__init__.py")
        if name.startswith("mechaug.")
    }
    assert own <= set(module.__all__)


# Import time ------------------------------------------------------------------------------------------------------

MEASURE = """
import sys, time
import torch
before = set(sys.modules)
start = time.perf_counter()
import mechaug, mechaug.keys, mechaug.spec, mechaug.mechanisms
print(time.perf_counter() - start)
print(*{name.split(".")[0] for name in set(sys.modules) - before})
"""


def test_importing_is_quick_and_brings_little() -> None:
    """A tenth of a second on a quiet machine; the bound is loose, and the best of three, for noisy ones."""
    seconds: list[float] = []
    while len(seconds) < 3 and (not seconds or min(seconds) > 1.0):
        told = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
        time, brought = told.stdout.splitlines()
        seconds.append(float(time))
        assert not set(brought.split()) & {*HEAVY, *BANNED}
    assert min(seconds) < 1.0, f"importing took {seconds} seconds"

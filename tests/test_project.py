"""Facts about the project as a whole: its parts depend on each other as designed, its files agree."""

import ast
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MODULES = sorted(ROOT.joinpath("viddiff").rglob("*.py"))


def imports_of(path: Path, top_level: bool = False) -> set[str]:
    """The modules that a file imports; with `top_level` only those at module level."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def reach(module: str, seen: set[str]) -> set[str]:
    """All modules that importing `module` imports, ours followed."""
    if module in seen:
        return seen
    seen.add(module)
    base = ROOT / module.replace(".", "/")
    path = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
    if module.startswith("viddiff") and path.is_file():
        for name in imports_of(path):
            reach(name, seen)
    return seen


@pytest.mark.parametrize(
    "module",
    [
        "viddiff.inference.modes",
        "viddiff.inference.strategies",
        "viddiff.inference.plan",
        "viddiff.inference.cost",
        "viddiff.tree.paths",
    ],
)
def test_planning_needs_no_torch_and_no_numpy(module):
    assert not {name.partition(".")[0] for name in reach(module, set())} & {"torch", "numpy", "jaxtyping"}


def test_the_engine_sees_neither_network_nor_diffusion():
    reached = reach("viddiff.inference.complete", set())
    assert not {name for name in reached if name.startswith(("viddiff.model", "viddiff.diffusion"))}


def test_samplers_see_no_network():
    direct = imports_of(ROOT / "viddiff/diffusion/samplers.py")
    assert not {name for name in direct if name.startswith("viddiff.model")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_stands_alone(path):
    """No Snakemake; wandb not at module level; no environment variables; nothing printed."""
    tree = ast.parse(path.read_text())
    assert not any(name.partition(".")[0] == "snakemake" for name in imports_of(path))
    assert not any(name.partition(".")[0] == "wandb" for name in imports_of(path, top_level=True))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not attributes & {"environ", "getenv"}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"print", "eval", "exec"}


def test_environment_and_pyproject_name_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[0] == "python" + project["requires-python"]
    assert conda[-1]["pip"] == [*project["dependencies"], "-e ."]


def test_the_command_is_there():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, target in scripts.items():
        assert callable(EntryPoint(name, target, "console_scripts").load())

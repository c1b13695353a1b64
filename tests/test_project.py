"""Facts about the project as a whole: its parts depend on each other as designed, its files agree."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
import yaml
from jaxtyping import TypeCheckError

from viddiff.diffusion.denoiser import add_noise

ROOT = Path(__file__).parent.parent
MODULES = sorted(ROOT.joinpath("viddiff").rglob("*.py"))
SCIENCE = ("model", "diffusion", "inference", "data", "metrics", "training", "render", "files")
PRODUCT = ("tree", "jobs", "workflow", "report")


def imports_of(path: Path, top_level: bool = False) -> set[str]:
    """The modules that a file imports; with `top_level` only those at module level."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    sources = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return names.union(
        *({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} for node in sources)
    )


def room_of(path: Path) -> str:
    """The folder of `viddiff` in which a file lies; "" for the top level."""
    return (*path.relative_to(ROOT / "viddiff").parts[:-1], "")[0]


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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_science_knows_nothing_of_the_product(path):
    """Those rooms can be used without a tree of results, jobs, a workflow or reports."""
    if room_of(path) in SCIENCE:
        assert not {
            name for name in imports_of(path) if name.startswith(tuple(f"viddiff.{p}" for p in PRODUCT))
        }


def test_every_module_has_a_room():
    assert {room_of(path) for path in MODULES} == {*SCIENCE, *PRODUCT, ""}
    top = {path.stem for path in MODULES if room_of(path) == ""}
    assert top == {
        "__init__", "__main__", "call_size", "checkpoint", "completion", "dataset_settings", "device", "errors",
        "flat_config", "precision", "registry", "seeds", "video", "video_model", "window",
    }  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_workflow_alone_knows_snakemakes_objects(path):
    if room_of(path) != "workflow":
        tree = ast.parse(path.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        assert "snakemake" not in names | arguments


def test_planning_loads_no_torch():
    """All that a Snakefile imports, and the front door as long as nobody passes it."""
    rules = "".join(path.read_text() for path in [ROOT / "Snakefile", *ROOT.glob("rules/*.smk")])
    modules = sorted({*re.findall(r"^from (viddiff[\w.]*) import", rules, flags=re.MULTILINE), "viddiff"})
    assert len(modules) > 5
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_jobs_start_without_pytorchs_compiler():
    """It takes longer to load than all of ours; a decorator of `torch.compiler` loads it."""
    scripts = "".join(path.read_text() for path in (ROOT / "workflow_scripts").glob("*.py"))
    modules = sorted(set(re.findall(r"^from (viddiff[\w.]*) import", scripts, flags=re.MULTILINE)))
    assert "viddiff.jobs.sampling" in modules
    code = f"import sys, {', '.join(modules)}; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_engine_sees_neither_network_nor_diffusion():
    reached = reach("viddiff.inference.complete", set())
    assert not {name for name in reached if name.startswith(("viddiff.model", "viddiff.diffusion"))}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "viddiff/diffusion").glob("*.py")), ids=lambda path: path.stem
)
def test_diffusion_works_with_any_network(path):
    assert not {name for name in imports_of(path) if name.startswith("viddiff.model")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_stands_alone(path):
    """Snakemake in its workflow alone; wandb not at module level; no environment variables; nothing printed."""
    tree = ast.parse(path.read_text())
    at_top = imports_of(path, top_level=room_of(path) == "workflow")
    assert not any(name.partition(".")[0] == "snakemake" for name in at_top)
    assert not any(name.partition(".")[0] == "wandb" for name in imports_of(path, top_level=True))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not attributes & {"environ", "getenv"}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"print", "eval", "exec"}


def test_environment_and_pyproject_name_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[0] == "python" + project["requires-python"]
    # Snakemake makes the environment in a folder of its own: it can name nothing of this one.
    assert conda[-1]["pip"] == project["dependencies"]


def test_the_lock_has_the_packages_of_pyproject_from_public_places():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "uv.lock").read_text()
    assert set(re.findall(r"\w+://([^/\"]+)", text)) == {"pypi.org", "files.pythonhosted.org"}
    locked = {package["name"]: package for package in tomllib.loads(text)["package"]}
    wanted = [re.split("[<>=]", requirement)[0] for requirement in project["dependencies"]]
    assert {package["name"] for package in locked["viddiff"]["dependencies"]} == set(wanted)


def test_the_container_holds_what_a_call_needs():
    """Its build sees what .dockerignore lets in, and copies all of it."""
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    lines = re.findall("^COPY (.*) [^ ]+$", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    assert (
        copied
        == seen
        >= {"Snakefile", "rules", "workflow_scripts", "viddiff", "config", "profiles", "uv.lock"}
    )
    assert all((ROOT / name).exists() for name in copied)


def test_the_workflow_catalog_is_told_how_to_use_this():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] and usage["software-stack-deployment"]["conda"]


def test_types_and_shapes_are_checked_in_the_tests():
    one, two = torch.zeros(1, 3, 3, 4, 4), torch.zeros(2, 3, 3, 4, 4)
    assert add_noise(one, one, 0.8, 0.6).shape == one.shape
    for eps in (two, one.bool(), one[0], None):
        with pytest.raises(TypeCheckError, match="eps"):
            add_noise(one, eps, 0.8, 0.6)


def test_the_command_is_there():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, target in scripts.items():
        assert callable(EntryPoint(name, target, "console_scripts").load())


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config/README.md", *ROOT.glob("docs/*.md")]


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_readme_leads_to_every_document():
    links = re.findall(r"\]\((docs/[\w.-]+)", (ROOT / "README.md").read_text())
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.ipynb")]
    assert {str(page.relative_to(ROOT)) for page in pages} <= set(links)


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"] and citation["license"] == project["license"]

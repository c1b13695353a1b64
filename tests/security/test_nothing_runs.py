"""No part of the program unpickles, evaluates text or calls a shell: found by walking its code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted([*ROOT.joinpath("viddiff").rglob("*.py"), *ROOT.joinpath("workflow_scripts").glob("*.py")])
RULES = sorted([ROOT / "Snakefile", *ROOT.joinpath("rules").glob("*.smk")])

# What must be among the keyword arguments of a call; nothing is enough for the others.
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
}
FORBIDDEN = re.compile(
    r"eval|exec|compile|__import__|(builtins|os)\.(system|popen|exec\w*|spawn\w*)"
    r"|(c?pickle|marshal|shelve|dill|joblib|cloudpickle)\.(load|loads|open|Unpickler)"
    r"|(pd|pandas)\.(read_pickle|eval)|yaml\.(load|load_all|full_load\w*|unsafe_load\w*)|yte\..*"
    r"|(np|numpy)\.(lib\.format\.read_array|format\.read_array|fromregex)|subprocess\.(getoutput|getstatusoutput)"
)


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).replace("numpy.", "np.")


def dangers(source: str) -> list[str]:
    """The calls that could run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name, keywords = called(node), {item.arg: item.value for item in node.keywords}
        if FORBIDDEN.fullmatch(name) or not isinstance(
            keywords.get("shell", ast.Constant(False)), ast.Constant
        ):
            found.append(name)
        elif getattr(keywords.get("shell"), "value", False):
            found.append(f"{name} with a shell")
        if name in NEEDED:
            key, right = NEEDED[name]
            value = keywords.get(key)
            if not (isinstance(value, ast.Constant) and value.value is right):
                found.append(f"{name} without {key}={right}")
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_call_can_run_what_a_file_says(path):
    assert dangers(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "pickle.load(file)",
        "pickle.loads(data)",
        "pickle.Unpickler(file).load()",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "np.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "np.save(path, array)",
        "pd.read_pickle(path)",
        "yaml.load(file, Loader=yaml.FullLoader)",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=flag)",
    ],
)
def test_the_walk_finds(source):
    assert dangers(source)


def test_one_unpickler_is_left_which_knows_arrays_alone():
    users = [path.name for path in CODE if re.search(r"\bUnpickler\b", path.read_text())]
    assert users == ["weight_files.py"]
    source = (ROOT / "viddiff/metrics/weight_files.py").read_text()
    assert source.count("pickle.Unpickler)") == 1 and "def find_class" in source


def test_one_place_runs_a_file_which_the_users_own_configuration_names():
    users = [str(path.relative_to(ROOT)) for path in CODE if "exec_module" in path.read_text()]
    assert users == ["viddiff/inference/mode_files.py"]


def test_programs_of_torch_are_loaded_in_one_place_which_reads_what_the_configuration_names():
    assert [path.name for path in CODE if "jit.load" in path.read_text()] == ["torchscript.py"]
    users = {path.name for path in CODE if "load_torchscript(" in path.read_text()}
    assert users == {"torchscript.py", "extractor.py", "i3d_rows.py"}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_run_scripts_alone(path):
    """No rule has shell commands, into which a name could be put, nor code from elsewhere."""
    text = path.read_text()
    assert not re.search(r"^\s*(shell|run|wrapper|notebook|cwl|template_engine)\s*:", text, re.MULTILINE)
    assert not re.search(r"\bshell\s*\(|os\.system|subprocess|\bpickle\b|\beval\(|\bexec\(", text)
    scripts = re.findall(r"^\s*script:\s*(\S+)", text, re.MULTILINE)
    assert all(re.fullmatch(r'"\.\./workflow_scripts/[a-z_]+\.py"', script) for script in scripts)

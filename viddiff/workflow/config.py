"""The workflow's configuration: checked against its JSON schema, defaults filled in, typed; errors in one line.

Snakemake reads the files. It evaluates Python in those that say `__use_yte__`, so `check_plain` looks at them first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from viddiff.dataset_settings import DatasetSettings
from viddiff.errors import InputError, one_line, unknown, unreadable
from viddiff.files.json_files import read_text
from viddiff.files.nested import nested_parts
from viddiff.flat_config import DEFAULTS, parse_rates
from viddiff.metrics.settings import Extractor, FvdSettings, extractor_metrics
from viddiff.registry import declared
from viddiff.tree.paths import RESULTS
from viddiff.tree.schedules import SearchSettings
from viddiff.workflow.config_schema import check_schema, fill_defaults, key_name, shortened
from viddiff.workflow.sections import (
    BouncyBalls,
    Configuration,
    GridBlock,
    Metrics,
    Quality,
    Report,
    Sampling,
    Training,
    Videos,
)

MOST_BYTES = 2**20  # of a file
MOST_VALUES = 100_000
TEMPLATE = "__use_yte__"


def load_config(files: Iterable[Path | str]) -> dict[str, Any]:
    """Read a configuration as Snakemake does: the keys of each file are laid over those of the files before it.

    Mappings are laid over each other key by key, anything else is replaced whole. Raises `InputError` that names the
    file if it cannot be read or is not a mapping.
    """
    config: dict[str, Any] = {}
    for file in files:
        config = _laid_over(config, check_plain(file))
    return config


def lay_over(config: dict[str, Any], entries: Iterable[str]) -> None:
    """Lay entries of `--config`, `key=value`, over a configuration: their values are read as those of a file.

    Snakemake has laid them over it already, but took all that mappings and lists hold for text. Raises `InputError` for
    a key that comes twice.
    """
    for entry in entries:
        key, _, text = entry.partition("=")
        if isinstance(config.get(key), str | list | dict):
            try:
                value = _read_yaml(text, f"--config {key}")
            except InputError:
                raise
            except (ValueError, RecursionError, yaml.YAMLError):
                continue  # a text, as Snakemake took it
            config.update(_laid_over(config, {key: value}))


def _read_yaml(text: str, source: str) -> Any:
    """The value of a text in YAML. Raises `ValueError` for too many values, `InputError` for a key that comes twice."""
    node = yaml.compose(text, yaml.SafeLoader)
    for part in nested_parts(node, MOST_VALUES, _nodes):
        if isinstance(part, yaml.MappingNode):
            _check_once(part, source)
    return yaml.safe_load(text)


def _check_once(mapping: yaml.MappingNode, source: str) -> None:
    """Raise `InputError` if a mapping has a key twice: YAML would keep the last one without a word."""
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in lines:
            first = lines[key.value]
            raise InputError(
                f"{source}, line {line}: the key {key.value} is in line {first} already: put both into one"
            )
        lines[key.value] = line


def _laid_over(base: Any, top: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in top.items():
        result[key] = _laid_over(result.get(key), value) if isinstance(value, dict) else value
    return result


def load_schema(path: Path | str) -> dict[str, Any]:
    """Read the schema, a YAML file."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def check_plain(path: Path | str) -> dict[str, Any]:
    """Read a configuration file, which must be a mapping of plain values in YAML, which JSON is too.

    Raises `InputError` if it asks for evaluation as a template, holds objects, has a key twice, or stands for endlessly
    many values.
    """
    try:
        content = _read_yaml(read_text(path, MOST_BYTES), str(path))
    except InputError:
        raise
    except OSError as error:
        raise unreadable(Path(path), error) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not a configuration: {one_line(error):.300}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a configuration: must hold keys with values")
    if TEMPLATE in content:
        raise InputError(
            f"{path}: has the key {TEMPLATE}, which makes Snakemake run Python in it: not allowed"
        )
    return content


def check_config(config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Fill the schema's defaults into `config`, then check it.

    Raises `InputError` for the first key that is unknown, missing or wrong: its name, what was found, what is
    allowed.
    """
    try:
        _check_count(config)
    except ValueError as error:
        raise InputError(f"the config {error}") from None
    _check_keys(config, ())
    fill_defaults(config, schema)
    check_schema(config, schema)
    metrics = [name for kind in ("metric", "set_metric") for name in declared(kind, "viddiff.metrics")]
    extractors = config["metrics"]["extractors"]
    for name in extractors:
        if name in declared("descriptor", "viddiff.metrics"):
            raise InputError(
                f"config key metrics.extractors.{name}: viddiff has that name itself, choose another"
            )
    metrics += extractor_metrics(extractors)
    for name in config["metrics"]["names"]:
        if name not in metrics:
            raise unknown(f"config key metrics.names: metric {name!r}", name, metrics)


def read_config(raw: Mapping[str, Any]) -> Configuration:
    """The configuration that `check_config` has checked. Raises `InputError` for values that do not go together."""
    return Configuration(
        name=raw["name"],
        data_root=raw["data_root"],
        data_cache=raw["data_cache"],
        device=raw["device"],
        bouncy_balls=BouncyBalls(**raw["bouncy_balls"]),
        datasets={name: DatasetSettings(**settings) for name, settings in raw["datasets"].items()},
        training={run: _training(run, settings) for run, settings in raw["training"].items()},
        modes=raw["modes"],
        grid=tuple(_grid_block(block) for block in raw["grid"]),
        sampling=_sampling(raw["sampling"], raw["device"]),
        optimal=SearchSettings(**raw["optimal"]),
        metrics=_metrics(raw["metrics"]),
        videos=Videos(formats=tuple(raw["videos"]["formats"])),
        report=Report(**raw["report"]),
        quality=None if raw["quality"] is None else _quality(raw["quality"]),
    )


def _sampling(section: Mapping[str, Any], device: str) -> Sampling:
    if section["precision"] == "tf32" and device == "cpu":
        raise InputError(
            "config key sampling.precision is tf32, which device cpu does not have; allowed with it: auto, float32, "
            "bfloat16"
        )
    cache = section["compile_cache"]
    if not cache or Path(cache).resolve().is_relative_to(Path(RESULTS).resolve()):
        raise InputError(
            f"config key sampling.compile_cache is {cache!r:.80}, must be a folder outside {RESULTS}/: PyTorch runs "
            "what it finds there, and trees of results are passed on"
        )
    batch_size = None if section["batch_size"] == "auto" else section["batch_size"]
    return Sampling(**{**section, "batch_size": batch_size})


def _training(run: str, settings: Mapping[str, Any]) -> Training:
    full = {**DEFAULTS, **settings}
    try:
        rates = parse_rates(str(full["ema_rate"]))
    except InputError as error:
        raise InputError(f"config key training.{run}.{error}") from None
    return Training(
        full["dataset"],
        full["T"],
        full["steps"],
        rates,
        full["save_latest_only"],
        full["save_interval"],
        full.get("keep_last", 0),
        full.get("keep_every", 0),
        full.get("nodes", 1),
        full.get("gpus", 1),
        settings,
    )


def _metrics(section: Mapping[str, Any]) -> Metrics:
    weights = section["fvd"]["weights"]
    fvd = FvdSettings(**{**section["fvd"], "weights": Path(weights) if weights else None})
    extractors = {name: _extractor(facts) for name, facts in section["extractors"].items()}
    for name, extractor in extractors.items():
        if extractor.range[0] == extractor.range[1]:
            raise InputError(f"config key metrics.extractors.{name}.range: black and white are the same")
    return Metrics(**{**section, "names": tuple(section["names"]), "fvd": fvd, "extractors": extractors})


def _extractor(facts: Mapping[str, Any]) -> Extractor:
    typed = {"file": Path(facts["file"])} | ({"range": tuple(facts["range"])} if "range" in facts else {})
    return Extractor(**{**facts, **typed})


def _grid_block(block: Mapping[str, Any]) -> GridBlock:
    runs, checkpoints, modes = (tuple(block[key]) for key in ("runs", "checkpoints", "modes"))
    return GridBlock(runs, checkpoints, modes, block["videos"], block["samples"], block.get("frames"))


def _quality(section: Mapping[str, Any]) -> Quality:
    lists = ("modes", "treatments", "samplers", "evaluations", "deciding")
    return Quality(**{**section, **{key: tuple(section[key]) for key in lists}})


def _check_count(value: Any) -> None:
    for _ in nested_parts(value, MOST_VALUES):
        pass


def _nodes(node: yaml.Node) -> Iterable[yaml.Node]:
    """What a part of a YAML file consists of, before it is made an object: aliases are not followed yet."""
    if isinstance(node, yaml.MappingNode):
        return chain.from_iterable(node.value)
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _check_keys(value: Any, path: tuple[str | int, ...]) -> None:
    """YAML reads the key 2024 as a number, `on` as true; all keys here are names."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not isinstance(key, str):
            where = f"config key {key_name(path)}" if path else "the config"
            raise InputError(f"{where} has the key {shortened(key)}, must be a text: write it in quotes")
        if isinstance(part, dict | list):
            _check_keys(part, (*path, key))

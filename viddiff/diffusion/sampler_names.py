"""The names of samplers with their options, `ddim-eta0.5`, and how many network evaluations each makes.

All of it is read from the decorators in `viddiff/diffusion/samplers/`, which give, as literals:

    @sampler("ddim", options={"eta": {"default": 0.0, "range": (0.0, 1.0)}})
    @sampler("unipc", options={"order": {"default": 2, "among": (2, 3)}})
    @sampler("heun", per_level=2)

options: keywords of the function, with their default, and the values that are allowed: from one number to another, or
some of them. per_level: network evaluations for each noise level but the last, for which there is always one.

Each sampler has one name: an option at its default is left out, numbers have no zeros too many.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viddiff.errors import InputError, unknown
from viddiff.registry import declared, declared_facts

PACKAGE = "viddiff.diffusion.samplers"
SAMPLER = r"(?!respace)[A-Za-z][A-Za-z0-9.-]*"  # as wide as a folder name: what is wrong is told here

_OPTION = re.compile(r"([a-z]+)([0-9]{1,6}(?:\.[0-9]{1,6})?)")


@dataclass(frozen=True)
class SamplerName:
    """A sampler and those of its options that are not at their default, in the order of its decorator."""

    sampler: str
    options: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.sampler, *(f"{option}{_text(value)}" for option, value in self.options)])


def parse_sampler(text: str) -> SamplerName:
    """Read a sampler's name.

    Raises `InputError` for an unknown sampler or option, for a value that is not allowed, and for what is not the one
    name of that sampler, with the name to write.
    """
    facts = declared_facts("sampler", PACKAGE)
    names = [name for name in facts if text == name or text.startswith(f"{name}-")]
    if not names:
        raise unknown(f"sampler {text!r:.60}", text, facts)
    sampler = max(names, key=len)
    allowed: Mapping[str, Mapping[str, Any]] = facts[sampler].get("options", {})
    given: dict[str, float] = {}
    for part in text[len(sampler) + 1 :].split("-") if text != sampler else []:
        match = _OPTION.fullmatch(part)
        if match is None or match[1] not in allowed or match[1] in given:
            raise InputError(
                f"sampler {text!r:.60}: {part!r:.30} is no option; allowed: {_form(sampler, allowed)}"
            )
        given[match[1]] = _value(text, match[1], match[2], allowed[match[1]])
    changed = tuple((option, given[option]) for option in allowed if _is_changed(option, given, allowed))
    name = SamplerName(sampler, changed)
    if str(name) != text:
        raise InputError(f"sampler {text!r:.60}: write {name}, the one name of that sampler")
    return name


def evaluations(sampler: str, levels: int) -> int:
    """Network evaluations that complete one window in so many noise levels. Raises `InputError` for a wrong name."""
    facts = declared_facts("sampler", PACKAGE)[parse_sampler(sampler).sampler]
    return int(facts.get("per_level", 1)) * (levels - 1) + 1


def check_has_step(text: str) -> None:
    """Raise `InputError` for a sampler that cannot serve plans with noise levels per frame, or for a wrong name."""
    having = declared("sampler_step", PACKAGE)
    if parse_sampler(text).sampler not in having:
        raise InputError(
            f"sampler {text!r:.60} needs more than the estimate at one level, so it cannot take frames from levels of "
            f"their own to lower ones; must be {' or '.join(having)}"
        )


def forms() -> list[str]:
    """What may stand in a name: each sampler, with its options in brackets."""
    facts = declared_facts("sampler", PACKAGE)
    return [_form(sampler, facts[sampler].get("options", {})) for sampler in facts]


def _form(sampler: str, allowed: Mapping[str, Mapping[str, Any]]) -> str:
    return sampler + "".join(f"[-{option}<{_values(fact)}>]" for option, fact in allowed.items())


def _values(fact: Mapping[str, Any]) -> str:
    if "among" in fact:
        return " or ".join(map(_text, fact["among"]))
    least, most = map(_text, fact["range"])
    return f"{least} to {most}"


def _value(text: str, option: str, number: str, fact: Mapping[str, Any]) -> float:
    value = float(number)
    among = fact.get("among")
    if value not in among if among else not fact["range"][0] <= value <= fact["range"][1]:
        raise InputError(f"sampler {text!r:.60}: {option} is {number}, must be {_values(fact)}")
    return int(value) if among else value


def _is_changed(option: str, given: Mapping[str, float], allowed: Mapping[str, Mapping[str, Any]]) -> bool:
    return given.get(option, allowed[option]["default"]) != allowed[option]["default"]


def _text(value: float) -> str:
    """A number of at most six places behind the point, with no zeros too many."""
    return f"{value:.6f}".rstrip("0").rstrip(".")

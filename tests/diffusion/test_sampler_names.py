"""Names of samplers with options, and the network evaluations that each makes."""

from __future__ import annotations

from inspect import signature

import pytest

from viddiff.diffusion.sampler_names import PACKAGE, SamplerName, evaluations, forms, parse_sampler
from viddiff.diffusion.samplers.base import find_sampler
from viddiff.diffusion.samplers.base import sampler as samplers
from viddiff.errors import InputError
from viddiff.registry import declared_facts


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ancestral", SamplerName("ancestral")),
        ("ddim", SamplerName("ddim")),
        ("ddim-eta0.5", SamplerName("ddim", (("eta", 0.5),))),
        ("ddim-eta1", SamplerName("ddim", (("eta", 1.0),))),
        ("ddim-eta0.000001", SamplerName("ddim", (("eta", 1e-6),))),
        ("sde-dpm", SamplerName("sde-dpm")),
        ("unipc-order3", SamplerName("unipc", (("order", 3),))),
    ],
)
def test_names_are_read_and_written(text: str, name: SamplerName) -> None:
    assert parse_sampler(text) == name
    assert str(name) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "sampler '' is unknown; known: ancestral, ddim, dpm, heun, sde-dpm, unipc"),
        ("huen", "sampler 'huen' is unknown; did you mean heun"),
        ("DDIM", "sampler 'DDIM' is unknown"),
        ("ddim-", "'' is no option; allowed: ddim[-eta<0 to 1>]"),
        ("ddim-eta", "'eta' is no option; allowed: ddim[-eta<0 to 1>]"),
        ("ddim-eta0.5-eta0.5", "'eta0.5' is no option"),
        ("ddim-order2", "'order2' is no option; allowed: ddim[-eta<0 to 1>]"),
        ("ddim-eta1.5", "eta is 1.5, must be 0 to 1"),
        ("ddim-eta-1", "'eta' is no option"),
        ("ddim-eta0.1234567", "'eta0.1234567' is no option"),
        ("ddim-etanan", "'etanan' is no option"),
        ("ddim-eta0", "write ddim, the one name of that sampler"),
        ("ddim-eta0.50", "write ddim-eta0.5, the one name of that sampler"),
        ("ddim-eta1.0", "write ddim-eta1, "),
        ("ddim-eta00.5", "write ddim-eta0.5, "),
        ("heun-order2", "'order2' is no option; allowed: heun"),
        ("unipc-order2", "write unipc, "),
        ("unipc-order4", "order is 4, must be 2 or 3"),
        ("unipc-order2.5", "order is 2.5, must be 2 or 3"),
        ("unipc-order3.0", "write unipc-order3, "),
    ],
)
def test_what_is_not_the_name_of_a_sampler_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_sampler(text)
    assert message in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError):
        find_sampler(text)


@pytest.mark.parametrize("name", samplers.names())
def test_the_facts_of_a_sampler_are_those_of_its_function(name: str) -> None:
    """Options are its keywords, with the default that is there."""
    keywords = list(signature(samplers.find(name)).parameters.values())[4:]
    facts = declared_facts("sampler", PACKAGE)[name]
    assert {option: fact["default"] for option, fact in facts.get("options", {}).items()} == {
        keyword.name: keyword.default for keyword in keywords
    }
    assert set(facts) <= {"options", "per_level"}
    assert parse_sampler(name).sampler == name and any(form.startswith(name) for form in forms())


def test_a_name_with_options_is_the_function_with_them() -> None:
    assert find_sampler("unipc-order3").keywords == {"order": 3}
    assert find_sampler("ddim-eta0.25").keywords == {"eta": 0.25}
    assert find_sampler("ddim").keywords == {}


def test_evaluations() -> None:
    assert [evaluations(name, 10) for name in ("ancestral", "ddim-eta0.5", "dpm", "unipc-order3")] == [10] * 4
    assert [evaluations("heun", levels) for levels in (1, 2, 10)] == [1, 3, 19]
    with pytest.raises(InputError):
        evaluations("heun-order3", 10)

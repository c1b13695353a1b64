"""What is done in each stage of a mode beside sampling it, and how the mode's name says so. Planning reads it.

    history-<w>[-given<w>][-newest<w>]-   guidance by history, see `viddiff.diffusion.history`
    noisy-<level>-                        noise on observed frames, see `viddiff.diffusion.observed_noise`
    resample-<times>x<levels>-            noise on what was made, see `viddiff.diffusion.resampling`

Each has one spelling: numbers have at most six places behind the point and no zeros too many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from viddiff.diffusion.sampler_names import evaluations
from viddiff.errors import InputError

Subset = Literal["all", "given", "newest"]
"""Of a stage's observed frames: all of them, those of the true video, the newer half (rounded up)."""

MOST_WEIGHT = 100
MOST_TIMES = 100
GUIDANCE_SHIFTS = ("estimate", "mean")
"""What reconstruction guidance moves."""

FORM = "[history-<w>[-given<w>][-newest<w>]-][noisy-<level>-][resample-<times>x<levels>-]"
WORDS = ("history", "noisy", "resample")
"""With which names of users' modes must not begin."""

_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
PATTERN = (
    rf"(?:history-(?P<all>{_NUMBER})(?:-given(?P<given>{_NUMBER}))?(?:-newest(?P<newest>{_NUMBER}))?-)?"
    rf"(?:noisy-(?P<noisy>{_NUMBER})-)?"
    r"(?:resample-(?P<times>[0-9]{1,6})x(?P<back>[0-9]{1,6})-)?"
)
"""With which names of strategies may begin."""


@dataclass(frozen=True)
class Treatment:
    """What is done in each stage.

    history: the weights of guidance by history, of all observed frames first, then of parts of them; observed_noise:
    the level of noise on observed frames, in [0, 1); resampling: how often it goes up again, and how many noise levels,
    or `None`.
    """

    history: tuple[tuple[Subset, float], ...] = ()
    observed_noise: float = 0.0
    resampling: tuple[int, int] | None = None

    @staticmethod
    def read(groups: Mapping[str, str | None]) -> Treatment:
        """From what the groups of `PATTERN` matched. Raises `InputError` for numbers that are not allowed."""
        subsets: tuple[Subset, ...] = get_args(Subset)
        texts = {subset: text for subset in subsets if (text := groups[subset]) is not None}
        history = tuple((subset, _weight(subset, text)) for subset, text in texts.items())
        if history == (("all", 1.0),):
            raise InputError("history-1: the weight 1 is the mode without guidance, leave history-1- out")
        noisy = groups["noisy"]
        observed_noise = 0.0 if noisy is None else _number("noisy-", noisy)
        if noisy is not None and not 0.0 < observed_noise < 1.0:
            raise InputError(f"noisy-{noisy}: the level is {noisy}, must be above 0 and below 1")
        return Treatment(history, observed_noise, _read_resampling(groups["times"], groups["back"]))

    @property
    def name(self) -> str:
        """The words that it has in a mode's name: `history-… and noisy-…`; "" if nothing is done."""
        done = {"history": self.history, "noisy": self.observed_noise, "resample": self.resampling}
        return " and ".join(f"{word}-…" for word, what in done.items() if what)

    def evaluations(self, sampler: str, levels: int) -> int:
        """The sampler's evaluations of a window in so many noise levels.

        Raises `InputError` for a wrong name of a sampler, or if resampling goes up too far.
        """
        once = evaluations(sampler, levels)
        if self.resampling is None:
            return once
        times, back = self.resampling
        if back >= levels:
            raise InputError(
                f"resample-{times}x{back}: goes {back} noise levels up, must be less than the {levels} that there are"
            )
        return once + times * evaluations(sampler, back)

    def passes(self, observes: Callable[[Subset], bool]) -> int:
        """Network evaluations of a window for each of the sampler's. observes: whether it has frames of a subset."""
        parts = sum(observes(subset) for subset, _ in self.history)
        return 1 + parts if parts else 1


def check_guidance(shifts: str, sampler: str) -> None:
    """Raise `InputError` if reconstruction guidance cannot move that with a sampler of this name."""
    if shifts not in GUIDANCE_SHIFTS:
        raise InputError(f"guidance_shifts is {shifts!r:.60}, must be {' or '.join(GUIDANCE_SHIFTS)}")
    if shifts == "mean" and sampler != "ancestral":
        raise InputError(
            f"guidance_shifts is mean, of the transitions of sampler ancestral, but the sampler is {sampler}: "
            "take estimate, or ancestral"
        )


def _weight(subset: Subset, text: str) -> float:
    name = "history-" + ("" if subset == "all" else subset)
    weight = _number(name, text)
    if not 0.0 < weight <= MOST_WEIGHT:
        raise InputError(f"{name}{text}: the weight is {text}, must be above 0, and {MOST_WEIGHT} at most")
    return weight


def _read_resampling(times: str | None, back: str | None) -> tuple[int, int] | None:
    if times is None or back is None:
        return None
    if not 1 <= int(times) <= MOST_TIMES or int(back) < 1 or f"{int(times)}x{int(back)}" != f"{times}x{back}":
        raise InputError(
            f"resample-{times}x{back}: must be 1 to {MOST_TIMES} times, and 1 noise level or more, with no zeros before"
        )
    return int(times), int(back)


def _number(name: str, text: str) -> float:
    """Raises `InputError` for a number that has another spelling."""
    spelt = f"{float(text):.6f}".rstrip("0").rstrip(".")
    if text != spelt:
        raise InputError(f"{name}{text}: write {name}{spelt}, the one spelling of that number")
    return float(text)

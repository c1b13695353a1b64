"""Which stages of a plan depend on each other, and which can run together."""

from __future__ import annotations

from viddiff.inference.plan import Plan


def levels(plan: Plan) -> tuple[tuple[int, ...], ...]:
    """The numbers of the plan's stages by levels: those of one level can run together, after the levels before.

    A stage comes after the stages that make what it observes, that make its latent frames an earlier time, or
    that read these before. A stage that selects frames at run time may read any: it comes after all stages
    before it, and what makes known frames again comes after it. The number of levels is that of the longest
    chain of stages that wait for each other.
    """
    made, read = (
        [0] * plan.length,
        [0] * plan.length,
    )  # per frame: levels to wait for before reading, remaking
    read_all = 0
    result: list[list[int]] = []
    for number, stage in enumerate(plan.stages):
        level = max(
            read_all,
            max((made[frame] for frame in stage.observed), default=0),
            max(max(made[frame], read[frame]) for frame in stage.latent),
            len(result) if stage.n_select else 0,
        )
        if level == len(result):
            result.append([])
        result[level].append(number)
        for frame in stage.latent:
            made[frame] = level + 1
        for frame in stage.observed:
            read[frame] = max(read[frame], level + 1)
        if stage.n_select:
            read_all = level + 1
    return tuple(map(tuple, result))

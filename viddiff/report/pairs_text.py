"""All pairs of modes as files: CSV, and text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from viddiff.files.write import write_text
from viddiff.report.pairs import Pair, compare_pairs, pair_table
from viddiff.report.records import Record
from viddiff.report.text_table import align, decimals_of, short_unit

_COLUMNS = ("metric", "pair", "difference", "95 % interval", "p", "p holm")
_EXPLAINED = (
    "difference: the first less the second; of metrics that are best near the truth that of the distances from it",
    "p holm: adjusted for all pairs in that metric",
)


def write_pairs(
    metrics: Sequence[Path | str],
    csv: Path | str,
    text: Path | str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write `pair_table` of metrics files as CSV, and as text for a terminal."""
    pairs = compare_pairs([Path(path) for path in metrics], progress=progress)
    write_text(csv, pair_table(pairs).to_csv(index=False, lineterminator="\n"))
    write_text(text, format_pairs(pairs))


def format_pairs(pairs: Sequence[Pair]) -> str:
    """The pairs as text: the evaluations by letters, a table of all that are compared, and what is not."""
    if not pairs:
        return "no two modes to compare\n"
    records = {record.path: record for pair in pairs for record in (pair.a, pair.b)}
    letters = {path: _letter(number) for number, path in enumerate(records)}
    columns: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    verdicts: list[str] = []
    skipped: dict[str, list[str]] = {}
    order = list(dict.fromkeys(pair.metric for pair in pairs))
    for pair in sorted(pairs, key=lambda pair: order.index(pair.metric)):
        name = f"{letters[pair.a.path]} - {letters[pair.b.path]}"
        if pair.difference is None:
            skipped.setdefault(f"{pair.metric + ', ' if pair.metric else ''}{pair.verdict}", []).append(name)
            continue
        for cells, text in zip(columns.values(), _cells(pair, name), strict=True):
            cells.append(text)
        verdicts.append(pair.verdict_of(letters[pair.a.path], letters[pair.b.path]))
    lines = align(columns | {"verdict": verdicts}) if verdicts else []
    return "\n".join(
        [
            *_legend(records.values(), letters),
            *lines,
            *(f"{reason}: {', '.join(names)}" for reason, names in skipped.items()),
            *_EXPLAINED,
            "",
        ]
    )


def _cells(pair: Pair, name: str) -> tuple[str, ...]:
    """What the text says of a pair that is compared, but for the verdict."""
    found, unit = pair.difference, pair.a.metrics[pair.metric].unit
    assert found is not None
    decimals = decimals_of(found.error)
    low, high = pair.interval
    return (
        f"{pair.metric}{short_unit(unit)}",
        name,
        f"{found.value:z.{decimals}f}",
        "-" if low is None else f"{low:z.{decimals}f} … {high:z.{decimals}f}",
        *("-" if p is None else f"{p:.2g}" for p in (found.p, pair.p_holm)),
    )


def _legend(records: Iterable[Record], letters: Mapping[Path, str]) -> list[str]:
    """The letters, and what they stand for: what all have in common is told first."""
    names = [record.names for record in records]
    own = [i for i in range(3) if i == 2 or len({name[i] for name in names}) > 1]
    shared = [f"{what}: {names[0][i]}" for i, what in enumerate(("run", "checkpoint")) if i not in own]
    rows = [
        f"{letter}  {'/'.join(name[i] for i in own)}"
        for letter, name in zip(letters.values(), names, strict=True)
    ]
    return [*(["   ".join(shared), ""] if shared else []), *rows, ""]


def _letter(number: int) -> str:
    """A … Z, AA, AB …"""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)

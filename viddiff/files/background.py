"""Files written behind the caller's back, in the order in which they were handed over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Background:
    """A thread that works one piece after another, while whoever hands them over goes on.

    At most `most` pieces wait or are under way: `do` waits for the oldest where there are more. What a piece raises is
    raised by the next `do` or at the end of the block. However the block ends, all pieces are worked before, or tried.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pending: deque[Future[object]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None:
            self._wait(0)

    def do(self, work: Callable[[], object]) -> None:
        """Hand over a piece. Raises what an earlier one raised, or this one if it is done already."""
        self._pending.append(self._thread.submit(work))
        self._wait(self._most)

    def _wait(self, most: int) -> None:
        while len(self._pending) > most or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()

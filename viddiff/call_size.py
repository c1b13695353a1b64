"""How many windows share a network call: as many as the device's memory holds, by a trial, and fewer if it runs out.

Neither changes results: on a processor each window has a call of its own, on a GPU they are the same up to rounding.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from viddiff.errors import InputError, one_line
from viddiff.window import Window

T = TypeVar("T")

WINDOWS_PER_CALL = 8
"""If nothing else is asked for or tried."""
MOST_WINDOWS = 64
"""Of a call: more make no GPU faster, and take as long as it takes to lose the stages that are under way."""
SHARE = 0.8
"""Of the free memory: other jobs may use the same GPU, and kernels take memory that a trial does not show."""

log = logging.getLogger(__name__)


class CallSize:
    """The most windows that share a network call. It is halved when memory runs out, for all calls from then on."""

    def __init__(self, most: int) -> None:
        self.most = most

    @staticmethod
    def of(most: int | CallSize) -> CallSize:
        """A number as one that can be halved."""
        return most if isinstance(most, CallSize) else CallSize(most)

    def run(self, windows: int, work: Callable[[int], T]) -> T:
        """The result of `work(n)`, where n of the windows may share a call; of a smaller n if memory runs out.

        work: leaves nothing behind if it fails. Raises `InputError` if memory does not do for one window.
        """
        while True:
            tried = min(self.most, windows)
            try:
                return work(tried)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = f"{one_line(error):.200}"
            # Here the error is gone, and with it what held the memory.
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
            if tried == 1:
                raise InputError(
                    f"out of memory with a single window in a network call ({reason}): end what else uses the device, "
                    "take a mode with fewer max_frames, or a device with more memory"
                )
            self.most = tried // 2
            log.warning(
                "out of memory with %d windows in a network call, goes on with %d at most", tried, self.most
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a GPU or of the machine: PyTorch has no kind for the latter."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def windows_that_fit(
    evaluate: Callable[[Window], object], shape: tuple[int, ...], device: torch.device
) -> int:
    """How many windows can share a network call on a GPU, `MOST_WINDOWS` at most: by calls with one and with two.

    evaluate: calls the network; shape: of a window's frames, [K, C, H, W].
    """

    def call(windows: int) -> None:
        index = torch.arange(shape[0], device=device).expand(windows, -1)
        evaluate(Window(torch.zeros(windows, *shape, device=device), index, index == 0, index > 0))

    def peak(windows: int) -> int:
        torch.cuda.reset_peak_memory_stats(device)
        call(windows)
        return torch.cuda.max_memory_allocated(device)

    try:
        call(1)  # the libraries of the GPU take memory of their own at the first call
        in_use = torch.cuda.memory_allocated(device)
        one, two = peak(1), peak(2)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return 1
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + held
    found = windows_in(free, in_use, one, two)
    log.info(
        "%d windows in a network call at most: one takes %.2f GB, %.1f GB are free",
        found,
        (two - one) / 1e9,
        free / 1e9,
    )
    return found


def windows_in(free: int, in_use: int, one: int, two: int) -> int:
    """The windows that fit. free, in_use: bytes before a call; one, two: the most in use in calls with so many."""
    each = max(two - one, 1)
    shared = max(one - each - in_use, 0)
    return max(1, min(MOST_WINDOWS, int(SHARE * free - shared) // each))

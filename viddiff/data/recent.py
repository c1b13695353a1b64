"""What was used lately, kept up to a number of things: open arrays. Another process gets none of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by index, `most` of them."""

    def __init__(self, most: int):
        self.most = most
        self._values: OrderedDict[int, Value] = OrderedDict()

    def get(self, index: int, make: Callable[[int], Value]) -> Value:
        """The value of an index, made if it is not kept."""
        if index in self._values:
            self._values.move_to_end(index)
            return self._values[index]
        value = self._values[index] = make(index)
        if len(self._values) > self.most:
            self._values.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._values)

    def __getstate__(self) -> dict[str, Any]:
        """Without the values: an open array would travel as all that it maps."""
        return {"most": self.most, "_values": OrderedDict()}

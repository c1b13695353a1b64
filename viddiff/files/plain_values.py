"""The plain values in a file of `torch.save`, without torch and without unpickling: planning reads settings by it.

The pickle in the archive is taken as a list of instructions that build values, and only those are followed that make
numbers, texts, lists, tuples and dicts. Tensors, and all else that would call something, become `None`.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from pathlib import Path
from typing import Any

from viddiff.errors import InputError
from viddiff.files.archives import check_whole, is_archive

MOST_BYTES = 2**24  # of the pickle: a thousand tensors take 200 kB
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CALLS = {"REDUCE", "NEWOBJ"}
_OTHER = object()
_ORDERED_DICT = object()


def read_plain(path: Path) -> Any:
    """The content of a file, `None` in place of tensors and other objects.

    Raises `InputError` if it is cut off, older than torch 1.6, or holds what cannot be told without torch.
    """
    instructions = read_pickle(path, MOST_BYTES)
    try:
        return _follow(instructions)
    except Exception as error:  # an instruction may find nearly anything
        raise _refusal(path, error) from None


def read_pickle(path: Path, most: int | None = None) -> bytes:
    """The pickle in a file, for those who look for something in it; nothing may unpickle it.

    most: how many bytes are allowed, all by default: those of the file. Raises `InputError` as `read_plain` does.
    """
    check_whole(path)
    try:
        if not is_archive(path):
            raise ValueError("an older format")
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
            if name is None:
                raise ValueError("no pickle in it")
            if most is not None and archive.getinfo(name).file_size > most:
                raise ValueError(f"its pickle has more than {most} bytes")
            return archive.read(name)
    except Exception as error:  # zipfile raises many kinds for a damaged file
        raise _refusal(path, error) from None


def shape_of_tensor(path: Path, axes: int) -> tuple[int, ...] | None:
    """The shape of a file that holds one tensor of so many axes and nothing else; `None` if it does not seem to.

    Raises `InputError` as `read_plain` does.
    """
    told = [
        int(argument or 0)
        for instruction, argument, _ in pickletools.genops(read_pickle(path, MOST_BYTES))
        if instruction.name in _NUMBERS
    ]  # elements of the storage, where the tensor begins in it, shape, strides
    shape = tuple(told[2 : 2 + axes])
    return shape if len(told) == 2 + 2 * axes and math.prod(shape) == told[0] else None


def _refusal(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: its plain values cannot be read: {error}")


def _follow(pickled: bytes) -> Any:
    """The value that instructions build."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # what lies below each mark
    memo: dict[Any, Any] = {}
    for instruction, argument, _ in pickletools.genops(pickled):
        name = instruction.name
        if name in _NUMBERS or name in _TEXTS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name == "TUPLE":
            stack = [*below.pop(), tuple(stack)]
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name == "APPENDS":
            values, stack = stack, below.pop()
            stack[-1].extend(values)
        elif name == "SETITEM":
            key, value = stack[-2:]
            del stack[-2:]
            stack[-1][key] = value
        elif name == "SETITEMS":
            values, stack = stack, below.pop()
            stack[-1].update(zip(values[::2], values[1::2], strict=True))
        elif name == "STACK_GLOBAL":
            stack[-2:] = [_ORDERED_DICT if stack[-2:] == ["collections", "OrderedDict"] else _OTHER]
        elif name == "GLOBAL":
            stack.append(_ORDERED_DICT if argument == "collections OrderedDict" else _OTHER)
        elif name in _CALLS:
            stack[-2:] = [{} if stack[-2] is _ORDERED_DICT else None]
        elif name == "BINPERSID":
            stack[-1] = None
        elif name == "BUILD":
            stack.pop()
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"unexpected instruction {name}")
    raise ValueError("it has no end")

"""Errors that a user can put right. Each message is one line: what is wrong, what was found, what is allowed."""

from __future__ import annotations


class InputError(ValueError):
    """Something given to viddiff is wrong: a file, a config key, a name, a parameter."""


class PlanError(InputError):
    """A mode's parameters admit no valid plan."""


class OutputError(InputError):
    """A result could not be written: no space, no permission, a file where a folder must be."""

"""An object of the mapping file, read key by key; every problem is gathered, none is raised."""

import difflib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

_LONGEST_SHOWN: Final = 60


def shown(value: object) -> str:
    """Return how a JSON value is named in a message."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value)
    return f"{text[:_LONGEST_SHOWN]}…" if len(text) > _LONGEST_SHOWN else text


def is_text(value: object) -> bool:
    """Tell whether the value is text that UTF-8 can hold: JSON can write halves of characters."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Node:
    """An object, and what was asked of it.

    A key whose value is null or empty counts as absent: the DMS console and its API write all keys of a rule that way.

    Args:
        values: The object.
        path: Where it is, for messages.
        problems: Where problems go, a line each.
        notes: Where goes what is taken and changes nothing here, a line each.
    """

    def __init__(self, values: Mapping[str, Any], path: str, problems: list[str], notes: list[str]) -> None:
        self._values = values
        self._asked: set[str] = set()
        self.path = path
        self.problems, self.notes = problems, notes

    def refuse(self, key: str, problem: str) -> None:
        """Note a problem of a key."""
        self.problems.append(f"{self.at(key)}: {problem}")

    def note(self, key: str, text: str) -> None:
        """Note what a key says that changes nothing here."""
        self.notes.append(f"{self.at(key)}: {text}")

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.path}{'' if self.path.endswith(': ') else '.'}{key}"

    def value(self, key: str) -> Any:
        """Return what the key has as it is, None if it isn't there."""
        self._asked.add(key)
        return self._values.get(key)

    def _given(self, key: str) -> Any:
        value = self.value(key)
        return None if _is_nothing(value) else value

    def text(
        self,
        key: str,
        *,
        required: bool = False,
        words: Collection[str] = (),
        unsupported: Mapping[str, str] | None = None,
    ) -> str | None:
        """Return the text of a key, one of `words` if there are any; one of `unsupported` is refused for its reason."""
        value = self.value(key) if required else self._given(key)
        reason = (unsupported or {}).get(value) if isinstance(value, str) else None
        if reason is not None:
            self.refuse(key, f"'{value}' is not supported: {reason}. Allowed: {_allowed(words)}")
            return None
        if value is None:
            if required:
                self.refuse(key, f"missing; allowed: {_allowed(words) or 'text'}")
            return None
        if not is_text(value) or (not value and required):
            found = "an empty text" if value == "" else shown(value)
            self.refuse(key, f"found {found}; allowed: {_allowed(words) or 'text'}")
            return None
        if words and value not in words:
            self.refuse(key, f"found {shown(value)}; {_near(value, words)}allowed: {_allowed(words)}")
            return None
        return str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of texts of a key, each of them once."""
        values = self._given(key)
        if values is None:
            return ()
        if not isinstance(values, list) or not all(is_text(value) and value for value in values):
            self.refuse(key, f"found {shown(values)}; allowed: a list of names")
            return ()
        for twice in sorted({value for value in values if values.count(value) > 1}):
            self.refuse(key, f"'{twice}' is in the list twice")
        return tuple(values)

    def number(self, key: str, *, maximum: int, required: bool = False) -> int | None:
        """Return the whole number of a key, from 1; DMS takes it in quotes too."""
        value = self._given(key)
        if value is None:
            if required:
                self.refuse(key, f"missing; allowed: a whole number from 1 to {maximum}")
            return None
        digits = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if digits.isascii() and digits.isdigit() and len(digits) <= len(str(maximum)) and 1 <= int(digits) <= maximum:
            return int(digits)
        self.refuse(key, f"found {shown(value)}; allowed: a whole number from 1 to {maximum}")
        return None

    def boolean(self, key: str, default: bool) -> bool:
        """Return the claim of a key; DMS takes it in quotes too."""
        value = self._given(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        self.refuse(key, f"found {shown(value)}; allowed: true or false")
        return default

    def node(self, key: str, *, required: bool = False) -> "Node | None":
        """Return the object of a key."""
        value = self._given(key)
        if isinstance(value, Mapping):
            return Node(value, self.at(key), self.problems, self.notes)
        if value is not None:
            self.refuse(key, f"found {shown(value)}; allowed: an object")
        elif required:
            self.refuse(key, "missing; allowed: an object")
        return None

    def nodes(self, key: str) -> "list[Node]":
        """Return the objects in the list of a key."""
        values = self._given(key)
        if values is None:
            return []
        if not isinstance(values, list):
            self.refuse(key, f"found {shown(values)}; allowed: a list of objects")
            return []
        found = []
        for index, value in enumerate(values):
            if isinstance(value, Mapping):
                found.append(Node(value, f"{self.at(key)}[{index}]", self.problems, self.notes))
            else:
                self.refuse(f"{key}[{index}]", f"found {shown(value)}; allowed: an object")
        return found

    def end(self, unsupported: Mapping[str, str] | None = None, *, tuning: Collection[str] = ()) -> None:
        """Refuse the keys that were not asked for, those of `unsupported` with the reason given there.

        Args:
            unsupported: Keys of DMS that would change a result.
            tuning: Keys of DMS that change no result; they are noted.
        """
        for key, value in self._values.items():
            if key in self._asked or _is_nothing(value):
                continue
            reason = (unsupported or {}).get(key)
            if key in tuning:
                if value is not False:
                    self.note(key, "only tunes DMS")
            elif reason is None:
                allowed = sorted({*self._asked, *tuning})
                self.refuse(shown(key).strip("'"), f"unknown key; {_near(key, allowed)}allowed: {', '.join(allowed)}")
            else:
                self.refuse(key, f"not supported: {reason}")


def _is_nothing(value: object) -> bool:
    return value is None or value in ("", [], {})


def _allowed(words: Collection[str]) -> str:
    return ", ".join(words)


def _near(found: str, words: Collection[str]) -> str:
    near = difflib.get_close_matches(found.lower(), words, 1, cutoff=0.6)
    return f"did you mean '{near[0]}'? " if near else ""

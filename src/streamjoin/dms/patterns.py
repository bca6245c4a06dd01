"""Names of schemas, tables and columns as rules locate them: exact, or with wildcards.

Source: AWS DMS user guide, "Wildcards in table mapping": `%` is any characters, `_` one, `[_]` an underscore, `[ab]`
and `[a-d]` one character of a set.
"""

import re
from dataclasses import dataclass
from typing import Final

_TOKENS: Final = re.compile(r"%|_|\[([^\]]*)\]|[^%_\[]+|\[", re.DOTALL)


@dataclass(frozen=True)
class NamePattern:
    """What a rule says of a name.

    Args:
        text: As it stands in the file.
        regex: What the whole name matches.
        is_wild: Whether it can be meant for more than one name. A mere `_`, which most names have, doesn't say so.
    """

    text: str
    regex: str
    is_wild: bool

    @classmethod
    def exact(cls, text: str) -> "NamePattern":
        """Return the pattern of this one name.

        Raises:
            ValueError: It has wildcards.
        """
        if "%" in text or "[" in text:
            found = f"'{text}' has wildcards, and this kind of rule takes the exact name of one schema and table"
            raise ValueError(found)
        return cls(text, re.escape(text), False)

    @classmethod
    def of_columns(cls, text: str) -> "NamePattern":
        """Return a pattern of column names, in which `%` is the only wildcard that is documented."""
        return cls(text, ".*".join(map(re.escape, text.split("%"))), "%" in text)

    @classmethod
    def parse(cls, text: str) -> "NamePattern":
        """Return a pattern of schema or table names.

        Raises:
            ValueError: A set of characters is not closed, empty, runs backwards, or is of a kind that isn't documented.
        """
        regex = []
        for token in _TOKENS.finditer(text):
            if token.group() == "%":
                regex.append(".*")
            elif token.group() == "_":
                regex.append(".")
            elif token.group().startswith("["):
                regex.append(_set(token.group(), text))
            else:
                regex.append(re.escape(token.group()))
        return cls(text, "".join(regex), "%" in text or "[" in text)

    @property
    def sole_name(self) -> str | None:
        """The one name that is meant, a mere `_` taken for itself; None if there may be several."""
        name = self.text.replace("[_]", "_")
        return None if "%" in name or "[" in name else name

    def matches(self, name: str, *, ignore_case: bool = False) -> bool:
        """Tell whether the name is meant."""
        return re.fullmatch(self.regex, name, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _set(token: str, text: str) -> str:
    members = token[1:-1]
    if not token.endswith("]") or len(token) < 2:
        found = f"'{text}' has a '[' without its ']'"
        raise ValueError(found)
    if not members or members[0] in "^!":
        found = f"'{text}' has the set '{token}'; documented are [ab], [a-d] and [_]"
        raise ValueError(found)
    regex, at = "", 0
    while at < len(members):
        first, last = members[at], members[at + 2 : at + 3]
        if members[at + 1 : at + 2] == "-" and last:
            if last < first:
                found = f"'{text}' has the range '{first}-{last}', which runs backwards"
                raise ValueError(found)
            regex += f"{re.escape(first)}-{re.escape(last)}"
            at += 3
        else:
            regex += re.escape(first)
            at += 1
    return f"[{regex}]"

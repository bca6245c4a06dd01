"""What can be wrong with a date pattern, found before the first record.

Letters that Spark refuses, and letters that are taken for others: `mm` for months, `YYYY` for years.

Source: java.time.format.DateTimeFormatter for letters and lengths; Spark 3, "Datetime Patterns".
"""

import re
from typing import Final

# Letter -> most of them in a row. Those that Spark takes for parsing; more for formatting.
_LONGEST: Final = (
    {"G": 4, "y": 6, "M": 4, "L": 4, "d": 2, "D": 3, "a": 1}
    | {"h": 2, "H": 2, "k": 2, "K": 2, "m": 2, "s": 2, "S": 9}
    | {"V": 2, "z": 4, "O": 4, "X": 5, "x": 5, "Z": 5}
)
_FORMATTING_ONLY: Final = {"E": 4, "F": 1, "q": 4, "Q": 4}
_MONTH: Final = frozenset("ML")
_HOUR: Final = frozenset("HhKk")
_SECOND: Final = frozenset("sS")
_DATE: Final = frozenset("yYMLdD")
_PART: Final = re.compile(r"'(?:[^']|'')*'|(?P<run>([A-Za-z])\2*)|(?P<other>.)", re.DOTALL)


def parsing_problems(pattern: str) -> list[str]:
    """Return what keeps `pattern` from reading a date and time that can be ordered by."""
    runs, problems = _runs(pattern, _LONGEST)
    letters = {run[0] for run in runs}
    if not problems and "y" not in letters:
        problems.append("there is no year; use y")
    if letters & set("hK") and "a" not in letters:
        problems.append("'h' is the 12-hour clock and needs 'a' (AM or PM); use H for 0 to 23")
    return problems


def formatting_problems(pattern: str) -> list[str]:
    """Return what keeps `pattern` from writing a partition value."""
    return _runs(pattern, _LONGEST | _FORMATTING_ONLY)[1]


def _runs(pattern: str, longest: dict[str, int]) -> tuple[list[str], list[str]]:
    """Return the runs of one letter, such as `yyyy`, and the problems of the whole."""
    runs, problems, open_brackets = [], [], 0
    if not pattern.strip():
        return [], ["it is empty"]
    for part in _PART.finditer(pattern):
        if part["run"]:
            runs.append(part["run"])
        elif part["other"] == "'":
            problems.append("a single quote is not closed")
        elif part["other"] and part["other"] in "{}#":
            problems.append(f"'{part['other']}' is reserved; put text in single quotes")
        elif part["other"] and part["other"] in "[]":
            open_brackets += 1 if part["other"] == "[" else -1
            if open_brackets < 0:
                break
    if open_brackets != 0:
        problems.append("the brackets of an optional part don't match")
    for index, run in enumerate(runs):
        before = runs[index - 1][0] if index else ""
        after = runs[index + 1][0] if index + 1 < len(runs) else ""
        problem = _mistaken(run, before, after, runs) or _refused(run, longest)
        if problem:
            problems.append(problem)
    return runs, list(dict.fromkeys(problems))


def _mistaken(run: str, before: str, after: str, runs: list[str]) -> str | None:
    """Return the problem of a letter that means something else than what stands around it."""
    letter, letters = run[0], {r[0] for r in runs}
    around = {before, after} - {""}
    if letter == "m" and not around & (_HOUR | _SECOND) and around & _DATE:
        return f"'{run}' is minutes; use {'M' * len(run)} for the month"
    if letter in _MONTH and before in _HOUR and (after == "s" or sum(r[0] in _MONTH for r in runs) > 1):
        return f"'{run}' is the month; use {'m' * len(run)} for minutes"
    if letter == "Y":
        return f"'{run}' is the year of a week, which differs at the turn of the year; use {'y' * len(run)}"
    if letter == "D" and (letters & {"M", "L", "d", "m"} or len(run) == 2):
        return f"'{run}' is the day of the year; use {'d' * min(len(run), 2)} for the day of the month"
    if letter == "S" and before == "m" and "s" not in letters:
        return f"'{run}' is a fraction of a second; use {'s' * min(len(run), 2)} for seconds"
    return None


def _refused(run: str, longest: dict[str, int]) -> str | None:
    """Return the problem of a letter that Spark doesn't take, or not so many of."""
    letter = run[0]
    if letter in "WwuecABnNp" or (letter in _FORMATTING_ONLY and letter not in longest):
        return f"'{letter}' is a letter that Spark refuses; allowed: {' '.join(longest)}"
    if letter not in longest:
        return f"'{run}' is not a pattern letter; put text in single quotes"
    if len(run) > longest[letter]:
        return f"'{run}' is too long: at most {longest[letter]} of '{letter}'"
    if (letter == "V" and len(run) != 2) or (letter == "O" and len(run) in (2, 3)):
        return f"'{run}' has a wrong length: use {'VV' if letter == 'V' else 'O or OOOO'}"
    return None

"""A configuration file to a plain mapping: YAML, local or on S3, with environment variables put in.

Its YAML is that of version 1.2: only `true` and `false` are booleans, and dates are text. So `on` and `no` stay words.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, translated
from streamjoin.config.paths import TEMPLATE_MARK
from streamjoin.config.problems import KeyPath, Unset, dotted, is_secret, shown
from streamjoin.errors import ConfigError, SourceError

_NAME: Final = r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
_VARIABLE: Final = re.compile(r"\$\$\{|\$\{" + _NAME + r"(?::-(?P<default>[^}]*))?\}|(?P<broken>\$\{)")
_MAX_DEPTH: Final = 20
_MIN_SECRET_CHARACTERS: Final = 4
_REMEDIES: Final = Remedies(
    missing="Correct the path.",
    denied="Allow s3:GetObject on the object.",
    throttled="Start it again.",
    unreachable="Check the network, the credentials, AWS_REGION and AWS_ENDPOINT_URL.",
)


class _Loader(yaml.SafeLoader):
    """The safe loader, without YAML 1.1's other booleans, octal and base-60 numbers, and dates."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (the parent's attribute)


for _tag, _form, _first in (
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), _first)


@dataclass(frozen=True)
class RawConfig:
    """A configuration before it is checked.

    Args:
        values: Plain mappings, lists and scalars.
        where: The file, for messages.
        problems: What reading found already.
        written: Scalars as they stand in the file, where a variable was put in.
        secrets: Values of variables that are likely secrets -> the variable.
    """

    values: Any
    where: str
    problems: list[str] = field(default_factory=list)
    written: dict[KeyPath, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def redact(self, line: str) -> str:
        """Return `line` with the values of secret variables replaced by their names."""
        # The longest first: one may begin another.
        for value, name in sorted(self.secrets.items(), key=lambda each: -len(each[0])):
            line = line.replace(value, f"${{{name}}}")
            # A long text was cut, perhaps in the middle of a secret.
            ends = (f"{value[:length]}…" for length in range(len(value), 0, -1))
            line = next((line.replace(end, f"${{{name}}}…") for end in ends if end in line), line)
        return line


def read_config(source: str | Path | Mapping[str, Any], environ: Mapping[str, str]) -> RawConfig:
    """Read a file, a text or a mapping.

    Args:
        source: A path, local or `s3://bucket/key`; or text of YAML (more than one line, or `{…}`); or a mapping.
        environ: Where `${VAR}` and `${VAR:-default}` are looked up.

    Raises:
        ConfigError: There is no such file, it can't be read, or it isn't YAML.
    """
    if isinstance(source, Mapping):
        return substitute(source, "configuration", environ)
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{")):
        return _parse(source, "configuration", environ)
    return _parse(read_text(str(source)), str(source), environ)


def substitute(values: object, where: str, environ: Mapping[str, str] | None) -> RawConfig:
    """Put environment variables into the text scalars of `values`; after parsing, so that no value can be YAML.

    Args:
        values: What a parser made, or a caller.
        where: The file, for messages.
        environ: None leaves text as it is.
    """
    raw = RawConfig(None, where)
    filled = _fill(values, (), raw, environ)
    return RawConfig(filled, where, raw.problems, raw.written, raw.secrets)


def read_text(path: str) -> str:
    """Return what the file at `path` says: a local path, or `s3://bucket/key`.

    Raises:
        ConfigError: It can't be read, or isn't UTF-8.
    """
    try:
        if path.startswith("s3://"):
            content = _object(*path.removeprefix("s3://").partition("/")[::2])
        else:
            content = Path(path.removeprefix("file://")).read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save the file as UTF-8"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except (SourceError, ValueError) as error:
        reason = str(error)
    raise ConfigError([f"the file can't be read: {reason}"], path)


def _object(bucket: str, key: str) -> bytes:
    with translated(SourceError, "GetObject", _REMEDIES):
        content: bytes = aws_client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content


def _parse(text: str, where: str, environ: Mapping[str, str]) -> RawConfig:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        duplicates = list(_duplicate_keys(node, ())) if node else []
        values = loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # Only the parser's own words: its usual text also quotes the line, which may hold a secret.
        raise ConfigError([f"{place}not YAML: {error.problem or error.context}{_hint(error, text)}"], where) from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", "it can't be parsed")
        position = getattr(error, "position", 0)
        before = text[:position]
        place = f"line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))}"
        raise ConfigError([f"{place}: not YAML: {reason}"], where) from None
    raw = substitute(values, where, environ)
    raw.problems[:0] = duplicates
    return raw


def _hint(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return what to do if a template was written as YAML reads something else."""
    if error.context == "while scanning an alias":
        return "; put '*' in quotes"
    if "'\\t'" in (error.problem or ""):
        return "; indent by spaces"
    lines = text.split("\n")
    line = error.problem_mark.line if error.problem_mark else len(lines)
    there = "".join(lines[line : line + 1])
    mark = next((each for each in (TEMPLATE_MARK, "${") if each in there), None)
    # Braces have a meaning in a flow mapping.
    return "" if mark is None else f"; put text with {mark if mark == TEMPLATE_MARK else '${…}'} in quotes"


def _duplicate_keys(node: yaml.Node, path: KeyPath) -> Iterator[str]:
    """Yield a problem for each key that stands twice in one mapping; YAML forbids it, its loader takes the last."""
    if len(path) > _MAX_DEPTH:
        return
    if isinstance(node, yaml.SequenceNode):
        for index, element in enumerate(node.value):
            yield from _duplicate_keys(element, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Hashable, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines and key.tag != "tag:yaml.org,2002:merge":
                name = dotted((*path, key.value))
                yield f"{name}: the key stands twice, in line {lines[key.value]} and line {line}; keep one"
            lines.setdefault(key.value, line)
            yield from _duplicate_keys(value, (*path, key.value))


def _fill(value: object, path: KeyPath, raw: RawConfig, environ: Mapping[str, str] | None) -> object:
    if len(path) > _MAX_DEPTH:
        raise ConfigError([f"{dotted(path[:3])}…: nested more than {_MAX_DEPTH} levels deep"], raw.where)
    if isinstance(value, Mapping):
        filled = {}
        for key, inner in value.items():
            # A YAML 1.1 parser, which a mapping may come from, reads the key `on` as true.
            name = "on" if key is True else key
            if not isinstance(name, str):
                raw.problems.append(f"{dotted((*path, str(name)))}: found the key {shown(name)}; put it in quotes")
            filled[str(name)] = _fill(inner, (*path, str(name)), raw, environ)
        return filled
    if isinstance(value, list | tuple):
        return [_fill(inner, (*path, index), raw, environ) for index, inner in enumerate(value)]
    if environ is None or not isinstance(value, str) or "${" not in value:
        return value
    return _fill_text(value, path, raw, environ)


def _fill_text(text: str, path: KeyPath, raw: RawConfig, environ: Mapping[str, str]) -> object:
    complete, before = True, len(raw.problems)

    def replacement(found: re.Match[str]) -> str:
        nonlocal complete
        name, default = found["name"], found["default"]
        if found["broken"]:
            forms = "${NAME}, ${NAME:-default}, or $${ for the two characters themselves"
            raw.problems.append(f"{dotted(path)}: found '${{' that begins no variable; allowed: {forms}")
        elif name is None:
            return "${"
        elif environ.get(name) or (name in environ and default is None):
            if is_secret(name) and len(environ[name]) >= _MIN_SECRET_CHARACTERS:
                raw.secrets[environ[name]] = name
            return environ[name]
        elif default is not None:
            return default
        else:
            raw.problems.append(
                f"{dotted(path)}: environment variable '{name}' is not set; set it, or give a default: ${{{name}:-…}}"
            )
        complete = False
        return ""

    filled = _VARIABLE.sub(replacement, text)
    raw.written[path] = text
    return filled if complete else Unset(*raw.problems[before:])

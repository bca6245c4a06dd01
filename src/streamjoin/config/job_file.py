"""How the file of one job is checked, and what is said of it; each job has one such value."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from streamjoin.config.catalog_stages import CatalogTable
from streamjoin.config.file import RawConfig
from streamjoin.config.problems import Unset, dotted, explain, nested_model, places_without_mapping
from streamjoin.config.schema_forms import Stage
from streamjoin.errors import ConfigError

Config = TypeVar("Config", bound=Stage)


@dataclass(frozen=True)
class JobFile(Generic[Config]):
    """How the file of one job is checked, and what is said of it.

    Args:
        model: What a file has.
        problems: Yields what is wrong across keys; it takes a draft, see `draft`.
        summary: Says in a few words what the job reads and writes; raises `ConfigError` if another file is wrong.
        tables: Yields name and base path of each Hudi table that the job writes; None: it writes none.
        entered: Yields the tables, also of dead letters, that are to be in a catalog.
        located: Finds what the file names beside it.
        beside: Yields what is wrong with other files that a draft names, to be told with what is wrong with this one;
            if nothing is, the reader of those files tells it.
    """

    model: type[Config]
    problems: Callable[[Config], Iterable[str]]
    summary: Callable[[Config], str]
    tables: Callable[[Config], Iterable[tuple[str, str]]] | None = None
    entered: Callable[[Config], Iterable[CatalogTable]] = lambda config: ()
    located: Callable[[RawConfig], RawConfig] = lambda raw: raw
    beside: Callable[[Config], Iterable[str]] = lambda config: ()

    def checked(self, found: RawConfig) -> Config:
        """Return the configuration of the file that was read.

        Raises:
            ConfigError: Lists every problem.
        """
        raw = self.located(found)
        values, problems = raw.values, list(raw.problems)
        no_mappings: tuple[str, ...] = ()
        try:
            config = self.model.model_validate(values)
        except ValidationError as error:
            problems += explain(error, self.model, raw.written)
            no_mappings = tuple(f"{dotted(place)}{mark}" for place in places_without_mapping(error) for mark in ":.[")
            config = draft(self.model, values if isinstance(values, Mapping) else {})
        if isinstance(values, Mapping):
            # Of what is no mapping at all it is said already that it is none.
            problems += (line for line in self.problems(config) if not line.startswith(no_mappings))
        if problems:
            problems += self.beside(config)
            raise ConfigError([raw.redact(line) for line in dict.fromkeys(problems)], raw.where)
        return config


def draft(model: type[BaseModel], values: object) -> Any:
    """Return a `model` of what is valid in `values`; what is left out has its default, all else is a hole."""
    # Only a partition's name stands alone.
    given = values if isinstance(values, Mapping) else {"name": values}
    parts = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = nested_model(field.annotation)
        if key in given:
            parts[name] = _valid(field, inner, given[key])
        elif field.is_required():
            parts[name] = draft(inner, {}) if inner and get_origin(field.annotation) is not list else None
        else:
            parts[name] = field.get_default(call_default_factory=True)
    # A check may ask what was given, whatever it says.
    return model.model_construct({n for n, field in model.model_fields.items() if (field.alias or n) in given}, **parts)


def _valid(field: FieldInfo, inner: type[BaseModel] | None, value: object) -> object:
    whole: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        return TypeAdapter(whole).validate_python(value)
    except ValidationError:
        if inner is None:
            return Unset() if field.default is None else None
        if get_origin(field.annotation) is not list:
            return draft(inner, value)
        return [draft(inner, element) for element in value] if isinstance(value, list) else None

"""The job `enrich`: events of a stream, joined with references, upserted into one table.

`from streamjoin import enrich` gives this package: Python binds it to that name, which is also the name of a function
that notebooks import. So the package can be called as that function, `streamjoin.enrich.join.enrich`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CalledAsItsFunction(ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return import_module("streamjoin.enrich.join").enrich(*arguments, **named)


sys.modules[__name__].__class__ = _CalledAsItsFunction

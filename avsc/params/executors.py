"""The `executor` section: where shards are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from avsc.params.checks import argument_faults
from avsc.params.fields import Fault, Rest
from avsc.params.signatures import signature

Known = Literal["local", "ray"]


@dataclass(frozen=True)
class Named:
    """An executor with arguments of its own."""

    name: Known
    arguments: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    def faults(self, _: str, __: Mapping[str, Any]) -> list[Fault]:
        """Return arguments that the executor does not take."""
        found = signature(f"executors.{self.name}", "Executor")
        return argument_faults(found, self.arguments, (), apart=(), by=f"executor {self.name}")


Executor = Known | Named

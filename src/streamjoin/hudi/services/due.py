"""Which table services are due, as the names of a timeline's files tell it: one listing, nothing read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyarrow import fs

from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import names_in

_COMMITS: Final = frozenset({"commit", "deltacommit", "replacecommit"})
# A copy-on-write commit in flight has no action in its name.
_BEGUN: Final = frozenset(
    {"inflight", *(f"{action}.{state}" for action in _COMMITS for state in ("requested", "inflight"))}
)
_WITHOUT_COUNT: Final = "hoodie.compact.inline.trigger.strategy"


@dataclass(frozen=True)
class ServiceTimeline:
    """What a timeline has to do with services.

    Args:
        commits: How many completed commits it has, those of services among them.
        deltas: How many delta commits since the newest compaction, be it planned only.
        uncleaned: How many commits since the newest cleaning, be it planned only.
        compactions: Those that are planned and not done, the oldest first.
        cleanings: Likewise.
        replacements: Commits that are to replace files, begun and not finished: of a writer, or files being joined.
        unfinished: Commits that a writer has begun and not finished, those among them.
    """

    commits: int = 0
    deltas: int = 0
    uncleaned: int = 0
    compactions: tuple[str, ...] = ()
    cleanings: tuple[str, ...] = ()
    replacements: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()

    @classmethod
    def read(cls, filesystem: fs.FileSystem, root: str) -> "ServiceTimeline":
        """List the timeline of the table at `root`; nothing is there if there is no table.

        Raises:
            SinkError: It can't be listed.
        """
        return cls.of(names_in(filesystem, root))

    @classmethod
    def of(cls, names: list[str]) -> "ServiceTimeline":
        """Return what the names of the timeline's files say. Source: Hudi 1.0.2, timeline layout version 1."""
        actions: dict[str, set[str]] = {}
        for name in names:
            instant, _, rest = name.partition(".")
            if instant.isdigit():
                actions.setdefault(instant, set()).add(rest)
        done = {instant: found & _COMMITS for instant, found in actions.items() if found & _COMMITS}
        planned = sorted(instant for instant, found in actions.items() if "compaction.requested" in found)
        cleaned = sorted(i for i, found in actions.items() if found & {"clean", "clean.requested"})
        begun = [i for i, found in actions.items() if i not in done and any(each in _BEGUN for each in found)]
        last_compaction, last_cleaning = max(planned, default=""), max(cleaned, default="")
        return cls(
            commits=len(done),
            deltas=sum("deltacommit" in found and instant > last_compaction for instant, found in done.items()),
            uncleaned=sum(instant > last_cleaning for instant in done),
            compactions=tuple(instant for instant in planned if instant not in done),
            cleanings=tuple(instant for instant in cleaned if "clean" not in actions[instant]),
            replacements=tuple(sorted(i for i in begun if "replacecommit.requested" in actions[i])),
            unfinished=tuple(sorted(begun)),
        )


@dataclass(frozen=True)
class Rhythm:
    """After how many commits each service of a table is due; None: never.

    Args:
        compaction: Delta commits since the last one; 0: Hudi itself is to be asked.
        cleaning: Commits since the last one.
        archiving: Commits in the timeline.
        clustering: Whether the user wants small files joined by the job.
    """

    compaction: int | None
    cleaning: int | None
    archiving: int | None
    clustering: bool

    @classmethod
    def of(cls, table: HudiTable) -> "Rhythm":
        """Return what a table's options say."""
        options = table.writer_options(1)

        def is_on(name: str) -> bool:
            return str(options.get(name, "true")).lower() == "true"

        deltas = 0 if _WITHOUT_COUNT in options else int(options.get("hoodie.compact.inline.max.delta.commits", 0))
        return cls(
            compaction=deltas if table.merges_on_read and is_on("hoodie.compact.inline") else None,
            cleaning=int(options["hoodie.clean.max.commits"]) if is_on("hoodie.clean.automatic") else None,
            archiving=int(options["hoodie.keep.max.commits"]) if is_on("hoodie.archive.automatic") else None,
            clustering=table.has_free_files and str(options.get("hoodie.clustering.inline")).lower() == "true",
        )

    @property
    def look_every(self) -> int:
        """After how many commits the timeline is to be looked at: a service comes a few commits late at most."""
        counts = [count for count in (self.compaction, self.cleaning, self.archiving) if count is not None]
        return 1 if self.clustering else max(1, min(counts, default=10) // 2)

    def compacts(self, found: ServiceTimeline) -> bool:
        """Tell whether a compaction is to be planned: one at a time."""
        return self.compaction is not None and not found.compactions and found.deltas >= max(1, self.compaction)

    def cleans(self, found: ServiceTimeline) -> bool:
        """Tell whether a cleaning is to be planned: one at a time."""
        return self.cleaning is not None and not found.cleanings and found.uncleaned >= self.cleaning

    def archives(self, found: ServiceTimeline) -> bool:
        """Tell whether old commits are to leave the timeline."""
        return self.archiving is not None and found.commits > self.archiving


def megabytes_of(plan: Mapping[str, object]) -> float:
    """Return how much a compaction's plan reads and writes."""
    operations = plan.get("operations")
    found = operations if isinstance(operations, list) else []
    return sum(float(each.get("metrics", {}).get("TOTAL_IO_MB", 0.0)) for each in found)

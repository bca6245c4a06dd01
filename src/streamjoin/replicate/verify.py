"""What a replication's own records prove: the control table against the items of its targets and the dead letters.

Nothing is read of the server: that each row has its item is not proved here.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import code_of
from streamjoin.dynamodb.write.items import ItemWriter
from streamjoin.errors import SinkError
from streamjoin.replicate.config import ReplicateConfig, read_table_mappings
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.job import generation_of, version_of
from streamjoin.replicate.listing import count_by_reason, read_letters
from streamjoin.replicate.owners import Owners

_NOT_PROVED: Final = (
    "not proved: that each row has its item, as nothing is read of the server; a start with --reload makes them equal"
)


@dataclass
class TargetItems:
    """The items of a target table.

    Args:
        table: Its name.
        of_job: How many are the job's.
        of_others: How many are of other jobs.
        of_none: How many have no version: another program wrote them.
        newer: How many of the job's are newer than its position.
    """

    table: str
    of_job: int = 0
    of_others: int = 0
    of_none: int = 0
    newer: int = 0


@dataclass
class ReplicationReport:
    """What was found.

    Args:
        job: The job's name.
        state: What the control table has.
        targets: The items of each target table.
        dead_letters: How many there are for each reason.
        violations: What does not hold.
        notes: What is no violation, and worth to know.
    """

    job: str
    state: ControlState
    targets: list[TargetItems] = field(default_factory=list)
    dead_letters: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.violations

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "job": self.job,
            **self.state.to_json_values(),
            "targets": [vars(target) for target in self.targets],
            "dead_letters": self.dead_letters,
            "holds": self.holds,
            "violations": self.violations,
            "notes": [*self.notes, _NOT_PROVED],
        }

    def lines(self) -> list[str]:
        """Return the report as text."""
        counts = ", ".join(f"{n:,} {reason}" for reason, n in sorted(self.dead_letters.items()))
        outcome = "Every item of the job is of its last full load or newer." if self.holds else "Violations:"
        return [
            f"job '{self.job}': {self.state.phase} from {self.state.position}, generation {self.state.generation}",
            *(
                f"target '{each.table}': {each.of_job:,} items of the job, {each.of_others:,} of other jobs, "
                f"{each.of_none:,} of other programs"
                for each in self.targets
            ),
            f"dead letters: {sum(self.dead_letters.values()):,}{f' ({counts})' if counts else ''}",
            *(f"note: {note}" for note in (*self.notes, _NOT_PROVED)),
            outcome,
            *(f"  - {violation}" for violation in self.violations),
        ]


def verify(config: ReplicateConfig) -> ReplicationReport:
    """Compare what the control table says of a job with the items of its targets and its dead letters.

    Reads all items of each target, and writes nothing. While the job runs, what it writes meanwhile is a note.

    Raises:
        SinkError: The job has no position yet, or something can't be read.
    """
    settings = config.target.dynamodb
    client = aws_client("dynamodb", settings.region, settings.role_arn)
    state, _ = ControlTable.of(config.name, settings.control_table, client).look()
    if state is None:
        message = (
            f"control table '{settings.control_table}': it has no position of job '{config.name}': there is nothing to "
            "verify before a job's first start"
        )
        raise SinkError(message)
    report = ReplicationReport(config.name, state)
    of_rules = {rule.target_table for rule in read_table_mappings(config).object_mappings}
    owned = set(Owners(client, settings.control_table, config.name).owned())
    for table in sorted(of_rules | owned | state.marked):
        mark = config.name if table in state.marked else None
        found = _compare(report, ItemWriter(client), table, mark)
        if not found and table in owned | state.marked:
            report.violations.append(f"target '{table}': there is no such table; start the job with --reload")
        elif not found:
            report.notes.append(f"target '{table}': there is no such table; nothing was written to it yet")
    if config.dead_letters:
        letters = read_letters(config.dead_letters.base_path)
        report.dead_letters = count_by_reason(letters)
        later = sum(letter.position.order > state.position.order for letter in letters)
        if later:
            report.notes.append(f"{later:,} dead letters are of rows behind the position, which are read again")
    else:
        report.notes.append("the job keeps no dead letters: the first row that can't be an item stops it")
    if state.loading is not None:
        left = sorted(name for name, progress in state.loading.items() if not progress.is_done)
        report.notes.append(f"tables are being loaded, and older items are not deleted yet; left: {', '.join(left)}")
    return report


def _compare(report: ReplicationReport, writer: ItemWriter, table: str, mark: str | None) -> bool:
    """Note what the items of a target say; tell whether there is such a table."""
    state, found = report.state, TargetItems(table)
    newest, generations = version_of(state.generation, state.position), Counter[int]()
    try:
        for version, job in writer.versions(table):
            if version is None:
                found.of_none += 1
            elif job != mark:
                found.of_others += 1
            else:
                found.of_job += 1
                generations[generation_of(version)] += 1
                found.newer += version > newest
    except SinkError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return False
    report.targets.append(found)
    older = sum(count for generation, count in generations.items() if generation < state.generation)
    unknown = sum(count for generation, count in generations.items() if generation > state.generation)
    if older and state.loading is None:
        report.violations.append(
            f"target '{table}': {older:,} items are older than the last full load (generation {state.generation}), and "
            "no row has them: start the job with --reload"
        )
    if unknown:
        report.violations.append(
            f"target '{table}': {unknown:,} items are of a later full load than the control table knows of (generation "
            f"{state.generation}): start the job with --reload"
        )
    elif found.newer:
        report.notes.append(
            f"target '{table}': {found.newer:,} items are newer than the position: of a batch whose position was not "
            "written yet, which the next start repeats"
        )
    return True

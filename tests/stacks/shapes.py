"""The shapes that the stacks of infra/ can have, worked out on paper."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.stacks.on_paper import HERE, REGION, Stack

ARTEFACTS: Final = "artefacts"


def root(**given: str) -> Stack:
    """Return the root stack, and with it all others, for values of its parameters."""
    return Stack("streamjoin.yaml", {"ArtefactsBucket": ARTEFACTS, **given})


SECRET: Final = f"arn:aws:secretsmanager:{HERE}:secret:mysql-AbCdEf"
CAPTURED: Final = "receipts:receiptid,readings:device:at=N,old_table"
FULL: Final = {
    "CaptureTables": CAPTURED,
    "FanOutConsumer": "etl",
    "KmsKeyArn": f"arn:aws:kms:{HERE}:key/1234abcd",
    "AlarmEmail": "night@example.org",
    "MySqlSecretArn": SECRET,
    "Subnets": "subnet-0a1,subnet-0b2",
    "SecurityGroups": "sg-0c3",
    "AvailabilityZone": f"{REGION}a",
    "TableMappings": '{"rules": []}',
    "PipOptions": "--no-index --find-links=wheels",
}
STACKS: Final = {
    "default": root,
    "captured by Kinesis, replicated by the job": lambda: root(**FULL, Replication="job"),
    "captured by Pipes, replicated by DMS": lambda: root(
        **FULL, Replication="dms", ChangesBy="pipe", DmsVpcRole="true"
    ),
    "capture alone": lambda: root(Enrich="false", CaptureTables=CAPTURED),
    "events of a stream that is there": lambda: root(
        EventsStream="events-of-today", ReferenceTables="", Alarms="false"
    ),
}


def write(folder: Path) -> None:
    """Write each stack of each shape as a template without functions, for programs that look for what is not secure."""
    for number, make in enumerate(STACKS.values()):
        stacks: dict[str, dict[str, Any]] = {}
        for each in make().all():
            stacks.setdefault(each.stack.path, {})[each.name] = {"Type": each.kind, "Properties": each.properties}
        for path, resources in stacks.items():
            (folder / f"{number}{path.replace('/', '-')}.json").write_text(json.dumps({"Resources": resources}))


if __name__ == "__main__":
    write(Path(sys.argv[1]))

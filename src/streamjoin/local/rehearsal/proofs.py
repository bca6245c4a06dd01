"""What a rehearsal looks at: each function returns what it found, and raises if that isn't as it should be."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from streamjoin.aws.clients import aws_client
from streamjoin.doctor.checks import examine
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Status
from streamjoin.doctor.lines import plain_lines, summary
from streamjoin.errors import StackError
from streamjoin.local.rehearsal.alarms import Watched, alarms_of, printed, watched
from streamjoin.stacks.outputs import Outputs

if TYPE_CHECKING:
    from streamjoin.entry import JobConfig


def role_of(job: str) -> str:
    """Return the name of the role that a Glue job runs as."""
    return str(aws_client("glue").get_job(JobName=job)["Job"]["Role"]).rpartition("/")[2]


def examined(config: "JobConfig", role: str) -> tuple[str, list[str]]:
    """Look at all that a job will meet, with its role's credentials; on AWS Glue alone may assume that role.

    Returns:
        What it comes to, and the lines of what can't be checked here.

    Raises:
        StackError: Something is to be mended; all of it is in the text.
    """
    arn = aws_client("iam").get_role(RoleName=role)["Role"]["Arn"]
    sts = aws_client("sts")
    given = sts.assume_role(RoleArn=arn, RoleSessionName="rehearsal")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], sts.meta.region_name)
    lines = list(examine(Context(config, lambda service, region, _: session.client(service, region_name=region))))  # type: ignore[call-overload]
    counts = Counter(finding.status for _, finding in lines)
    if counts[Status.BAD]:
        raise StackError("\n".join(plain_lines([each for each in lines if each[1].status is Status.BAD])))
    return summary(counts), plain_lines([each for each in lines if each[1].status is Status.UNKNOWN])


def entered(outputs: Outputs) -> str:
    """Look for the enrichment's table in the catalog.

    Raises:
        StackError: Its entry is of another place.
    """
    database, table, place = outputs["Database"], outputs["LakeTable"], outputs["EnrichBasePath"]
    storage = aws_client("glue").get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    if storage["Location"].rstrip("/") != place:
        message = f"'{database}.{table}' is at {storage['Location']}, expected {place}"
        raise StackError(message)
    return f"{len(storage['Columns'])} columns, at {place}"


def watched_metrics(outputs: Outputs, log: Path) -> Watched:
    """Look for the metric of each alarm of a stack in what the enrichment has printed; no other job was run.

    Raises:
        StackError: An alarm watches what the job doesn't print.
    """
    idle = [outputs.job_name(job) for job in ("capture", "backfill", "replicate") if outputs.has(job)]
    alarms = alarms_of(aws_client("cloudwatch"), outputs["Name"])
    found = watched(alarms, printed(log.read_text().splitlines()), idle=idle)
    if found.absent or not found.told:
        names = ", ".join(f"{each['AlarmName']} ({each['MetricName']})" for each in found.absent)
        message = f"these alarms watch what the job doesn't print: {names or 'all of them'}"
        raise StackError(message)
    return found


def leftovers(name: str) -> list[str]:
    """Return what is still there under names that begin with that of a stack."""
    found = [
        *(each["Name"] for each in aws_client("s3").list_buckets()["Buckets"]),
        *aws_client("kinesis").list_streams()["StreamNames"],
        *aws_client("dynamodb").list_tables()["TableNames"],
        *(each["Name"] for each in aws_client("glue").get_jobs()["Jobs"]),
        *(each["RoleName"] for each in aws_client("iam").list_roles()["Roles"]),
        *(each["StackName"] for each in aws_client("cloudformation").describe_stacks()["Stacks"]),
    ]
    return [each for each in found if each.startswith(name)]

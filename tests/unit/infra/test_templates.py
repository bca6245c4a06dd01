"""What holds of every template, and of what the stacks hold by default."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cfnlint.schema.manager
import pytest

from streamjoin.dms.table_mappings import TableMappings
from tests.documents import ROOT, code_blocks, quoted, table_rows
from tests.stacks.on_paper import INFRA, TEMPLATES, template
from tests.stacks.shapes import FULL, SECRET, STACKS, root

README = (INFRA / "README.md").read_text()
RESOURCES = [resource for make in STACKS.values() for resource in make().all()]
# CloudFormation hands a stack's tags on to all that can have some; these can't.
UNTAGGED = {
    "AWS::Glue::Database",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
}


def test_cfn_lint_has_nothing_to_say() -> None:
    files = [str(path) for path in TEMPLATES]
    program = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([program, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", STACKS)
def test_each_stack_gives_those_inside_of_it_what_they_ask_for(name: str) -> None:
    made = STACKS[name]()
    assert list(made.all()) and made.outputs


def test_every_template_is_nested_by_the_root_or_comes_before_it_and_is_told_of() -> None:
    names = {path.name for path in TEMPLATES}
    nested = {
        name for path in TEMPLATES for name in re.findall(r"TemplateURL: .*/([a-z]+\.yaml)\"$", path.read_text(), re.M)
    }
    assert names == {*nested, "streamjoin.yaml", "artefacts.yaml"}
    assert {quoted(cells[0])[0] for cells in table_rows(README, 2)} >= names


def test_parameters_and_outputs_of_the_root_are_documented_with_their_defaults() -> None:
    parameters, outputs = template("streamjoin.yaml")["Parameters"], template("streamjoin.yaml")["Outputs"]
    of_parameters, of_outputs = README.split("## Parameters of the root")[1].split("## Outputs of the root")
    rows = {quoted(cells[0])[0]: cells[1] for cells in table_rows(of_parameters, 3)}
    assert sorted(rows) == sorted(parameters)
    told = {name: quoted(default) for name, default in rows.items() if quoted(default)}
    assert told == {name: [str(parameters[name]["Default"])] for name in told}
    assert [name for name in set(rows) - set(told) if parameters[name].get("Default")] == []
    rows_of_outputs = table_rows(of_outputs.split("## Configurations")[0], 2)
    assert [quoted(cells[0])[0] for cells in rows_of_outputs] == list(outputs)


@pytest.mark.parametrize(
    ("parameter", "wrong"),
    [
        ("Name", "Streamjoin"),
        ("Name", "orders-of-the-whole-company"),
        ("Name", "orders_dev"),
        ("ArtefactsBucket", "s3://artefacts"),
        ("ArtefactsPrefix", "/streamjoin/"),
        ("KeepData", "keep"),
        ("KmsKeyArn", "alias/mine"),
        ("LakeTable", "Orders"),
        ("Database", "sales-eu"),
        ("EventsStream", "arn:aws:kinesis:us-east-1:000000000000:stream/orders"),
        ("EventsShards", "501"),
        ("RetentionHours", "12"),
        ("ReferenceTables", "country:code:countryname:more"),
        ("ReferenceTables", "country:code=X"),
        ("CaptureTables", "receipts:receiptid,orders table"),
        ("ChangesBy", "lambda"),
        ("GlueVersion", "4.0"),
        ("Workers", "1"),
        ("MaintenanceWindow", "Sunday 3"),
        ("MaintenanceWindow", "Sun:24"),
        ("Replication", "true"),
        ("MySqlSecretArn", "mysql"),
        ("Subnets", "10.0.0.0/24"),
        ("TableMappings", "conf/dms/country_lookup.json"),
        ("AlarmEmail", "me"),
        ("LagSeconds", "0"),
        ("LogDays", "31"),
    ],
)
def test_a_parameter_refuses_what_can_not_be_meant(parameter: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=rf"{parameter} .*{re.escape(wrong.rpartition(',')[2])}"):
        root(**{**FULL, parameter: wrong})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"Replication": "dms", "TableMappings": '{"rules": []}'}, "dms: give it MySqlSecretArn"),
        ({"Replication": "dms", "MySqlSecretArn": SECRET}, "dms: give it TableMappings"),
        ({"Replication": "job"}, "job: give it MySqlSecretArn"),
        ({"WorkerType": "G.025X", "CaptureTables": "receipts:id"}, "G.025X, which a backfill can't have"),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused_before_anything_is_made(
    given: dict[str, str], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        root(**given)


def test_every_parameter_is_described_or_bounded() -> None:
    loose = [
        f"{path.name} {name}"
        for path in TEMPLATES
        for name, each in template(path.name).get("Parameters", {}).items()
        if not {"AllowedPattern", "AllowedValues", "MinValue"} & set(each) and "Description" not in each
    ]
    # Roles, which the root takes from the outputs of another stack; and names of the first of two such parameters.
    assert [each for each in loose if not each.startswith("jobs.yaml") and "SecurityGroups" not in each] == []


def test_whatever_can_have_tags_gets_those_of_the_stack() -> None:
    manager = cfnlint.schema.manager.ProviderSchemaManager()
    kinds = {resource.kind for resource in RESOURCES}
    without = set()
    for kind in kinds:
        schema = manager.get_resource_schema("us-east-1", kind).schema
        if not {"Tags", "JobTags", "tags"} & set(schema["properties"]):
            without.add(kind)
    assert without == UNTAGGED & kinds
    assert [resource.name for resource in RESOURCES if "Tags" in resource.properties] == []


def test_by_default_nothing_is_made_that_costs_without_being_used() -> None:
    kinds = Counter(resource.kind for resource in root().all())
    assert {kind.split("::")[1] for kind in kinds} == {
        *("CloudWatch", "DynamoDB", "Events", "Glue", "IAM", "Kinesis", "Logs", "S3", "SNS", "StepFunctions")
    }
    assert "AWS::SNS::Subscription" not in kinds
    (stream,) = (each for each in root().all() if each.kind == "AWS::Kinesis::Stream")
    assert (stream.properties["StreamModeDetails"]["StreamMode"], stream.properties["ShardCount"]) == (
        "PROVISIONED",
        "1",
    )
    (table,) = (each for each in root().all() if each.kind == "AWS::DynamoDB::Table")
    assert table.properties["BillingMode"] == "PAY_PER_REQUEST"
    assert table.properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": "false"}


def test_the_jobs_name_scripts_that_are_there_and_a_configuration_each() -> None:
    jobs = {
        each.properties["Name"]: each.properties
        for each in root(**FULL, Replication="job").all()
        if each.kind == "AWS::Glue::Job"
    }
    scripts = {
        name: each["Command"]["ScriptLocation"].removeprefix("s3://artefacts/streamjoin/")
        for name, each in jobs.items()
    }
    assert [script for script in scripts.values() if not (ROOT / script).is_file()] == []
    assert {name: each["Command"]["Name"] for name, each in jobs.items()} == {
        "streamjoin-dev-enrich": "gluestreaming",
        "streamjoin-dev-capture": "gluestreaming",
        "streamjoin-dev-backfill": "glueetl",
        "streamjoin-dev-replicate": "gluestreaming",
    }
    # Which table is to be backfilled is said by who starts the run.
    assert {name: each["DefaultArguments"].get("--config") for name, each in jobs.items()} == {
        "streamjoin-dev-enrich": "s3://artefacts/streamjoin/conf/enrich.yaml",
        "streamjoin-dev-capture": "s3://artefacts/streamjoin/conf/capture.yaml",
        "streamjoin-dev-backfill": None,
        "streamjoin-dev-replicate": "s3://artefacts/streamjoin/conf/replicate.yaml",
    }


def test_the_jobs_have_the_arguments_that_the_documentation_names() -> None:
    text = (ROOT / "docs" / "glue.md").read_text()
    told = {quoted(cells[0])[0]: quoted(cells[1])[0] for cells in table_rows(text, 2) if "`--" in cells[0]}
    (enrich,) = (each.properties for each in root().all() if each.kind == "AWS::Glue::Job")
    arguments = enrich["DefaultArguments"]
    # The option of pip is for a bundle alone.
    assert set(told) - {"--python-modules-installer-option"} <= set(arguments)
    assert arguments["--datalake-formats"] == told["--datalake-formats"]
    assert set(told["--conf"].split(" --conf ")) <= set(arguments["--conf"].split(" --conf "))
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and arguments["--additional-python-modules"].endswith(
        f"/wheels/streamjoin-{version[1]}-py3-none-any.whl"
    )
    assert enrich["MaintenanceWindow"] == "Sun:3"
    assert enrich["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    # A job with a timeout is not started again in its maintenance window.
    assert "Timeout" not in enrich


def modules(**given: str) -> dict[str, tuple[str, str | None]]:
    made = root(**{**FULL, "PipOptions": "", **given}, Replication="job").all()
    jobs = {each.name: each.properties["DefaultArguments"] for each in made if each.kind == "AWS::Glue::Job"}
    asked = ("--additional-python-modules", "--python-modules-installer-option")
    return {name: (each[asked[0]], each.get(asked[1])) for name, each in jobs.items()}


def test_every_job_installs_the_wheel_with_what_it_needs_or_the_bundle_alone() -> None:
    wheel = "s3://artefacts/streamjoin/wheels/streamjoin-0.1.0-py3-none-any.whl"
    of_wheel = {name: (wheel, None) for name in ("Enrich", "Capture", "Backfill")}
    assert modules() == {**of_wheel, "Replicate": (f"{wheel},pymysql[rsa]", None)}
    bundle = "s3://artefacts/streamjoin/wheels/streamjoin-0.1.0-glue-5.1.gluewheels.zip"
    of_bundle = modules(PythonModules=bundle, PipOptions="--no-index")
    assert of_bundle == {name: (bundle, "--no-index") for name in (*of_wheel, "Replicate")}


def tables(**given: str) -> dict[str, dict[str, Any]]:
    made = root(**given).all()
    return {each.properties["TableName"]: each.properties for each in made if each.kind == "AWS::DynamoDB::Table"}


def test_an_entry_of_a_table_says_its_key_and_types_and_one_without_a_key_is_there_already() -> None:
    made = tables(ReferenceTables="country:code:name,rates:day=N,there_already", CaptureTables="readings:device=B:at=N")
    assert {
        name: (
            [(each["AttributeName"], each["KeyType"]) for each in table["KeySchema"]],
            [(each["AttributeName"], each["AttributeType"]) for each in table["AttributeDefinitions"]],
        )
        for name, table in made.items()
    } == {
        "country": ([("code", "HASH"), ("name", "RANGE")], [("code", "S"), ("name", "S")]),
        "rates": ([("day", "HASH")], [("day", "N")]),
        "readings": ([("device", "HASH"), ("at", "RANGE")], [("device", "B"), ("at", "N")]),
    }
    assert {table["StreamSpecification"]["StreamViewType"] for table in made.values()} == {"NEW_AND_OLD_IMAGES"}


def test_changes_of_captured_tables_go_to_kinesis_by_the_table_or_by_a_pipe_and_never_by_both() -> None:
    (by_table,) = tables(ReferenceTables="", CaptureTables="receipts:id").values()
    assert by_table["KinesisStreamSpecification"] == {
        "StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/streamjoin-dev-changes",
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    }
    made = list(root(ReferenceTables="", CaptureTables="receipts:id,orders:id,old", ChangesBy="pipe").all())
    pipes = [each.properties for each in made if each.kind == "AWS::Pipes::Pipe"]
    assert [re.findall(r"table/(\w+)/stream", each["Source"]) for each in pipes] == [["receipts"], ["orders"]]
    assert {each["Target"].rpartition("/")[2] for each in pipes} == {"streamjoin-dev-changes"}
    assert not [each for each in made if "KinesisStreamSpecification" in each.properties]
    assert not [each for each in tables().values() if "KinesisStreamSpecification" in each]


def test_dms_takes_the_file_of_table_mappings_that_the_job_takes() -> None:
    path = ROOT / "conf" / "dms" / "country_lookup.json"
    line = json.dumps(json.loads(path.read_text()), separators=(",", ":"))
    assert len(line) <= 4096
    made = root(**{**FULL, "TableMappings": line}, Replication="dms").all()
    (task,) = (each.properties for each in made if each.kind == "AWS::DMS::ReplicationTask")
    assert json.loads(task["TableMappings"]) == json.loads(path.read_text())
    assert TableMappings.parse(task["TableMappings"], "parameter") == TableMappings.parse(path.read_text(), "parameter")
    # Its target is a table of these stacks, which DMS must not make or drop.
    assert json.loads(task["ReplicationTaskSettings"])["FullLoadSettings"] == {"TargetTablePrepMode": "DO_NOTHING"}
    targets = {rule.get("target-table-name") for rule in json.loads(line)["rules"]} - {None}
    assert targets <= set(tables())


def test_the_workflow_seeds_backfills_starts_the_jobs_and_checks_in_this_order() -> None:
    made = root(**FULL, Replication="job").all()
    (machine,) = (each.properties for each in made if each.kind == "AWS::StepFunctions::StateMachine")
    states = machine["Definition"]["States"]
    reached, name = [], machine["Definition"]["StartAt"]
    while name:
        reached.append(name)
        name = states[name].get("Next") or states[name].get("Default")
    assert reached == ["Plan", "SeedOrNot", "Backfill", "StartJobs", "Check"]
    assert states["SeedOrNot"]["Choices"][0]["Next"] == "Seed"
    assert machine["DefinitionSubstitutions"] == {
        "BackfillJob": "streamjoin-dev-backfill",
        "CaptureTables": FULL["CaptureTables"],
        "ConfigurationUri": "s3://artefacts/streamjoin/conf",
        "Database": "streamjoin_dev",
        "Jobs": "streamjoin-dev-replicate,streamjoin-dev-capture,streamjoin-dev-enrich",
    }


def test_nothing_of_the_readme_needs_a_shell() -> None:
    assert code_blocks(README) == []

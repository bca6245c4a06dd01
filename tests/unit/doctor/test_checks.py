"""All checks together: independent of each other, documented, and without a secret."""

import contextlib
import io
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.cli import preflight
from streamjoin.doctor.checks import CHECKS, Check, examine, findings_of
from streamjoin.doctor.finding import Status, good
from streamjoin.errors import ConfigError, SinkError, SourceError
from tests.documents import ROOT, quoted, table_rows
from tests.unit.doctor.looking import AWAY, DENIED, MISSING, THROTTLED, clients, context, enrichment

NOTHING, _ = clients()
PAGE = (ROOT / "docs" / "doctor.md").read_text()


def test_every_check_is_documented_with_its_jobs_and_no_other():
    rows = [(quoted(cells[0])[0], tuple(quoted(cells[1]))) for cells in table_rows(PAGE, 3)]
    assert rows == [(check.name, check.jobs) for check in CHECKS]


def test_every_job_has_checks_of_machine_source_target_and_permissions():
    for job in ("enrich", "capture", "backfill", "replicate"):
        groups = list(dict.fromkeys(check.group for check in CHECKS if job in check.jobs))
        assert groups == ["machine", "source", "target", "permissions"]


@pytest.mark.parametrize(
    ("error", "status", "told", "remedy"),
    [
        (SourceError("stream 'a': it is so (X: y. Z). Do this."), Status.BAD, "it is so (X: y. Z).", "Do this."),
        (SourceError("stream 'a' is so. Do this."), Status.BAD, "stream 'a' is so.", "Do this."),
        (SourceError("source 'u@h': it fails with 5: no; check host and port"), Status.BAD, "5: no", "Check host and"),
        (ConfigError(["key: found x", "other: found y"], "file"), Status.BAD, "key: found x", "Correct the file"),
        (DENIED, Status.BAD, "AccessDeniedException", "Allow Operation"),
        (THROTTLED, Status.UNKNOWN, "ThrottlingException", "Allow Operation"),
        (MISSING, Status.BAD, "ResourceNotFoundException", "Allow Operation"),
        (AWAY, Status.BAD, "Could not connect", "Check the network"),
        (PermissionError(13, "Permission denied"), Status.BAD, "Permission denied", "Mend what it says"),
        (KeyError("StreamARN"), Status.BAD, "StreamARN", "Mend what it says"),
        (ModuleNotFoundError("x", name="pymysql.cursors"), Status.UNKNOWN, "'pymysql' isn't", "pip install"),
    ],
)
def test_whatever_a_check_ends_by_is_a_line_with_what_to_do(error, status, told, remedy):
    def run(looked_at):
        yield good("first", "so far")
        raise error

    first, failed, *_ = findings_of(Check("target", "table", ("enrich",), run), context(enrichment(), NOTHING))
    assert first == good("first", "so far")
    assert (failed.status, told in failed.found) == (status, True), failed
    assert failed.remedy.startswith(remedy), failed
    assert failed.what


def test_all_checks_run_whichever_fail(monkeypatch):
    def failing(looked_at):
        message = "table at s3://a/b: it can't be read. Look."
        raise SinkError(message)
        yield

    checks = [Check(each.group, each.name, each.jobs, failing) for each in CHECKS]
    monkeypatch.setattr("streamjoin.doctor.checks.CHECKS", checks)
    begun = []
    found = list(examine(context(enrichment(), NOTHING), begun.append))
    assert [check.name for check, _ in found] == begun == [each.name for each in CHECKS if "enrich" in each.jobs]


def test_every_line_that_is_not_good_says_what_to_do():
    source = "".join(path.read_text() for path in (ROOT / "src/streamjoin/doctor").glob("*.py"))
    assert not re.findall(r'(?:bad|unknown)\([^()]*""\)', source)


# Distinct from every word of ours.
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="${}'\"\\"), min_size=4).map(
    lambda text: f"~q{text}"
)


def replication(password):
    mysql = {"host": "db", "user": "u", "password": password}
    mappings = str(ROOT / "conf/dms/country_lookup.json")
    return {"job": "replicate", "name": "r", "source": {"mysql": mysql}, "table_mappings": mappings}


@given(SECRETS, st.sampled_from(["literal", "variable", "expression"]), st.booleans())
def test_no_line_shows_a_password_or_a_secret_variable(tmp_path_factory, secret, form, as_json):
    document = {
        "literal": replication(secret),
        "variable": replication("${MYSQL_PASSWORD}"),
        "expression": enrichment(output={"derive": {"salted": "concat('${MYSQL_PASSWORD}', id)"}}),
    }[form]
    file = tmp_path_factory.mktemp("secrets") / "job.yaml"
    file.write_text(yaml.safe_dump(document, width=1_000))

    def run(looked_at):
        # As a driver or a service quotes what it was given.
        yield good(f"server {secret}", f"u:{secret}@db")
        message = f"server 'db': access denied with {secret}. Grant it to {secret}."
        raise SourceError(message)

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("MYSQL_PASSWORD", secret)
        check = Check("source", "server", ("enrich", "replicate"), run)
        patch.setattr("streamjoin.doctor.checks.CHECKS", [check])
        assert not preflight.show_findings(str(file), as_json=as_json)
    assert "access denied with" in printed.getvalue()
    assert secret not in printed.getvalue()

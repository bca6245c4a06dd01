import os
import subprocess
import sys

import pytest

from streamjoin.errors import LocalStackError
from streamjoin.local import stack
from streamjoin.local.background import Running
from streamjoin.local.stack import LocalStack, client_environment, client_variables, server_environment, stray_variables

REAL_ACCOUNT = {
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "token",
    "AWS_ENDPOINT_URL_KINESIS": "https://elsewhere.example",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "yes",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_CONFIG_FILE": "/home/me/.aws/config",
}


def test_nothing_of_a_real_account_reaches_a_client():
    environ = client_environment("http://127.0.0.1:1234", {**REAL_ACCOUNT, "HOME": "/home/me"})
    assert not set(environ.values()) & set(REAL_ACCOUNT.values())
    assert environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1234"
    assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environ["HOME"] == "/home/me"


def test_certificates_of_a_proxy_stay():
    environ = {"AWS_CA_BUNDLE": "/etc/ca.pem"}
    assert stray_variables(environ) == []
    assert client_environment("http://127.0.0.1:1", environ)["AWS_CA_BUNDLE"] == "/etc/ca.pem"


def test_loopback_bypasses_the_proxy_and_the_hosts_named_before_still_do():
    variables = client_variables("http://127.0.0.1:1", {"NO_PROXY": "intranet,localhost"})
    assert variables["NO_PROXY"] == variables["no_proxy"] == "intranet,localhost,127.0.0.1"


def test_the_server_is_told_nothing_but_where_to_listen():
    environ = server_environment(4567, {"SERVICES": "s3", "PERSIST_STATE": "1", "USE_SSL": "1", "PATH": "/bin"})
    assert not {"SERVICES", "PERSIST_STATE", "USE_SSL"} & environ.keys()
    assert environ["BIND_HOST"] == "127.0.0.1"
    assert environ["GATEWAY_PORT"] == "4567"
    assert environ["PATH"] == "/bin"


def test_shell_lines_unset_what_would_lead_elsewhere(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "production")
    lines = Running(pid=1, port=4566).shell_lines()
    assert lines[0] == "unset AWS_PROFILE"
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4566" in lines


def test_missing_services_say_how_to_install_them(monkeypatch):
    monkeypatch.setattr(stack.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LocalStackError, match=r"'ministack'.*pip install 'streamjoin\[local\]'"), LocalStack():
        pass


def test_a_stack_that_was_not_started_has_no_process():
    with pytest.raises(LocalStackError, match="use LocalStack in a with block"):
        _ = LocalStack().pid


def test_services_that_end_at_once_leave_their_last_words_in_the_error(monkeypatch):
    broken = [sys.executable, "-c", "import sys; sys.exit('broken')"]
    monkeypatch.setattr(stack.tether, "command", lambda module: broken)
    with pytest.raises(LocalStackError, match=r"exit code 1, no answer at 'http://127.0.0.1:.*broken"), LocalStack():
        pass


def test_a_tethered_program_ends_when_its_input_does(tmp_path):
    (tmp_path / "waiting.py").write_text("import threading\nprint('up', flush=True)\nthreading.Event().wait()\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen(
        stack.tether.command("waiting"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    )
    assert process.stdout.readline() == b"up\n"
    process.stdin.close()
    assert process.wait(20) == -15


def test_a_tethered_program_gets_its_arguments(tmp_path):
    (tmp_path / "echoing.py").write_text("import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = stack.tether.command("echoing", "run", "a b.yaml")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
    assert process.stdout.read() == b"['run', 'a b.yaml']\n"
    assert process.wait(20) == 0
    process.stdin.close()

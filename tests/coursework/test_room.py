"""The closed room, from inside: each way out is tried for real."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from coursework import room as room_module
from coursework.forbidden import CLONE, CONTAINER, NAMESPACES, UBUNTU, what_allows_it
from coursework.room import RoomError, check_room, open_room
from coursework.walls import RoomLimits
from tests.coursework.submissions import needs_room

PACKAGE = Path(__file__).parents[2]
SMALL = RoomLimits(memory_gib=1, processes=24, folder_mib=8, file_mib=4, files=500)


def say(code: str, shown: dict | None = None, limits: RoomLimits = SMALL, **options):
    """Run code in a room; return what it assigned to `said`."""
    script = f"import json, os\nsaid = None\n{code}\nprint(json.dumps(said))"
    with open_room(["-S", "-c", script], shown or {}, limits, **options) as room:
        text = room.process.stdout.read().decode()
    assert text, "the code in the room ended with an error"
    return json.loads(text.splitlines()[-1])


def attempt(lines: dict[str, str], before: str = "") -> dict[str, str]:
    """Try each of several statements in one room; return what became of them."""
    code = [before, "said = {}"]
    for name, line in lines.items():
        code += ["try:", f"    {line}", f"    said[{name!r}] = 'done'"]
        code += ["except Exception as error:", f"    said[{name!r}] = type(error).__name__"]
    return say("\n".join(code))


def wait_for(condition, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def running(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if marker in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@needs_room
def test_files_of_the_machine_are_not_there(tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("marks")
    places = [secret, PACKAGE / "coursework/module15.md", PACKAGE / "tests", Path("/etc/passwd")]
    places += [Path("/etc/shadow"), Path.home() / ".bashrc", Path("/var"), Path("/sys")]
    places += [Path("/proc/1/root/etc/passwd"), Path("/run")]
    said = say(f"said = [name for name in {[str(p) for p in places]} if os.path.exists(name)]")
    assert said == []
    installed = "import importlib.util as u; said = [n for n in ('coursework', 'tinytorch') "
    assert say(f"{installed} if u.find_spec(n)]") == []


@needs_room
def test_nothing_of_the_environment_goes_in(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    said = say("said = [dict(os.environ), os.getcwd(), os.listdir('.'), os.uname().nodename]")
    assert "SECRET_TOKEN" not in said[0]
    assert said[1:] == ["/home/student", [], "room"]


@needs_room
def test_nothing_can_be_written_but_its_own_folder(tmp_path):
    (tmp_path / "shown.txt").write_text("as it was")
    prefix = os.path.realpath(sys.prefix)
    places = ["/x", "/usr/x", "/etc/x", "/opt/room/x", "/dev/x", "/home/x", f"{prefix}/x.pth"]
    places += ["/opt/room/shown.txt", f"{prefix}/bin/python"]
    code = (
        f"said = []\nfor place in {places}:\n    try:\n        open(place, 'a').close()\n"
        "        said.append(place)\n    except OSError:\n        pass\n"
        "for place in ('/home/student/x', '/tmp/y', '/dev/shm/z'):\n    open(place, 'w').close()\n"
        "said.append(sorted(os.listdir()))"
    )
    assert say(code, {"shown.txt": tmp_path / "shown.txt"}) == [["x", "y"]]
    assert (tmp_path / "shown.txt").read_text() == "as it was"


@needs_room
def test_there_is_no_network():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        said = attempt(
            {
                "machine": f"socket.create_connection(('127.0.0.1', {port}), 1)",
                "world": "socket.create_connection(('1.1.1.1', 53), 1)",
                "host": "socket.socket(40, socket.SOCK_STREAM)",
                "packets": "socket.socket(17, socket.SOCK_RAW)",
                "own": "pair = socket.socketpair(); pair[0].send(b'x')",
            },
            "import socket",
        )
        with pytest.raises(TimeoutError):
            listener.accept()
    assert said.pop("own") == "done"
    assert "done" not in said.values()


@needs_room
def test_the_kernel_is_asked_for_nothing_that_escapes_or_is_not_counted():
    said = attempt(
        {
            "memory of no process": "os.memfd_create('x')",
            "user namespace": "run(['/usr/bin/unshare', '-Ur', 'true'], check=True)",
            "mount": "run(['/usr/bin/mount', '-t', 'tmpfs', 'x', '/tmp'], check=True)",
            "trace": "assert libc.ptrace(0, 0, 0, 0) == 0",
            "System V memory": "assert libc.shmget(0, 4096, 0o1600) >= 0",
            "root": "os.setuid(0)",
            "a thread": "t = threading.Thread(target=print); t.start(); t.join()",
        },
        "import ctypes, threading; from subprocess import run; libc = ctypes.CDLL(None)",
    )
    assert said.pop("a thread") == "done"
    assert "done" not in said.values()
    status = say("said = open('/proc/self/status').read()")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Uid:\t0" not in status


@needs_room
def test_other_processes_are_not_seen_and_cannot_be_ended():
    said = say(
        "pids = [int(name) for name in os.listdir('/proc') if name.isdigit()]\n"
        f"said = [len(pids) < 5, {os.getpid()} in pids]\n"
        "try:\n    os.kill(-1, 9)\nexcept Exception:\n    pass"
    )
    assert said == [True, False]


DAEMON = (
    "import subprocess, sys\n"
    "for _ in range(5):\n"
    "    subprocess.Popen([sys.executable, '-S', '-c', 'import os, time; os.fork(); os.setsid();"
    " time.sleep(60)', {marker!r}], start_new_session=True)\n"
)


@needs_room
@pytest.mark.parametrize("ends", [True, False], ids=["ends", "is-ended"])
def test_nothing_lives_on(ends):
    marker = f"survivor-{os.getpid()}-{ends}"
    code = DAEMON.format(marker=marker)
    code += "print('ready', flush=True)\n" + ("" if ends else "import time; time.sleep(60)")
    with open_room(["-S", "-c", code], {}, SMALL) as room:
        assert room.process.stdout.readline() == b"ready\n"
        if ends:
            room.process.wait(10)
        else:
            assert wait_for(lambda: running(marker))
    assert wait_for(lambda: not running(marker))


@needs_room
def test_a_room_ends_with_the_process_that_opened_it():
    marker = f"orphan-{os.getpid()}"
    inside = f"import time; print(1, flush=True); time.sleep(60) # {marker}"
    code = (
        "from coursework.room import open_room\n"
        f"with open_room(['-S', '-c', {inside!r}, {marker!r}], {{}}) as room:\n"
        "    room.process.stdout.readline(); print('ready', flush=True); room.process.wait()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=PACKAGE, stdout=subprocess.PIPE) as outer:
        assert outer.stdout.readline() == b"ready\n"
        assert running(marker)
        outer.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not running(marker))


def allocating(mib: int, processes: int) -> str:
    return (
        f"for _ in range({processes}):\n    if not os.fork():\n"
        f"        block = bytearray({mib} << 20); import time; time.sleep(60)\n"
    )


@needs_room
def test_memory_of_all_processes_together_is_bounded():
    limits = RoomLimits(memory_gib=0.25)
    code = f"import os, time\n{allocating(110, 3)}time.sleep(60)"
    with open_room(["-S", "-c", code], {}, limits) as room:
        room.process.wait(20)
        assert room.ended_for == "it took more than 0.25 GiB of memory"
    one = "try:\n    block = bytearray(1 << 29)\nexcept MemoryError:\n    said = 'refused'"
    assert say(one, limits=limits) == "refused"


@needs_room
def test_processes_are_bounded():
    code = (
        "said = 0\ntry:\n    for _ in range(200):\n        if not os.fork():\n"
        "            import time; time.sleep(60)\n        said += 1\nexcept OSError:\n    pass"
    )
    assert 10 < say(code) < SMALL.processes


@needs_room
def test_files_are_bounded():
    said = attempt(
        {
            "a large file": "open('a', 'wb').write(bytes(5 << 20))",
            "a small file": "os.remove('a'); open('b', 'wb').write(bytes(3 << 20))",
            "a full folder": "[open(f'c{i}', 'wb').write(bytes(3 << 20)) for i in range(3)]",
        }
    )
    assert said == {"a large file": "OSError", "a small file": "done", "a full folder": "OSError"}
    code = "import time\nfor i in range(600): open(f'{i}', 'w').close()\ntime.sleep(60)"
    with open_room(["-S", "-c", code], {}, SMALL) as room:
        room.process.wait(20)
        assert room.ended_for == "it made more than 500 files"


@needs_room
def test_what_is_written_as_errors_is_thrown_away():
    before = psutil.Process().memory_info().rss
    assert say("for _ in range(100): os.write(2, bytes(1 << 20))\nsaid = 'done'") == "done"
    assert psutil.Process().memory_info().rss - before < 50 * 2**20


@needs_room
def test_processor_time_counts_all_that_ran():
    code = (
        "import os, time\nif not os.fork():\n    while time.process_time() < 0.5: pass\n"
        "    os._exit(0)\nos.wait(); print('done', flush=True); time.sleep(60)"
    )
    with open_room(["-S", "-c", code], {}) as room:
        room.process.stdout.readline()
        assert room.cpu_seconds() >= 0.4


def test_without_bubblewrap_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RoomError, match=r"apt install bubblewrap.*--without-sandbox"):
        check_room()


@needs_room
def test_an_environment_that_a_room_would_hide_is_named(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/tmp/course/.venv")
    with pytest.raises(RoomError, match=r"^Python's environment is /tmp/course/.venv, where a "):
        check_room()


@pytest.mark.skipif(sys.platform != "linux", reason="a fake bwrap")
def test_where_bubblewrap_is_forbidden_it_says_why(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RoomError, match=r"No permissions to create.*`.*--without-sandbox"):
        check_room()


SETTING = "proc/sys/kernel/apparmor_restrict_unprivileged_userns"


@pytest.mark.parametrize(
    ("files", "is_root", "expected"),
    [
        ({SETTING: "1\n"}, False, UBUNTU),
        ({SETTING: "1\n"}, True, f"{CONTAINER}. {UBUNTU}"),
        ({SETTING: "0\n"}, False, f"{CONTAINER}. {UBUNTU}"),
        ({".dockerenv": ""}, True, CONTAINER),
        ({"run/.containerenv": "", SETTING: "1\n"}, False, f"{CONTAINER}. {UBUNTU}"),
        ({"proc/sys/user/max_user_namespaces": "0\n"}, False, NAMESPACES),
        ({"proc/sys/kernel/unprivileged_userns_clone": "0\n", SETTING: "\xff"}, False, CLONE),
        ({}, True, f"{CONTAINER}. {UBUNTU}"),
    ],
)
def test_it_says_what_allows_a_room_here(tmp_path, files, is_root, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="latin-1")
    assert what_allows_it(tmp_path, is_root=is_root) == expected


DOCKERS = "chown,dac_override,fsetid,fowner,mknod,net_raw,setgid,setuid,setfcap,setpcap"
DOCKERS += ",net_bind_service,sys_chroot,kill,audit_write"
"""The capabilities that Docker gives its root."""


@needs_room
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up capabilities of root")
@pytest.mark.parametrize(
    ("more", "works"), [("sys_admin,net_admin", True), ("sys_admin", False), ("net_admin", False)]
)
def test_root_of_a_container_needs_the_capabilities_that_the_message_names(more, works):
    assert all(f"--cap-add {name.upper()}" in CONTAINER for name in ("sys_admin", "net_admin"))
    kept = "".join(f",+{name}" for name in f"{DOCKERS},{more}".split(","))
    command = ["setpriv", f"--bounding-set=-all{kept}", f"--inh-caps=-all{kept}"]
    code = "from coursework.room import check_room; check_room()"
    command += [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == works, done.stderr


@pytest.mark.parametrize(("name", "value"), [("platform", "darwin"), ("machine", "riscv64")])
def test_other_systems_are_told_so(monkeypatch, name, value):
    if name == "platform":
        monkeypatch.setattr(room_module.sys, "platform", value)
    else:
        monkeypatch.setattr("platform.machine", lambda: value)
    with pytest.raises(RoomError, match=r"Linux|x86_64"):
        check_room()


def test_without_the_sandbox_the_same_code_runs_and_is_ended(tmp_path):
    (tmp_path / "part.py").write_text("NAME = 'shown'")
    marker = f"open-{os.getpid()}"
    code = "import part, sys; print(part.NAME, flush=True); import time; time.sleep(60)"
    shown = {"part.py": tmp_path / "part.py"}
    with open_room(["-S", "-c", code, marker], shown, SMALL, sandbox=False) as room:
        assert room.process.stdout.readline() == b"shown\n"
        assert running(marker)
    assert wait_for(lambda: not running(marker))

"""Run inside `tests.own_machine` by its tests: make an account, wait, say what is seen."""

import socket
import sys
from pathlib import Path

from tests.own_machine import ROOT, add_account, prepare

prepare()
account = add_account("probe", "secret")
Path("/tmp/left-by-the-probe").touch()
print("ready", flush=True)
sys.stdin.readline()
name = account.run("id", "--user", "--name").stdout.strip()
links = [link for _, link in socket.if_nameindex()]
try:
    socket.create_connection(("192.0.2.1", 80), 1)
    network = "reached"
except OSError:
    network = "refused"
written = account.run("touch", ROOT / "written-by-the-probe").returncode == 0
print(name, *links, network, "open" if written else "closed")

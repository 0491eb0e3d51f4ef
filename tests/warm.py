"""Processes that need not import the world first: one that has done so already forks them.

Starting an interpreter and importing what the product imports takes more than a second of a core, forking takes
hundredths. What is forked is a process as any other, with a group of its own, that runs a module as `python -m` would;
only what was imported beforehand is there already. `python tests/warm.py true|false MODULE …` is the one that forks:
each line of its input is an order, each line of its output the answer. It ends when its input does.
"""

import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gevent.os
from gevent import monkey

ROOT = Path(__file__).parent.parent


class Warm:
    """Forks processes that have imported `modules`, with gevent's patches before them or without."""

    def __init__(self, *modules: str, patched: bool = False) -> None:
        self.command = [sys.executable, __file__, json.dumps(patched), *modules]
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def start(self, log: Path, environment: dict[str, str], *arguments: str, folder: Path = ROOT) -> "Forked":
        """`python -m ARGUMENTS` from `folder`, which is the first place to import from; its output goes to `log`."""
        return Forked(self, self.ask(str(log), environment, arguments, str(folder)))

    def ask(self, *order: Any) -> Any:
        with self._turn:
            if self._process is None:
                # A session of its own: Ctrl-C is for the tests.
                self._process = subprocess.Popen(
                    self.command, cwd=ROOT, stdin=-1, stdout=-1, text=True, bufsize=1, start_new_session=True
                )
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(order) + "\n")
            return json.loads(self._process.stdout.readline())


class Forked:
    """As subprocess.Popen: a process that was started."""

    def __init__(self, parent: Warm, pid: int) -> None:
        self.parent, self.pid = parent, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        if self.returncode is None:
            self.returncode = self.parent.ask(self.pid)
        return self.returncode

    def wait(self, timeout: float = 120) -> int:
        """Its exit status, as soon as there is one; subprocess.TimeoutExpired after `timeout` seconds."""
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            time.sleep(0.01)
        return status


def obey() -> None:
    """Fork, and look after what was forked, until nobody orders any more. In the child: run what was ordered."""
    look = monkey.get_original("os", "waitpid")
    for line in iter(sys.stdin.readline, ""):
        match json.loads(line):
            case [int(pid)]:
                found, status = look(pid, os.WNOHANG)
                answer(os.waitstatus_to_exitcode(status) if found else None)
            case [log, environment, arguments, folder]:
                if pid := gevent.os.fork_gevent():
                    os.setpgid(pid, pid)  # here as well as there: whoever gets the answer may kill the group
                    answer(pid)
                else:
                    return become(Path(log), environment, arguments, folder)
    return None


def answer(what: Any) -> None:
    print(json.dumps(what), flush=True)


def become(log: Path, environment: dict[str, str], arguments: list[str], folder: str) -> None:
    os.setpgid(0, 0)
    os.chdir(folder)
    sys.path[0] = folder
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        for number, file in enumerate((nothing, output, output)):
            os.dup2(file.fileno(), number)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    patched, *modules = sys.argv[1:]
    if json.loads(patched):
        monkey.patch_all()
    sys.path[0] = str(ROOT)
    gc.disable()  # what is being imported is no garbage, and looking for some takes a quarter of the time
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # whoever is forked need not look through all of it either
    gc.enable()
    obey()

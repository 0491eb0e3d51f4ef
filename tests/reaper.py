"""Ends a test's server together with the process that started it, however that one ends, kill -9 included.

`python reaper.py FOLDER` reads its standard input, a pipe from that process: each line is the pid of the
server as it now runs, or 0. When the pipe closes, the server is ended and its folder removed.
"""

import contextlib
import shutil
import signal
import sys
import time

import psutil


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it; [] if it is gone."""
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def send(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Sends one signal to each of them; those already gone do not matter."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def await_end(processes: list[psutil.Process], seconds: float) -> bool:
    """Waits until all have ended (a zombie has); False if some still run after that time."""
    deadline = time.monotonic() + seconds
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    """Ends a whole family like a power cut: its head is frozen first, it can neither fork nor clean up."""
    send(family(pid)[:1], signal.SIGSTOP)
    processes = family(pid)
    send(processes, signal.SIGKILL)
    await_end(processes, seconds=10)


def end(pid: int) -> None:
    """Shuts a server down in order (SIGINT does for PostgreSQL and for Redis), or kills it after 5 s."""
    processes = family(pid)
    send(processes, signal.SIGCONT)
    send(processes[:1], signal.SIGINT)
    if not await_end(processes, seconds=5):
        kill(pid)


if __name__ == "__main__":
    pid = 0
    for line in sys.stdin:
        pid = int(line)
    if pid:
        end(pid)
    shutil.rmtree(sys.argv[1], ignore_errors=True)

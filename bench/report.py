"""Figures beside their goals."""


def heading(words: str) -> None:
    print(f"\n{words}", flush=True)


def figure(name: str, found: str, goal: str = "", *, missed: bool = False) -> None:
    """One line: what was measured, and the goal if there is one."""
    verdict = f"   goal {goal}{'   MISSED' if missed else ''}" if goal else ""
    print(f"  {name:36} {found:>40}{verdict}", flush=True)


def ratio(
    name: str, found: str, times: float, of: str, *, at_least: float | None = None, at_most: float | None = None
) -> None:
    """One line: `found`, how many `times` the floor that is, and the goal of that."""
    missed = (at_least is not None and times < at_least) or (at_most is not None and times > at_most)
    goal = f"≥ {at_least}" if at_least is not None else f"≤ {at_most}" if at_most is not None else ""
    figure(name, f"{found}   {times:5.2f} × {of}".rstrip(), goal, missed=missed)

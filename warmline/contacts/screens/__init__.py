"""What the console and the board show: reading only, a fixed number of queries however many rows there are.

`console_state` and `board_state` are the JSON of docs/contract.md; `console` and `board` hold in addition
what only the pages show.
"""

from warmline.contacts.screens.peer import Asked, Console, console, console_state, consoles
from warmline.contacts.screens.referrals import Results, results
from warmline.contacts.screens.shared import version
from warmline.contacts.screens.supervisor import Board, board, board_state, state_of

__all__ = [
    "Asked",
    "Board",
    "Console",
    "Results",
    "board",
    "board_state",
    "console",
    "console_state",
    "consoles",
    "results",
    "state_of",
    "version",
]

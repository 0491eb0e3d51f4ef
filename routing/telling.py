"""What a caller in line is told, and when: seldom enough to be bearable, and never to take hope away."""

from dataclasses import dataclass

AGAIN_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller was told last: the place, after so many seconds in the queue."""

    place: int
    waited: int


def is_time(place: int, waited: int, heard: Heard | None) -> bool:
    """Whether somebody in `place`, after `waited` seconds in the queue, is told so now.

    At first; when the place is better; when two minutes have passed. The same moment again is told again, for a
    request may be repeated; and less waited than before means that the caller was put into the queue anew.
    """
    if heard is None or waited <= heard.waited:
        return True
    return place < heard.place or waited - heard.waited >= AGAIN_SECONDS

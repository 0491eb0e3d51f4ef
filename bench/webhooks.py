"""What a webhook costs beside its floor, and how quick it is at 100 a second.

S is bare Flask with the signature checked, F is S with one committed insert; both run in the same worker on the same
kind of database, and in turns with ours. python -m bench.webhooks --help
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from itertools import count, cycle

import requests
from sqlalchemy import delete, select, update
from twilio.request_validator import RequestValidator

from bench.load import NOTHING, Ask, Times, ask, rate, signed, steadily
from bench.product import FLOOR, GEORGIA, OURS, SECRETS, Databases, House, Seat, Served, each_kind, served
from bench.report import figure, heading, ratio
from routing.facts import MakeOffer
from routing.states import EngagementState, OfferState, PeerStatus
from warmline import clock, db
from warmline.contacts import dispatch, intake
from warmline.models import Engagement, Offer, Peer, Presence

PER_SECOND = 100
AN_HOUR = timedelta(hours=1)
OPEN_GOAL = 3  # times the floor's p99
# Of the floor: F, or S for what only reads. The incoming call began with half of F as its goal.
GOALS: dict[str, tuple[str, float | None]] = {
    "incoming call": ("F", 0.8),
    "status callback": ("F", 0.6),
    "wait document": ("S", 0.5),
}
CALLERS = [f"+1404555{number:04}" for number in range(100, 200)]

_sids = count(1)
_callers = cycle(CALLERS)


def sid(prefix: str) -> str:
    return f"{prefix}{next(_sids):032x}"


def calls(base: str, most: int, path: str = "/twilio/voice/incoming") -> tuple[list[Ask], list[str]]:
    """Calls that come in, and their SIDs."""
    sids = [sid("CA") for _ in range(most)]
    return [signed(base, path, {"CallSid": call, "From": next(_callers), "To": GEORGIA}) for call in sids], sids


def ends(base: str, sids: list[str]) -> list[Ask]:
    """The ends of these calls."""
    return [signed(base, "/twilio/voice/status", {"CallSid": call, "CallStatus": "completed"}) for call in sids]


def texts(base: str, most: int) -> list[Ask]:
    """Texts of one thread that waits."""
    form = {"From": CALLERS[0], "To": GEORGIA, "Body": "Is anybody there?"}
    return [signed(base, "/twilio/sms/incoming", form | {"MessageSid": sid("SM")}) for _ in range(most)]


def first_waits(base: str, most: int) -> tuple[list[Ask], list[str]]:
    """The first requests for wait audio of calls that have just come in, and their SIDs."""
    sids = [sid("CA") for _ in range(most)]
    asks = []
    for call in sids:
        contact = intake.receive(call, next(_callers), GEORGIA, clock.now())
        assert contact
        form = {"CallSid": call, "QueueSid": "QU" + "1" * 32, "QueueTime": "0"}
        asks.append(signed(base, f"/twilio/voice/contacts/{contact.id}/wait", form))
    return asks, sids


class Lines:
    """The webhooks of a product, and of its floor: each gives its next requests, as many as it is asked for."""

    def __init__(self, house: House, ours: str, floor: str, seats: list[Seat]) -> None:
        self._house, self._ours, self._seats = house, ours, seats
        self._ringing: list[str] = []
        self._waiting = self._waits()
        self.kinds: dict[str, Callable[[int], list[Ask]]] = {
            "S": lambda most: calls(floor, most, "/signed")[0],
            "F": lambda most: calls(floor, most, "/stored")[0],
            "incoming call": self._calls,
            "status callback": self._ends,
            "wait document": self._wait_documents,
            "offer accepted": self._accepts,
            "incoming text": lambda most: texts(ours, most),
        }

    def _calls(self, most: int) -> list[Ask]:
        asks, sids = calls(self._ours, most)
        self._ringing += sids
        return asks

    def _ends(self, _: int) -> list[Ask]:
        """Of every call that came in: none is left for the clock to ask about."""
        ended, self._ringing = self._ringing, []
        return ends(self._ours, ended)

    def _wait_documents(self, most: int) -> list[Ask]:
        path, form = self._waiting
        return [signed(self._ours, path, form)] * most

    def _accepts(self, most: int) -> list[Ask]:
        """Every seat accepts an offer; whatever it had accepted before is over."""
        later, seats = clock.now() + AN_HOUR, self._seats[:most]  # the clock has no reason to end these offers
        with db.transaction() as session:
            session.execute(update(Engagement).values(state=EngagementState.FAILED))
            session.execute(update(Peer).values(status=PeerStatus.AVAILABLE))
            session.execute(delete(Presence))  # and nobody else gives these peers anything
        for seat, contact in zip(seats, self._house.waiting(len(seats)), strict=True):
            assert dispatch.make([MakeOffer(contact, seat.peer)], later)
        with db.reading() as session:
            made = session.execute(select(Offer.peer_id, Offer.id).where(Offer.state == OfferState.PENDING))
            offers = {row.peer_id: row.id for row in made}
        return [ask(self._ours, f"/console/offers/{offers[seat.peer]}/accept", {}, seat.headers) for seat in seats]

    def _waits(self) -> tuple[str, dict[str, str]]:
        """A caller in the queue, who was asked about the survey already: path and form of the next wait request."""
        call = sid("CA")
        menu = self._post("/twilio/voice/incoming", {"CallSid": call, "From": next(_callers), "To": GEORGIA})
        contact = menu.split("/contacts/")[1].split("/")[0]
        self._post(f"/twilio/voice/contacts/{contact}/language", {"CallSid": call, "Digits": "1"})
        path, form = f"/twilio/voice/contacts/{contact}/wait", {"CallSid": call, "QueueSid": "QU" + "1" * 32}
        for waited in ("0", "30"):
            self._post(path, form | {"QueueTime": waited})
        return path, form | {"QueueTime": "60"}

    def _post(self, path: str, form: dict[str, str]) -> str:
        signature = RequestValidator(SECRETS["TWILIO_AUTH_TOKEN"]).compute_signature(self._ours + path, form)
        answer = requests.post(self._ours + path, form, headers={"X-Twilio-Signature": signature}, timeout=10)
        answer.raise_for_status()
        return answer.text


def measure(databases: Databases, runs: int, size: int, seconds: float) -> int:
    """Whatever is measured here; how many requests at a steady rate were not answered."""
    with (
        House(databases.new()) as house,
        served(OURS, house.url) as ours,
        served(FLOOR, databases.new()) as floor,
    ):
        lines = Lines(house, ours.base, floor.base, house.seats(min(size, 100)))
        closed(databases.kind, lines, {"S": floor, "F": floor}, ours, runs, size)
        return opened(lines, runs, seconds)


def closed(kind: str, lines: Lines, floors: dict[str, Served], ours: Served, runs: int, size: int) -> None:
    rates: dict[str, list[float]] = defaultdict(list)
    spent: dict[str, list[float]] = defaultdict(list)
    for run in range(-1, runs):
        for name, next_asks in lines.kinds.items():
            asks, server = next_asks(size), floors.get(name, ours)
            before, found = server.cpu(), rate(asks)
            if run >= 0:  # the first of all only warms up
                rates[name].append(found)
                spent[name].append((server.cpu() - before) * 1000 / len(asks))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    texts = {name: f"{medians[name]:6.0f}   {statistics.median(spent[name]):5.2f} ms CPU" for name in medians}
    heading(f"{kind}: requests a second and CPU time of each, medians of {runs} runs in turns")
    figure("S: signature and TwiML", texts["S"])
    ratio("F: and one committed insert", texts["F"], medians["F"] / medians["S"], "S")
    for name in list(medians)[2:]:
        letter, goal = GOALS.get(name, ("F", None))
        ratio(name, texts[name], medians[name] / medians[letter], letter, at_least=goal)


def opened(lines: Lines, runs: int, seconds: float) -> int:
    times = {"F": NOTHING, "incoming call": NOTHING}
    for _ in range(runs):
        for name in times:
            times[name] += steadily(lines.kinds[name](int(PER_SECOND * seconds)), PER_SECOND)
        rate(lines.kinds["status callback"](0))
    floor, ours = times.values()
    heading(f"{PER_SECOND} incoming calls a second, answered or not")
    figure("F", text_of(floor))
    ratio("ours", text_of(ours), ours.percentile(99) / floor.percentile(99), "F", at_most=OPEN_GOAL)
    figure("errors", str(floor.errors + ours.errors), "0", missed=floor.errors + ours.errors > 0)
    return floor.errors + ours.errors


def text_of(times: Times) -> str:
    return f"p50 {times.percentile(50):5.1f} ms, p99 {times.percentile(99):6.1f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["SQLite", "PostgreSQL"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", type=int, default=200, help="requests of each kind in a run")
    parser.add_argument("--seconds", type=float, default=3, help="of a run at a steady rate")
    chosen = parser.parse_args()
    each = [measure(databases, chosen.runs, chosen.size, chosen.seconds) for databases in each_kind(chosen.databases)]
    return 1 if any(each) else 0


if __name__ == "__main__":
    sys.exit(main())

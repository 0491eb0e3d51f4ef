"""Each guard is taken away once, and a test must notice.

A guard that can be removed without a red test is either not tested or not needed. Each mutant is a copy of the code
with one guard less; the test named beside it is run there, in a process of its own, and has to fail.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import Databases
from tests.share import is_one_in, thorough_unless
from tests.warm import Warm

ROOT = Path(__file__).parent.parent
NEEDED = ("config", "migrations", "pyproject.toml", "routing", "templates", "tests", "warmline")
PATIENCE_SECONDS = 100  # of a busy machine; a quiet one needs two
PASSED, FAILED = 0, 1  # exit codes of pytest; any other means that nothing was tested
CLUMSY = re.compile("NameError|UnboundLocalError|TypeError")  # the mutant fell over its own feet

POLICIES = "tests/contacts/test_policies.py::Test"
GUARDS = "tests/contacts/test_guards.py::test_"
RACES = "tests/contacts/test_races.py::test_"
TWIN = RACES + "the_database_itself_refuses_the_twin_of[sqlite-{}]"
WALK = "tests/contacts/test_walk.py::test_"
LOOKS = "tests/contacts/test_dispatch.py::test_"
LOOK = LOOKS + "a_look_reads_what_a_change_can_affect[sqlite]"
ACCESS = "tests/web/test_access.py::test_"
CALLING = "tests/contacts/test_calling_back.py::test_"
OUTAGE = "an_outage_is_nobody_s_miss_though_consoles_are_heard_before_the_clock_ticks"
TELLING = "tests/contacts/test_telling.py::test_"
TEXTS = "tests/contacts/test_texts.py::test_"
HOURS = "tests/contacts/test_calling_hours.py::test_"
BOOKING = "tests/web/test_calling_back.py::test_"
UNHEARD = "tests/contacts/test_unheard_calls.py::test_"
BEATS = "tests/web/test_heartbeats.py::test_"
SIGHTS = "tests/web/test_sight.py::test_"


# Has imported nothing of ours: that is the mutant's own.
TESTS = Warm(
    "pytest", "hypothesis", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "psycopg",
    "alembic.command", "flask", "flask_limiter", "flask_login", "flask_socketio", "flask_wtf", "babel.support",
    "whitenoise", "redis", "twilio.rest", "twilio.twiml.voice_response", "phonenumbers", "pydantic_settings",
    "structlog", "argon2", "cryptography.fernet",
)  # fmt: skip


class Result(NamedTuple):
    """What a run of pytest came to."""

    returncode: int
    stdout: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard less: in `file`, `old` is replaced by `new`, and `test` notices."""

    name: str
    file: str
    old: str
    new: str
    test: str


def unindexed(name: str, table: str, old: str, twin: str) -> Mutant:
    """A unique index or constraint less: the first line of it, or all."""
    new = old.replace(", unique=True", "").replace("            unique=True,\n", "")
    if new == old:
        new = ""
    return Mutant(name, f"warmline/models/{table}.py", old, new, TWIN.format(twin))


def multiline(column: str) -> str:
    """An index that is written on several lines, as far as `unique`."""
    return f'            "{column}",\n            unique=True,\n'


MUTANTS = [
    # Callbacks
    Mutant(
        "nobody is called after closing time",
        "warmline/contacts/connect.py",
        "        if lines.is_open(contact.line, now):\n",
        "        if True:\n",
        HOURS + "a_peer_who_comes_up_after_closing_time_calls_nobody[sqlite]",
    ),
    Mutant(
        "nobody else is asked while the caller's phone rings",
        "warmline/contacts/dispatch.py",
        "and_(Contact.callback_at.is_not(None), Contact.callback_due_at.is_(None))",
        "Contact.callback_at.is_not(None)",
        CALLING + "a_peer_who_lets_go_while_it_rings_does_not_cut_the_caller_off[sqlite]",
    ),
    Mutant(
        "the end of the call in which a callback was booked is told again",
        "warmline/contacts/parting.py",
        "            elif first or _is_latest(session, contact, leg):\n",
        "            else:\n",
        CALLING + "the_end_of_the_first_call_told_again_later_ends_nothing[sqlite]",
    ),
    Mutant(
        "a call that was refused, though not for its number, is no try",
        "warmline/contacts/calling_back.py",
        "(refusals := outbox.refusals(session, contact))[-1:] != [True]:",
        "(refusals := outbox.refusals(session, contact)) is None:",
        UNHEARD + "a_refusal_takes_away_no_try_of_whoever_does_not_answer[sqlite]",
    ),
    Mutant(
        "a number that cannot be called is a try",
        "warmline/contacts/calling_back.py",
        "(refusals := outbox.refusals(session, contact))[-1:] != [True]:",
        "(refusals := outbox.refusals(session, contact)) is not None:",
        UNHEARD + "a_call_that_is_refused_for_its_number_is_a_try_and_frees_the_peer[sqlite-21211]",
    ),
    Mutant(
        "a number that only looks like one is not called",
        "warmline/people/callers.py",
        "if phonenumbers.number_type(parsed) not in CALLABLE:",
        "if not phonenumbers.is_possible_number(parsed):",
        CALLING + "whoever_cannot_be_called_where_they_call_from_must_type_a_number[sqlite-+15550100]",
    ),
    Mutant(
        "a call that was given up is counted once",
        "warmline/contacts/calling_back.py",
        "        if finished and contact.calling != call:\n            return None  # settled already\n",
        "",
        UNHEARD + "where_nobody_can_be_asked_a_call_counts_as_a_try_once_its_time_is_over[sqlite]",
    ),
    Mutant(
        "of two who ask whether a call was made one makes it",
        "warmline/contacts/asking.py",
        "        if request.attempts != asked.attempts:\n",
        "        if False:\n",
        UNHEARD + "of_two_processes_that_ask_at_once_one_makes_the_call[sqlite-lost again]",
    ),
    Mutant(
        "a call that may be somebody else's is nobody's",
        "warmline/contacts/asking.py",
        "elif _is_called_alone(session, contact, numbers) and advance(",
        "elif advance(",
        UNHEARD + "of_two_who_are_called_at_one_number_only_the_webhooks_tell_whose_a_call_is[sqlite]",
    ),
    Mutant(
        "a claim that is stale makes no call",
        "warmline/contacts/outbox.py",
        "if request.claimed_at is None or request.claimed_at <= _now() - STALE:",
        "if False:",
        UNHEARD + "whoever_has_claimed_a_call_and_was_stopped_for_long_does_not_make_it[sqlite]",
    ),
    Mutant(
        "nobody is called while they still hear goodbye",
        "warmline/contacts/calling_back.py",
        "(is_due or contact.callback_postponed) and not _is_on_phone(session, contact):\n",
        "(is_due or contact.callback_postponed):\n",
        CALLING + "nobody_is_called_while_they_still_hear_goodbye[sqlite]",
    ),
    Mutant(
        "nobody is asked for a language on a closed line where nobody will come",
        "warmline/contacts/intake.py",
        "if not spoken and not lines.is_open(contact.line, now):",
        "if contact.stays_at is not None and not spoken and not lines.is_open(contact.line, now):",
        BOOKING + "whoever_was_dropped_and_finds_nobody_any_more_hears_so_and_had_an_answer[sqlite]",
    ),
    Mutant(
        "whoever still waits when a line has closed is offered a call whatever the line's policy",
        "warmline/contacts/intake.py",
        "    return not lines.is_open(contact.line, now) and not roster",
        "    return calling_back.is_offered(contact) and not lines.is_open(contact.line, now) and not roster",
        BOOKING + "whoever_says_yes_when_nobody_is_left_is_called_also_on_a_line_that_calls_nobody_back[sqlite]",
    ),
    Mutant(
        "whoever keeps their place over a closing is told so once",
        "warmline/contacts/texts.py",
        "    if contact.kept_until is not None and now < contact.kept_until:\n        return\n",
        "",
        TEXTS + "whoever_waits_when_everybody_has_left_a_closed_line_keeps_their_place_until_it_opens[sqlite]",
    ),
    Mutant(
        "whoever talked and finds nobody any more had an answer",
        "warmline/contacts/parting.py",
        '    event = "left_after_talk" if contact.answered_at is not None else event\n',
        "",
        "tests/contacts/test_survey.py::test_a_dropped_caller_for_whom_nobody_is_left_had_an_answer_and_is_invited"
        "[sqlite-gives up]",
    ),
    Mutant(
        "whoever is turned away after a talk is given the time to hear it",
        "warmline/contacts/asking.py",
        "engagement.wrapping_at == contact.ended_at",
        "engagement.wrapping_at is not None",
        "tests/contacts/test_survey.py::test_a_dropped_caller_for_whom_nobody_is_left_had_an_answer_and_is_invited"
        "[sqlite-gives up]",
    ),
    Mutant(
        "nobody is told to stay on a line where staying ends the call",
        "warmline/telephony/twiml.py",
        '"callback_confirm" if may_wait else "callback_confirm_only"',
        '"callback_confirm"',
        BOOKING + "on_a_full_line_a_caller_may_be_called_back_and_is_not_told_to_stay[sqlite-English]",
    ),
    Mutant(
        "whoever was told to stay is not hung up on because that has become untrue",
        "warmline/contacts/intake.py",
        "if told_to_stay and (is_full or nobody_is_left):",
        "if False:",
        BOOKING + "whoever_was_told_to_stay_is_asked_once_more_when_nobody_is_left_meanwhile[sqlite]",
    ),
    Mutant(
        "a closed line that still serves does not say that nobody is here",
        "warmline/contacts/calling_back.py",
        "is_open or bool(roster.spoken_on_shift(session, contact.line, now))",
        "is_open",
        BOOKING + "a_line_that_has_closed_and_still_serves_does_not_say_that_nobody_is_here[sqlite-English]",
    ),
    Mutant(
        "nobody is called after closing time who has not heard of it",
        "warmline/contacts/calling_back.py",
        "        if not is_open and not later:\n            return contact\n",
        "",
        BOOKING + "a_yes_of_before_a_closing_is_asked_for_anew_after_it[sqlite]",
    ),
    Mutant(
        "nobody waits for a week and more for a line of which nobody knows when it opens",
        "warmline/contacts/texts.py",
        "(week if now < week else None)",
        "week",
        TEXTS + "a_place_is_kept_for_a_week_while_nobody_knows_when_the_line_opens[sqlite]",
    ),
    Mutant(
        "what is left of today is told once to whoever is asked on arrival",
        "warmline/web/hooks/voice.py",
        "if plan.is_new and attempt == 1:",
        "if attempt == 1:",
        BOOKING + "on_a_full_line_what_is_left_of_today_is_told_once[sqlite]",
    ),
    Mutant(
        "another key does not end a call of ours",
        "warmline/web/hooks/voice.py",
        "if _keys() and attempt >= twiml.MENU_TRIES:",
        "if _keys():",
        BOOKING + "another_key_takes_no_call_and_is_asked_again_twice[sqlite]",
    ),
    Mutant(
        "whoever is asked something is not told of a connection that was lost",
        "warmline/web/hooks/voice.py",
        " and contact.booking_at is None and intake.choices(contact.id, now)[0] is intake.Prospect.WAIT:",
        ":",
        BOOKING + "whoever_is_called_in_from_a_menu_is_asked_again_and_not_told_of_a_connection[sqlite-which language]",
    ),
    Mutant(
        "whoever hears a menu is not called in before they can have heard it three times",
        "warmline/contacts/asking.py",
        "since <= now - ASKED or intake.prospect(session, contact, now) is not intake.Prospect.CHOOSE",
        "True",
        WALK + "whoever_is_in_a_menu_is_not_lost_while_they_may_hear_it_three_times[sqlite]",
    ),
    Mutant(
        "whoever has chosen is not lost on the way",
        "warmline/contacts/legs.py",
        "    if contact.unqueued_at is not None:\n",
        "    if False:\n",
        WALK + "whoever_has_chosen_after_listening_for_long_is_not_lost_on_the_way[sqlite-to stay]",
    ),
    Mutant(
        "whoever was put off is called as soon as the line is open again",
        "warmline/contacts/calling_back.py",
        "or_(due <= now, Contact.callback_postponed))",
        "due <= now)",
        HOURS + "a_line_that_is_reopened_early_calls_at_once[sqlite]",
    ),
    Mutant(
        "of whoever was put off nobody is forgotten while nobody knows when the line opens",
        "warmline/contacts/calling_back.py",
        " or (contact.callback_at or now) + KEPT",
        " or now",
        HOURS + "whoever_said_yes_waits_until_somebody_reopens_the_line[sqlite]",
    ),
    Mutant(
        "a callback that is due at a time that was set goes before whoever waits in order",
        "warmline/contacts/calling_back.py",
        "            if contact.callback_tries or contact.callback_postponed:",
        "            if False:",
        HOURS + "whoever_said_yes_waits_until_somebody_reopens_the_line[sqlite]",
    ),
    Mutant(
        "a call that was asked for is not made after closing time",
        "warmline/contacts/outbox.py",
        "    if not is_open:",
        "    if is_open is None:",
        HOURS + "a_call_that_could_not_be_sent_before_closing_time_is_not_made_after_it[sqlite-not taken-False]",
    ),
    # The database's own last word
    unindexed("one live offer a peer", "offer", '"uq_offer_live_peer", "peer_id", unique=True', "a peer's live offer"),
    unindexed("one live engagement a contact", "engagement", multiline("contact_id"), "a contact's live engagement"),
    unindexed(
        "one live call a peer", "engagement", '"uq_engagement_live_call", "peer_id", unique=True', "a peer's live call"
    ),
    unindexed("one engagement an offer", "engagement", 'ForeignKey("offer.id"), unique=True', "an offer's engagement"),
    unindexed("one leg a CallSid", "leg", "String(34), unique=True", "a call's leg"),
    unindexed(
        "one live leg an engagement",
        "leg",
        '"uq_leg_live_engagement", "engagement_id", unique=True',
        "an engagement's live leg",
    ),
    unindexed("one live caller's leg a contact", "leg", multiline("contact_id"), "a contact's live caller"),
    unindexed("one open thread a caller", "contact", multiline("caller_id"), "a caller's open thread"),
    unindexed("one request an act", "outside", '        UniqueConstraint("key"),\n', "an act that is claimed"),
    unindexed(
        "one place in a contact's order",
        "outside",
        '        UniqueConstraint("contact_id", "sequence"),\n',
        "a contact's order",
    ),
    unindexed(
        "one caller a number in an organization",
        "caller",
        '    __table_args__ = (UniqueConstraint("organization_id", "number_hash"),)\n',
        "a number in an organization",
    ),
    unindexed("one text a MessageSid", "message", "String(34), unique=True", "a text"),
    unindexed(
        "one report a peer and contact",
        "report",
        '    __table_args__ = (UniqueConstraint("contact_id", "peer_id"),)\n',
        "a peer's report",
    ),
    Mutant(
        "one row a callback",
        "warmline/models/outside.py",
        "    key: Mapped[str] = mapped_column(String(120), primary_key=True)",
        "    id: Mapped[int] = mapped_column(primary_key=True)\n    key: Mapped[str] = mapped_column(String(120))",
        TWIN.format("a callback"),
    ),
    # How states change
    Mutant(
        "a state moves only from where it was seen",
        "warmline/models/history.py",
        ', table.c.state == bindparam("seen_state"))',
        ")",
        RACES + "of_two_who_saw_the_same_state_one_moves_it[sqlite]",
    ),
    Mutant(
        "a pair that is not in the table moves nothing",
        "warmline/models/history.py",
        "    new = states.step(TABLES[kind], old, event)\n    if",
        "    new = states.step(TABLES[kind], old, event) or old\n    if",
        GUARDS + "what_does_not_fit_its_state_changes_nothing[sqlite]",
    ),
    Mutant(
        "a pair that is not in the table is no step",
        "routing/states.py",
        "table.get((state, event))",
        "table.get((state, event), state)",
        "tests/routing/test_states.py::test_a_pair_that_is_not_in_the_table_is_refused",
    ),
    # Holding and taking turns
    Mutant(
        "a contact that is held is held from others",
        "warmline/contacts/holding.py",
        "    .with_for_update(of=Contact)\n",
        "",
        RACES + "who_holds_a_contact_holds_off_everybody_else[postgresql]",
    ),
    Mutant(
        "a contact that is held is read again",
        "warmline/contacts/holding.py",
        "(of=Contact)\n    .execution_options(populate_existing=True)\n",
        "(of=Contact)\n",
        GUARDS + "whoever_holds_a_contact_that_they_looked_at_before_sees_it_as_it_is[sqlite]",
    ),
    Mutant(
        "a peer who is offered something is held from others",
        "warmline/contacts/dispatch.py",
        "    .order_by(Peer.id)\n    .with_for_update(key_share=True, skip_locked=True)\n",
        "",
        GUARDS + "whoever_steps_away_while_an_offer_is_made_does_not_keep_it[postgresql]",
    ),
    Mutant(
        "a thread that is written to is held",
        "warmline/contacts/texts.py",
        "    .with_for_update(of=Contact)\n",
        "",
        GUARDS + "a_text_that_comes_as_its_thread_is_closed_opens_another[postgresql]",
    ),
    Mutant(
        "an offer is read again once its contact is held",
        "warmline/contacts/holding.py",
        "    session.refresh(offer)\n",
        "",
        GUARDS + "the_slower_of_two_clicks_gets_the_same_answer[postgresql]",
    ),
    Mutant(
        "an engagement is read again once its contact is held",
        "warmline/contacts/holding.py",
        "    session.refresh(found)\n",
        "",
        GUARDS + "a_phone_that_comes_up_as_its_peer_presses_end_moves_nobody[postgresql]",
    ),
    Mutant(
        "a phone's engagement is read again once its contact is held",
        "warmline/contacts/connect.py",
        "            session.refresh(engagement)\n",
        "",
        GUARDS + "a_phone_that_is_overtaken_by_end_is_refused[postgresql]",
    ),
    Mutant(
        "writers of one process take turns on SQLite",
        "warmline/db.py",
        'turn = _turn_to_write() if bound().dialect.name == "sqlite" else contextlib.nullcontext()',
        "turn = contextlib.nullcontext()",
        RACES + "writers_of_one_process_take_turns_and_never_meet_a_busy_sqlite",
    ),
    Mutant(
        "a verb begins with the writer's place on SQLite",
        "warmline/db.py",
        '"BEGIN IMMEDIATE" if write else "BEGIN"',
        '"BEGIN"',
        RACES + "a_transaction_on_sqlite_holds_the_one_writers_place_from_its_start",
    ),
    Mutant(
        "whoever only looks leaves the writer's place free",
        "warmline/db.py",
        '"BEGIN IMMEDIATE" if write else "BEGIN"',
        '"BEGIN IMMEDIATE"',
        RACES + "a_transaction_on_sqlite_holds_the_one_writers_place_from_its_start",
    ),
    Mutant(
        "one verb is one transaction",
        "warmline/db.py",
        "    if _writing.get():\n",
        "    if False:\n",
        RACES + "a_transaction_inside_another_is_refused_at_once[postgresql]",
    ),
    Mutant(
        "the clock's lease has one holder",
        "warmline/clock.py",
        ", (Lease.holder == holder) | (Lease.until <= at))",
        ")",
        RACES + "the_clocks_lease_has_one_holder[sqlite]",
    ),
    # A call comes in
    Mutant(
        "a call that is told twice at once is looked up again",
        "warmline/contacts/intake.py",
        "            continue  # somebody else",
        "            raise  # somebody else",
        GUARDS + "a_call_that_is_told_twice_at_once_is_found_after_all[sqlite]",
    ),
    # Offering
    Mutant(
        "a run looks for peers of its organization",
        "warmline/people/roster.py",
        '        Peer.organization_id == bindparam("organization_id"),\n        Peer.status',
        "        Peer.status",
        GUARDS + "a_shift_on_a_foreign_line_opens_no_wall[sqlite]",
    ),
    Mutant(
        "whoever is outside the queue is not offered",
        "warmline/contacts/dispatch.py",
        "Contact.queue_sid.is_not(None)",
        "Contact.channel == Channel.VOICE",
        GUARDS + "a_caller_who_has_left_the_queue_meanwhile_is_not_offered[sqlite]",
    ),
    Mutant(
        "whoever has stepped away is not asked",
        "warmline/contacts/dispatch.py",
        ", Peer.status == PeerStatus.AVAILABLE)",
        ")",
        GUARDS + "nothing_is_offered_to_whoever_has_stepped_away_meanwhile[sqlite]",
    ),
    Mutant(
        "whoever does something else is not asked",
        "warmline/contacts/dispatch.py",
        "            and has_room(peer.activity, peer.threads, contact.channel, rooms[contact.line_id])\n",
        "",
        GUARDS + "nothing_is_offered_to_whoever_writes_a_report_meanwhile[sqlite]",
    ),
    Mutant(
        "only a contact that waits is offered",
        "warmline/contacts/dispatch.py",
        "            and contact.state is (ContactState.OFFERED if decision.beside else ContactState.WAITING)\n",
        "",
        GUARDS + "a_writer_who_is_answered_meanwhile_is_not_offered[sqlite]",
    ),
    Mutant(
        "a call rings at no more peers than its line says, whoever looked before",
        "warmline/contacts/dispatch.py",
        "            and rings.get(contact.id, 0) == decision.beside\n",
        "",
        POLICIES + "RingingSeveral::test_who_looked_before_another_was_asked_asks_nobody_more[sqlite]",
    ),
    Mutant(
        "nobody is offered for a line that was paused meanwhile",
        "warmline/contacts/dispatch.py",
        ", Line.paused_at.is_(None))",
        ")",
        POLICIES + "WhoMayBeAsked::test_a_line_that_is_paused_after_the_look_makes_no_offer[sqlite]",
    ),
    Mutant(
        "an offer that the index refuses is simply not made",
        "warmline/contacts/dispatch.py",
        "        if len(decisions) > 1:\n",
        "        if len(decisions) == 1:\n            raise\n        else:\n",
        GUARDS + "the_index_has_the_last_word_on_offers[sqlite]",
    ),
    Mutant(
        "a look goes on behind those whom a peer is not to meet",
        "warmline/contacts/dispatch.py",
        "        last = waiting[-1]",
        "        return made",
        POLICIES + "WhoMayBeAsked::test_many_whom_a_peer_is_not_to_meet_hide_nobody_behind[sqlite]",
    ),
    # What a look reads
    Mutant(
        "of whoever comes only the peers of their line are read",
        "warmline/people/roster.py",
        "    if line_ids is not None:\n",
        "    if False:\n",
        LOOK,
    ),
    Mutant(
        "of whoever becomes free only they are read",
        "warmline/people/roster.py",
        "_FREE.where(Peer.id == peer_id) if peer_id is not None else _FREE",
        "_FREE",
        LOOK,
    ),
    Mutant(
        "the peers who are read are those of whoever came",
        "warmline/contacts/dispatch.py",
        "[Contact.id == contact_id] if contact_id is not None else []",
        "[]",
        LOOK,
    ),
    Mutant(
        "about as many contacts are read as peers are free",
        "warmline/contacts/dispatch.py",
        "min(AT_A_TIME, len(peers) + SPARE)",
        "AT_A_TIME",
        LOOK,
    ),
    Mutant(
        "whoever waits for a step that is not due is not read",
        "warmline/contacts/dispatch.py",
        '"since": _before(after, now)',
        '"since": ANY_TIME',
        LOOKS + "whoever_wishes_for_what_comes_only_by_a_later_step_is_not_read_yet[sqlite-20]",
    ),
    Mutant(
        "whoever still waits for a wish is not read",
        "warmline/contacts/dispatch.py",
        '"patient": _before(policies[line].patience() or timedelta(), now)',
        '"patient": ANY_TIME',
        LOOKS + "whoever_still_waits_for_a_wish_that_nobody_grants_is_not_read[sqlite]",
    ),
    Mutant(
        "peers are sorted once for everybody who waits",
        "routing/engine.py",
        "_in_order(sorted_once[strategy], strategy, contact)",
        "_in_order(sorted(snapshot.peers, key=asked_first(strategy)), strategy, contact)",
        "tests/routing/test_engine.py::test_peers_are_sorted_once_however_many_wait",
    ),
    Mutant(
        "a newcomer is served after whoever has waited longer on another line of the same peer",
        "warmline/people/roster.py",
        "        query = query.where(Peer.id.in_(there.correlate(None)))\n",
        "        query = query.where(Shift.line_id.in_(line_ids))\n",
        "tests/contacts/test_dispatch.py::test_a_newcomer_is_not_served_before_whoever_has_waited_longer_on_another_line_of"
        "_the_peer[sqlite]",
    ),
    Mutant(
        "nobody is asked twice within a breath",
        "routing/eligibility.py",
        "    if _just_asked(peer, contact, now):",
        "    if False:",
        WALK + "the_only_peer_is_asked_again_after_a_breath[sqlite]",
    ),
    Mutant(
        "nobody is asked twice in a row while another is free",
        "routing/ranking.py",
        "        return (peer.id == latest, ",
        "        return (False, ",
        "tests/routing/test_ranking.py::test_under_any_strategy",
    ),
    Mutant(
        "of several who ring one wins, and the others are told",
        "warmline/contacts/offers.py",
        "        for other in holding.live_offers(session, contact.id):",
        "        for other in ():",
        POLICIES + "RingingSeveral::test_the_first_to_accept_wins_and_the_others_are_free[sqlite]",
    ),
    Mutant(
        "of several who ring one may decline",
        "warmline/contacts/offers.py",
        "    if not holding.live_offers(session, contact.id):",
        "    if True:",
        POLICIES + "RingingSeveral::test_one_who_declines_leaves_it_to_the_others[sqlite]",
    ),
    Mutant(
        "who misses two offers is away",
        "warmline/contacts/offers.py",
        "            if len(latest) == MISSED and",
        "            if False and",
        POLICIES + "Missed::test_who_misses_two_in_a_row_is_away_and_the_screen_says_why[sqlite]",
    ),
    Mutant(
        "a step is recorded for whoever rings at that moment",
        "warmline/contacts/due.py",
        "NOT_TAKEN = (ContactState.WAITING, ContactState.OFFERED)",
        "NOT_TAKEN = (ContactState.WAITING,)",
        POLICIES + "Steps::test_a_step_is_recorded_while_a_peer_is_rung[sqlite]",
    ),
    # Accepting
    Mutant(
        "an offer is its peer's own",
        "warmline/contacts/holding.py",
        "if offer is None or offer.peer_id != peer.id:",
        "if offer is None:",
        WALK + "an_accepted_offer_can_be_accepted_again_by_its_peer_only[sqlite]",
    ),
    Mutant(
        "a contact is its peer's own",
        "warmline/contacts/holding.py",
        "            Engagement.peer_id == peer.id,\n",
        "",
        WALK + "a_report_needs_an_outcome_and_a_reason[sqlite]",
    ),
    Mutant(
        "a contact that never came to be is nobody's own",
        "warmline/contacts/holding.py",
        "            Engagement.state != EngagementState.FAILED,\n",
        "",
        GUARDS + "a_peer_whose_phone_failed_has_no_part_in_the_contact[sqlite]",
    ),
    Mutant(
        "an offer has its time",
        "warmline/contacts/offers.py",
        "if offer.deadline <= now or not advance(",
        "if not advance(",
        WALK + "an_offer_cannot_be_accepted_after_its_deadline_even_before_the_clock_ends_it[sqlite]",
    ),
    Mutant(
        "an offer that is taken is not taken again",
        "warmline/contacts/offers.py",
        "        if offer.state is OfferState.ACCEPTED:\n            taken",
        "        if False:\n            taken",
        WALK + "an_accepted_offer_can_be_accepted_again_by_its_peer_only[sqlite]",
    ),
    # Connecting
    Mutant(
        "a phone is that of the peer who accepted",
        "warmline/contacts/connect.py",
        "if session.get_one(Peer, engagement.peer_id).identity != identity:",
        "if False:",
        GUARDS + "another_organization_cannot_bring_a_phone[sqlite]",
    ),
    Mutant(
        "a second phone is refused in order",
        "warmline/contacts/connect.py",
        '        raise Conflict("This offer has a phone already.") from error',
        "        raise error",
        WALK + "one_offer_brings_one_leg[sqlite]",
    ),
    Mutant(
        "a phone in a conference that is over is hung up",
        "warmline/contacts/connect.py",
        "            elif engagement.state is not EngagementState.ACTIVE:\n",
        "            elif False:\n",
        GUARDS + "a_phone_that_is_found_in_a_conference_that_is_over_is_hung_up[sqlite]",
    ),
    Mutant(
        "a caller who hears goodbye is not hung up on",
        "warmline/contacts/asking.py",
        "not outbox.has_done(session, contact, RequestKind.END_CONFERENCE, now - _goodbye(leg, contact))",
        "True",
        GUARDS + "a_caller_who_hears_our_goodbye_after_a_lost_end_is_not_hung_up_on[sqlite]",
    ),
    Mutant(
        "a caller who hears more words than goodbye is given the time for them",
        "warmline/contacts/asking.py",
        "LAST_WORDS if leg.kind is LegKind.CALLER and contact.ended_how is not None else ASK_AFTER",
        "ASK_AFTER",
        "tests/contacts/test_boundary.py::test_a_caller_who_hears_the_sentence_is_not_hung_up_on[sqlite]",
    ),
    Mutant(
        "an alert that somebody has is not taken by the next",
        "warmline/contacts/alerts.py",
        ".where(Alert.id == alert.id, Alert.acknowledged_at.is_(None), Alert.ended_at.is_(None))",
        ".where(Alert.id == alert.id)",
        "tests/contacts/test_alerts.py::test_of_many_supervisors_one_has_it_and_all_see_who[sqlite]",
    ),
    Mutant(
        "a caller who was sent into a conference without a peer is called back at once",
        "warmline/contacts/legs.py",
        "if contact.queue_sid is None or (leg is not None and leg.state is LegState.JOINED):",
        "if leg is not None and leg.state is LegState.JOINED:",
        "tests/contacts/test_callbacks.py::"
        "test_a_caller_on_the_way_in_to_a_peer_who_has_just_ended_it_is_called_back_at_once[sqlite]",
    ),
    Mutant(
        "a phone whose connection is given up is hung up",
        "warmline/contacts/parting.py",
        "    for leg in holding.live_legs(session, engagement.id):\n        legs.hang_up(session, contact, leg, now)\n"
        "    if not",
        "    if not",
        GUARDS + "a_phone_whose_connection_is_given_up_is_hung_up_even_before_it_comes_up[sqlite]",
    ),
    Mutant(
        "a phone that is up is not given up",
        "warmline/contacts/connect.py",
        "        if legs.is_up(session, engagement):\n            return\n        peer",
        "        peer",
        GUARDS + "a_phone_that_is_up_is_not_blamed_for_a_caller_who_does_not_come[sqlite]",
    ),
    Mutant(
        "a phone has its time to come up",
        "warmline/contacts/connect.py",
        "engagement.state is not EngagementState.CONNECTING or engagement.connect_by > now:",
        "engagement.state is not EngagementState.CONNECTING:",
        GUARDS + "a_phone_is_not_given_up_before_its_time[sqlite]",
    ),
    Mutant(
        "a caller is moved once at a time",
        "warmline/contacts/outbox.py",
        "    if any(state in OPEN for state, _ in tries):\n",
        "    if False:\n",
        GUARDS + "a_caller_who_is_found_in_the_queue_is_moved_once_at_a_time[sqlite]",
    ),
    Mutant(
        "a caller comes back from the conference that they are in",
        "warmline/contacts/parting.py",
        "            if engagement.id != engagement_id:\n",
        "            if False:\n",
        GUARDS + "the_end_of_an_earlier_conference_separates_nobody[sqlite]",
    ),
    Mutant(
        "a callback is applied once",
        "warmline/contacts/holding.py",
        "if key is not None and not is_first(session, key, now):",
        "if False:",
        GUARDS + "a_callback_that_was_applied_is_not_applied_again[sqlite]",
    ),
    # Asking the phone company
    Mutant(
        "an act is claimed once",
        "warmline/contacts/outbox.py",
        'if session.scalar(select(OutsideRequest.id).where(OutsideRequest.key == f"{kind}:{key}")):',
        "if False:",
        RACES + "a_leg_in_the_conference_moves_the_caller_once_however_often_it_is_told[sqlite]",
    ),
    Mutant(
        "a request is sent by whoever claims it",
        "warmline/contacts/outbox.py",
        'if not advance(session, request, "claimed", now, claimed_at=now, attempts=request.attempts + 1):',
        'if advance(session, request, "claimed", now, claimed_at=now, attempts=request.attempts + 1) is None:',
        RACES + "many_deliveries_at_once_send_each_request_once_and_in_order[postgresql]",
    ),
    Mutant(
        "a request waits for the earlier ones of its contact",
        "warmline/contacts/outbox.py",
        "                    earlier.sequence < OutsideRequest.sequence,\n",
        "                    earlier.sequence < 0,\n",
        WALK + "the_outbox_keeps_the_order_of_one_contact[sqlite]",
    ),
    Mutant(
        "a request that was taken back is not sent",
        "warmline/contacts/outbox.py",
        '        unsent = advance(session, request, "withdrawn", now) and unsent\n',
        "        unsent = request.attempts == 0 and unsent\n",
        GUARDS + "a_request_that_nobody_has_sent_can_be_taken_back_and_another_cannot[sqlite]",
    ),
    Mutant(
        "a text is sent again only if it was certainly not taken",
        "warmline/contacts/outbox.py",
        "if isinstance(error, NotTaken) and request.attempts < LAST_ATTEMPT:",
        "if isinstance(error, NotTaken | Uncertain) and request.attempts < LAST_ATTEMPT:",
        WALK + "a_request_that_was_not_taken_is_sent_again_and_a_text_that_may_have_been_is_not[sqlite]",
    ),
    Mutant(
        "a full line takes no new text",
        "warmline/contacts/texts.py",
        "    if calling_back.is_full(session, contact):\n",
        "    if False:\n",
        TEXTS + "a_full_line_turns_a_new_text_away_kindly_and_keeps_it[sqlite]",
    ),
    Mutant(
        "whoever says STOP waits no longer",
        "warmline/contacts/texts.py",
        "            if thread.state in IN_QUEUE:\n",
        "            if False:\n",
        TEXTS + "whoever_wants_no_texts_waits_no_longer[sqlite]",
    ),
    Mutant(
        "nobody else goes on with somebody whom no text reaches",
        "warmline/contacts/parting.py",
        "if contact.caller is not None and contact.caller.texts_stopped_at is not None:",
        "if False:",
        TEXTS + "whoever_wants_no_texts_and_loses_their_peer_is_offered_to_nobody_else[sqlite]",
    ),
    Mutant(
        "what is written after STOP rings nowhere",
        "warmline/contacts/texts.py",
        "    if contact.caller is not None and contact.caller.texts_stopped_at is not None:  # no answer",
        "    if False:  # no answer",
        TEXTS + "what_is_written_between_stop_and_start_is_kept_and_rings_nowhere[sqlite]",
    ),
    Mutant(
        "nobody writes to whoever said STOP",
        "warmline/contacts/messages.py",
        "if contact.caller is None or contact.caller.texts_stopped_at is not None:",
        "if contact.caller is None:",
        GUARDS + "nobody_writes_to_whoever_said_stop[sqlite]",
    ),
    Mutant(
        "nothing that was written before STOP is sent after it",
        "warmline/contacts/outbox.py",
        'if number is None or (stopped and "farewell" not in arguments):',
        "if number is None:",
        GUARDS + "a_text_that_still_waits_when_stop_comes_is_not_sent[sqlite]",
    ),
    Mutant(
        "a delivery is that of one text",
        "warmline/contacts/messages.py",
        "elif message.message_sid != message_sid:",
        "elif False:",
        GUARDS + "the_delivery_of_another_text_is_not_that_of_this_one[sqlite]",
    ),
    Mutant(
        "after an outage a silent console is given time",
        "warmline/clock.py",
        "                    begun = at\n",
        "                    begun = LONG_AGO\n",
        TEXTS + "after_an_outage_no_thread_is_moved_before_consoles_had_time_to_be_heard[sqlite]",
    ),
    Mutant(
        "nobody missed what ended in an outage",
        "routing/engine.py",
        "if snapshot.deaf_until is not None and offer.deadline <= snapshot.deaf_until:",
        "if False:",
        POLICIES + f"Missed::test_{OUTAGE}[sqlite-outage]",
    ),
    Mutant(
        "an outage is known to whoever decides about offers",
        "warmline/clock.py",
        "                    deaf_until = at\n",
        "                    pass\n",
        POLICIES + f"Missed::test_{OUTAGE}[sqlite-outage]",
    ),
    Mutant(
        "only an outage excuses a miss",
        "warmline/clock.py",
        "                if at - latest > HICCUP:\n",
        "                if True:\n",
        POLICIES + f"Missed::test_{OUTAGE}[sqlite-no outage]",
    ),
    Mutant(
        "a peer who rings for this caller is about to be theirs",
        "warmline/contacts/telling.py",
        "peer.id in rings or ",
        "",
        TELLING + "somebody_free_makes_it_short[sqlite]",
    ),
    Mutant(
        "a peer who rings for the caller behind is not free",
        "warmline/contacts/telling.py",
        " + len(rung)",
        "",
        TELLING + "a_peer_who_rings_for_the_caller_behind_is_not_free[sqlite]",
    ),
    Mutant(
        "a call is asked for by one clock",
        "warmline/contacts/asking.py",
        "Leg.call_sid == call_sid, Leg.state != LegState.ENDED, Leg.checked_at <= now - ASK_AFTER",
        "Leg.call_sid == call_sid",
        GUARDS + "two_clocks_ask_for_a_call_once[sqlite]",
    ),
    Mutant(
        "an answer about a caller who moved meanwhile is old",
        "warmline/contacts/asking.py",
        "if (contact.state, contact.queue_sid) != (believed.state, believed.queue_sid):",
        "if False:",
        GUARDS + "a_caller_who_moves_while_we_ask_is_left_where_they_are[sqlite]",
    ),
    Mutant(
        "a report that is finished stays finished",
        "warmline/contacts/wrapup.py",
        "elif saved.completed_at is not None and not complete:",
        "elif False:",
        WALK + "a_draft_survives_and_never_overwrites_a_finished_report[sqlite]",
    ),
    # Places and peers
    Mutant(
        "whoever was dropped gains no worse place by being called again",
        "warmline/contacts/calling_back.py",
        "max(contact.priority, Priority.CALLBACK)\n            contact.callback_due_at",
        "Priority.CALLBACK\n            contact.callback_due_at",
        CALLING + "whoever_was_dropped_stays_at_the_front_though_they_hang_up_and_are_called[sqlite]",
    ),
    Mutant(
        "whoever was dropped gains no worse place by taking our call",
        "warmline/contacts/calling_back.py",
        "        contact.priority = max(contact.priority, Priority.CALLBACK)\n        return contact\n",
        "        contact.priority = Priority.CALLBACK\n        return contact\n",
        CALLING + "whoever_was_dropped_stays_at_the_front_though_they_hang_up_and_are_called[sqlite]",
    ),
    Mutant(
        "whoever has taken our call is before those who wait in order",
        "warmline/contacts/calling_back.py",
        "        contact.priority = max(contact.priority, Priority.CALLBACK)\n        return contact\n",
        "        return contact\n",
        CALLING + "whoever_has_taken_our_call_is_before_the_others_should_the_peer_be_gone[sqlite]",
    ),
    Mutant(
        "whoever is to be called fills no line",
        "warmline/contacts/calling_back.py",
        "        Contact.state.in_(BOOKABLE),\n        Contact.callback_at.is_(None),\n",
        "        Contact.state.in_(BOOKABLE),\n",
        CALLING + "whoever_is_to_be_called_takes_no_room_from_those_on_the_phone[sqlite]",
    ),
    Mutant(
        "the same peer is the latest one",
        "warmline/contacts/dispatch.py",
        "Contact.arrived_at.desc(), Engagement.began_at.desc()",
        "Contact.arrived_at, Engagement.began_at",
        POLICIES
        + "WhoIsAskedFirst::test_the_same_peer_is_whom_they_talked_to_last_and_not_who_only_accepted[sqlite-True]",
    ),
    Mutant(
        "the same peer is one who talked",
        "warmline/contacts/dispatch.py",
        "Contact.caller_id == Caller.id, Engagement.active_at.is_not(None)",
        "Contact.caller_id == Caller.id",
        POLICIES
        + "WhoIsAskedFirst::test_the_same_peer_is_whom_they_talked_to_last_and_not_who_only_accepted[sqlite-False]",
    ),
    Mutant(
        "the same peer is who took the contact over",
        "warmline/contacts/dispatch.py",
        "Engagement.began_at.desc()",
        "Engagement.began_at",
        POLICIES + "WhoIsAskedFirst::test_of_two_who_shared_a_contact_the_same_peer_is_who_took_it_over[sqlite]",
    ),
    Mutant(
        "whoever declines is asked for the next, though who was declined is outside the queue",
        "warmline/contacts/offers.py",
        "    dispatch.after(session, contact.organization_id, now, peer_id=offer.peer_id)\n",
        "",
        CALLING + "whoever_declines_a_caller_who_books_is_asked_for_the_next_at_once[sqlite]",
    ),
    Mutant(
        "whoever has taken a step hides nobody who has not",
        "warmline/contacts/due.py",
        "                    Contact.steps == taken,\n",
        "",
        "tests/contacts/test_due.py::test_whoever_has_taken_a_step_hides_nobody_who_has_not[sqlite]",
    ),
    Mutant(
        "a usual talk leaves time in a shift",
        "routing/policy.py",
        "policy.usual_talk >= longest_shift",
        "policy.usual_talk > longest_shift",
        "tests/routing/test_policy.py::test_what_cannot_be_is_told_with_its_field",
    ),
    Mutant(
        "what came to nothing is no contact of today",
        "warmline/people/roster.py",
        "                Engagement.state != EngagementState.FAILED,\n",
        "",
        POLICIES + "WhoIsAskedFirst::test_an_offer_that_came_to_nothing_after_it_was_accepted_does_not_count[sqlite]",
    ),
    Mutant(
        "whoever was less quick is asked for the next at once",
        "warmline/contacts/offers.py",
        "            dispatch.after(session, contact.organization_id, now, peer_id=other.peer_id)\n",
        "",
        POLICIES + "RingingSeveral::test_whoever_was_less_quick_is_asked_for_the_next_at_once[sqlite]",
    ),
    Mutant(
        "who is asked only after the wish has ended grants none",
        "routing/policy.py",
        "        return patience is None or wait < patience or not wait\n",
        "        return True\n",
        "tests/contacts/test_wishes.py::test_the_menu_has_who_comes_in_after_a_while_if_the_wish_still_counts_then"
        "[sqlite-policy1-heard1]",
    ),
    # The doors
    Mutant(
        "the phone company signs",
        "warmline/web/access.py",
        '    if not signature.is_valid(token, url, form, request.headers.get("X-Twilio-Signature")):\n',
        "    if not (signature and token and url and form):\n",
        ACCESS + "unsigned_or_wrongly_signed_is_refused_and_not_stored[sqlite-headers0]",
    ),
    Mutant(
        "the phone company signs our own address",
        "warmline/web/access.py",
        '    url = current_app.config["PUBLIC_BASE_URL"] + request.path',
        '    url = request.scheme + "://" + request.host + request.path',
        ACCESS + "a_signed_request_passes_whatever_host_it_names[sqlite]",
    ),
    Mutant(
        "a view that declares nothing is closed",
        "warmline/web/access.py",
        "        abort(403)\n    check()\n",
        "        return\n    check()\n",
        ACCESS + "a_route_that_declares_nothing_is_refused[sqlite]",
    ),
    Mutant(
        "a page is for its role",
        "warmline/web/access.py",
        "        if account().role not in roles:\n",
        "        if not roles:\n",
        ACCESS + "pages_are_for_their_role[sqlite]",
    ),
    Mutant(
        "a form of people carries their token",
        "warmline/web/access.py",
        "        abort(401)\n    csrf.protect()\n",
        "        abort(401)\n",
        ACCESS + "without_a_token_nothing_is_changed[sqlite]",
    ),
    Mutant(
        "a page that shows something else must fetch",
        "warmline/web/heartbeats.py",
        "    if there_is is None or there_is.version != beat.version:\n",
        "    if there_is is None:\n",
        BEATS + "whatever_else_changes_is_to_be_fetched[sqlite]",
    ),
    Mutant(
        "nobody hears of a contact in which they have no part",
        "warmline/contacts/screens/peer.py",
        "        if entry is not None or wish is None\n",
        "",
        BEATS + "a_page_that_shows_what_there_is_is_told_so[sqlite]",
    ),
    Mutant(
        "a caller more does not make every console fetch",
        "warmline/contacts/screens/peer.py",
        "replace(line, waiting=0, longest_since=None)",
        "line",
        BEATS + "how_many_wait_is_told_apart[sqlite]",
    ),
    Mutant(
        "whoever has changed something looks anew",
        "warmline/web/board.py",
        'time.monotonic() if "anew" in request.args else None',
        "None",
        SIGHTS + "a_push_comes_with_what_there_is_and_whoever_made_the_change_sees_it_before[sqlite]",
    ),
    Mutant(
        "a push looks anew",
        "warmline/web/live.py",
        "sights.of(organization_id, now, not_before)",
        "sights.of(organization_id, now)",
        SIGHTS + "a_push_comes_with_what_there_is_and_whoever_made_the_change_sees_it_before[sqlite]",
    ),
    Mutant(
        "what another process has changed is looked at anew",
        "warmline/web/sight.py",
        "max(since, self._changed_at)",
        "since",
        SIGHTS + "whoever_looks_at_the_same_moment_sees_the_same_look",
    ),
]


def is_first(mutant: Mutant) -> bool:
    """Whether it is tried in every run."""
    return is_one_in(4, mutant.name)


def test_every_guard_has_a_name_of_its_own() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))


def test_with_all_guards_every_one_of_these_tests_passes(tmp_path: Path, postgres: Databases, thorough: bool) -> None:
    copy(ROOT, tmp_path / "copy")
    result = run(tmp_path, postgres, *dict.fromkeys(mutant.test for mutant in MUTANTS if thorough or is_first(mutant)))
    assert result.returncode == PASSED, result.stdout


@pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=mutant.name, marks=thorough_unless(is_first(mutant))) for mutant in MUTANTS]
)
def test_without_this_guard_a_test_is_red(mutant: Mutant, tmp_path: Path, postgres: Databases) -> None:
    source = (ROOT / mutant.file).read_text()
    assert source.count(mutant.old) == 1, "this guard has changed: change its mutant too"
    copy(ROOT, tmp_path / "copy", ROOT / mutant.file)
    (tmp_path / "copy" / mutant.file).write_text(source.replace(mutant.old, mutant.new))
    result = run(tmp_path, postgres, mutant.test)
    assert result.returncode == FAILED, f"without it {mutant.test} still passes:\n{result.stdout}"
    assert " error" not in result.stdout.splitlines()[-1], result.stdout
    assert not CLUMSY.search(result.stdout), result.stdout


def copy(source: Path, target: Path, changed: Path | None = None) -> None:
    """Copy what the tests need, by links; only the way down to `changed`, which is left out, is real folders.

    What Python has compiled is linked as well: it looks at a file's time and size before it believes that.
    """
    target.mkdir()
    for entry in source.iterdir():
        if source == ROOT and entry.name not in NEEDED:
            continue
        if changed is not None and entry in changed.parents:
            copy(entry, target / entry.name, changed)
        elif entry != changed:
            (target / entry.name).symlink_to(entry)


def run(folder: Path, postgres: Databases, *tests: str) -> Result:
    """Run these tests on the copy, in order and until the first is red; with our PostgreSQL, if they need one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {
        "PYTHONPATH": str(folder / "copy"),
        "TEST_DATABASE_URL": postgres.url.render_as_string(hide_password=False),
        "PYTHONDONTWRITEBYTECODE": "1",  # links lead into our own folders
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # each costs time, as does the rewriting of asserts
    }
    options = ["-x", "-q", "-p", "pytest_timeout", "-p", "no:cacheprovider", "--assert=plain", "--tb=line"]
    command = ["pytest", *options, f"--basetemp={folder / 'run'}", *tests]
    log = folder / "log"
    process = TESTS.start(log, environment, *command, folder=folder / "copy")
    return Result(process.wait(PATIENCE_SECONDS), log.read_text())

"""Commands: `python -m warmline.cli <command>`, or `flask <command>`. Each reads the web process's environment."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import click
import redis
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

import migrations
from config.settings import Settings, SettingsError
from routing.estimates import Figures, Target
from warmline import clock as the_clock
from warmline import db
from warmline.directory import demo as demo_directory
from warmline.models import Line, Organization, Role
from warmline.people import accounts
from warmline.people import demo as demo_organization
from warmline.reports import absence as replayed
from warmline.reports import past
from warmline.reports import staffing as weekly
from warmline.telephony import gateway
from warmline.telephony.gateway import GatewayError, Refused
from warmline.web import live
from warmline.wiring import wire

ASK_SECONDS = 5
CLOCK_THREADS = 8
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TWILIO_API = "https://api.twilio.com"


class Command(click.Command):
    """One of ours: a database that is away is one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Do what is asked."""
        try:
            return super().invoke(ctx)
        except OperationalError as error:
            sys.exit(f"The database does not answer: {str(error.orig).splitlines()[0]}.")


class Group(click.Group):
    """All of ours."""

    command_class = Command


@click.group(cls=Group, help=__doc__)
def main() -> None:
    pass


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    wire(Settings.load_or_exit())
    with migrations.locked(db.bound()):
        migrations.upgrade(db.bound())
    click.echo(f"The schema is at {migrations.newest()}.")


@main.command()
def demo() -> None:
    """Make the demo organization; its accounts get DEMO_PASSWORD."""
    settings = Settings.load_or_exit()
    if settings.demo_password is None:
        sys.exit("DEMO_PASSWORD is not set: it becomes the password of every demo account.")
    wire(settings)
    with migrations.locked(db.bound()):
        demo_organization.seed(settings.demo_password.get_secret_value(), the_clock.now())
        demo_directory.seed(the_clock.now())
    click.echo("The demo organization is there.")


@main.command()
@click.argument("email")
@click.option("--name", prompt="Name", help="What colleagues see.")
@click.option("--organization", prompt="Organization", help="Its name; a new one is made if there is none.")
@click.password_option(help="Better typed when asked: a command line is seen by others.")
def create_admin(email: str, name: str, organization: str, password: str) -> None:
    """Make an administrator's account for EMAIL."""
    wire(Settings.load_or_exit())
    password_hash = accounts.hash_password(password)
    try:
        with db.transaction() as session:
            row = session.scalar(select(Organization).where(Organization.name == organization))
            if row is None:
                row = Organization(name=organization)
                session.add(row)
                session.flush()
            accounts.create(session, row.id, Role.ADMIN, name, email, password_hash)
    except IntegrityError:
        sys.exit("There is an account with that address already.")
    click.echo(f"{name} can log in now.")


@main.command()
def clock() -> None:
    """Do what is due, until told to stop. Any number may run; a lease lets one of them act."""
    settings = Settings.load_or_exit()
    # The phone company may take seconds to answer; what else is due must not wait for it.
    wire(settings, spawn=ThreadPoolExecutor(max_workers=CLOCK_THREADS).submit)
    if settings.redis_url:
        live.use_queue(settings.redis_url.get_secret_value())
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    the_clock.run(stopped)


@main.command()
def doctor() -> None:
    """Look at settings, database, schema, keys, Redis and Twilio, and say what to do about each."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(f"settings   {error}")
    wire(settings)
    healthy = True
    for name, look in _examinations(settings):
        try:
            finding, fine = look(), True
        except Trouble as trouble:
            finding, fine = str(trouble), False
        healthy &= fine
        click.echo(f"{name:10} {'ok: ' if fine else 'NOT OK: '}{finding}")
    sys.exit(0 if healthy else 1)


@main.command()
@click.argument("number")
@click.option("--weeks", default=weekly.WEEKS, type=click.IntRange(1, 52), help="How far back to look.")
@click.option("--share", default=80, type=click.IntRange(0, 99), help="Calls to answer in time, in percent.")
@click.option("--within", default=20, type=click.IntRange(0), help="Seconds that are in time.")
@click.option("--lost", type=click.IntRange(1, 100), help="Calls that may be given up at most, in percent.")
def staffing(number: str, weeks: int, share: int, within: int, lost: int | None) -> None:
    """How many peers the line of NUMBER needs, hour by hour, and what one absence means."""
    wire(Settings.load_or_exit())
    line = _line(number)
    target = Target(share / 100, within, lost / 100 if lost else None)
    table = weekly.table(line, weeks, target, the_clock.now())
    found = table.demand
    click.echo(
        f"{line.name}, {found.weeks} weeks from {found.since.astimezone(ZoneInfo(line.time_zone)):%-d %B %Y} "
        f"({line.time_zone}): {found.calls} calls, of whom {found.left} left; patience {_clock(found.patience)}.\n"
        f"Needed: peers for {share}% within {within} s{f' and at most {lost}% lost' if lost else ''}.\n"
    )
    if not table.rows:
        click.echo("Nobody has called in these weeks and no peer had a shift: there is nothing to reckon with yet.")
        return
    click.echo("                calls  minutes            with these     with one fewer")
    click.echo("               an hour    each   peers  needed   wait  lost      wait  lost")
    for row in table.rows:
        handle = "-" if row.handle is None else f"{row.handle / 60:.0f}"
        needed = "-" if row.needed is None else row.needed
        click.echo(
            f"{WEEKDAYS[row.weekday]:9} {row.hour:02}:00 {row.offered:6.1f} {handle:>7} {row.peers:7.1f} {needed:>7}"
            f"{_waits(row.there):>14}{_waits(row.one_fewer):>16}"
        )


@main.command()
@click.argument("number")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="In the line's own time; yesterday unless given.")
@click.option("--within", default=20, type=click.IntRange(0), help="Seconds that are in time.")
def absence(number: str, day: datetime | None, within: int) -> None:
    """Play a day of the line of NUMBER again, without each peer who was on shift."""
    wire(Settings.load_or_exit())
    line = _line(number)
    yesterday = the_clock.now().astimezone(ZoneInfo(line.time_zone)).date() - timedelta(days=1)
    which = day.date() if day else yesterday
    played = replayed.replay(line, which, within)
    if played is None:
        sys.exit(f"Nobody was answered on that day: {which:%-d %B %Y}.")
    click.echo(
        f"{line.name}, {which:%-d %B %Y}: {played.as_it_was.contacts} calls; patience {_clock(played.patience)}.\n\n"
        f"{'':30} {'wait':>6} {'lost':>6} {f'within {within} s':>13}"
    )
    rows = [("as it was", played.as_it_was), ("played again, everybody there", played.everybody)]
    for name, found in [*rows, *((f"without {name}", found) for name, found in played.without)]:
        click.echo(f"{name:30} {_clock(found.wait):>6} {found.abandoned:6.0%} {found.answered_in_time:13.0%}")


def _line(number: str) -> Line:
    line = past.line_at(number)
    if line is None:
        sys.exit(f"No line has the number {number}. Write it as +1 and ten digits.")
    return line


def _waits(figures: Figures | None) -> str:
    return "-" if figures is None else f"{_clock(figures.wait)} {figures.abandoned:5.0%}"


def _clock(seconds: float) -> str:
    """Minutes and seconds."""
    return "not known" if seconds == inf else f"{round(seconds) // 60}:{round(seconds) % 60:02}"


class Trouble(Exception):
    """Something is wrong; the message says what, and what to do next."""


def _examinations(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "settings", lambda: f"people and Twilio reach us at {settings.public_base_url}"
    yield "database", _database
    yield "schema", _schema
    yield "keys", _keys
    if settings.redis_url:
        yield "Redis", lambda: _redis(str(settings.redis_url and settings.redis_url.get_secret_value()))
    yield "Twilio", lambda: _twilio(settings)


def _database() -> str:
    try:
        with db.bound().connect():
            return f"{db.bound().dialect.name} answers"
    except SQLAlchemyError as error:
        raise Trouble(
            f"it does not answer ({type(error).__name__}); is it running, and is DATABASE_URL right?"
        ) from None


def _schema() -> str:
    try:
        with db.bound().connect() as connection:
            revision = migrations.current(connection)
    except SQLAlchemyError:
        raise Trouble("not known while the database does not answer") from None
    if revision != migrations.newest():
        raise Trouble(
            f"it is at {revision or 'nothing'}, the code needs {migrations.newest()}; "
            "run `python -m warmline.cli migrate`"
        )
    return f"at {revision}"


def _keys() -> str:
    try:
        fit = accounts.keys_fit()
    except SQLAlchemyError:
        raise Trouble("not known while the database or its schema is not in order") from None
    if not fit:
        raise Trouble("the data was stored with other keys; set the FIELD_KEYS and INDEX_KEY it was stored with")
    return "they fit the data"


def _redis(url: str) -> str:
    try:
        with redis.Redis.from_url(url, socket_timeout=ASK_SECONDS, socket_connect_timeout=ASK_SECONDS) as client:
            client.ping()
    except redis.RedisError as error:
        raise Trouble(f"it does not answer ({type(error).__name__}); is it running, and is REDIS_URL right?") from None
    return "it answers"


def _twilio(settings: Settings) -> str:
    base = settings.twilio_api_base_url or TWILIO_API
    try:
        gateway.current().sign_in()
    except Refused:
        raise Trouble(f"{base} does not know these TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN") from None
    except GatewayError as error:
        raise Trouble(f"{base} does not answer ({error.answer}); may this machine reach it?") from None
    return f"{base} answers"


if __name__ == "__main__":
    main()

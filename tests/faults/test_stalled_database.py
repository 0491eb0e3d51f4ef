"""A database that is stalled, not down: it keeps its connections and answers nothing."""

from pathlib import Path

from tests.product import CALLER, GEORGIA, Product, eventually
from tests.servers import Postgres, Redis


def test_a_caller_hears_988_while_the_database_is_stalled_and_is_served_after_it(
    tmp_path: Path, own_postgres: Postgres, redis_server: Redis
) -> None:
    with Product(tmp_path, own_postgres.database(), redis_server.url) as product:
        assert "Gather" in incoming(product, "CA1")
        own_postgres.pause()
        try:
            answer = incoming(product, "CA2")
        finally:
            own_postgres.resume()
        assert "988" in answer
        assert "Redirect" in answer, "and we try again"
        eventually(lambda: "Gather" in incoming(product, "CA3"))


def incoming(product: Product, call_sid: str) -> str:
    answer = product.webhook("/twilio/voice/incoming", CallSid=call_sid, From=CALLER, To=GEORGIA)
    assert answer.status_code == 200
    return answer.text

"""How gunicorn serves the product: `gunicorn --config config/gunicorn.py`. One gevent process carries every socket."""

# Before anything else is imported: psycopg, redis and requests then wait without stopping the other greenlets.
from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import gc
import resource

import gevent

from config import logs
from config.settings import Settings

settings = Settings.load_or_exit()

wsgi_app = "warmline.app:create_app()"
worker_class = "gevent"
workers = settings.web_concurrency
worker_connections = 2000
# Each is an open file, of which a process often has 1,024 unless it asks for more; with none left, no call is answered.
_files, _most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_files, min(_most_files, 2 * worker_connections)), _most_files))
bind = f"{settings.bind_host}:{settings.port}"
proc_name = "warmline"

# Open sockets never finish by themselves; a webhook does within this.
graceful_timeout = 3
timeout = 30
# People's addresses come through config's PROXIES, the scheme from PUBLIC_BASE_URL: no header is believed here.
forwarded_allow_ips = ""
control_socket_disable = True

# No access log: paths and ids are in the application's own lines.
accesslog = None
logconfig_dict = logs.configuration(settings.log_format)


def post_worker_init(worker: object) -> None:
    """Look for garbage only among what comes: to look through all that was loaded takes a tenth of a second.

    To look through the sockets of a thousand consoles takes as long, and nobody is answered meanwhile: so that is done
    once for a thousand looks at what is young, and not for ten. https://docs.python.org/3/library/gc.html#gc.set_threshold
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 1000)


def pre_request(worker: object, request: object) -> None:
    """Let whoever has waited longer go first: a connection that always brings its next request would have every turn.

    Nothing else makes it wait, for SQLite answers within the process.
    """
    gevent.sleep(1e-6)

"""What pages say in languages other than English: one gettext catalogue a language, read as it is.

`make words` collects the English sentences of templates, scripts and errors into them.
"""

from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

FOLDER = Path(__file__).parent


@cache
def load() -> dict[str, tuple[Translations, dict[str, str]]]:
    """By language: its catalogue, and of that the sentences that scripts in the browser say, by the English one."""
    found = {}
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        spoken_by_scripts = {
            str(message.id): str(message.string)
            for message in catalogue
            if any(source.endswith(".js") for source, _ in message.locations)
        }
        found[path.stem] = Translations(compiled), spoken_by_scripts
    return found

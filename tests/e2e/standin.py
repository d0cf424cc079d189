"""A stand-in for an agent's terminal program: bracketed paste, a composer line, a word for every message it got; by options the manners of real ones.

Shows `got N: <the text, line feeds as |>` for the N-th submitted text, and appends the same line to each file it was given.
--alternate: on the alternate screen. --slow S: says it is loading, and throws away what comes before it is ready. --busy S: shows a busy indicator that long
after each text. --dialog S: after a text that holds `please-ask` asks a question, and takes any key as the answer; the question stands for S seconds
at least, and `answered by a key` is shown when a key came. --early S: asks for pastes at once, and draws, and begins to listen, that much later. --spin: something moves
on the screen all the time. --swallow N: the first N submit keys do nothing. --pasted: a text of several lines is shown as a word for it. --answers WHO --cccc PATH: looks into its inbox all the time, and answers every message of
WHO at once, whether or not it was typed. Not a test; tests start it."""

import argparse
import itertools
import json
import os
import re
import select
import subprocess
import sys
import termios
import threading
import time
import tty

MARKS = re.compile(rb"\x1b\[20[01]~")


def show(text):
    os.write(1, text.encode())


def listen(spins):
    """The next input; meanwhile something moves in the last row."""
    for turn in itertools.count():
        if not spins or select.select([0], [], [], 0.05)[0]:
            return os.read(0, 65536)
        show(f"\x1b7\x1b[40;1H{'|/-'[turn % 3]} {turn}\x1b8")


def quietly(seconds):
    """Wait that long; True when a key came meanwhile."""
    return bool(select.select([0], [], [], seconds)[0])


def busy(seconds):
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        show(f"\r\x1b[K{'|/-'[turn % 3]} Working... (esc to interrupt)")
        turn += 1
        time.sleep(0.1)
    show("\r\x1b[K")


def ask(seconds):
    show("\r\n\x1b[K+--------------------------+\r\n| Do you want to proceed?  |\r\n| > 1. Yes                 |\r\n|   2. No                  |\r\n+--------------------------+\r\n")
    if quietly(seconds):
        os.read(0, 65536)
        show("answered by a key\r\n")
    show("\x1b[2J\x1b[H> ")


def answer_for_ever(cccc, who):
    """Read what `who` wrote and write back, until the end."""
    run = lambda *args: subprocess.run([cccc, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    while True:
        listed = run("inbox", "--kind-filter", "chat", "--json")
        for message in json.loads(listed.stdout)["result"]["messages"] if listed.returncode == 0 else []:
            run("read", message["id"])
            if message["by"] == who:
                run("send", "and you?", "--to", who)
        time.sleep(0.05)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("files", nargs="*")
    options.add_argument("--alternate", action="store_true")
    for name in ("spin", "pasted"):
        options.add_argument(f"--{name}", action="store_true")
    options.add_argument("--swallow", type=int, default=0)
    for name in ("slow", "busy", "dialog", "early"):
        options.add_argument(f"--{name}", type=float, default=0)
    for name in ("answers", "cccc"):
        options.add_argument(f"--{name}")
    options = options.parse_args()
    if options.answers:
        threading.Thread(target=answer_for_ever, args=(options.cccc, options.answers), daemon=True).start()
    saved = termios.tcgetattr(0)
    tty.setraw(0)
    if options.slow:
        show("loading\r\n")
        end = time.monotonic() + options.slow
        while time.monotonic() < end:
            show(".")
            time.sleep(0.1)
        termios.tcflush(0, termios.TCIFLUSH)
    if options.early:
        show("\x1b[?2004h")
        time.sleep(options.early)
        termios.tcflush(0, termios.TCIFLUSH)
    show("\x1b[?1049h\x1b[H" if options.alternate else "")
    show("\x1b[?2004hstand-in ready\r\n> ")
    composer, got = b"", 0
    try:
        while data := listen(options.spin):
            composer += data
            if composer.count(b"\x1b[200~") > composer.count(b"\x1b[201~"):
                continue
            text, key, rest = composer.partition(b"\r") if b"\r" in MARKS.sub(b"", composer) else (composer, b"", b"")
            if key and options.swallow > 0:
                options.swallow -= 1
                composer = text + rest
                key = b""
            if not key:
                typed = MARKS.sub(b"", composer).decode(errors="replace").replace("\n", "|")
                show("\r\x1b[K> " + ("[Pasted text #1]" if options.pasted and "|" in typed else typed[-60:]))
                continue
            composer = rest
            got += 1
            words = MARKS.sub(b"", text).decode(errors="replace").replace("\n", "|")
            for path in options.files:
                with open(path, "a") as file:
                    file.write(f"got {got}: {words}\n")
            show(f"\r\x1b[Kgot {got}: {words}\r\n> ")
            if options.busy:
                busy(options.busy)
            if options.dialog and "please-ask" in words:
                ask(options.dialog)
    finally:
        termios.tcsetattr(0, termios.TCSANOW, saved)


if __name__ == "__main__":
    sys.exit(main())

"""Colours, questions and watching, on a terminal:  terminal.py SMEM"""
import os
import pty
import re
import select
import sys
import time

smem = sys.argv[1]


def play(arguments, answer=None, environment=None, wanted=""):
    """Status and output; `answer` is typed once `wanted` is there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.environ.update(environment or {})
        os.execv(smem, [smem, *arguments])
    output, end = b"", time.time() + 30
    while time.time() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            some = os.read(terminal, 4096)
        except OSError:  # it has ended
            break
        if not some:
            break
        output += some
        if answer and wanted.encode() in output:
            os.write(terminal, answer.encode())
            answer = None
    else:
        os.kill(pid, 9)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode()


green = "\x1b[32m"
status, text = play(["ls"])
assert status == 0 and green in text, text
# Colours take no room.
lines = [re.sub("\x1b\\[[0-9]*m", "", line) for line in text.split("\r\n")]
assert any(line.startswith("Id   ") for line in lines), lines
assert "\x1b" not in play(["ls"], environment={"NO_COLOR": "1"})[1]
assert "\x1b" not in play(["ls"], environment={"TERM": "dumb"})[1]
assert green in play(["ls"], environment={"NO_COLOR": ""})[1]

status, text = play(["rm", "guarded"], "n\n", wanted="[y/N]")
assert status == 1 and "Remove guarded (live, 4.0 KiB, owner " in text, text
status, text = play(["rm", "guarded"], "\n", wanted="[y/N]")
assert status == 1
assert play(["inspect", "guarded"])[0] == 0  # it is still there

for key in "q", "\x03", "\x1c":
    if key == "\x1c":
        continue  # SIGQUIT is to leave a core
    status, text = play(["watch", "-i", "1"], key, wanted="its owner is there")
    assert status == 0, (key, status)
    assert text.startswith("\x1b[?1049h") and text.rstrip().endswith("\x1b[?1049l")
    # What takes most memory is first.
    shown = re.search("Id .*?\n(.*?)\r\n", text).group(1)
    assert "results" in shown, shown

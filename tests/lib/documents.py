"""JSON is as smem(1) says:  documents.py SMEM PID-OF-MAKER"""
import json
import os
import subprocess
import sys

smem, maker = sys.argv[1], int(sys.argv[2])


def ask(*arguments, status=0):
    result = subprocess.run([smem, *arguments], stdout=subprocess.PIPE)
    assert result.returncode == status, (arguments, result.returncode)
    value = json.loads(result.stdout.decode("utf-8", "strict"))
    assert value["version"] == 1
    return value


columns = ["namespace", "Id", "size", "resident", "state", "pid", "command",
           "created", "lifetime", "sealed", "kind", "class", "dim", "sent",
           "opened", "lock", "holder", "since", "readers", "waiting",
           "directory", "call"]
rows = ask("ls", "--json")["segments"]
assert all(list(row) == columns for row in rows)
row = {row["Id"]: row for row in rows}
assert row["results"]["size"] >= 10_000_000
assert row["results"]["pid"] == maker and row["results"]["command"] == "maker"
assert row["results"]["sealed"] is True and row["guarded"]["sealed"] is False
assert row["1"]["call"] == "f(x) <- g(y)" and row["guarded"]["call"] is None
assert row["damaged"]["state"] == "damaged" and row["damaged"]["size"] is None
assert 1.5e9 < row["1"]["created"] < 1e10
# What is not UTF-8 can be had back.
names = [os.fsencode(name) for name in row]
assert b"e\x1b[31m\n\x82" in names, names

assert list(ask("ls", "--json", "-m")["segments"][0]) == columns + ["mappedBy"]
assert all(row["namespace"] for row in ask("ls", "-a", "--json")["segments"])
assert ask("ls", "-n", "nobodys", "--json", status=1)["segments"] == []

lock, = ask("locks", "--json")["locks"]
assert list(lock) == ["namespace", "Id", "lock", "holder", "since", "readers",
                      "waiting"]
assert lock["lock"] == "exclusive" and lock["holder"] == maker

status = ask("stat", "--json")
assert list(status) == ["version", "namespace", "capacity", "used", "free",
                        "free_by", "directory", "spill", "cleaned_at_logout",
                        "shares"]
assert list(status["shares"][0]) == ["namespace", "user", "state", "segments",
                                     "bytes"]

one = ask("inspect", "guarded", "--json")
assert bytes.fromhex(one["bytes"])[1:6] == b"hello" and one["tag"] == "a tag"
assert [key for key in one if key not in columns] == [
    "version", "mappedBy", "tag", "wrong", "user", "path", "bytes"]

tried = ask("reclaim", "--dry-run", "--json", status=1)
assert tried["dryRun"] is True
assert list(tried["segments"][0]) == columns + ["removed", "fate"]
assert [row["Id"] for row in tried["segments"] if row["removed"]] == ["incomplete"]

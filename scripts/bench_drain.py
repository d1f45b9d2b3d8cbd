"""Fills a store of results, and tells how it went out; see bench-drain.sh."""

import json
import os
import sqlite3
import sys
import uuid


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def fill(path, results):
    store = sqlite3.connect(path)
    series, payload, at = store.execute(
        "SELECT series, payload, committed_at FROM message WHERE kind = 1 LIMIT 1"
    ).fetchone()
    field = json.loads(payload)
    store.execute("DELETE FROM message")
    for seq in range(1, results + 1):
        field["id"] = str(uuid.uuid4())
        field["seq"] = seq
        copy = json.dumps(field, separators=(",", ":")).encode()
        # What the sum is of: the id, the kind (1, a field) and the payload.
        name = uuid.UUID(field["id"]).bytes
        head = name + b"\x01"
        store.execute(
            "INSERT INTO message (id, kind, series, seq, committed_at, crc, bytes, payload) VALUES (?,1,?,?,?,?,?,?)",
            (name, series, seq, at, crc32c(head + copy), len(copy), copy),
        )
    store.execute("UPDATE meta SET value = ? WHERE key = 'last_seq'", (results,))
    store.commit()
    print(f"{results} results of {len(copy)} bytes and {len(field['cells'])} cells")


def tell(path, begin, base, used):
    times, seqs, before = [], [], []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            at, topic, payload = line.split(" ", 2)
            leaf = topic.split("/", 2)[2]
            if not seqs and leaf != "field":
                before.append(leaf)
            if leaf == "field":
                times.append(float(at))
                seqs.append(json.loads(payload)["seq"])
    is_ordered = seqs[: len(set(seqs))] == sorted(set(seqs))
    begun = [int(word) for word in base.split()]
    ended = [int(word) for word in used.split()]
    ticks = sum(ended[1:]) - sum(begun[1:])
    per_message = 1000 * ticks / os.sysconf("SC_CLK_TCK") / max(1, ended[0] - begun[0])
    print(
        f"{len(seqs)} results in {times[-1] - times[0]:.1f} s ({times[-1] - float(begin):.1f} s from the start of the program), "
        f"{'in their order' if is_ordered else 'OUT OF ORDER'}, {len(seqs) - len(set(seqs))} repeats; "
        f"{per_message:.2f} ms of processor time for each"
    )
    print(f"before the first of them came: {', '.join(before)}")


if __name__ == "__main__":
    match sys.argv[2]:
        case "fill":
            fill(sys.argv[1], int(sys.argv[3]))
        case "tell":
            tell(sys.argv[1], *sys.argv[3:])

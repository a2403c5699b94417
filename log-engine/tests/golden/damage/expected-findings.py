#!/usr/bin/env python3
"""What `verify` has to say about each damaged directory: python3 expected-findings.py SET > expected-findings.tsv

SET is the set laid out by `../pack.py unpack`. The table is derived from the damage alone: from `truth.json` (kind, file, position,
clean marker, recovery point), from the planted bytes where they are random, and from the names of the undamaged segments. No output
of any program of ours enters.

Columns: case, code, severity (e damage, w wrong but harmless so far, i worth knowing), file (relative to the log directory),
position, exit code of `verify`. `-` as code: nobody can find this damage in the directory, or there is none. `-` as position: the
place cannot be known from the file, or it is a folder; it is not to be compared.
A case has a line per planted fact; a second line follows where two things were damaged or two batches stand in the wrong place.
What follows from the damage elsewhere (an index that no longer fits a cut log) is not listed.

Positions: first byte of the batch; of the wrong field in an index entry; of the first foreign byte; for snapshots the checksum (it
covers the file, the place inside is unknown) or the field. Text files, missing files and files as a whole: 0.
The exit code is 0 when nothing is above i, else 1.
"""
import json, os, struct, sys


class Case:
    def __init__(self, top, name):
        self.top = os.path.join(top, "cases", name)
        with open(os.path.join(self.top, "truth.json")) as f:
            self.truth = json.load(f)
        damage = self.truth["damage"]
        self.kind, self.position = damage["kind"], damage["position"]
        self.detail = damage.get("detail") or {}
        self.file = damage["file"]
        self.marker = self.truth["clean_marker"]
        self.partition = "%s-%d" % (self.truth["cluster"]["topic"], self.truth["cluster"]["partition"])
        base = os.path.join(top, "bases", self.truth["before"]["base"], self.partition)
        self.segments = sorted(int(f[:20]) for f in os.listdir(base) if f.endswith(".log"))

    def planted(self):
        """The damaged file as it was planted."""
        with open(os.path.join(self.top, "before", self.file), "rb") as f:
            return f.read()

    def segment(self):
        return int(os.path.basename(self.file)[:20])

    def last(self):
        """Is it about the last segment?"""
        return self.segment() == self.segments[-1]

    def recovered(self):
        """R: the next start recovers this segment anyway: no marker, and not below the segment that holds the recovery point."""
        first = max([s for s in self.segments if s <= self.truth["recovery_point"]] or self.segments[:1])
        return not self.marker and self.segment() >= first


# A rule takes a case and gives (code, severity, file, position) for each thing that must be found.

def here(code, severity, at=0):
    """At the planted place; `at` more bytes for a field inside an index entry. The severity may depend on the case."""
    def rule(c):
        s = severity(c) if callable(severity) else severity
        return [(code, s, c.file.rstrip("/"), "-" if c.file.endswith("/") else c.position + at)]
    return rule


def placed(code, severity, position):
    """In the planted file, but at a place that the format dictates."""
    return lambda c: [(code, severity(c) if callable(severity) else severity, c.file, position)]


def folder(code, severity):
    """A foreign folder is named itself, not what lies in it."""
    return lambda c: [(code, severity, c.file.rsplit("/", 1)[0], "-")]


def nothing(c):
    return []


def tail(c):
    """What is wrong with the end of a log: e with a marker (nothing will cut it, the log end may move back) or in a closed segment;
    w in the last segment without one (the start cuts it)."""
    return "e" if c.marker or not c.last() else "w"


def index(c):
    """I002 to I005: e; w if the start rebuilds the file; i in the last segment then, where old entries of a truncated tail are normal."""
    return "e" if not c.recovered() else "i" if c.last() else "w"


def zero_slots(c):
    """I003: w; behind a marker in the active segment too, for no clean stop leaves them; i if the start rebuilds the file."""
    return "i" if c.recovered() else "w"


def garbage(c):
    """Random bytes behind the last batch are a frame by their size field (bytes 8 to 11): below 14 is none (B002, wherever it is),
    past the end is a torn one (B003)."""
    data = c.planted()
    size = struct.unpack(">i", data[c.position + 8:c.position + 12])[0]
    if size < 14:
        return [("B002", "e", c.file, c.position)]
    assert size > len(data) - c.position - 12, "the random bytes look like a whole batch"
    return [("B003", tail(c), c.file, c.position)]


def outside_transaction(c):
    """e inside an open transaction; w where the batch would have opened it. A transaction begins with a new producer epoch here, so
    with sequence 0 (byte 53)."""
    sequence = struct.unpack(">i", c.planted()[c.position + 53:c.position + 57])[0]
    return "w" if sequence == 0 else "e"


def two_crcs(c):
    second = c.detail["second"]
    return [("B001", "e", c.file, c.position), ("B001", "e", second["file"], second["position"])]


def swapped(c):
    """The later batch stands first: offsets are missing before it (B012); the earlier one behind it does not rise (B005)."""
    size = 12 + struct.unpack(">i", c.planted()[c.position + 8:c.position + 12])[0]
    return [("B012", "w", c.file, c.position), ("B005", "e", c.file, c.position + size)]


def cut_at_boundary(c):
    """With a marker, recovery point, high watermark and snapshot lie beyond the end: e. Without one only the entries of both indexes
    do, as after a follower's truncation: i."""
    return "e" if c.marker else "i"


def last_segment_missing(c):
    """With a marker as above; the missing file is named. Without one, recovery point and high watermark lie below."""
    return [("B014", "e", c.file, 0)] if c.marker else []


def random_index(c):
    """Random entries: the first position that is outside the log is wrong on its own."""
    data = c.planted()
    for at in range(4, len(data), 8):
        if not 0 <= struct.unpack(">i", data[at:at + 4])[0] < 1 << 20:
            return [("I004", index(c), c.file, at)]
    raise AssertionError("random bytes that are all good positions")


def every_snapshot(c):
    """S001 for each; the checksum stands at 2."""
    return [("S001", "w", c.partition + "/" + f, 2) for f in c.detail["all"]]


def marker(then=nothing):
    """D005: a marker that no clean stop wrote, beside a recovery point below the log end. The rest is judged as behind a marker."""
    return lambda c: [("D005", "w", ".kafka_cleanshutdown", 0)] + then(c)


CRC = here("B001", "e")                       # a whole, plausible frame whose checksum fails
SHORT_FRAME = here("B002", "e")               # size below 14, or below 49 with magic 2
CONTENT = here("B007", "e")                   # checksum right, records wrong
GAP = here("B012", "w")                       # not in a cleaned region: lost data; a missing file is named
CHECKPOINT = here("C001", "e")                # malformed line, wrong count, or a number that is none
BAD_TXNINDEX = here("X001", "e")
LEFTOVER = here("D002", "i")
SWAP = here("D002", "w")

RULES = {
    "none": nothing,
    "none-then-clean-stop": nothing,

    # One bit of a record, in any segment and mode; zeroed sectors leave the header of the batch before them whole.
    "crc-value-middle": CRC,
    "crc-value-middle-then-clean-stop": CRC,
    "crc-value-first": CRC,
    "crc-value-first-of-segment": CRC,
    "crc-value-last": CRC,
    "crc-value-below-recovery-point": CRC,
    "crc-two-damages": two_crcs,
    "page-zero-4096": CRC,
    "sector-zero-512": CRC,
    "segment-zero-whole": here("B013", "e"),        # nothing but zeros from the first byte on

    # Header fields outside the checksum.
    "base-offset-up": here("B005", "e"),            # its last offset reaches the next segment's base
    "base-offset-down": here("B005", "e"),          # not above all before it
    "base-offset-negative": here("B005", "e"),      # below the segment's base
    "base-offset-below-segment": here("B005", "e"),
    "base-offset-up-last": GAP,                     # a gap before it, nothing behind it to overlap
    "base-offset-beyond-i32": here("B006", "e"),
    "base-offset-beyond-i32-last": here("B006", "e"),
    "batch-length-10": SHORT_FRAME,
    "batch-length-30": SHORT_FRAME,
    "batch-length-negative": SHORT_FRAME,
    "batch-length-minus-5": CRC,
    "batch-length-plus-40": CRC,
    "batch-length-huge": here("B003", "e"),         # valid batches follow: a hole, not a tail
    "batch-length-huge-last": here("B003", tail),
    "magic-0": CRC,                                 # CRC-32 of the old formats does not fit
    "magic-1": CRC,
    "magic-minus-126": here("B004", "e"),           # no format has it
    "magic-3": here("B004", "e"),
    "leader-epoch-up": here("B010", "e"),           # alone against its neighbours and the epoch file
    "leader-epoch-down": here("B010", "e"),         # below the one before
    "leader-epoch-negative": here("B010", "w"),
    # The last batch has no neighbour behind it: without a marker an epoch that was raised for good looks the same.
    "leader-epoch-up-last": lambda c: [("B010", "e", c.file, c.position)] if c.marker
    else [("E003", "i", c.partition + "/leader-epoch-checkpoint", 0)],

    # Fields inside the checksum: not sealed again, the checksum tells.
    "attributes-codec-7": CRC,
    "attributes-codec-gzip": CRC,
    "last-offset-delta-plus-5": CRC,
    "last-offset-delta-minus-1": CRC,
    "max-timestamp-future": CRC,
    "record-count-plus-1": CRC,
    "record-count-0": CRC,
    "record-count-negative": CRC,
    "sequence": CRC,
    # Sealed again: only the content can tell.
    "attributes-codec-7-sealed": CONTENT,
    "attributes-codec-gzip-sealed": CONTENT,
    "last-offset-delta-plus-5-sealed": CONTENT,
    "last-offset-delta-plus-5-sealed-last": CONTENT,
    "last-offset-delta-minus-1-sealed": CONTENT,
    "record-count-plus-1-sealed": CONTENT,
    "record-count-0-sealed": CONTENT,
    "record-count-negative-sealed": CONTENT,
    "max-timestamp-future-sealed": here("B008", "w"),
    "sequence-sealed": here("B011", "w"),           # not the last sequence + 1
    "producer-id-sealed": here("X002", "w"),        # opens a transaction that the next snapshot does not know
    "producer-epoch-down-sealed": here("B011", "w"),
    "commit-made-control-type-9-sealed": here("B011", "e"),  # a data batch with a producer and no sequence
    "transactional-bit-off-sealed": here("X002", outside_transaction),

    # Order.
    "batch-duplicated": here("B005", "e"),          # the second copy
    "batch-removed": GAP,                           # the batch behind the gap stands where the removed one stood
    "batches-swapped": swapped,

    # Tails.
    "tail-cut-mid-batch": here("B003", tail),
    "tail-cut-in-header": here("B003", tail),       # 28 bytes are left, so the size field is there
    "tail-cut-at-boundary": here("B014", cut_at_boundary),
    "tail-plus-1": here("B013", tail),              # at most 17 bytes, no frame
    "tail-plus-11": here("B013", tail),
    "tail-plus-5": here("B013", tail),
    "tail-cut-stub": here("B013", tail),            # at most 17 bytes of a batch are left
    "tail-zeros-100": here("B013", tail),
    "tail-zeros-4096": here("B013", tail),
    "tail-garbage": garbage,
    "segment-tail-garbage": garbage,
    "segment-tail-zeros": here("B013", tail),

    # Segments: the missing or empty file is named.
    "segment-missing": GAP,
    "segment-log-missing": GAP,
    "segment-first-missing": GAP,                   # the epoch file begins below the first base
    "segment-empty": GAP,
    "segment-last-missing": last_segment_missing,

    # Offset indexes: an entry is offset (4 bytes), position (4).
    "index-missing": here("I006", lambda c: "i" if c.recovered() else "w"),
    "index-empty": here("I006", "w"),               # batches start beyond the interval
    "index-size": here("I001", "w"),
    "index-below-base": here("I002", index),
    "index-not-increasing": here("I003", index),
    "index-past-end": here("I004", index, at=4),
    "index-off-boundary": here("I004", index, at=4),
    "index-offset-past-end": here("I005", index),
    "index-zeros": here("I003", zero_slots),
    "index-garbage": random_index,
    "index-last-segment-missing": here("I006", "w"),
    "index-last-segment-empty": here("I006", "w"),
    "index-last-segment-size": here("I001", "w"),
    "index-last-segment-below-base": here("I002", index),
    "index-last-segment-past-end": here("I004", index, at=4),
    "index-last-segment-off-boundary-last": here("I004", index, at=4),
    "index-last-segment-offset-past-end": here("I005", index),
    "index-last-segment-zeros": here("I003", zero_slots),

    # Time indexes: an entry is time (8 bytes), offset (4). All of these cases have a marker, or lie below the recovery point.
    "timeindex-missing": here("T003", "w"),
    "timeindex-empty": here("T003", "w"),
    "timeindex-size": here("T001", "w"),
    "timeindex-zeros": here("T001", "w"),
    "timeindex-not-increasing": here("T001", "w"),
    "timeindex-below-base": here("T002", "w", at=8),
    "timeindex-past-end": here("T002", "w", at=8),
    "timeindex-decreasing": here("T002", "w"),      # below the times of the batches before it
    "timeindex-future": here("T002", "w"),
    "timeindex-last-segment-missing": here("T003", "w"),
    "timeindex-last-segment-size": here("T001", "w"),
    "timeindex-last-segment-zeros": here("T001", "w"),
    "timeindex-last-segment-past-end": here("T002", "w", at=8),
    "timeindex-last-segment-future": here("T002", "w"),

    # Transaction indexes: version (2), producer id (8), first offset (8), last offset (8), last stable offset (8).
    "txnindex-missing": BAD_TXNINDEX,               # an aborted transaction ends in the segment
    "txnindex-empty": BAD_TXNINDEX,
    "txnindex-version": BAD_TXNINDEX,
    "txnindex-below-base": BAD_TXNINDEX,
    "txnindex-garbage": BAD_TXNINDEX,
    "txnindex-first-offset": BAD_TXNINDEX,
    "txnindex-truncated": placed("X001", "e", "-"), # foreign bytes or a cut entry: the file does not tell

    # Snapshots: version (2), checksum (4), count (4), entries of 46 bytes.
    "snapshot-crc": placed("S001", "w", 2),
    "snapshot-crc-all": every_snapshot,
    "snapshot-empty": here("S001", "w"),
    "snapshot-trailing": here("S001", "w"),         # where it should end
    "snapshot-version": here("S002", "w"),
    "snapshot-newer": here("S003", "w"),            # above the log end
    "snapshot-wrong-epoch": here("S004", "w"),
    "snapshot-stray": placed("S004", "w", "-"),     # a later state under an earlier offset
    # Behind a marker the one at the log end is missing (S004); else a segment that has older ones has none (S005).
    "snapshot-missing": lambda c: [("S004" if c.marker else "S005", "w", c.file, 0)],
    # None at all: behind a marker no producer state is made again.
    "snapshot-missing-all": here("S004", lambda c: "e" if c.marker else "w"),

    # Leader epochs.
    "epochs-malformed": CHECKPOINT,
    "epochs-bad-number": CHECKPOINT,
    "epochs-count-wrong": CHECKPOINT,
    "epochs-version-1": CHECKPOINT,
    "epochs-empty": here("E001", "w"),
    "epochs-missing": here("E001", "w"),
    "epochs-decreasing": here("E001", "w"),
    "epochs-offset-decreasing": here("E001", "w"),
    "epochs-beyond-end": here("E002", "w"),
    "epochs-disagree": here("E003", "w"),

    # Checkpoints at the root.
    "recovery-point-malformed": CHECKPOINT,
    "recovery-point-bad-number": CHECKPOINT,
    "recovery-point-count": CHECKPOINT,
    "recovery-point-version": CHECKPOINT,
    "recovery-point-negative": here("C003", "w"),
    "recovery-point-empty": here("C002", "e"),      # the log-start file is not empty, so the broker is past its first minute
    "recovery-point-missing": here("C002", "w"),
    "recovery-point-other-only": here("C002", "w"),
    "recovery-point-beyond-end": here("C003", "w"),
    "log-start-malformed": CHECKPOINT,
    "log-start-bad-number": CHECKPOINT,
    "log-start-beyond-end": here("C004", "e"),
    "log-start-at-end": nothing,                    # deleteRecords leaves the same
    "log-start-middle": nothing,
    "high-watermark-malformed": CHECKPOINT,
    "high-watermark-bad-number": CHECKPOINT,
    "high-watermark-missing": here("C002", "w"),
    "high-watermark-beyond-end": here("C003", "w"),
    "high-watermark-zero": nothing,                 # a follower that has learned nothing yet
    "cleaner-offset-malformed": CHECKPOINT,
    "cleaner-offset-beyond-end": here("C003", "w"),

    # Identity.
    "partition-metadata-missing": here("D003", "e"),
    "partition-metadata-empty": here("D003", "e"),
    "partition-metadata-garbage": here("D003", "e"),
    "partition-metadata-zero-id": here("D003", "e"),
    "partition-metadata-other-id": nothing,         # only the metadata log knows the id
    "meta-properties-missing": here("D004", "e"),
    "meta-properties-empty": here("D004", "e"),
    "meta-properties-version-9": here("D004", "e"),
    "meta-properties-no-directory-id": here("D004", "w"),
    "meta-properties-other-cluster": nothing,       # consistent in itself
    "meta-properties-other-node": nothing,
    "meta-properties-other-directory-id": nothing,

    # Leftovers: harmless, unless they are the only copy, or will replace what is there.
    "leftover-deleted": LEFTOVER,
    "leftover-cleaned": LEFTOVER,
    "leftover-tmp": LEFTOVER,
    "leftover-root-tmp": LEFTOVER,
    "leftover-deleted-only-copy": here("D002", "w"),
    "leftover-cleaned-only-copy": here("D002", "w"),
    "leftover-swap-same-segment": SWAP,
    "leftover-swap-only-copy": SWAP,
    "leftover-swap-log-only": SWAP,
    "leftover-swap-index-only": SWAP,
    "leftover-swap-merged": SWAP,
    "leftover-swap-and-cleaned": SWAP,
    "leftover-swap-torn": here("D002", "e"),

    # Foreign things: e where the broker refuses the name.
    "unknown-file": here("D006", "i"),
    "unknown-file-log-bak": here("D006", "i"),
    "unknown-subdirectory": folder("D006", "i"),
    "unknown-file-log-name": here("D006", "e"),
    "unknown-file-index-name": here("D006", "e"),
    "unknown-orphan-index": here("D006", "w"),
    "unknown-orphan-timeindex": here("D006", "w"),
    "unknown-file-log-short-number": here("D006", "i"),  # an empty segment of that base is made, the file stays
    "root-unknown-file": here("D006", "i"),
    "root-unknown-directory": folder("D006", "e"),
    "root-lost-and-found": folder("D006", "e"),
    "root-hidden-directory": folder("D006", "e"),
    "root-dash-directory": folder("D006", "e"),
    "root-partition-9": here("D007", lambda c: "w" if c.marker else "i"),  # a folder that no recovery point names
    "root-unknown-topic": here("D003", "w"),        # one topic id under two names; the folder that no recovery point names
    "root-delete-directory": LEFTOVER,
    "root-stray-directory": LEFTOVER,
    "root-stray-is-the-only-copy": here("D002", "w"),
    "root-future-directory": here("D002", "e"),
    "two-dirs-same-partition": nothing,             # the second directory is not part of the case
    "partition-missing": here("D007", "i"),         # a partial copy looks the same

    "marker-by-hand": marker(),
    "marker-by-hand-crc-middle": marker(here("B001", "e")),
    "marker-empty-file": marker(),
    "marker-garbage": marker(),
    "marker-by-hand-torn-tail": marker(here("B003", tail)),
    "marker-by-hand-zeros-tail": marker(here("B013", tail)),
}


def main(top):
    print("case", "code", "severity", "file", "position", "exit", sep="\t")
    cases = os.path.join(top, "cases")
    for name in sorted(t + "/" + c for t in os.listdir(cases) for c in os.listdir(os.path.join(cases, t))):
        case = Case(top, name)
        found = RULES[case.kind](case)
        code = int(any(severity in "we" for _, severity, _, _ in found))
        for finding in found or [("-", "-", "-", "-")]:
            print(name, *finding, code, sep="\t")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

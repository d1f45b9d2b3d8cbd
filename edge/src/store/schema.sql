-- Version 1. `n` is the order in which messages were committed; it is never given twice.
CREATE TABLE message (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    -- 1 field, 2 slide/report
    kind INTEGER NOT NULL,
    -- The numbering, and the number in it; null for what has none.
    series BLOB,
    seq INTEGER,
    -- Seconds since 1970 by the board's clock.
    committed_at INTEGER NOT NULL,
    -- Null while the broker has not acknowledged it.
    acknowledged_at INTEGER,
    -- CRC-32C of id, kind and payload: SQLite doesn't notice a flipped bit.
    crc INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX message_pending ON message (n, bytes) WHERE acknowledged_at IS NULL;
CREATE INDEX message_kept ON message (acknowledged_at) WHERE acknowledged_at IS NOT NULL;
CREATE UNIQUE INDEX message_number ON message (series, seq) WHERE seq IS NOT NULL;
-- Slides. At most one is open.
CREATE TABLE slide (
    id TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    closed_at TEXT,
    fields INTEGER NOT NULL,
    cells INTEGER NOT NULL,
    parasitized INTEGER NOT NULL,
    -- JSON: what else is counted.
    tally TEXT NOT NULL,
    -- CRC-32C of all of it.
    crc INTEGER NOT NULL
);
-- The most suspicious cells of the slide that is open, and of closed ones whose report is not written yet.
CREATE TABLE suspect (
    n INTEGER PRIMARY KEY,
    slide TEXT NOT NULL,
    -- The number of the field.
    seq INTEGER NOT NULL,
    p REAL NOT NULL,
    x INTEGER NOT NULL,
    y INTEGER NOT NULL,
    w INTEGER NOT NULL,
    h INTEGER NOT NULL,
    -- JPEG
    picture BLOB NOT NULL
);
CREATE INDEX suspect_rank ON suspect (slide, p);
-- Reports of closed slides that are still to be written as files.
CREATE TABLE report (
    n INTEGER PRIMARY KEY,
    slide TEXT NOT NULL UNIQUE,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
);
-- What was answered to commands that change something, so that a repeat is done once.
CREATE TABLE answer (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    reply BLOB NOT NULL
);
-- series, last_seq, drops by cause, whether Home Assistant was told of this board.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;

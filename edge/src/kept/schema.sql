-- Version 1. Cells for a second look. `n` is the order in which they came.
CREATE TABLE cell (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    slide TEXT,
    -- As a number: 1 suspicious, 2 threshold, 3 random, 4 novel
    reason INTEGER NOT NULL,
    p REAL NOT NULL,
    -- What the model said: 1 parasitized, 0 uninfected
    label INTEGER NOT NULL,
    -- JSON: what else there is to know.
    facts TEXT NOT NULL,
    -- What a person said: 1 parasitized, 0 uninfected; null while nobody has.
    verdict INTEGER,
    decided_at TEXT,
    decided_by TEXT,
    -- The command that brought the decision: sent once more, it is not done once more.
    decided_request TEXT,
    -- What the row takes.
    bytes INTEGER NOT NULL,
    -- Last, so that nothing else lies behind them.
    -- PNG
    picture BLOB NOT NULL,
    mask BLOB NOT NULL,
    -- SHA-256 of id, facts, picture and mask: SQLite doesn't notice a flipped bit.
    sum BLOB NOT NULL
);
CREATE INDEX cell_rank ON cell (p DESC, n);
CREATE INDEX cell_slide ON cell (slide, p DESC, n);
CREATE INDEX cell_decided ON cell (slide, label, verdict) WHERE verdict IS NOT NULL;
-- These have all that is asked with each field and each listing: the rows themselves are long.
CREATE INDEX cell_undecided ON cell (reason, n, bytes) WHERE verdict IS NULL;
CREATE INDEX cell_age ON cell (n) WHERE verdict IS NOT NULL;
CREATE INDEX cell_count ON cell (verdict, reason);

-- What the simulator holds. "Acknowledged" means committed here, with synchronous = FULL.

CREATE TABLE IF NOT EXISTS streams (
    reporter TEXT NOT NULL,
    table_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    last_sequence INTEGER NOT NULL,
    last_batch_id TEXT NOT NULL,
    last_received_at TEXT NOT NULL,
    PRIMARY KEY (reporter, table_id, scope)
);

CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL UNIQUE,
    reporter TEXT NOT NULL,
    table_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    content_sha256 TEXT NOT NULL,
    rows_sha256 TEXT NOT NULL,
    rows_accepted INTEGER NOT NULL,
    rows_rejected INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    pending INTEGER NOT NULL,
    UNIQUE (reporter, table_id, scope, sequence)
);

CREATE TABLE IF NOT EXISTS rejections (
    batch_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    key TEXT NOT NULL,
    code TEXT NOT NULL,
    field TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (batch_id, n)
) WITHOUT ROWID;

-- The latest state of each identifier; deleted ones stay, with their version.
CREATE TABLE IF NOT EXISTS identifiers (
    identifier TEXT NOT NULL PRIMARY KEY,
    scope TEXT NOT NULL,
    ver INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    at TEXT NOT NULL,
    data TEXT NOT NULL
) WITHOUT ROWID;

-- Every row that was taken, in the order in which it took effect.
CREATE TABLE IF NOT EXISTS applied (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    key TEXT NOT NULL,
    ver INTEGER NOT NULL,
    operation_type INTEGER NOT NULL,
    UNIQUE (batch_id, n)
);

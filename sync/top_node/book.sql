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

-- `dropped`: a directive asked for this batch again; its receipt does not count any more.
-- `polls_left`: how often the receipt is still answered with 202.
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL UNIQUE,
    reporter TEXT NOT NULL,
    table_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    mode TEXT NOT NULL,
    period_kind TEXT NOT NULL,
    period_start TEXT NOT NULL,
    period_end TEXT NOT NULL,
    covers TEXT,
    full_id TEXT,
    content_sha256 TEXT NOT NULL,
    rows_sha256 TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    rows_accepted INTEGER NOT NULL,
    rows_rejected INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    keyid TEXT,
    polls_left INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    UNIQUE (reporter, table_id, scope, sequence)
);
CREATE INDEX IF NOT EXISTS batches_by_period ON batches (table_id, period_start);

CREATE TABLE IF NOT EXISTS rejections (
    batch_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    key TEXT NOT NULL,
    code TEXT NOT NULL,
    field TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (batch_id, n)
) WITHOUT ROWID;

-- The latest state of each key; deleted ones stay, with their version. `part` is 1 but for facts told in parts.
-- `full_id` is the full set that named the key last.
CREATE TABLE IF NOT EXISTS held_rows (
    table_id TEXT NOT NULL,
    reporter TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    part INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    at TEXT NOT NULL,
    data TEXT NOT NULL,
    full_id TEXT,
    PRIMARY KEY (table_id, reporter, scope, key, part)
) WITHOUT ROWID;
-- Identifiers belong to their prefix, so no other stream can hold the key of one.
CREATE INDEX IF NOT EXISTS held_rows_by_key ON held_rows (table_id, key) WHERE table_id <> 'T9';

-- The prefixes that T6 rows name, and the numbers of the organisations behind them.
CREATE TABLE IF NOT EXISTS enterprise_prefixes (
    reporter TEXT NOT NULL,
    prefix TEXT NOT NULL,
    enterprise_id TEXT NOT NULL,
    PRIMARY KEY (reporter, prefix, enterprise_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS organisations (
    org_id TEXT NOT NULL,
    enterprise_id TEXT NOT NULL,
    reporter TEXT NOT NULL,
    PRIMARY KEY (reporter, enterprise_id)
) WITHOUT ROWID;

-- Recovered events by the abnormal one they end.
CREATE TABLE IF NOT EXISTS recoveries (
    abnormal_event_no TEXT NOT NULL PRIMARY KEY,
    event_no TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS full_sets (
    reporter TEXT NOT NULL,
    table_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    full_id TEXT NOT NULL,
    next_part INTEGER NOT NULL,
    PRIMARY KEY (reporter, table_id, scope)
) WITHOUT ROWID;

-- Every row that was taken, in the order in which it took effect.
CREATE TABLE IF NOT EXISTS applied (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    table_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    ver INTEGER NOT NULL,
    operation_type INTEGER
);

CREATE TABLE IF NOT EXISTS attachments (
    sha256 TEXT NOT NULL PRIMARY KEY,
    reporter TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    received_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS monthly_reports (
    reporter TEXT NOT NULL,
    month TEXT NOT NULL,
    revision INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    in_time INTEGER NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (reporter, month, revision)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS directives (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    directive_id TEXT NOT NULL UNIQUE,
    reporter TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    reason TEXT NOT NULL,
    result TEXT,
    result_text TEXT,
    answered_at TEXT
);
CREATE INDEX IF NOT EXISTS organisations_by_number ON organisations (org_id);

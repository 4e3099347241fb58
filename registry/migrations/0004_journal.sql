-- Every change in the order in which readers may see it, (xid, seq). Partitions, one a UTC day, are made and
-- dropped by the registry process; the default partition takes what arrives for a day that has none.

CREATE SEQUENCE journal_seq AS bigint CACHE 64;

CREATE TABLE journal (
    xid    xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq    bigint      NOT NULL DEFAULT nextval('journal_seq'),
    -- The start of the transaction; sealing a day raises this default so that no row can enter the day any more.
    at     timestamptz NOT NULL DEFAULT now(),
    actor  text        COLLATE "C" NOT NULL,
    kind   text        COLLATE "C" NOT NULL,
    key    text        COLLATE "C" NOT NULL,
    op     text        COLLATE "C" NOT NULL,
    -- JSON, byte for byte as it was written; text for the reason given at identifiers.values.
    after  text        COLLATE "C" NOT NULL
) PARTITION BY RANGE (at);

CREATE INDEX journal_order ON journal (xid, seq);

CREATE TABLE journal_default PARTITION OF journal DEFAULT;

-- UTC days that take no more rows, and the position of the last row in each (null: the day has no rows).
CREATE TABLE journal_sealed_days (
    day       date PRIMARY KEY,
    last_xid  xid8,
    last_seq  bigint
);

CREATE TABLE journal_state (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch        uuid    NOT NULL DEFAULT gen_random_uuid(),
    -- Rows up to this position have been dropped.
    dropped_xid  xid8    NOT NULL DEFAULT '0',
    dropped_seq  bigint  NOT NULL DEFAULT 0
);

INSERT INTO journal_state DEFAULT VALUES;

-- Deposits with the national disaster-recovery node: what was handed in, and what the last deposit said of each row.

CREATE TABLE escrow_record_log (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix        text        COLLATE "C" NOT NULL,
    -- The instant of the snapshot; null while the run has not come as far, and for a run that never did.
    watermark     timestamptz,
    -- Counts the re-sendings of the same watermark.
    rev           integer     NOT NULL DEFAULT 0 CHECK (rev >= 0),
    data_type     text        NOT NULL CHECK (data_type IN ('FULL', 'DIFF')),
    start_time    timestamptz NOT NULL,
    -- Null: the run goes on, or its process was killed.
    end_time      timestamptz,
    status        text        CHECK (status IN ('SUCCESS', 'FAIL')),
    remark        text        NOT NULL DEFAULT '' CHECK (length(remark) <= 255),
    deposit_id    text        COLLATE "C",
    -- The journal's position and epoch that belong to the snapshot: xid:seq:epoch.
    cursor_token  text        COLLATE "C",
    bytes         bigint,
    files         integer,
    verdict       text        CHECK (verdict IN ('pending', 'accepted', 'rejected')),
    verdict_at    timestamptz,
    verdict_text  text
);

CREATE INDEX escrow_record_log_by_watermark ON escrow_record_log (prefix, watermark, status);
CREATE INDEX escrow_record_log_by_deposit ON escrow_record_log (deposit_id) WHERE deposit_id IS NOT NULL;

-- The log under the names that existing software reads.
CREATE VIEW "ESCROW_RECORD_LOG" AS
SELECT id AS "ID", prefix AS "PREFIX", watermark AS "WATERMARK", rev AS "REV", data_type AS "DATA_TYPE",
       start_time AS "START_TIME", end_time AS "END_TIME", status AS "STATUS", remark AS "REMARK",
       deposit_id AS "DEPOSIT_ID"
FROM escrow_record_log;

-- The rows of the last deposit but identifiers, which the journal tells of: a later deposit holds what differs.
CREATE TABLE escrow_rows (
    prefix    text    COLLATE "C" NOT NULL,
    table_id  text    COLLATE "C" NOT NULL,
    key       text    COLLATE "C" NOT NULL,
    -- What the row was made of; empty for rows of the registry's own tables.
    thing     text    COLLATE "C" NOT NULL DEFAULT '',
    ver       bigint  NOT NULL,
    -- Null: the row is gone, its next version is known.
    digest    bytea   CHECK (length(digest) = 32),
    PRIMARY KEY (prefix, table_id, key)
);

CREATE INDEX escrow_rows_by_thing ON escrow_rows (prefix, table_id, thing) WHERE thing <> '';

-- Reporting to the national node: how far the journal has been turned into batches, and what became of each batch.
--
-- Two invariants carry everything here:
--
-- 1. A batch and the journal position behind it are stored in one transaction. So every journal row is in exactly one
--    batch (or in report_rejections, or told to be nothing), whenever the process dies.
-- 2. A stream's batches are handed over in the order of first_row, one at a time, and a sequence number is given out
--    together with the final body, before the first attempt: acknowledged_sequence + 1. So sequences have no gap, and
--    an attempt with an unknown end is repeated with the same bytes.

CREATE TABLE report_feeds (
    reporter text NOT NULL,
    table_id text NOT NULL,
    xid bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    read_at timestamptz,
    PRIMARY KEY (reporter, table_id)
);
COMMENT ON TABLE report_feeds IS 'per table: the journal position up to which rows are in batches';

CREATE TABLE report_streams (
    stream_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reporter text NOT NULL,
    table_id text NOT NULL,
    scope text NOT NULL,
    next_row bigint NOT NULL DEFAULT 1,
    acknowledged_sequence bigint NOT NULL DEFAULT 0,
    acknowledged_at timestamptz,
    halted_reason text,
    failures integer NOT NULL DEFAULT 0,
    last_error text,
    last_error_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT '-infinity',
    compared_at timestamptz NOT NULL DEFAULT '-infinity',
    UNIQUE (reporter, table_id, scope)
);
COMMENT ON COLUMN report_streams.next_row IS 'rows are numbered through the whole stream; the number of the next one';
COMMENT ON COLUMN report_streams.compared_at IS 'when our last sequence was last compared with the collector''s';

CREATE TABLE report_batches (
    batch_id uuid PRIMARY KEY,
    stream_id bigint NOT NULL REFERENCES report_streams,
    first_row bigint NOT NULL,
    row_count integer NOT NULL,
    period jsonb NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'in_flight', 'processing', 'acknowledged')),
    row_lines bytea,
    sequence bigint,
    rows_sha256 text,
    body bytea,
    rebuilt boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    first_attempt_at timestamptz,
    acknowledged_at timestamptz,
    receipt json,
    UNIQUE (stream_id, first_row),
    UNIQUE (stream_id, sequence),
    CHECK ((sequence IS NULL) = (state = 'queued'))
);
COMMENT ON COLUMN report_batches.row_lines IS 'gzip of the numbered row lines, until the body is made';
COMMENT ON COLUMN report_batches.body IS 'gzip of the whole body, from the first attempt until 35 days after the receipt';
-- Both are compressed already; a second try would only cost time.
ALTER TABLE report_batches ALTER COLUMN row_lines SET STORAGE EXTERNAL, ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX report_batches_open ON report_batches (stream_id, first_row) WHERE state <> 'acknowledged';
CREATE INDEX report_batches_old ON report_batches (acknowledged_at) WHERE body IS NOT NULL;

CREATE TABLE report_rejections (
    stream_id bigint NOT NULL REFERENCES report_streams,
    key text NOT NULL,
    ver bigint NOT NULL,
    operation smallint NOT NULL,
    code text NOT NULL,
    field text,
    message text NOT NULL,
    noted_at timestamptz NOT NULL,
    batch_id uuid,
    standing text NOT NULL CHECK (standing IN ('absent', 'present', 'unsure')),
    resend_row text,
    resend_behind_row bigint,
    resends integer NOT NULL DEFAULT 0,
    PRIMARY KEY (stream_id, key)
);
COMMENT ON TABLE report_rejections IS
    'keys whose latest report was not taken, or was not fit to be sent (batch_id null), until a later one is taken';
COMMENT ON COLUMN report_rejections.standing IS
    'whether the collector will hold the key once what is queued is acknowledged; keys not listed here follow the journal';
COMMENT ON COLUMN report_rejections.resend_behind_row IS
    'resend_row is sent again by itself once every row before this one is acknowledged';
CREATE INDEX report_rejections_resend ON report_rejections (stream_id, resend_behind_row)
    WHERE resend_row IS NOT NULL;

CREATE TABLE report_templates (
    code text PRIMARY KEY,
    state text NOT NULL
);
COMMENT ON TABLE report_templates IS 'what reports need to know of each template, learned from the journal';

-- What enterprises with nodes of their own report here: this node as the collector.
--
-- A batch, its rows, its receipt and the stream's sequence are stored in one transaction, with whatever has to be done
-- for the national node: an enterprise's receipt is a promise that its rows reach it.

CREATE TABLE intake_streams (
    reporter         text        COLLATE "C" NOT NULL,
    table_id         text        NOT NULL,
    scope            text        COLLATE "C" NOT NULL,
    last_sequence    bigint      NOT NULL DEFAULT 0,
    last_batch_id    uuid,
    last_received_at timestamptz,
    full_id          uuid,
    next_part        integer     NOT NULL DEFAULT 1,
    PRIMARY KEY (reporter, table_id, scope)
);
COMMENT ON COLUMN intake_streams.full_id IS 'the complete set that is coming in, until its last part';

CREATE TABLE intake_batches (
    number         bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    batch_id       uuid        PRIMARY KEY,
    reporter       text        COLLATE "C" NOT NULL,
    table_id       text        NOT NULL,
    scope          text        COLLATE "C" NOT NULL,
    sequence       bigint      NOT NULL,
    mode           text        NOT NULL,
    content_sha256 text        NOT NULL,
    rows_sha256    text        NOT NULL,
    rows_accepted  integer     NOT NULL,
    rows_rejected  integer     NOT NULL,
    received_at    timestamptz NOT NULL,
    key_id         text        NOT NULL,
    UNIQUE (reporter, table_id, scope, sequence)
);
CREATE INDEX intake_batches_old ON intake_batches (received_at);

CREATE TABLE intake_rejections (
    batch_id uuid    NOT NULL REFERENCES intake_batches ON DELETE CASCADE,
    n        integer NOT NULL,
    key      text    NOT NULL,
    code     text    NOT NULL,
    field    text,
    message  text    NOT NULL,
    PRIMARY KEY (batch_id, n)
);

-- The reporters' own rows: the latest state of each key, deleted ones with their version.
CREATE TABLE intake_rows (
    table_id text    NOT NULL,
    reporter text    COLLATE "C" NOT NULL,
    key      text    COLLATE "C" NOT NULL,
    ver      bigint  NOT NULL,
    told_ver bigint  NOT NULL,
    deleted  boolean NOT NULL,
    at       text    NOT NULL,
    data     text    NOT NULL,
    batch_id uuid    NOT NULL,
    full_id  uuid,
    PRIMARY KEY (table_id, reporter, key)
);
COMMENT ON COLUMN intake_rows.data IS 'JSON array: the data of each part of a fact, of other rows one';
COMMENT ON COLUMN intake_rows.told_ver IS
    'the version under which the row was handed on: that of its reporter, unless this node had to tell of an end itself';
COMMENT ON COLUMN intake_rows.batch_id IS 'the batch that told the row last';
CREATE INDEX intake_rows_by_batch ON intake_rows (batch_id);

-- Rows on their way into the queue for the national node, in the order in which they came.
CREATE TABLE intake_relayed (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_id text   NOT NULL,
    scope    text   COLLATE "C" NOT NULL,
    period   jsonb  NOT NULL,
    row      text   NOT NULL
);
CREATE INDEX intake_relayed_next ON intake_relayed (table_id, number);

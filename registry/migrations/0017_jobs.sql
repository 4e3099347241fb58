-- Work on millions of rows that goes on while nobody waits for it. What was uploaded and what became of it are kept
-- here too: any registry on this database can go on where another one ended, and one backup holds everything.

CREATE TABLE jobs (
    id             text        COLLATE "C" PRIMARY KEY,
    kind           text        NOT NULL CHECK (kind IN ('import', 'update', 'withdraw', 'regrade')),
    state          text        NOT NULL CHECK (state IN (
        'uploading', 'queued', 'running', 'done', 'failed', 'cancelled')),
    account_id     text        NOT NULL REFERENCES accounts (id),
    -- Whose it is; null: the node's own.
    enterprise_id  text        COLLATE "C",
    -- Where it was sent from, for the audit log.
    address        text        NOT NULL,
    -- JSON objects, written by us.
    options        text        NOT NULL,
    counts         text        NOT NULL DEFAULT '{}',
    problem        text,
    rows_total     bigint,
    octets         bigint      NOT NULL DEFAULT 0,
    -- What is done next: the number of a chunk, or of a pass over the identifiers, and the place in it.
    step           integer     NOT NULL DEFAULT 0,
    place          text        NOT NULL DEFAULT '',
    attempts       smallint    NOT NULL DEFAULT 0,
    created_xid    xid8        NOT NULL DEFAULT pg_current_xact_id(),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    started_at     timestamptz,
    finished_at    timestamptz
);

-- The open ones, in the order in which they take turns.
CREATE INDEX jobs_open ON jobs (updated_at) WHERE state IN ('uploading', 'queued', 'running');
CREATE INDEX jobs_by_enterprise ON jobs (enterprise_id, id);
CREATE INDEX jobs_by_age ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Rows to be worked on, as NDJSON; each chunk goes in the transaction that does its work.
CREATE TABLE job_input (
    job_id      text    COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      integer NOT NULL,
    first_line  bigint  NOT NULL,
    content     bytea   NOT NULL,
    PRIMARY KEY (job_id, number)
);

-- One line for each row, as NDJSON, in the order of the rows.
CREATE TABLE job_results (
    job_id   text    COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number   integer NOT NULL,
    content  bytea   NOT NULL,
    PRIMARY KEY (job_id, number)
);

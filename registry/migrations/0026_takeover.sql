-- Emergency take-overs on record, and what another body registered meanwhile that does not agree with what is here.

CREATE TABLE takeovers (
    takeover_id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    reason       text        NOT NULL,
    started_by   text        NOT NULL,
    ended_at     timestamptz,
    ended_by     text,
    full_sets_at timestamptz
);
COMMENT ON COLUMN takeovers.full_sets_at IS 'when the full sets that follow its end were queued for the national node';
CREATE UNIQUE INDEX takeovers_one_open ON takeovers ((true)) WHERE ended_at IS NULL;

-- One that is under way began before there was this table.
INSERT INTO takeovers (started_at, reason, started_by) SELECT since, reason, ordered_by FROM read_only;

CREATE TABLE takeover_conflicts (
    key        text        COLLATE "C" PRIMARY KEY,
    identifier text        NOT NULL,
    reason     text        NOT NULL,
    ours       text,
    theirs     text        NOT NULL,
    found_at   timestamptz NOT NULL,
    decision   text        CHECK (decision IN ('ours', 'theirs')),
    decided_at timestamptz,
    decided_by text
);
COMMENT ON COLUMN takeover_conflicts.ours IS 'JSON; null where nothing is registered here';
CREATE INDEX takeover_conflicts_open ON takeover_conflicts (key) WHERE decision IS NULL;

-- What the other body registered is entered while nothing else may be changed.
CREATE OR REPLACE FUNCTION refuse_while_read_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('idnode.takeover_import', true) IS DISTINCT FROM 'on' AND EXISTS (SELECT FROM read_only) THEN
        RAISE EXCEPTION 'the registry is read-only' USING ERRCODE = 'IDRO1';
    END IF;
    RETURN NULL;
END
$$;

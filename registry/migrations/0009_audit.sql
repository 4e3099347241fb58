-- Who did what, from where, and with which result. Rows are only added. Entries of changes are kept for good, entries
-- of access (sign-ins, refusals, reads of restricted values) go with their month's partition.

CREATE SEQUENCE audit_seq AS bigint CACHE 64;

CREATE TABLE audit_log (
    kind        text        COLLATE "C" NOT NULL CHECK (kind IN ('change', 'access')),
    id          bigint      NOT NULL DEFAULT nextval('audit_seq'),
    at          timestamptz NOT NULL DEFAULT now(),
    -- The id of an account; null where nobody was known.
    actor       text        COLLATE "C",
    address     text        COLLATE "C" NOT NULL,
    action      text        COLLATE "C" NOT NULL,
    object      text        COLLATE "C" NOT NULL,
    result      text        COLLATE "C" NOT NULL,
    request_id  text        COLLATE "C" NOT NULL,
    -- How many things of the same kind the entry stands for; a batch has one entry a chunk.
    count       integer     NOT NULL DEFAULT 1
) PARTITION BY LIST (kind);

CREATE TABLE audit_changes PARTITION OF audit_log FOR VALUES IN ('change');

CREATE TABLE audit_access PARTITION OF audit_log FOR VALUES IN ('access') PARTITION BY RANGE (at);

-- Takes what arrives for a month that has no partition.
CREATE TABLE audit_access_default PARTITION OF audit_access DEFAULT;

CREATE INDEX audit_log_by_age ON audit_log (at, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor, at, id);

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_log_keeps_rows BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_keeps_all BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
-- Triggers for statements are not taken over by partitions.
CREATE TRIGGER audit_access_default_keeps_all BEFORE TRUNCATE ON audit_access_default
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_changes_keeps_all BEFORE TRUNCATE ON audit_changes
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

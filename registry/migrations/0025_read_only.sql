-- Emergency take-over: while another body serves for this node, nothing is registered or changed here.
--
-- Every change writes the journal, so this one trigger stops them all, in the transaction of the change.

CREATE TABLE read_only (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    since timestamptz NOT NULL,
    reason text NOT NULL,
    ordered_by text NOT NULL
);
COMMENT ON TABLE read_only IS 'has its one row while the registry takes no changes';

CREATE FUNCTION refuse_while_read_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM read_only) THEN
        RAISE EXCEPTION 'the registry is read-only' USING ERRCODE = 'IDRO1';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refuse_while_read_only BEFORE INSERT ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

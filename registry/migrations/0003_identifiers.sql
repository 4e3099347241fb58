-- The registered identifiers. Every query names the prefix, so the table can be spread by prefix_id later.
-- There is no foreign key: prefixes and templates are never deleted, and a check per row would cost a bulk load
-- as much as the row itself.

CREATE TABLE identifiers (
    prefix_id    bigint      NOT NULL,
    key          text        COLLATE "C" NOT NULL,
    spelling     text        COLLATE "C" NOT NULL,
    state        text        COLLATE "C" NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn')),
    template_id  bigint,
    successor    text        COLLATE "C",
    -- The canonical Handle JSON array, written by our encoder. As json, PostgreSQL would parse every row again:
    -- measured at 7 µs for a row of 770 octets, as much as storing it.
    values       text        COLLATE "C" NOT NULL,
    version      integer     NOT NULL DEFAULT 1,
    -- The transaction of the last change. A transaction with a smaller id must not change the row any more, or the
    -- journal, which is read in this order, would tell the two changes the wrong way round.
    xid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (prefix_id, key)
) PARTITION BY HASH (prefix_id);

DO $$
BEGIN
    FOR remainder IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE identifiers_%s PARTITION OF identifiers FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
            remainder, remainder);
    END LOOP;
END
$$;

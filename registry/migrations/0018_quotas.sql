-- How much an enterprise may keep and ask. Enterprises without a row have no limits, and nothing is counted for them.

CREATE TABLE quotas (
    enterprise_id            text    COLLATE "C" PRIMARY KEY REFERENCES enterprises (id),
    identifiers_max          bigint  CHECK (identifiers_max >= 0),
    identifiers_per_day_max  bigint  CHECK (identifiers_per_day_max >= 0),
    octets_max               bigint  CHECK (octets_max >= 0),
    job_rows_max             bigint  CHECK (job_rows_max >= 0),
    requests_per_s_max       integer CHECK (requests_per_s_max > 0),
    requests_burst_max       integer CHECK (requests_burst_max > 0),
    updated_at               timestamptz NOT NULL,
    -- When the use below was last compared with the tables; null: not yet.
    counted_at               timestamptz
);

-- What is used of them, in up to 16 rows an enterprise which are summed: writers in different connections add to
-- different rows, and so need not wait for each other's commit. Part of each change's own transaction.
CREATE TABLE quota_use (
    enterprise_id      text     COLLATE "C" NOT NULL REFERENCES quotas (enterprise_id),
    slot               smallint NOT NULL,
    identifiers        bigint   NOT NULL,
    octets             bigint   NOT NULL,
    -- A calendar day in Beijing, and what was created on it.
    day                date     NOT NULL,
    day_identifiers    bigint   NOT NULL,
    PRIMARY KEY (enterprise_id, slot)
) WITH (fillfactor = 50);

-- The name of the first limit that more of this would exceed, null if there is room.
CREATE FUNCTION quota_exceeded(
    limits quotas, more_identifiers bigint, more_of_day bigint, more_octets bigint, today date
) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE
        WHEN more_identifiers > 0 AND coalesce(sum(identifiers), 0) + more_identifiers > limits.identifiers_max
            THEN 'identifiers_max'
        WHEN more_of_day > 0
            AND coalesce(sum(day_identifiers) FILTER (WHERE day = today), 0) + more_of_day
                > limits.identifiers_per_day_max
            THEN 'identifiers_per_day_max'
        WHEN more_octets > 0 AND coalesce(sum(octets), 0) + more_octets > limits.octets_max
            THEN 'octets_max'
    END
    FROM quota_use WHERE enterprise_id = limits.enterprise_id
$$;

-- Adds to the use; negative numbers give back. Returns null, or the name of the limit that says no (nothing is added),
-- or 'again' if the transaction has to be repeated.
--
-- Far from every limit, takers hold a lock together; near one, each takes it alone and holds it until its commit, so
-- that the sums it reads are final. "Far" is more than all the takers at once can add: 50 batch chunks of 2,000 rows
-- and 4 MiB. Advisory locks take no transaction id, so waiting for them leaves the order of the journal alone.
CREATE FUNCTION take_quota(of_enterprise text, more_identifiers bigint, more_octets bigint, today date)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    limits         quotas;
    lock_key       bigint := hashtextextended('quota:' || of_enterprise, 0);
    more_of_day    bigint := greatest(more_identifiers, 0);
    far_rows       bigint := 100000;
    far_octets     bigint := 268435456;
    exceeded       text;
BEGIN
    SELECT * INTO limits FROM quotas WHERE enterprise_id = of_enterprise;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF more_identifiers > 0 OR more_octets > 0 THEN
        IF quota_exceeded(limits, more_identifiers + far_rows, more_of_day + far_rows, more_octets + far_octets, today)
            IS NULL
        THEN
            PERFORM pg_advisory_xact_lock_shared(lock_key);
            IF quota_exceeded(
                limits, more_identifiers + far_rows, more_of_day + far_rows, more_octets + far_octets, today)
                IS NOT NULL
            THEN
                RETURN 'again';
            END IF;
        ELSE
            PERFORM pg_advisory_xact_lock(lock_key);
            exceeded := quota_exceeded(limits, more_identifiers, more_of_day, more_octets, today);
            IF exceeded IS NOT NULL THEN
                RETURN exceeded;
            END IF;
        END IF;
    END IF;
    INSERT INTO quota_use AS used (enterprise_id, slot, identifiers, octets, day, day_identifiers)
    VALUES (of_enterprise, pg_backend_pid() % 16, more_identifiers, more_octets, today, more_of_day)
    ON CONFLICT (enterprise_id, slot) DO UPDATE
    SET identifiers = used.identifiers + excluded.identifiers,
        octets = used.octets + excluded.octets,
        day = greatest(used.day, excluded.day),
        day_identifiers = excluded.day_identifiers
            + CASE WHEN used.day >= excluded.day THEN used.day_identifiers ELSE 0 END;
    RETURN NULL;
END
$$;

-- What the national statistics ask for beside the lookups: registrations by day, how long they took and how soon they
-- could be looked up, and which stretches of a day were measured at all. A day is a calendar day in Beijing.

-- A process's segments meet; where they do not, nothing was measured. Null: stored by an earlier release.
ALTER TABLE lookup_segments
    ADD COLUMN begins_at timestamptz,
    ADD COLUMN ends_at timestamptz;

-- When the spool was last found empty: everything that was in it before is in the tables.
CREATE TABLE spool_drained (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    drained_at  timestamptz NOT NULL
);

-- Lookups per UTC second of all prefixes below a secondary prefix, because the busiest second of the node is not that
-- of any of them; folded as those of single prefixes are.
CREATE TABLE lookup_node_seconds (
    node      text        COLLATE "C" NOT NULL,
    second    timestamptz NOT NULL,
    count     bigint      NOT NULL CHECK (count > 0),
    added_at  timestamptz NOT NULL,
    PRIMARY KEY (node, second)
);

CREATE TABLE lookup_node_peaks (
    day       date        NOT NULL,
    node      text        COLLATE "C" NOT NULL,
    peak_qps  bigint      NOT NULL CHECK (peak_qps > 0),
    peak_at   timestamptz NOT NULL,
    PRIMARY KEY (day, node)
);

-- Requests that registered or changed identifiers below a prefix, or anywhere below the node's (is_node).
CREATE TABLE registration_latency (
    day      date        NOT NULL,
    prefix   text        COLLATE "C" NOT NULL,
    is_node  boolean     NOT NULL,
    items    bigint      NOT NULL,
    count    bigint      NOT NULL CHECK (count > 0),
    sum_us   bigint      NOT NULL,
    min_us   bigint      NOT NULL,
    min_at   timestamptz NOT NULL,
    max_us   bigint      NOT NULL,
    max_at   timestamptz NOT NULL,
    PRIMARY KEY (day, prefix, is_node)
);

-- From the registration to its being visible in a replica. Bucket n counts times from 2^(n/8) µs to 2^((n+1)/8) µs.
CREATE TABLE registration_effective (
    day     date   PRIMARY KEY,
    count   bigint NOT NULL CHECK (count > 0),
    sum_us  bigint NOT NULL,
    max_us  bigint NOT NULL
);

CREATE TABLE registration_effective_buckets (
    day     date    NOT NULL,
    bucket  integer NOT NULL,
    count   bigint  NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, bucket)
);

-- Identifiers added and withdrawn, counted from the journal up to registration_cursor; the total is that of now.
CREATE TABLE registration_counts (
    day        date   NOT NULL,
    prefix     text   COLLATE "C" NOT NULL,
    added      bigint NOT NULL,
    withdrawn  bigint NOT NULL,
    PRIMARY KEY (day, prefix)
);

CREATE TABLE registration_totals (
    prefix  text   COLLATE "C" PRIMARY KEY,
    total   bigint NOT NULL
);

CREATE TABLE registration_cursor (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    xid         xid8        NOT NULL,
    seq         bigint      NOT NULL
);

-- From which day to before which day a prefix was in force; null: it is.
CREATE TABLE prefix_days (
    prefix     text COLLATE "C" NOT NULL,
    since_day  date NOT NULL,
    until_day  date,
    PRIMARY KEY (prefix, since_day)
);

-- The whole life of a prefix: applied for, reviewed, in force, stopped, withdrawn; and which numbers may be given out.

ALTER TABLE prefixes DROP CONSTRAINT prefixes_state_check;
ALTER TABLE prefixes
    ADD CONSTRAINT prefixes_state_known CHECK (state IN (
        'applied', 'under_review', 'active', 'rejected', 'withdrawing', 'suspended', 'withdrawn')),
    -- Why it is in its state, for people.
    ADD COLUMN reason text NOT NULL DEFAULT '',
    -- Where the enterprise stands with hosting here, whatever lookups do meanwhile.
    ADD COLUMN hosting_state text NOT NULL DEFAULT 'hosted' CHECK (
        hosting_state IN ('not_hosted', 'applied', 'rejected', 'hosted')),
    -- Rises with every change of the route; readers of HS_SITE values take the highest they have seen.
    ADD COLUMN route_serial integer NOT NULL DEFAULT 1 CHECK (route_serial BETWEEN 1 AND 65535),
    -- The transaction of the last change, for the reason given at identifiers.xid.
    ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- For giving out the next free number; null where the number has leading zeros or is too long to be given out.
    ADD COLUMN secondary text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        split_part(prefix, '.', 1) || '.' || split_part(prefix, '.', 2)) STORED,
    ADD COLUMN number bigint GENERATED ALWAYS AS (
        CASE WHEN split_part(prefix, '.', 3) ~ '^[1-9][0-9]{0,17}$' THEN split_part(prefix, '.', 3)::bigint END) STORED;

UPDATE prefixes SET hosting_state = 'not_hosted' WHERE hosting = 'routed';
ALTER TABLE prefixes ADD CONSTRAINT prefixes_hosting_agrees CHECK ((hosting = 'here') = (hosting_state = 'hosted'));

CREATE INDEX prefixes_by_number ON prefixes (secondary, number);

-- The node's own prefix, below which numbers are given out, and the numbers taken for "the next free one".
CREATE TABLE prefix_allocation (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    node_prefix  text        COLLATE "C" NOT NULL,
    first        bigint      NOT NULL CHECK (first >= 1),
    last         bigint      NOT NULL CHECK (last >= first),
    updated_at   timestamptz NOT NULL
);

-- Numbers that only the node's administrators give out.
CREATE TABLE prefix_reservations (
    id          text        COLLATE "C" PRIMARY KEY,
    first       bigint      NOT NULL CHECK (first >= 0),
    last        bigint      NOT NULL CHECK (last >= first),
    reason      text        NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE INDEX prefix_reservations_by_number ON prefix_reservations (first, last);

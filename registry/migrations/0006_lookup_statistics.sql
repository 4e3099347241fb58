-- What the resolver's workers counted. A day is a calendar day in Beijing; prefix '' stands for names of no
-- prefix served here.

CREATE TABLE lookup_segments (
    id         uuid        PRIMARY KEY,
    process    text        NOT NULL,
    stored_at  timestamptz NOT NULL
);

CREATE INDEX lookup_segments_by_age ON lookup_segments (stored_at);

CREATE TABLE lookup_counts (
    day      date   NOT NULL,
    prefix   text   COLLATE "C" NOT NULL,
    address  text   COLLATE "C" NOT NULL,
    outcome  text   COLLATE "C" NOT NULL,
    count    bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, prefix, address, outcome)
);

CREATE TABLE lookup_faces (
    day     date   NOT NULL,
    prefix  text   COLLATE "C" NOT NULL,
    face    text   COLLATE "C" NOT NULL,
    count   bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, prefix, face)
);

CREATE TABLE lookup_latency (
    day     date        NOT NULL,
    prefix  text        COLLATE "C" NOT NULL,
    count   bigint      NOT NULL CHECK (count > 0),
    sum_us  bigint      NOT NULL,
    min_us  bigint      NOT NULL,
    min_at  timestamptz NOT NULL,
    max_us  bigint      NOT NULL,
    max_at  timestamptz NOT NULL,
    PRIMARY KEY (day, prefix)
);

-- Look-ups per UTC second, summed over all workers; folded into the day's peak once no worker adds to them.
CREATE TABLE lookup_seconds (
    prefix    text        COLLATE "C" NOT NULL,
    second    timestamptz NOT NULL,
    count     bigint      NOT NULL CHECK (count > 0),
    added_at  timestamptz NOT NULL,
    PRIMARY KEY (prefix, second)
);

CREATE TABLE lookup_peaks (
    day       date        NOT NULL,
    prefix    text        COLLATE "C" NOT NULL,
    peak_qps  bigint      NOT NULL CHECK (peak_qps > 0),
    peak_at   timestamptz NOT NULL,
    PRIMARY KEY (day, prefix)
);

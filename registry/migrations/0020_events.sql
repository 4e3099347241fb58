-- What the node's self-check found and what its operator noted: events for the national node, stretches without service,
-- maintenance and emergencies of the monthly report, emergency contacts, and the docking agreement.

-- Events in the order in which they came to be known here; each abnormal one has at most one recovered one.
CREATE TABLE node_events (
    event_no          text        COLLATE "C" PRIMARY KEY CHECK (event_no ~ '^[!-~]{1,64}$'),
    position          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    prefix            text        COLLATE "C" NOT NULL,
    -- What is told apart: one event of a prefix and condition is open at a time.
    condition         text        NOT NULL,
    event_type        text        NOT NULL CHECK (event_type IN ('abnormal', 'recovered')),
    related_event_no  text        COLLATE "C" UNIQUE REFERENCES node_events,
    occurred_at       timestamptz NOT NULL,
    cause             text        CHECK (length(cause) BETWEEN 1 AND 1024),
    abnormal_type     smallint    CHECK (abnormal_type BETWEEN 1 AND 4),
    source            text        NOT NULL CHECK (source IN ('monitor', 'operator')),
    recorded_at       timestamptz NOT NULL,
    -- When it was queued for the national node; null: not yet.
    queued_at         timestamptz,
    CHECK ((event_type = 'abnormal') = (abnormal_type IS NOT NULL)),
    CHECK ((event_type = 'recovered') = (related_event_no IS NOT NULL))
);

CREATE INDEX node_events_unqueued ON node_events (position) WHERE queued_at IS NULL;

-- Stretches in which the probes of a service failed, or in which nothing was probed; without an end: it lasts.
CREATE TABLE outages (
    outage_id   text        COLLATE "C" PRIMARY KEY,
    service     text        NOT NULL CHECK (service IN ('registration', 'resolution', 'unmeasured')),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz CHECK (ended_at >= started_at)
);

CREATE INDEX outages_by_start ON outages (started_at);

-- When the node went live: the first time that its probes were answered.
CREATE TABLE service_life (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    live_since  timestamptz NOT NULL
);

-- Planned stops and emergencies, as the operator describes them. A withdrawn entry was a mistake and is not reported.
CREATE TABLE service_notes (
    note_id       text        COLLATE "C" PRIMARY KEY,
    kind          text        NOT NULL CHECK (kind IN ('maintenance', 'emergency')),
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz CHECK (ended_at >= started_at),
    -- Of maintenance the explanation, of an emergency the located cause.
    description   text        NOT NULL CHECK (length(description) BETWEEN 1 AND 1024),
    remedy        text        CHECK (length(remedy) BETWEEN 1 AND 1024),
    entered_by    text        NOT NULL,
    entered_at    timestamptz NOT NULL,
    withdrawn_at  timestamptz,
    CHECK (kind = 'emergency' OR remedy IS NULL)
);

CREATE INDEX service_notes_by_start ON service_notes (started_at);

-- Who is called in an emergency; the newest row counts, the ones before it are the history.
CREATE TABLE emergency_contacts (
    version     integer     PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    telephone   text        NOT NULL CHECK (length(telephone) BETWEEN 1 AND 32),
    email       text        NOT NULL CHECK (length(email) BETWEEN 1 AND 128),
    entered_by  text        NOT NULL,
    entered_at  timestamptz NOT NULL,
    -- When the form of the change was signed and handed over.
    signed_on   date
);

CREATE TABLE docking_agreement (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    signed_on   date    NOT NULL,
    expires_on  date    NOT NULL CHECK (expires_on > signed_on)
);

-- Monthly operation reports with all their revisions; `answer` is what the collector said.
CREATE TABLE monthly_reports (
    reporter     text        COLLATE "C" NOT NULL,
    month        text        COLLATE "C" NOT NULL CHECK (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    revision     integer     NOT NULL CHECK (revision >= 0),
    report       jsonb       NOT NULL,
    -- What the figures were made of, for the plots and for later revisions.
    figures      jsonb       NOT NULL,
    made_at      timestamptz NOT NULL,
    sent_at      timestamptz,
    answer       jsonb,
    last_error   text,
    PRIMARY KEY (reporter, month, revision)
);

CREATE TABLE monthly_documents (
    reporter    text    COLLATE "C" NOT NULL,
    month       text    COLLATE "C" NOT NULL,
    revision    integer NOT NULL,
    name        text    NOT NULL,
    media_type  text    NOT NULL,
    sha256      bytea   NOT NULL CHECK (length(sha256) = 32),
    content     bytea   NOT NULL,
    PRIMARY KEY (reporter, month, revision, name),
    FOREIGN KEY (reporter, month, revision) REFERENCES monthly_reports ON DELETE CASCADE
);

-- What the collector asks for, how the way to it is, and what the comparison with it has found.

CREATE TABLE report_directives (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reporter text NOT NULL,
    directive_id text NOT NULL,
    origin text NOT NULL DEFAULT 'collector' CHECK (origin IN ('collector', 'operator')),
    kind text NOT NULL,
    body text NOT NULL,
    reason text NOT NULL,
    issued_at text NOT NULL,
    received_at timestamptz NOT NULL,
    progress bigint NOT NULL DEFAULT 0,
    result text CHECK (result IN ('done', 'refused', 'accepted')),
    result_text text NOT NULL DEFAULT '',
    finished_at timestamptz,
    acknowledged_at timestamptz,
    UNIQUE (reporter, directive_id),
    CHECK ((result IS NULL) = (finished_at IS NULL))
);
COMMENT ON TABLE report_directives IS 'stored before it is done; done and finished in one transaction; then acknowledged';
COMMENT ON COLUMN report_directives.origin IS 'an operator''s orders take the same way, and need no acknowledgement';
COMMENT ON COLUMN report_directives.progress IS 'resend_range: the last sequence handed over again';
CREATE INDEX report_directives_open ON report_directives (reporter, number) WHERE acknowledged_at IS NULL;

CREATE TABLE report_pauses (
    reporter text NOT NULL,
    table_id text NOT NULL,
    since timestamptz NOT NULL,
    ordered_by text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (reporter, table_id)
);
COMMENT ON COLUMN report_pauses.table_id IS '* for all';

CREATE TABLE report_links (
    reporter text PRIMARY KEY,
    transport text NOT NULL,
    is_up boolean NOT NULL,
    since timestamptz NOT NULL,
    reason text,
    next_probe_at timestamptz,
    discovery_error text,
    key_id text,
    routes text[] NOT NULL,
    shown_at timestamptz NOT NULL,
    retry_asked_at timestamptz
);
COMMENT ON TABLE report_links IS 'how the way to the collector is, as the reporting process last wrote it';
COMMENT ON COLUMN report_links.routes IS 'the tables that this way takes';

CREATE TABLE report_access_points (
    reporter text NOT NULL,
    url text NOT NULL,
    place integer NOT NULL,
    state text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    failing_share real NOT NULL,
    answer_s real,
    last_error text,
    last_error_at timestamptz,
    last_success_at timestamptz,
    tried_again_at timestamptz,
    PRIMARY KEY (reporter, url)
);

CREATE TABLE report_comparisons (
    stream_id bigint PRIMARY KEY REFERENCES report_streams,
    compared_at timestamptz NOT NULL,
    held_here bigint NOT NULL,
    held_there bigint NOT NULL,
    problem text
);
COMMENT ON COLUMN report_comparisons.problem IS 'why the comparison could not be made';
COMMENT ON TABLE report_comparisons IS 'when a stream''s rows were last compared by digests, and how many each side held';

CREATE TABLE report_differences (
    stream_id bigint NOT NULL REFERENCES report_streams,
    key text COLLATE "C" NOT NULL,
    ver_here bigint,
    ver_there bigint,
    found_at timestamptz NOT NULL,
    queued_at timestamptz,
    PRIMARY KEY (stream_id, key)
);
COMMENT ON TABLE report_differences IS 'rows that the last comparison found different; null: that side holds none';
COMMENT ON COLUMN report_differences.queued_at IS 'when the row was queued to repair it';

CREATE TABLE report_comparison_requests (
    stream_id bigint PRIMARY KEY REFERENCES report_streams,
    asked_at timestamptz NOT NULL,
    repair boolean NOT NULL
);
COMMENT ON TABLE report_comparison_requests IS 'streams that an operator wants compared now';

-- Everything that is reported besides T9, and what has to be at the collector before what.

ALTER TABLE report_batches
    ADD COLUMN mode             text    NOT NULL DEFAULT 'delta' CHECK (mode IN ('delta', 'full', 'revision')),
    ADD COLUMN full_id          uuid,
    ADD COLUMN full_part        integer CHECK (full_part >= 1),
    ADD COLUMN full_last        boolean,
    ADD COLUMN covers_unchanged boolean NOT NULL DEFAULT false,
    ADD COLUMN not_before       timestamptz,
    ADD COLUMN requires         jsonb   NOT NULL DEFAULT '[]',
    ADD COLUMN metadata_ids     text[]  COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN resend_of        text,
    ADD CONSTRAINT report_batches_full CHECK (
        (mode = 'full') = (full_id IS NOT NULL AND full_part IS NOT NULL AND full_last IS NOT NULL));
COMMENT ON COLUMN report_batches.not_before IS 'the first attempt of a period that is held until it has closed';
COMMENT ON COLUMN report_batches.requires IS 'what the header names in its member of that name, fixed with the body';
COMMENT ON COLUMN report_batches.metadata_ids IS 'T9: the templates its rows refer to, until the body is made';
COMMENT ON COLUMN report_batches.resend_of IS 'the directive that asked for these bytes again';

COMMENT ON COLUMN report_batches.first_row IS 'a batch without rows takes one number too, so that it has its place';

CREATE TABLE report_rows (
    stream_id bigint NOT NULL REFERENCES report_streams,
    key text COLLATE "C" NOT NULL,
    object text COLLATE "C" NOT NULL,
    ver bigint NOT NULL,
    digest bytea,
    covers text[] COLLATE "C" NOT NULL DEFAULT '{}',
    accepted_ver bigint NOT NULL DEFAULT 0,
    accepted_sequence bigint,
    again boolean NOT NULL DEFAULT false,
    PRIMARY KEY (stream_id, key)
);
COMMENT ON TABLE report_rows IS
    'state tables: what was last queued for each key, so that a change is told once and every version is a new one';
COMMENT ON COLUMN report_rows.object IS 'the thing registered from which the row is made, such as "enterprise ent_1"';
COMMENT ON COLUMN report_rows.digest IS 'SHA-256 of the data last queued; null after a deletion';
COMMENT ON COLUMN report_rows.covers IS 'T1, T6: the prefixes the row makes known to the collector';
COMMENT ON COLUMN report_rows.accepted_ver IS 'the last version that the collector took; equal to ver when it holds it';
COMMENT ON COLUMN report_rows.again IS 'the collector says that it misses the row: tell it once more';
CREATE INDEX report_rows_by_object ON report_rows (object);
CREATE INDEX report_rows_by_key ON report_rows (key);
CREATE INDEX report_rows_by_cover ON report_rows USING gin (covers) WHERE covers <> '{}';
CREATE INDEX report_rows_again ON report_rows (object) WHERE again;

-- A row of T9 waits here while the collector does not hold its template.
ALTER TABLE report_rejections ADD COLUMN blocked_by text COLLATE "C";
COMMENT ON COLUMN report_rejections.blocked_by IS 'resend_row waits until this template is accepted';
CREATE INDEX report_rejections_blocked ON report_rejections (blocked_by) WHERE blocked_by IS NOT NULL;

-- Where the journal told of a template last, so that T9 knows when the state tables have told it too. The learned
-- states are kept; their position is "long ago", and the state tables begin with everything registered.
ALTER TABLE report_templates
    ADD COLUMN xid bigint NOT NULL DEFAULT 0,
    ADD COLUMN seq bigint NOT NULL DEFAULT 0;
CREATE INDEX report_templates_newest ON report_templates (xid, seq);

-- What was said of a fact the last time, so that it is told again by itself only if it has become another.
ALTER TABLE report_revisions
    ADD COLUMN digest bytea CHECK (length(digest) = 32),
    ADD COLUMN told_at timestamptz;
COMMENT ON COLUMN report_revisions.digest IS 'SHA-256 of the data of all parts; null: told by an earlier release';
CREATE INDEX report_revisions_first ON report_revisions (told_at) WHERE ver = 1;

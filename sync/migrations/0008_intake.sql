-- Files that enterprises' own nodes hand in, each reporter's by itself.
CREATE TABLE intake_attachments (
    reporter    text        COLLATE "C" NOT NULL,
    sha256      bytea       NOT NULL,
    media_type  text        NOT NULL,
    octets      integer     NOT NULL,
    content     bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (reporter, sha256)
);
-- Images and PDF are compressed as they are.
ALTER TABLE intake_attachments ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX intake_attachments_old ON intake_attachments (received_at);

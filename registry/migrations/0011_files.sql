-- Uploaded documents. They are kept in the database, so that one backup holds everything.

CREATE TABLE files (
    id             text        COLLATE "C" PRIMARY KEY,
    -- The number by which older clients name a file.
    rid            bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    owner_id       text        NOT NULL REFERENCES accounts (id),
    name           text        NOT NULL,
    media_type     text        NOT NULL CHECK (media_type IN ('image/jpeg', 'image/png', 'application/pdf')),
    octets         integer     NOT NULL CHECK (octets = length(content)),
    sha256         bytea       NOT NULL CHECK (length(sha256) = 32),
    content        bytea       NOT NULL,
    -- The enterprise whose application the file belongs to, once and for all.
    enterprise_id  text        REFERENCES enterprises (id),
    created_at     timestamptz NOT NULL,
    bound_at       timestamptz,
    CHECK ((enterprise_id IS NULL) = (bound_at IS NULL))
);

-- Photographs and PDF are compressed already.
ALTER TABLE files ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE INDEX files_unbound ON files (created_at) WHERE enterprise_id IS NULL;
CREATE INDEX files_by_owner ON files (owner_id, sha256);
CREATE INDEX files_by_enterprise ON files (enterprise_id) WHERE enterprise_id IS NOT NULL;

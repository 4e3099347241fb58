-- What the node says of itself to the national node, where it resolves, and the applications run on it.

CREATE TABLE operator (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    node_prefix text        COLLATE "C" NOT NULL,
    -- A JSON object, checked and written by us; documents are named by the ids of operator_files.
    details     text        NOT NULL,
    version     integer     NOT NULL DEFAULT 1,
    updated_at  timestamptz NOT NULL
);

-- The operator's own documents: copies, because an upload that no enterprise uses is deleted.
CREATE TABLE operator_files (
    id          text        COLLATE "C" PRIMARY KEY,
    name        text        NOT NULL,
    media_type  text        NOT NULL,
    octets      integer     NOT NULL,
    sha256      bytea       NOT NULL CHECK (length(sha256) = 32),
    content     bytea       NOT NULL,
    kept_at     timestamptz NOT NULL
);

ALTER TABLE operator_files ALTER COLUMN content SET STORAGE EXTERNAL;

-- One row an address, as it is reported.
CREATE TABLE operator_resolution (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code_type        text   COLLATE "C" NOT NULL,
    prefix_or_range  text   COLLATE "C" NOT NULL,
    ip_address       text   COLLATE "C" NOT NULL,
    endpoints        text   NOT NULL,
    UNIQUE (code_type, prefix_or_range, ip_address)
);

CREATE TABLE applications (
    id                 text        COLLATE "C" PRIMARY KEY,
    -- It belongs to whoever has the prefix; without one it is the node's own.
    enterprise_prefix  text        COLLATE "C" REFERENCES prefixes (prefix),
    app_name           text        NOT NULL,
    app_type           smallint    NOT NULL CHECK (app_type BETWEEN 1 AND 5),
    app_intro          text        NOT NULL,
    app_users          bigint      NOT NULL CHECK (app_users >= 0),
    recursive_service  text        NOT NULL,
    app_developer      text        NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    -- Reported for the last time for the month in which it ended.
    ended_at           timestamptz
);

CREATE INDEX applications_by_prefix ON applications (enterprise_prefix, id);

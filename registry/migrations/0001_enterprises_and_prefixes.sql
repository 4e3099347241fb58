-- Who registers here, and below which prefixes. Nothing is deleted: a withdrawn prefix keeps its row.

CREATE TABLE enterprises (
    id          text        PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    state       text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn')),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE prefixes (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix         text        COLLATE "C" NOT NULL UNIQUE,
    name           text        NOT NULL,
    enterprise_id  text        NOT NULL REFERENCES enterprises (id),
    state          text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'withdrawn')),
    hosting        text        NOT NULL DEFAULT 'here' CHECK (hosting IN ('here', 'routed')),
    -- Part of every key below the prefix, so it is chosen once, when the prefix is created.
    exact_case     boolean     NOT NULL DEFAULT false,
    sites          text        NOT NULL DEFAULT '[]',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);

CREATE INDEX prefixes_by_enterprise ON prefixes (enterprise_id, prefix);

CREATE TABLE accounts (
    id             text        PRIMARY KEY,
    role           text        NOT NULL CHECK (role IN ('administrator', 'enterprise', 'reader')),
    enterprise_id  text        REFERENCES enterprises (id),
    created_at     timestamptz NOT NULL,
    CHECK (role <> 'enterprise' OR enterprise_id IS NOT NULL),
    CHECK (role <> 'administrator' OR enterprise_id IS NULL)
);

-- The token itself is shown once and kept nowhere: it has 256 random bits, so an unsalted hash cannot be guessed.
CREATE TABLE api_tokens (
    id            text        COLLATE "C" PRIMARY KEY,
    account_id    text        NOT NULL REFERENCES accounts (id),
    token_sha256  bytea       NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    label         text        NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz
);

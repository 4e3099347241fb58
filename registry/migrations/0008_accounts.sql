-- People and applications with a name and a password, groups, and tokens narrowed to some work.

ALTER TABLE accounts
    ADD COLUMN kind        text        NOT NULL DEFAULT 'token' CHECK (kind IN ('token', 'user', 'application')),
    ADD COLUMN label       text        NOT NULL DEFAULT '',
    ADD COLUMN state       text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    -- Rises when the password changes: sessions begun before do not count any more.
    ADD COLUMN epoch       integer     NOT NULL DEFAULT 0,
    ADD COLUMN updated_at  timestamptz;

UPDATE accounts SET updated_at = created_at;

ALTER TABLE accounts ALTER COLUMN updated_at SET NOT NULL;

CREATE INDEX accounts_by_enterprise ON accounts (enterprise_id, id);

ALTER TABLE api_tokens
    ADD COLUMN kind    text   NOT NULL DEFAULT 'token' CHECK (kind IN ('token', 'session')),
    -- Null: everything the account's role may.
    ADD COLUMN scopes  text[];

CREATE INDEX api_tokens_by_account ON api_tokens (account_id, id);
CREATE INDEX api_tokens_sessions_by_end ON api_tokens (expires_at) WHERE kind = 'session';

-- How an account signs in: a person's name and password, or an application's access key and secret key.
CREATE TABLE users (
    account_id      text    PRIMARY KEY REFERENCES accounts (id),
    username        text    NOT NULL,
    email           text,
    mobile          text,
    -- Argon2id of hex(sha256(password)), because some clients send only that.
    password_hash   text    NOT NULL,
    -- hex(sha256(password)), sealed with the node's secret; there only for accounts that sign in with the hashed form.
    hashed_login    bytea,
    open_id         text,
    open_user_name  text,
    remarks         text    NOT NULL DEFAULT '',
    -- Sealed with the node's secret. Not confirmed yet: signing in does not ask for a code.
    totp_secret     bytea,
    totp_confirmed  boolean NOT NULL DEFAULT false,
    -- The time step of the last code accepted; no code counts twice.
    totp_last_step  bigint  NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX users_by_name ON users (lower(username));
CREATE UNIQUE INDEX users_by_email ON users (lower(email)) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX users_by_mobile ON users (mobile) WHERE mobile IS NOT NULL;

-- What failed lately, by name (its hash: a password typed into the wrong field is kept nowhere) and by address.
CREATE TABLE sign_in_failures (
    subject       text          COLLATE "C" PRIMARY KEY,
    recent        timestamptz[] NOT NULL,
    consecutive   integer       NOT NULL,
    locked_until  timestamptz,
    last_at       timestamptz   NOT NULL
);

CREATE INDEX sign_in_failures_by_age ON sign_in_failures (last_at);

-- Groups of accounts and of whole enterprises. A withdrawn group keeps its row, because grants name it.
CREATE TABLE groups (
    id             text        COLLATE "C" PRIMARY KEY,
    name           text        NOT NULL,
    description    text        NOT NULL,
    -- Without an enterprise the group is the node's own.
    enterprise_id  text        REFERENCES enterprises (id),
    state          text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn')),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);

CREATE UNIQUE INDEX groups_by_name ON groups (coalesce(enterprise_id, ''), name) WHERE state = 'active';

CREATE TABLE group_members (
    group_id       text COLLATE "C" NOT NULL REFERENCES groups (id),
    account_id     text REFERENCES accounts (id),
    enterprise_id  text REFERENCES enterprises (id),
    CHECK ((account_id IS NULL) <> (enterprise_id IS NULL))
);

CREATE UNIQUE INDEX group_members_accounts ON group_members (account_id, group_id) WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX group_members_enterprises ON group_members (enterprise_id, group_id) WHERE enterprise_id IS NOT NULL;
CREATE INDEX group_members_by_group ON group_members (group_id);

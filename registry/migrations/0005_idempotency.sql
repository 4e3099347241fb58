-- Answers to changes that were made, kept for a day so that a repeated request gets the same answer.

CREATE TABLE idempotency_keys (
    account_id      text        NOT NULL REFERENCES accounts (id),
    key             text        COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256  bytea       NOT NULL CHECK (length(request_sha256) = 32),
    answer          text        NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

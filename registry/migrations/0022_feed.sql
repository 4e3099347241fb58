-- Keys with which enterprises' own nodes sign what they report to this node.

CREATE TABLE report_keys (
    key_id     text        COLLATE "C" PRIMARY KEY,
    prefix     text        COLLATE "C" NOT NULL,
    algorithm  text        NOT NULL,
    public_key text        NOT NULL,
    not_before timestamptz,
    not_after  timestamptz,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK (not_before < not_after)
);
COMMENT ON COLUMN report_keys.key_id IS '<prefix>#<label>; a revoked one is never used again';
COMMENT ON COLUMN report_keys.public_key IS 'SubjectPublicKeyInfo in PEM';
CREATE INDEX report_keys_by_prefix ON report_keys (prefix, key_id);

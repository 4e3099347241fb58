-- Who may read or write values that the permissions of the values keep from them. Nothing is deleted: a grant that
-- was revoked or has expired keeps its row.

CREATE TABLE grants (
    id             text        COLLATE "C" PRIMARY KEY,
    -- Whose records it opens. A prefix that passes to another enterprise takes no grant along.
    enterprise_id  text        NOT NULL REFERENCES enterprises (id),
    subject_kind   text        NOT NULL CHECK (subject_kind IN ('account', 'group', 'enterprise')),
    subject        text        COLLATE "C" NOT NULL,
    object_kind    text        NOT NULL CHECK (object_kind IN ('identifier', 'template')),
    -- A record's key or a template's code.
    object_key     text        COLLATE "C" NOT NULL,
    -- The identifier as it is spelt, for people.
    object_name    text        NOT NULL,
    -- Null: every value of the identifier, every item of the template.
    indexes        integer[]   CHECK (cardinality(indexes) > 0),
    access         text        NOT NULL CHECK (access IN ('read', 'write')),
    granted_by     text        NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    revoked_at     timestamptz
);

CREATE INDEX grants_standing ON grants (subject, object_key, id) WHERE revoked_at IS NULL;
CREATE INDEX grants_by_object ON grants (object_key, id);
CREATE INDEX grants_by_enterprise ON grants (enterprise_id, id);
CREATE INDEX grants_by_subject ON grants (subject, id);

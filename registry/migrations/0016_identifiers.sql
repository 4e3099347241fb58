-- What is found through identifiers beside their own record: other names, unique values, references, values to search.
-- Everything is keyed by the prefix first, so that it can be spread like the identifiers themselves; the rows of a
-- record are written in the transaction that writes the record.

-- An alias takes a row among the identifiers too: nothing else can be registered under the name then, and the row's
-- xid puts its changes in order. `successor` of such a row is the record it leads to.
ALTER TABLE identifiers DROP CONSTRAINT identifiers_state_check;
ALTER TABLE identifiers ADD CONSTRAINT identifiers_state_known CHECK (state IN ('active', 'withdrawn', 'alias'));

CREATE INDEX identifiers_by_template ON identifiers (template_id, prefix_id, key) WHERE template_id IS NOT NULL;

-- (prefix_id, key) is the alias; names of other schemes than Handle have the prefix 0.
CREATE TABLE identifier_aliases (
    prefix_id         bigint      NOT NULL,
    key               text        COLLATE "C" NOT NULL,
    kind              text        NOT NULL CHECK (kind IN ('same', 'former')),
    target_prefix_id  bigint      NOT NULL,
    target_key        text        COLLATE "C" NOT NULL,
    PRIMARY KEY (prefix_id, key)
);

CREATE INDEX identifier_aliases_by_target ON identifier_aliases (target_prefix_id, target_key, key);

-- The value of a unique item as a digest of 16 octets: the index stays small however long the values are.
CREATE TABLE unique_values (
    prefix_id    bigint  NOT NULL,
    template_id  bigint  NOT NULL,
    index        integer NOT NULL,
    digest       bytea   NOT NULL CHECK (length(digest) = 16),
    key          text    COLLATE "C" NOT NULL,
    PRIMARY KEY (prefix_id, template_id, index, digest)
);

-- `permissions` is that of the value which refers, so that a walk over references need not read the records.
CREATE TABLE identifier_references (
    prefix_id         bigint   NOT NULL,
    key               text     COLLATE "C" NOT NULL,
    index             integer  NOT NULL,
    permissions       smallint NOT NULL,
    -- 0 for identifiers below prefixes that are not registered here.
    target_prefix_id  bigint   NOT NULL,
    target_key        text     COLLATE "C" NOT NULL,
    target            text     COLLATE "C" NOT NULL,
    PRIMARY KEY (prefix_id, key, index)
);

CREATE INDEX identifier_references_by_target
    ON identifier_references (target_prefix_id, target_key, prefix_id, key, index);

-- The beginning of each searchable value, long enough to be searched for and short enough for an index.
CREATE TABLE search_values (
    prefix_id  bigint  NOT NULL,
    index      integer NOT NULL,
    value      text    COLLATE "C" NOT NULL CHECK (length(value) <= 128),
    key        text    COLLATE "C" NOT NULL,
    PRIMARY KEY (prefix_id, index, value, key)
);

-- The history of one key, newest first.
CREATE INDEX journal_by_key ON journal (key, xid, seq);

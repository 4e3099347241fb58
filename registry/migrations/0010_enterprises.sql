-- What an enterprise states of itself when it applies, what became of the application, and how it may go on.

ALTER TABLE enterprises DROP CONSTRAINT enterprises_state_check;
ALTER TABLE enterprises DROP CONSTRAINT enterprises_name_key;

ALTER TABLE enterprises
    ADD COLUMN number              bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN version             integer     NOT NULL DEFAULT 1,
    -- JSON objects, checked and written by us. Without details: made together with a prefix, by an administrator.
    ADD COLUMN details             text,
    ADD COLUMN documents           text,
    -- The details and documents that a change request proposes.
    ADD COLUMN proposed            text,
    ADD COLUMN hosted              boolean     NOT NULL DEFAULT true,
    ADD COLUMN org_id_type         smallint,
    ADD COLUMN org_id_number       text        COLLATE "C",
    ADD COLUMN applicant_id        text        REFERENCES accounts (id),
    ADD COLUMN reason              text,
    ADD COLUMN verification        text,
    ADD COLUMN national            text,
    ADD COLUMN takeover_version    text,
    ADD COLUMN takeover_at         timestamptz,
    ADD COLUMN submitted_at        timestamptz,
    ADD COLUMN reviewed_at         timestamptz,
    ADD COLUMN reviewer_id         text,
    -- Prefixes that the suspension of the enterprise suspended, and that come back with it.
    ADD COLUMN suspended_prefixes  text[]      NOT NULL DEFAULT '{}',
    ADD CONSTRAINT enterprises_state_known CHECK (state IN (
        'applied', 'rejected', 'approved', 'active', 'change_requested', 'suspended', 'withdrawn')),
    ADD CONSTRAINT enterprises_identified CHECK ((org_id_type IS NULL) = (org_id_number IS NULL));

-- A name and a certificate stand for one enterprise at a time; one that has been withdrawn gives both free.
CREATE UNIQUE INDEX enterprises_by_name ON enterprises (name) WHERE state <> 'withdrawn';
CREATE UNIQUE INDEX enterprises_by_certificate ON enterprises (org_id_type, org_id_number) WHERE state <> 'withdrawn';
CREATE INDEX enterprises_by_state ON enterprises (state, id);
CREATE INDEX enterprises_by_applicant ON enterprises (applicant_id) WHERE applicant_id IS NOT NULL;

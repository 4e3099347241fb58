-- Templates as the national contract and existing applications know them: below a prefix, in versions, with drafts,
-- typed items, and a data domain and grade for each item. Every new column has a default, so that the release before
-- this one keeps running beside it.

ALTER TABLE templates DROP CONSTRAINT templates_state_check;
ALTER TABLE templates ALTER COLUMN state SET DEFAULT 'published';
UPDATE templates SET state = 'published' WHERE state = 'active';

ALTER TABLE templates
    -- Without a prefix it is told to the national node by its code.
    ADD COLUMN prefix       text     COLLATE "C" REFERENCES prefixes (prefix),
    ADD COLUMN version      text     COLLATE "C" NOT NULL DEFAULT '1',
    -- The template's own identifier, the metadata_id of reports.
    ADD COLUMN handle       text     COLLATE "C" UNIQUE,
    ADD COLUMN name_en      text     NOT NULL DEFAULT '',
    -- Four codes of GB/T 4754: section, division, group, class.
    ADD COLUMN industry     text[]   CHECK (cardinality(industry) = 4),
    ADD COLUMN object_type  smallint NOT NULL DEFAULT 2 CHECK (object_type IN (1, 2)),
    ADD COLUMN description  text     NOT NULL DEFAULT '',
    ADD COLUMN standard     text     NOT NULL DEFAULT '',
    ADD COLUMN shared       boolean  NOT NULL DEFAULT false,
    -- JSON object: column of T9 to the type of the item that fills it.
    ADD COLUMN master_data  text,
    ADD COLUMN copied_from  text     COLLATE "C",
    ADD CONSTRAINT templates_state_known CHECK (state IN ('draft', 'published', 'withdrawn'));

UPDATE templates SET version = code;

-- A withdrawn template makes its version free again.
CREATE UNIQUE INDEX templates_by_version ON templates (prefix, version) WHERE state <> 'withdrawn';
CREATE INDEX templates_by_enterprise ON templates (enterprise_id, code);

ALTER TABLE template_items
    ADD COLUMN data_type           text     NOT NULL DEFAULT 'string' CHECK (data_type IN (
        'string', 'number', 'date', 'reference', 'file', 'image', 'audio', 'video')),
    ADD COLUMN is_unique           boolean  NOT NULL DEFAULT false,
    ADD COLUMN searchable          boolean  NOT NULL DEFAULT false,
    ADD COLUMN state               text     NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
    ADD COLUMN number_min          numeric,
    ADD COLUMN number_max          numeric CHECK (number_max >= number_min),
    ADD COLUMN digits              smallint CHECK (digits BETWEEN 1 AND 38),
    ADD COLUMN decimals            smallint CHECK (decimals BETWEEN 0 AND 38),
    ADD COLUMN date_format         text,
    ADD COLUMN reference_template  text     COLLATE "C",
    ADD COLUMN files_max           smallint CHECK (files_max BETWEEN 1 AND 50),
    ADD COLUMN file_suffixes       text[]   NOT NULL DEFAULT '{}',
    ADD COLUMN domain              text     NOT NULL DEFAULT 'external' CHECK (domain IN (
        'rnd', 'production', 'operation', 'management', 'external')),
    ADD COLUMN grade               smallint NOT NULL DEFAULT 1 CHECK (grade BETWEEN 1 AND 3);

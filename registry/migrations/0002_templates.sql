-- What an enterprise says its records look like. A withdrawn template keeps its row: records refer to it.

CREATE TABLE templates (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code           text        COLLATE "C" NOT NULL UNIQUE,
    name           text        NOT NULL,
    -- Without an enterprise the template is the node's own and everyone may use it.
    enterprise_id  text        REFERENCES enterprises (id),
    state          text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn')),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);

CREATE TABLE template_items (
    template_id  bigint  NOT NULL REFERENCES templates (id),
    index        integer NOT NULL CHECK (index >= 2000),
    name         text    NOT NULL,
    type         text    NOT NULL,
    format       text    NOT NULL,
    required     boolean NOT NULL,
    length_min   integer CHECK (length_min >= 0),
    length_max   integer CHECK (length_max >= length_min),
    PRIMARY KEY (template_id, index)
);

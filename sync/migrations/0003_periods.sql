-- Periods that close: what has to be told of each hour, day and month, once, and in order.
--
-- Each task (a table, or what is done beside the tables) has one open period, the next to be told. Its batches, its
-- closing and the opening of the one after it are stored in one transaction; so none is told twice and none left out,
-- however long nobody was there to tell it.

CREATE TABLE report_periods (
    reporter         text        NOT NULL,
    task             text        NOT NULL,
    kind             text        NOT NULL CHECK (kind IN ('hour', 'day', 'month')),
    starts_at        timestamptz NOT NULL,
    state            text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    done_until       text        COLLATE "C" NOT NULL DEFAULT '',
    measured_seconds integer,
    closed_at        timestamptz,
    PRIMARY KEY (reporter, task, starts_at),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE UNIQUE INDEX report_periods_open ON report_periods (reporter, task) WHERE state = 'open';
COMMENT ON COLUMN report_periods.done_until IS 'tasks of many scopes: the last one that is queued';
COMMENT ON COLUMN report_periods.measured_seconds IS
    'M1: how much of the day was measured, for a revision after the stretches are forgotten';

-- Facts are told again with a higher version; without a row here a fact has been told as version 1 at most.
CREATE TABLE report_revisions (
    reporter  text   NOT NULL,
    table_id  text   NOT NULL,
    key       text   COLLATE "C" NOT NULL,
    ver       bigint NOT NULL,
    PRIMARY KEY (reporter, table_id, key)
);

-- What self-run enterprise nodes report of their own day (T8, M2), on its way to the collector.
CREATE TABLE report_enterprise_facts (
    reporter     text        NOT NULL,
    table_id     text        NOT NULL CHECK (table_id IN ('T8', 'M2')),
    prefix       text        COLLATE "C" NOT NULL,
    stat_date    date        NOT NULL,
    rows         text        NOT NULL,
    received_at  timestamptz NOT NULL,
    queued_at    timestamptz,
    PRIMARY KEY (reporter, table_id, prefix, stat_date)
);
CREATE INDEX report_enterprise_facts_new ON report_enterprise_facts (reporter, stat_date) WHERE queued_at IS NULL;
COMMENT ON COLUMN report_enterprise_facts.rows IS 'JSON array of the data of each row, in the order of their parts';

-- Days of which a self-run enterprise has not reported in time; an open item until it does.
CREATE TABLE report_missing_facts (
    reporter   text        NOT NULL,
    table_id   text        NOT NULL,
    prefix     text        COLLATE "C" NOT NULL,
    stat_date  date        NOT NULL,
    noted_at   timestamptz NOT NULL,
    came_at    timestamptz,
    PRIMARY KEY (reporter, table_id, prefix, stat_date)
);
CREATE INDEX report_missing_facts_open ON report_missing_facts (reporter, stat_date) WHERE came_at IS NULL;

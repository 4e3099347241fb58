-- Days of which something was counted that was collected only after the day should have been told; a row goes when the
-- reports have looked at the day again.
CREATE TABLE late_days (
    day         date        PRIMARY KEY,
    noted_at    timestamptz NOT NULL,
    done_until  text        COLLATE "C" NOT NULL DEFAULT ''
);
COMMENT ON COLUMN late_days.done_until IS 'the last prefix that was looked at; empty again when more was collected';

-- Events that an enterprise's own node told, which go on as they are, stand among the others.
ALTER TABLE node_events
    DROP CONSTRAINT node_events_source_check,
    ADD CONSTRAINT node_events_source_check CHECK (source IN ('monitor', 'operator', 'enterprise'));

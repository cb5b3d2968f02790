-- Loads that are about an interval of time.

ALTER TABLE plumbline.loads ADD COLUMN interval_start timestamptz;  -- NULL: the load is about no interval, or its path says about which
ALTER TABLE plumbline.loads ADD COLUMN interval_end timestamptz;    -- does not belong to it
ALTER TABLE plumbline.loads ADD COLUMN rows_outside bigint NOT NULL DEFAULT 0;  -- read, and left out because their time is not in the interval
ALTER TABLE plumbline.loads DROP CONSTRAINT loads_check;
ALTER TABLE plumbline.loads ADD CONSTRAINT loads_check CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate + rows_outside + rows_forgotten);

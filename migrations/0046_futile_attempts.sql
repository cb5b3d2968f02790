-- A source that fails again and again without a new checkpoint is given up; one that comes further each time is not.
ALTER TABLE plumbline.extracts ADD COLUMN futile_attempts integer NOT NULL DEFAULT 0;  -- in a row, of the run that works on it

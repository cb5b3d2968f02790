-- When somebody let it start again with the command line: what failed before no longer says why nothing starts.
ALTER TABLE plumbline.schedules ADD COLUMN resumed_at timestamptz;

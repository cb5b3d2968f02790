-- Intervals are landed side by side, so a run's own extract is no longer the newest one of its resource.
CREATE INDEX extracts_by_run ON plumbline.extracts (run_id);

-- For a run that is still to come, without a lease: no other run takes what its writer may still be adding to.
ALTER TABLE plumbline.extracts ADD COLUMN landed_ahead boolean NOT NULL DEFAULT false;

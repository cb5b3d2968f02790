-- Intervals are landed side by side, so a run's own extract is no longer the newest one of its resource.
CREATE INDEX extracts_by_run ON plumbline.extracts (run_id);

-- Intervals that somebody gave up: nothing tries them again, until they are taken back or a person runs them.

ALTER TABLE plumbline.intervals
  DROP CONSTRAINT intervals_state_check,
  ADD CONSTRAINT intervals_state_check CHECK (state IN ('running', 'done', 'failed', 'skipped')),
  ALTER COLUMN run_id DROP NOT NULL,         -- NULL: skipped before any run was about it
  ADD CONSTRAINT intervals_run_check CHECK (run_id IS NOT NULL OR state = 'skipped'),
  ADD COLUMN skipped_by  text,               -- these three with state skipped only
  ADD COLUMN skip_reason text,
  ADD COLUMN skipped_at  timestamptz;

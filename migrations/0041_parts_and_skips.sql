-- Intervals that somebody gave up: nothing tries them again, until they are taken back or a person runs them.
-- A run of a part of the elt stage has lines of its own: what it did is not done for the others.

ALTER TABLE plumbline.intervals
  DROP CONSTRAINT intervals_state_check,
  ADD CONSTRAINT intervals_state_check CHECK (state IN ('running', 'done', 'failed', 'skipped')),
  ALTER COLUMN run_id DROP NOT NULL,         -- NULL: skipped before any run was about it
  ADD CONSTRAINT intervals_run_check CHECK (run_id IS NOT NULL OR state = 'skipped'),
  ADD COLUMN skipped_by  text,               -- these three with state skipped only
  ADD COLUMN skip_reason text,
  ADD COLUMN skipped_at  timestamptz,
  ADD COLUMN part        text NOT NULL DEFAULT '',   -- '': all of the elt stage; else load or transform, and what --select named
  DROP CONSTRAINT intervals_pkey,
  ADD PRIMARY KEY (env, project, start_at, end_at, part);

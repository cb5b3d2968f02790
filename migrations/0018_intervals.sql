-- Which intervals of time are loaded and built, and what starts runs by itself.

-- One line for each interval that a run was about. An interval that has no line, or whose run failed, is missing.
CREATE TABLE plumbline.intervals (
  env        text NOT NULL,
  project    text NOT NULL,
  start_at   timestamptz NOT NULL,           -- belongs to the interval
  end_at     timestamptz NOT NULL,           -- does not
  state      text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  run_id     text NOT NULL,                  -- the newest run that was about it
  claims     integer NOT NULL DEFAULT 1,     -- runs that were about it
  claimed_at timestamptz NOT NULL DEFAULT now(),
  ended_at   timestamptz,
  PRIMARY KEY (env, project, start_at, end_at),
  CHECK (start_at < end_at)
);

-- What `schedule apply` made; Temporal holds the clockwork.
CREATE TABLE plumbline.schedules (
  env         text NOT NULL,
  project     text NOT NULL,
  name        text NOT NULL,
  definition  jsonb NOT NULL,                -- as plumbline.yaml had it
  bundle      text NOT NULL,                 -- digest of the code that it runs
  since       timestamptz NOT NULL,          -- intervals that end after this are its own
  applied_by  text NOT NULL,
  applied_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (env, project, name)
);

-- Runs, their steps, what may be reused, who holds what, who is alive.

CREATE TABLE plumbline.bundles (
  digest      text PRIMARY KEY,             -- SHA-256 over the files' paths and contents
  artifact    text NOT NULL,                -- SHA-256 of the archive in the artifact store
  project     text NOT NULL,
  git_commit  text,
  git_dirty   boolean,
  files       jsonb NOT NULL,               -- path → SHA-256
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE plumbline.runs (
  run_id       text PRIMARY KEY,
  env          text NOT NULL,
  project      text NOT NULL,
  workflow_id  text NOT NULL,
  stages       text[] NOT NULL,
  bundle       text NOT NULL,
  options      jsonb NOT NULL DEFAULT '{}',
  retry_of     text REFERENCES plumbline.runs,
  status       text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
  error        jsonb,
  result       jsonb,
  started_by   text NOT NULL,
  started_at   timestamptz NOT NULL DEFAULT now(),
  ended_at     timestamptz
);
CREATE INDEX runs_by_project ON plumbline.runs (env, project, started_at DESC);

CREATE TABLE plumbline.run_steps (
  run_id      text NOT NULL REFERENCES plumbline.runs ON DELETE CASCADE,
  step        text NOT NULL,                -- e.g. load:rides, transform:demand, train:gradient_boosting
  stage       text NOT NULL,
  position    integer NOT NULL,
  status      text NOT NULL CHECK (status IN ('planned', 'running', 'succeeded', 'reused', 'failed', 'skipped')),
  reason      text,                         -- why it ran or why it was reused
  attempt     integer NOT NULL DEFAULT 0,
  progress    jsonb,
  result      jsonb,
  error       jsonb,
  started_at  timestamptz,
  ended_at    timestamptz,
  PRIMARY KEY (run_id, step)
);

-- The newest outcome of a step for a fingerprint of everything it depends on.
CREATE TABLE plumbline.step_results (
  env          text NOT NULL,
  project      text NOT NULL,
  step         text NOT NULL,
  fingerprint  text NOT NULL,
  inputs       jsonb NOT NULL,              -- what the fingerprint was made of, so that `plan` can say what changed
  result       jsonb NOT NULL,
  run_id       text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (env, project, step, fingerprint)
);

-- Exclusion: whoever holds the row may write the project's schemas.
CREATE TABLE plumbline.leases (
  env         text NOT NULL,
  project     text NOT NULL,
  scope       text NOT NULL,
  holder      text NOT NULL,                -- run id
  token       bigint NOT NULL,              -- grows with every change of holder
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (env, project, scope)
);

CREATE TABLE plumbline.workers (
  worker_id   text PRIMARY KEY,
  host        text NOT NULL,
  pid         integer NOT NULL,
  queues      text[] NOT NULL,
  version     text NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT now(),
  seen_at     timestamptz NOT NULL DEFAULT now()
);

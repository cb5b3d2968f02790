-- Model versions, which of them serves, who decided, and what was answered.

CREATE TABLE plumbline.model_versions (
  env                  text NOT NULL,
  project              text NOT NULL,
  model                text NOT NULL,
  version              integer NOT NULL CHECK (version > 0),
  digest               text NOT NULL,          -- SHA-256 over everything that makes the version; a retry finds it again
  onnx                 text NOT NULL,          -- SHA-256 of the graph in the artifact store
  onnx_bytes           bigint NOT NULL,
  signature            jsonb NOT NULL,
  task                 text NOT NULL,
  metrics              jsonb NOT NULL,
  baselines            jsonb NOT NULL,
  gates                jsonb NOT NULL,
  parity               jsonb NOT NULL,
  training_set         jsonb NOT NULL,
  training_set_sha256  text NOT NULL,
  parameters           jsonb NOT NULL,
  seed                 bigint NOT NULL,
  assumptions          jsonb NOT NULL,
  model_card           text NOT NULL,
  run_id               text NOT NULL,
  bundle               text NOT NULL,          -- digest of the code bundle
  created_at           timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (env, project, model, version),
  UNIQUE (env, project, model, digest)
);
CREATE INDEX model_versions_by_run ON plumbline.model_versions (run_id);

-- Decisions are rows first; a signal only makes a workflow read them again.
CREATE TABLE plumbline.decisions (
  id       text PRIMARY KEY,
  env      text NOT NULL,
  project  text NOT NULL,
  model    text NOT NULL,
  version  integer NOT NULL,
  digest   text NOT NULL,
  kind     text NOT NULL CHECK (kind IN ('approve', 'reject', 'promote', 'rollback', 'override')),
  who      text NOT NULL,
  reason   text NOT NULL,
  run_id   text,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (env, project, model, version) REFERENCES plumbline.model_versions
);
CREATE INDEX decisions_by_version ON plumbline.decisions (env, project, model, version, at);

-- The version that answers. `epoch` grows by one with every change and is what a rollout compares.
CREATE TABLE plumbline.serving_pointer (
  env         text NOT NULL,
  project     text NOT NULL,
  model       text NOT NULL,
  version     integer NOT NULL,
  epoch       bigint NOT NULL,
  changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (env, project, model),
  FOREIGN KEY (env, project, model, version) REFERENCES plumbline.model_versions
);

CREATE TABLE plumbline.pointer_history (
  env               text NOT NULL,
  project           text NOT NULL,
  model             text NOT NULL,
  epoch             bigint NOT NULL,
  version           integer NOT NULL,
  previous_version  integer,
  kind              text NOT NULL CHECK (kind IN ('promote', 'rollback')),
  who               text NOT NULL,
  reason            text NOT NULL,
  run_id            text,
  decision          text NOT NULL REFERENCES plumbline.decisions,
  at                timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (env, project, model, epoch)
);

CREATE TABLE plumbline.predictions (
  prediction_id  uuid PRIMARY KEY,             -- version 7: sorts by time
  env            text NOT NULL,
  project        text NOT NULL,
  model          text NOT NULL,
  version        integer NOT NULL,
  at             timestamptz NOT NULL,
  inputs         jsonb NOT NULL,               -- as received, by column name
  prediction     double precision NOT NULL,
  warnings       jsonb                         -- e.g. a category not seen in training
);
CREATE INDEX predictions_by_time ON plumbline.predictions (env, project, model, at);

-- How far each spool file has been copied; changed in the transaction that inserts the rows.
CREATE TABLE plumbline.spool_offsets (
  spool       text PRIMARY KEY,
  bytes       bigint NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now()
);

-- One line for each build of a transform in a run: what stands beside the published table, and what was published.

CREATE TABLE plumbline.transform_builds (
  schema         text NOT NULL,               -- of the published table or view
  name           text NOT NULL,
  run_id         text NOT NULL,
  token          bigint NOT NULL,             -- grows with every attempt; publication needs the newest
  pid            integer NOT NULL,            -- with backend_start: the connection of the newest attempt
  backend_start  timestamptz NOT NULL,
  status         text NOT NULL CHECK (status IN ('building', 'tested', 'published', 'failed')),
  digest         text NOT NULL,               -- SHA-256 over the compiled SQL, its kind and its tests
  kind           text NOT NULL CHECK (kind IN ('view', 'table')),
  stage_schema   text NOT NULL,
  stage_name     text NOT NULL,
  rows           bigint,
  tests          jsonb,
  seconds        double precision,
  started_at     timestamptz NOT NULL DEFAULT now(),
  ended_at       timestamptz,
  PRIMARY KEY (schema, name, run_id)
);
CREATE INDEX transform_builds_by_stage ON plumbline.transform_builds (stage_schema) WHERE status IN ('building', 'tested');

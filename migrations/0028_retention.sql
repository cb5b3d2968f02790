-- Which database this is: an artifact store lists the databases that keep objects in it.
CREATE TABLE plumbline.installation (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  database_id  uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO plumbline.installation DEFAULT VALUES;

-- One line a garbage collection, kept as its record.
CREATE TABLE plumbline.collections (
  collection_id  text PRIMARY KEY,           -- whoever asks again with the same id goes on with it
  env            text NOT NULL,
  project        text NOT NULL,
  started_by     text NOT NULL,
  retention      jsonb NOT NULL,
  started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  used_before    timestamptz,                -- objects used since are kept; NULL until the marks are there
  expired        jsonb,                      -- table → rows
  dropped        jsonb NOT NULL DEFAULT '[]',
  deleted        bigint NOT NULL DEFAULT 0,
  deleted_bytes  bigint NOT NULL DEFAULT 0,
  counts         jsonb,                      -- of the whole store, at its end
  ended_at       timestamptz
);
CREATE INDEX collections_by_project ON plumbline.collections (env, project, started_at DESC);

-- Objects that something refers to; there while their collection is at work.
CREATE TABLE plumbline.marks (
  collection_id  text NOT NULL REFERENCES plumbline.collections ON DELETE CASCADE,
  sha256         text NOT NULL,
  reason         text NOT NULL,
  PRIMARY KEY (collection_id, sha256)
);

ALTER TABLE plumbline.bundles ADD COLUMN used_at timestamptz NOT NULL DEFAULT now();
UPDATE plumbline.bundles SET used_at = created_at;

CREATE INDEX step_results_by_version ON plumbline.step_results (env, project, step, (result ->> 'version'));

-- Makes the hashes of one project useless for another.
CREATE TABLE plumbline.erasure_salts (
  env      text NOT NULL,
  project  text NOT NULL,
  salt     text NOT NULL DEFAULT gen_random_uuid()::text || gen_random_uuid()::text,
  PRIMARY KEY (env, project)
);

-- Keys of persons whose rows were deleted; loads take out what comes with one of them.
CREATE TABLE plumbline.erasures (
  erasure_id    text PRIMARY KEY,
  env           text NOT NULL,
  project       text NOT NULL,
  key_name      text NOT NULL,
  key_hash      text NOT NULL,               -- SHA-256 of the salt and the value
  value         text,                        -- in clear while the deletion is at work, then NULL
  dry_run       boolean NOT NULL,
  reason        text,
  requested_by  text NOT NULL,
  requested_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at      timestamptz,
  report        jsonb,
  CHECK (ended_at IS NULL OR value IS NULL)
);
CREATE INDEX erasures_by_key ON plumbline.erasures (env, project, key_name, key_hash);

-- What a deletion took out of where, so that an attempt that is repeated counts once.
CREATE TABLE plumbline.erased (
  erasure_id  text NOT NULL REFERENCES plumbline.erasures ON DELETE CASCADE,
  kind        text NOT NULL,                 -- table, predictions, quarantine, raw object, training set
  place       text NOT NULL,
  row_count   bigint NOT NULL,
  outcome     text NOT NULL,                 -- deleted, rewritten
  PRIMARY KEY (erasure_id, kind, place)
);

-- Raw objects that were written anew without a person's rows: whoever asks for the one gets the other.
CREATE TABLE plumbline.redactions (
  sha256       text PRIMARY KEY,
  replacement  text NOT NULL,
  erasure_id   text NOT NULL,
  at           timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE plumbline.loads
  ADD COLUMN rows_forgotten bigint NOT NULL DEFAULT 0,
  DROP CONSTRAINT loads_check,
  ADD CONSTRAINT loads_check CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate + rows_forgotten);

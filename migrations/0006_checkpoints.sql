-- How far a training came, so that a killed attempt goes on from there on whatever machine.

CREATE TABLE plumbline.checkpoints (
  key         text PRIMARY KEY,
  content     bytea NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

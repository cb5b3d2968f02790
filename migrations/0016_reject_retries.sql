-- Quarantined rows that were given another chance. The rows themselves go into the load that they came with.

CREATE TABLE plumbline.reject_retries (
  retry_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  load_id         bigint NOT NULL REFERENCES plumbline.loads ON DELETE CASCADE,
  run_id          text NOT NULL,
  file_sha256     text,                     -- of the corrected rows; NULL when the kept ones were read again
  rows_accepted   bigint NOT NULL,
  rows_rejected   bigint NOT NULL,          -- that stay quarantined, of those retried
  rows_duplicate  bigint NOT NULL,
  rows_displaced  bigint NOT NULL,          -- earlier rows of the table that made way for one with their key
  rows_left_out   bigint NOT NULL,          -- that are not quarantined (any more)
  retried_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (load_id, run_id)
);

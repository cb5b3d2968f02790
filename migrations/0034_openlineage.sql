-- OpenLineage events that were made and wait to be sent. What is sent loses its text, and stays: it was told.
CREATE TABLE plumbline.lineage_events (
  event_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id        text NOT NULL REFERENCES plumbline.runs ON DELETE CASCADE,
  step          text NOT NULL,               -- '' is the run itself
  phase         text NOT NULL CHECK (phase IN ('start', 'end')),
  event         jsonb,                       -- null when it is sent
  created_at    timestamptz NOT NULL DEFAULT now(),
  next_try_at   timestamptz NOT NULL DEFAULT now(),
  attempts      integer NOT NULL DEFAULT 0,
  error         text,                        -- of the last attempt
  UNIQUE (run_id, step, phase)
);
CREATE INDEX lineage_events_to_send ON plumbline.lineage_events (next_try_at) WHERE event IS NOT NULL;
CREATE INDEX runs_by_start ON plumbline.runs (started_at);

-- What people are told of. Written in the transaction that makes it true, sent until somebody has taken it.
CREATE TABLE plumbline.alerts (
  event_id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  env           text NOT NULL,
  project       text NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('failed', 'missed')),
  subject       text NOT NULL,               -- run, or schedule and time: of each there is one event
  payload       jsonb NOT NULL,
  webhook       text NOT NULL,               -- where the address is: env:NAME or file:path
  secret        text,                        -- where the key of the signature is
  root          text NOT NULL,               -- what a relative file: starts from
  created_at    timestamptz NOT NULL DEFAULT now(),
  next_try_at   timestamptz NOT NULL DEFAULT now(),
  attempts      integer NOT NULL DEFAULT 0,
  delivered_at  timestamptz,
  error         text,                        -- of the last attempt
  UNIQUE (env, project, kind, subject)
);
CREATE INDEX alerts_to_send ON plumbline.alerts (next_try_at) WHERE delivered_at IS NULL;

-- What the last apply said of alerts, and whether nothing is to start.
ALTER TABLE plumbline.schedules
  ADD COLUMN alerts jsonb,
  ADD COLUMN root text,
  ADD COLUMN paused boolean NOT NULL DEFAULT false;

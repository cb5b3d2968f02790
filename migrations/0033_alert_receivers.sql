-- Alerts also go by mail, a message for each address, so that each is tried until it is taken. A run knows whom to tell:
-- whoever closes it can, its code at hand or not.
ALTER TABLE plumbline.alerts
  ALTER COLUMN webhook DROP NOT NULL,
  ADD COLUMN email jsonb,                               -- smtp (where the server is), from; null for a webhook
  ADD COLUMN receiver text NOT NULL DEFAULT 'webhook',  -- or a mail address
  ADD CHECK ((webhook IS NULL) <> (email IS NULL)),
  DROP CONSTRAINT alerts_env_project_kind_subject_key,
  ADD UNIQUE (env, project, kind, subject, receiver);

ALTER TABLE plumbline.runs
  ADD COLUMN alerts jsonb,
  ADD COLUMN cancelled_by text;                         -- who asked for it with plumbline
-- Runs that may have been ended from outside are looked for again and again.
CREATE INDEX runs_open ON plumbline.runs (run_id) WHERE status = 'running';

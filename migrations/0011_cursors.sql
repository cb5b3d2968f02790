-- How far a resource is loaded, for those that are asked only for what is new.

-- Written in the transaction that publishes the rows, and never moved back.
CREATE TABLE plumbline.cursors (
  env       text NOT NULL,
  project   text NOT NULL,
  resource  text NOT NULL,
  field     text NOT NULL,
  type      text NOT NULL CHECK (type IN ('timestamp', 'integer')),
  value     text NOT NULL,              -- as the source writes it
  moved_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (env, project, resource)
);

ALTER TABLE plumbline.extracts ADD COLUMN cursor_from text;     -- the state at its beginning; NULL when there was none
ALTER TABLE plumbline.raw_pages
  ADD COLUMN cursor_max text,                                   -- the greatest of the page, as the source writes it
  ADD COLUMN cursor_missing bigint NOT NULL DEFAULT 0;          -- rows whose cursor is NULL or no value of its type

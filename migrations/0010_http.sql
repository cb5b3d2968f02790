-- Sources that are asked page by page: what was asked, how far it came, and how often a source may be asked.

-- One line for each time that a resource was asked for a unit.
CREATE TABLE plumbline.extracts (
  extract_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  env           text NOT NULL,
  project       text NOT NULL,
  resource      text NOT NULL,
  unit          text NOT NULL,              -- what was asked for: never who asked
  settings      text NOT NULL,              -- digest of how it was asked
  run_id        text NOT NULL,              -- the newest run that worked on it
  started_at    timestamptz NOT NULL DEFAULT now(),
  completed_at  timestamptz                 -- NULL while there are pages left
);
CREATE INDEX extracts_by_resource ON plumbline.extracts (env, project, resource, extract_id DESC);

-- The manifest of pages. A killed extract goes on behind the newest line: of two writers of a page one commits.
CREATE TABLE plumbline.raw_pages (
  extract_id     bigint NOT NULL REFERENCES plumbline.extracts ON DELETE CASCADE,
  page           integer NOT NULL,          -- from 1
  url            text NOT NULL,             -- without secrets
  fetched_at     timestamptz NOT NULL,
  sha256         text,                      -- of the records, one a line; NULL without records
  bytes          bigint NOT NULL,
  row_count      bigint NOT NULL,
  next_url       text,                      -- NULL on the last page
  etag           text,
  last_modified  text,
  PRIMARY KEY (extract_id, page)
);

-- When a source may be asked next, by any worker.
CREATE TABLE plumbline.rate_limits (
  env      text NOT NULL,
  project  text NOT NULL,
  source   text NOT NULL,
  next_at  timestamptz NOT NULL,
  PRIMARY KEY (env, project, source)
);

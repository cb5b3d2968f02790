-- The landing zone's manifest, the load ledger with its fence, quarantined rows, published versions.

-- One line for each content a path has had.
CREATE TABLE plumbline.raw_objects (
  env         text NOT NULL,
  project     text NOT NULL,
  source      text NOT NULL,
  resource    text NOT NULL,
  path        text NOT NULL,                -- as the project names it
  sha256      text NOT NULL,
  bytes       bigint NOT NULL,
  mtime_ms    bigint NOT NULL,              -- of the file, milliseconds since 1970 UTC
  fetched_at  timestamptz NOT NULL,
  seen_at     timestamptz NOT NULL,         -- the newest extract that found this content at this path
  run_id      text NOT NULL,
  PRIMARY KEY (env, project, resource, path, sha256)
);
CREATE INDEX raw_objects_by_path ON plumbline.raw_objects (env, project, resource, path, seen_at DESC);

CREATE TABLE plumbline.loads (
  load_id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  env                   text NOT NULL,
  project               text NOT NULL,
  resource              text NOT NULL,
  unit                  text NOT NULL,      -- <path>@<sha256>: what was loaded, never who loaded it
  generation            integer NOT NULL,   -- grows when the same unit is loaded anew
  forced_by             text,               -- the run that asked for this generation with --force
  path                  text NOT NULL,
  sha256                text NOT NULL,
  settings              text NOT NULL,      -- digest of the resource's reading settings
  status                text NOT NULL CHECK (status IN ('loading', 'staged', 'published', 'replaced', 'failed')),
  -- Fence: a chunk commits only while token and next_chunk are what its writer saw.
  token                 bigint NOT NULL DEFAULT 0,
  next_chunk            integer NOT NULL DEFAULT 0,
  next_row              bigint NOT NULL DEFAULT 1,
  writer_pid            integer,
  writer_backend_start  text,
  reader                jsonb,              -- version, dialect and columns that next_row counts with
  stage_schema          text NOT NULL,
  stage_table           text,               -- NULL when there is no stage (any more)
  rows_read             bigint NOT NULL DEFAULT 0,
  rows_loaded           bigint NOT NULL DEFAULT 0,
  rows_rejected         bigint NOT NULL DEFAULT 0,
  rows_duplicate        bigint NOT NULL DEFAULT 0,
  error                 jsonb,
  run_id                text NOT NULL,
  started_at            timestamptz NOT NULL DEFAULT now(),
  staged_at             timestamptz,
  published_at          timestamptz,
  UNIQUE (env, project, resource, unit, generation),
  CHECK (rows_read = rows_loaded + rows_rejected + rows_duplicate)
);
CREATE INDEX loads_by_path ON plumbline.loads (env, project, resource, path);

CREATE TABLE plumbline.rejects (
  load_id      bigint NOT NULL REFERENCES plumbline.loads ON DELETE CASCADE,
  row_number   bigint NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('rejected', 'duplicate')),
  file         text NOT NULL,
  line         bigint,                      -- NULL where the format has no lines
  column_name  text,                        -- NULL when the whole row is at fault
  value        text,
  reason       text NOT NULL,
  raw          text,
  PRIMARY KEY (load_id, row_number)
);

-- What is published of a resource now, and who may publish next.
CREATE TABLE plumbline.resources (
  env                   text NOT NULL,
  project               text NOT NULL,
  resource              text NOT NULL,
  token                 bigint NOT NULL DEFAULT 0,
  writer_pid            integer,
  writer_backend_start  text,
  version               bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (env, project, resource)
);

CREATE TABLE plumbline.resource_versions (
  env             text NOT NULL,
  project         text NOT NULL,
  resource        text NOT NULL,
  version         bigint NOT NULL,
  write           text NOT NULL,
  table_schema    text NOT NULL,
  table_name      text NOT NULL,
  load_ids        bigint[] NOT NULL,        -- the loads this publication applied
  columns         jsonb NOT NULL,
  columns_added   text[] NOT NULL,
  row_count       bigint NOT NULL,          -- of the whole table afterwards
  run_id          text NOT NULL,
  published_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (env, project, resource, version)
);

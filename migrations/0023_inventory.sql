-- Which objects a resource should have, and which load each belongs to.

-- One line for each address that the inventory named last; those without a hash are the gaps.
CREATE TABLE plumbline.inventory (
  env          text NOT NULL,
  project      text NOT NULL,
  source       text NOT NULL,
  resource     text NOT NULL,
  url          text NOT NULL,
  sha256       text,                        -- of the raw object; NULL while it is not landed
  bytes        bigint,
  http_status  integer,                     -- 404 or 410 where run_id was told that there is no such object
  batch        integer,                     -- objects of one batch are loaded together; NULL while not landed
  run_id       text NOT NULL,               -- the newest run that expected it
  PRIMARY KEY (env, project, resource, url)
);

-- Resources of one source share what was fetched.
CREATE INDEX raw_objects_by_source ON plumbline.raw_objects (env, project, source, path, seen_at DESC);

-- What each list that was loaded in the place of its objects names.
CREATE TABLE plumbline.batch_objects (
  list_sha256  text NOT NULL,
  place        integer NOT NULL,            -- in the list, from 1
  url          text NOT NULL,
  sha256       text NOT NULL,
  PRIMARY KEY (list_sha256, place)
);
CREATE INDEX batch_objects_by_object ON plumbline.batch_objects (sha256);

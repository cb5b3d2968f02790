-- What a contract dropped of a load; what a publication changed of its table's types, and what it is compared with later.

ALTER TABLE plumbline.loads ADD COLUMN discarded jsonb NOT NULL DEFAULT '{}';                   -- column → values
ALTER TABLE plumbline.resource_versions
  ADD COLUMN types_changed jsonb NOT NULL DEFAULT '[]',                                         -- column, from, to
  ADD COLUMN profile jsonb,                                                                     -- rows; share of NULLs by column
  ADD COLUMN anomaly_accepted boolean NOT NULL DEFAULT false;

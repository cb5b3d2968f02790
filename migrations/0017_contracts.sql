-- What a contract dropped of a load, and what a publication changed of its table's types.

ALTER TABLE plumbline.loads ADD COLUMN discarded jsonb NOT NULL DEFAULT '{}';                   -- column → values
ALTER TABLE plumbline.resource_versions ADD COLUMN types_changed jsonb NOT NULL DEFAULT '[]';   -- column, from, to

-- Sources that say by themselves where to go on from: any small JSON, kept as it is written.

ALTER TABLE plumbline.cursors
  DROP CONSTRAINT cursors_type_check,
  ADD CONSTRAINT cursors_type_check CHECK (type IN ('timestamp', 'integer', 'json'));

ALTER TABLE plumbline.raw_pages
  ADD COLUMN checkpoint text,         -- stands for all rows up to this page; NULL where the source has said nothing
  ADD COLUMN columns jsonb;           -- type by column as the source states it; JSON null where it states none

-- The same of all pages, when the extract is complete.
ALTER TABLE plumbline.extracts ADD COLUMN columns jsonb;

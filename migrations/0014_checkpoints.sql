-- Sources that say by themselves where to go on from: any small JSON, kept as it is written.

ALTER TABLE plumbline.cursors
  DROP CONSTRAINT cursors_type_check,
  ADD CONSTRAINT cursors_type_check CHECK (type IN ('timestamp', 'integer', 'json'));

-- What stands for all rows up to this page; NULL where the source has said nothing.
ALTER TABLE plumbline.raw_pages ADD COLUMN checkpoint text;

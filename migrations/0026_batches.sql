-- What came in with a publication of append or merge, a file or an answer each: rows; share of NULLs by column.
ALTER TABLE plumbline.resource_versions ADD COLUMN batches jsonb;

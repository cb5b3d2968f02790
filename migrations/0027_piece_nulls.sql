-- NULLs of a piece by column, in the order of the load's columns: what would be another pass over the new table.
ALTER TABLE plumbline.load_pieces ADD COLUMN nulls bigint[];

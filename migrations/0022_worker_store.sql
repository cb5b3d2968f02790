-- Which artifact store a worker sees: commands that put something there must see the same one.
ALTER TABLE plumbline.workers ADD COLUMN store text;
ALTER TABLE plumbline.workers ADD COLUMN store_id uuid;

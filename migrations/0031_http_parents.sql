-- Sources that are asked once for each row of another table.

ALTER TABLE plumbline.raw_pages ADD COLUMN parent integer NOT NULL DEFAULT 0;  -- place of the row in the list of the extract's unit; 0: asked for no row
ALTER TABLE plumbline.raw_pages ADD COLUMN http_status integer;                -- 404 or 410 where the server has nothing for the row
ALTER TABLE plumbline.raw_pages DROP CONSTRAINT raw_pages_pkey;
ALTER TABLE plumbline.raw_pages ADD PRIMARY KEY (extract_id, parent, page);

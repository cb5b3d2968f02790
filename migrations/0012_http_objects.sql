-- What a server said of an object, so that the next extract asks for changes only.
ALTER TABLE plumbline.raw_objects ADD COLUMN etag text;
ALTER TABLE plumbline.raw_objects ADD COLUMN last_modified text;

-- The same files in other archives: one zlib packs them into other bytes than another, and what was started with either goes on with it.
ALTER TABLE plumbline.bundles ADD COLUMN other_artifacts text[] NOT NULL DEFAULT '{}'; -- as `artifact`, which is the first one

-- A finished stage that readers kept from being published waits for a later run with the same code and inputs.
ALTER TABLE plumbline.transform_builds
  ADD COLUMN inputs text,                     -- fingerprint of all that the build depends on
  ADD COLUMN kept_until timestamptz;          -- until then the stage is not swept; NULL when it is not kept

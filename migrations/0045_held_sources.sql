-- A Retry-After also counts for requests whose moment was given out before it came.
ALTER TABLE plumbline.rate_limits ADD COLUMN held_until timestamptz;  -- NULL: nobody was asked to wait

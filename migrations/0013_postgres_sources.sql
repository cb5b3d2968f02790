-- Sources that are databases: the pieces a load has read so far, and what an extract asked for.

-- Written in the transaction that commits the piece's rows; gone when the load is staged.
CREATE TABLE plumbline.load_pieces (
  load_id    bigint NOT NULL REFERENCES plumbline.loads ON DELETE CASCADE,
  piece      integer NOT NULL,              -- from 0, in reading order
  row_count  bigint NOT NULL,
  bytes      bigint NOT NULL,               -- as the source sent them
  sha256     text NOT NULL,                 -- over those bytes
  PRIMARY KEY (load_id, piece)
);

ALTER TABLE plumbline.extracts
  ADD COLUMN cursor_to text,                                    -- the greatest cursor that is asked for; NULL without one
  ADD COLUMN cursor_missing bigint NOT NULL DEFAULT 0;          -- rows that have no cursor, of a source that is asked at once

-- A raw object that was rewritten without a person's rows stands for the original in the project that forgot the person, and in no
-- other: whoever else fetched the same bytes keeps them.
ALTER TABLE plumbline.redactions
  ADD COLUMN env text,
  ADD COLUMN project text,
  ADD COLUMN rows_taken_out bigint NOT NULL DEFAULT 0,
  ALTER COLUMN replacement DROP NOT NULL,   -- NULL: it could not be rewritten; for the project it is gone until it is fetched again
  DROP CONSTRAINT redactions_pkey;

-- Until now every project read the rewritten one: each that works with it has a line of its own.
INSERT INTO plumbline.redactions (env, project, sha256, replacement, erasure_id, at, rows_taken_out)
SELECT users.env, users.project, r.sha256, r.replacement, r.erasure_id, r.at,
  coalesce((SELECT sum(d.row_count) FROM plumbline.erased d JOIN plumbline.erasures e USING (erasure_id)
            WHERE d.kind = 'raw object' AND d.outcome = 'rewritten' AND right(d.place, 64) = r.sha256
              AND (e.env, e.project) = (users.env, users.project)), 0)
FROM plumbline.redactions r JOIN (
  SELECT sha256, env, project FROM plumbline.raw_objects
  UNION SELECT sha256, env, project FROM plumbline.loads
  UNION SELECT sha256, env, project FROM plumbline.inventory
  UNION SELECT p.sha256, e.env, e.project FROM plumbline.raw_pages p JOIN plumbline.extracts e USING (extract_id)
  UNION SELECT b.sha256, l.env, l.project FROM plumbline.batch_objects b JOIN plumbline.loads l ON l.sha256 = b.list_sha256
  UNION SELECT t.file_sha256, l.env, l.project FROM plumbline.reject_retries t JOIN plumbline.loads l USING (load_id)
  UNION SELECT o.sha256, e.env, e.project FROM plumbline.redactions o JOIN plumbline.erasures e USING (erasure_id)
) AS users USING (sha256);

DELETE FROM plumbline.redactions WHERE env IS NULL;
ALTER TABLE plumbline.redactions
  ALTER COLUMN env SET NOT NULL,
  ALTER COLUMN project SET NOT NULL,
  ADD PRIMARY KEY (env, project, sha256);
CREATE INDEX redactions_by_replacement ON plumbline.redactions (replacement);

-- Parameters of addresses may be keys. What is kept of a load and of a run names its objects without them, as src/model/object-name.ts does;
-- whole addresses stay in the manifest alone. Identities move with the names, so nothing that is loaded is loaded again.

CREATE FUNCTION plumbline.object_name(path text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN path ~* '^https?://[^?#]+[?](?!…)'
    THEN split_part(path, '?', 1) || '?…' || left(encode(sha256(convert_to(substr(path, strpos(path, '?') + 1), 'UTF8')), 'hex'), 32)
    ELSE path END
$$;

-- The same of every address in a text, which is read once: a run's result may name thousands. In JSON a backslash may stand before the quotation
-- mark behind an address, and has to stay.
CREATE FUNCTION plumbline.object_names(content text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT string_agg(rest || coalesce(plumbline.object_name(address), ''), '' ORDER BY place)
  FROM regexp_split_to_table(content, 'https?://[^\s"<>?#\\]+[?][^\s"<>#\\]+', 'i') WITH ORDINALITY AS between_them (rest, place)
  LEFT JOIN (
    SELECT found[1] AS address, place
    FROM regexp_matches(content, 'https?://[^\s"<>?#\\]+[?][^\s"<>#\\]+', 'gi') WITH ORDINALITY AS them (found, place)
  ) AS addresses USING (place)
$$;

UPDATE plumbline.rejects AS r SET file = plumbline.object_name(r.file)
FROM plumbline.loads AS l WHERE l.load_id = r.load_id AND l.path <> plumbline.object_name(l.path);

-- Of an object that its parser refused, the text of the row is its address, and the reason is the parser's.
UPDATE plumbline.rejects AS r SET raw = plumbline.object_name(r.raw), reason = plumbline.object_names(r.reason)
FROM plumbline.loads AS l
WHERE l.load_id = r.load_id AND l.reader #>> '{dialect,format}' = 'parsed' AND r.raw ~* '^https?://[^?#]+[?]';

UPDATE plumbline.loads SET path = plumbline.object_name(path), unit = plumbline.object_name(path) || substr(unit, length(path) + 1),
  reader = plumbline.object_names(reader::text)::jsonb, error = plumbline.object_names(error::text)::jsonb
WHERE path <> plumbline.object_name(path);

-- The fingerprint is the SHA-256 of the inputs as JSON, in the order of their names.
UPDATE plumbline.step_results AS s SET inputs = n.inputs, fingerprint = n.fingerprint, result = plumbline.object_names(result::text)::jsonb
FROM (
  SELECT env, project, step, fingerprint AS former, jsonb_object_agg(name, value) AS inputs,
    encode(sha256(convert_to('[' || string_agg('[' || to_json(name) || ',' || to_json(value) || ']', ',' ORDER BY name COLLATE "C") || ']', 'UTF8')), 'hex') AS fingerprint
  FROM plumbline.step_results CROSS JOIN LATERAL (SELECT plumbline.object_name(key) AS name, value FROM jsonb_each_text(inputs)) AS i
  WHERE inputs::text ~* '"https?://[^"?]+[?]'
  GROUP BY env, project, step, fingerprint
) AS n
WHERE (s.env, s.project, s.step, s.fingerprint) = (n.env, n.project, n.step, n.former);

UPDATE plumbline.run_steps SET step = plumbline.object_names(step), reason = plumbline.object_names(reason),
  progress = plumbline.object_names(progress::text)::jsonb, result = plumbline.object_names(result::text)::jsonb,
  error = plumbline.object_names(error::text)::jsonb
WHERE concat(step, reason, progress, result, error) ~* 'https?://[^\s"<>?#]+[?]';

UPDATE plumbline.runs SET result = plumbline.object_names(result::text)::jsonb, error = plumbline.object_names(error::text)::jsonb
WHERE concat(result, error) ~* 'https?://[^\s"<>?#]+[?]';

UPDATE plumbline.run_logs SET step = plumbline.object_names(step) WHERE step ~* 'https?://[^\s"<>?#]+[?]';

UPDATE plumbline.erasures SET report = plumbline.object_names(report::text)::jsonb WHERE report::text ~* 'https?://[^\s"<>?#]+[?]';

UPDATE plumbline.erased SET place = plumbline.object_names(place) WHERE place ~* 'https?://[^\s"<>?#]+[?]';

-- A worker of an older version that is still at work would load under whole addresses what is loaded under names: it fails instead.
ALTER TABLE plumbline.loads ADD CONSTRAINT loads_of_an_older_worker CHECK (path !~* '^https?://[^?#]+[?](?!…)');

DROP FUNCTION plumbline.object_names(text), plumbline.object_name(text);

-- Rows that another column has sorted into intervals do not go together with those of this one.
ALTER TABLE plumbline.resource_versions ADD COLUMN interval_column text;  -- NULL: no column chose the rows, or an older version published it

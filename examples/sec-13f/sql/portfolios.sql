-- description: what each manager held at the end of each period, amendments applied: a restatement replaces, new holdings add
WITH reports AS (
  SELECT *, amendment_type = 'NEW HOLDINGS' AS is_addition
  FROM {{ ref('filings') }}
  WHERE period IS NOT NULL AND form_type IN ('13F-HR', '13F-HR/A')
),
-- The newest of the report and its restatements.
bases AS (
  SELECT DISTINCT ON (cik, period) cik, period, accession, filed_at
  FROM reports
  WHERE is_addition IS NOT TRUE
  ORDER BY cik, period, filed_at DESC, accession DESC
),
counted AS (
  SELECT accession FROM bases
  UNION ALL
  -- Without a report in these data, the additions stand alone.
  SELECT r.accession
  FROM reports AS r
  LEFT JOIN bases AS b USING (cik, period)
  WHERE r.is_addition AND (b.accession IS NULL OR (r.filed_at, r.accession) > (b.filed_at, b.accession))
)
SELECT f.cik, f.manager, f.period, h.*
FROM counted
JOIN {{ ref('filings') }} AS f USING (accession)
JOIN {{ ref('holdings') }} AS h USING (accession)

-- description: what a filing's summary page says of its table, beside what the table holds
SELECT
  f.accession,
  f.entries_stated,
  count(h.accession) AS entries_found,
  f.value_stated,
  coalesce(sum(h.value), 0) AS value_found,
  coalesce(sum(h.value), 0) - f.value_stated AS difference
FROM {{ ref('filings') }} AS f
LEFT JOIN {{ ref('holdings') }} AS h USING (accession)
WHERE f.value_stated IS NOT NULL
GROUP BY f.accession, f.entries_stated, f.value_stated

-- description: 13F holdings reports of the quarterly indexes, and information tables that came without their filing
SELECT DISTINCT ON (file)
  '{{ var("edgar") }}/Archives/' || file AS url,
  regexp_replace(file, '^.*/|\.[a-z]+$', '', 'g') AS accession,
  form_type,
  date_filed AS filed_at
FROM (
  SELECT file, form_type, date_filed
  FROM {{ source('edgar', 'index') }}
  WHERE kind = 'quarterly' AND form_type IN ('13F-HR', '13F-HR/A') AND date_filed >= '{{ var("filed_from") }}'
  UNION ALL
  SELECT path, form_type, date_filed FROM {{ ref('detached_tables') }}
) AS named
ORDER BY file

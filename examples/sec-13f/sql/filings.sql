-- description: one row a submission, from the data set and from EDGAR
SELECT
  s."ACCESSION_NUMBER" AS accession,
  s."CIK" AS cik,
  c."FILINGMANAGER_NAME" AS manager,
  s."SUBMISSIONTYPE" AS form_type,
  to_date(s."PERIODOFREPORT", 'DD-MON-YYYY') AS period,
  to_date(s."FILING_DATE", 'DD-MON-YYYY') AS filed_at,
  c."AMENDMENTTYPE" AS amendment_type,
  t."TABLEENTRYTOTAL" AS entries_stated,
  t."TABLEVALUETOTAL" AS value_stated,
  'data set' AS origin
FROM {{ source('dataset', 'submission') }} AS s
JOIN {{ source('dataset', 'coverpage') }} AS c USING ("ACCESSION_NUMBER")
LEFT JOIN {{ source('dataset', 'summarypage') }} AS t USING ("ACCESSION_NUMBER")
UNION ALL
SELECT accession, cik, manager, form_type, period, filed_at, amendment_type, entries_stated, value_stated, 'filing'
FROM {{ source('edgar', 'filings') }}

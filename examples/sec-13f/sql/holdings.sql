-- description: one row an entry of an information table, as filed; value in dollars, whatever the year's unit was
SELECT
  accession,
  line,
  -- Some filers escape twice: `&amp;AMP;` in the XML, `&AMP;` in the data set.
  regexp_replace(trim(issuer), '&amp;', '&', 'gi') AS issuer,
  class,
  upper(trim(cusip)) AS cusip,
  value,
  -- Thousands before 2023-01-03, by the day of filing.
  value * CASE WHEN filed_at < DATE '2023-01-03' THEN 1000 ELSE 1 END AS value_usd,
  shares,
  share_type,
  initcap(put_call) AS put_call,
  upper(discretion) AS discretion,
  other_managers,
  voting_sole,
  voting_shared,
  voting_none,
  filed_at
FROM (
  SELECT
    i."ACCESSION_NUMBER" AS accession,
    i."INFOTABLE_SK" AS line,
    i."NAMEOFISSUER" AS issuer,
    i."TITLEOFCLASS" AS class,
    i."CUSIP" AS cusip,
    i."VALUE" AS value,
    i."SSHPRNAMT" AS shares,
    i."SSHPRNAMTTYPE" AS share_type,
    i."PUTCALL" AS put_call,
    i."INVESTMENTDISCRETION" AS discretion,
    i."OTHERMANAGER" AS other_managers,
    i."VOTING_AUTH_SOLE" AS voting_sole,
    i."VOTING_AUTH_SHARED" AS voting_shared,
    i."VOTING_AUTH_NONE" AS voting_none,
    to_date(s."FILING_DATE", 'DD-MON-YYYY') AS filed_at
  FROM {{ source('dataset', 'infotable') }} AS i
  JOIN {{ source('dataset', 'submission') }} AS s USING ("ACCESSION_NUMBER")
  UNION ALL
  SELECT accession, line, issuer, class, cusip, value, shares, share_type, put_call, discretion, other_managers,
    voting_sole, voting_shared, voting_none, filed_at
  FROM {{ source('edgar', 'holdings') }}
) AS entries

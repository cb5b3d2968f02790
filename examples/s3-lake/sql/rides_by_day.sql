-- description: One row a day, of all the files of the bucket.
-- materialized: table
SELECT started_at::date AS day, count(*) AS rides, sum(minutes) AS minutes
FROM {{ source('rides') }}
GROUP BY 1

-- description: Demand and weather, one row an hour. casual + registered add up to the target, so they stay out.
-- materialized: table
SELECT
  dteday + hr * interval '1 hour' AS hour_at,
  cnt AS rides,
  hr,
  weekday,
  mnth AS month,
  yr AS year,
  season,
  workingday,
  holiday,
  weathersit,
  temp,
  atemp,
  hum,
  windspeed
FROM {{ source('rides') }}

-- entity: day
-- event_time: day
-- known_at: known_at
-- assumption: prices are planned a year ahead
SELECT
  day,
  day - interval '1 year' AS known_at,
  extract(isodow FROM day) AS weekday,
  extract(month FROM day) AS month,
  price
FROM {{ source('sales') }}

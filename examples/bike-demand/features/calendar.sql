-- description: What a calendar says of the hour; printed a year ahead.
-- entity: hour_at
-- event_time: hour_at
-- known_at: known_at
SELECT
  hour_at,
  hour_at - interval '1 year' AS known_at,
  hr,
  weekday,
  month,
  year,
  season,
  workingday,
  holiday
FROM {{ ref('demand') }}

-- description: Weather of the hour itself, measured, standing in for a forecast.
-- entity: hour_at
-- event_time: hour_at
-- known_at: known_at
-- assumption: perfect forecast, the weather of an hour is taken as known 24 hours before it
SELECT
  hour_at,
  hour_at - interval '24 hours' AS known_at,
  temp,
  atemp,
  hum,
  windspeed,
  weathersit
FROM {{ ref('demand') }}

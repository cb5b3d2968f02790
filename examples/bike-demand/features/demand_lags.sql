-- description: Demand at the same hour one day and one week earlier; NULL where that hour is not in the data.
-- entity: hour_at
-- event_time: hour_at
-- known_at: known_at
-- assumption: the count of an hour is known at the hour's own time stamp
SELECT
  demand.hour_at,
  demand.hour_at - interval '24 hours' AS known_at,
  day_before.rides AS lag24,
  week_before.rides AS lag168
FROM {{ ref('demand') }} AS demand
LEFT JOIN {{ ref('demand') }} AS day_before
  ON day_before.hour_at = demand.hour_at - interval '24 hours'
LEFT JOIN {{ ref('demand') }} AS week_before
  ON week_before.hour_at = demand.hour_at - interval '168 hours'

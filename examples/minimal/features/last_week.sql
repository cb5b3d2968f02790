-- entity: day
-- event_time: day
-- known_at: known_at
SELECT
  sales.day,
  sales.day - interval '6 days' AS known_at,
  earlier.units AS units_last_week
FROM {{ source('sales') }} AS sales
LEFT JOIN {{ source('sales') }} AS earlier
  ON earlier.day = sales.day - 7

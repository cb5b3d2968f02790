-- entity: hour_at
-- label_time: hour_at
-- target: rides
-- horizon: 24h
SELECT hour_at, rides
FROM {{ ref('demand') }}

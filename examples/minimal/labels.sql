-- entity: day
-- label_time: day
-- target: units
-- horizon: 1d
SELECT day, units
FROM {{ source('sales') }}

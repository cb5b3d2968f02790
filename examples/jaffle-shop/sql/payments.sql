-- materialized: view
SELECT id AS payment_id, order_id, payment_method, {{ dollars('amount') }} AS amount
FROM {{ ref('raw_payments') }}

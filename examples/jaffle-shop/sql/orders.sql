-- description: One row an order, with what was paid by each method.
SELECT
  o.id AS order_id,
  o.user_id AS customer_id,
  o.order_date,
  o.status,
  {% for method in var('payment_methods') %}
  coalesce(sum(p.amount) FILTER (WHERE p.payment_method = '{{ method }}'), 0) AS {{ method }}_amount,
  {% endfor %}
  sum(p.amount) AS amount
FROM {{ ref('raw_orders') }} o
LEFT JOIN {{ ref('payments') }} p ON p.order_id = o.id
GROUP BY o.id, o.user_id, o.order_date, o.status

-- description: One row a customer, those without an order included.
SELECT
  c.id AS customer_id,
  c.first_name,
  c.last_name,
  min(o.order_date) AS first_order,
  max(o.order_date) AS most_recent_order,
  count(DISTINCT o.id) AS number_of_orders,
  sum(p.amount) AS customer_lifetime_value
FROM {{ ref('raw_customers') }} c
LEFT JOIN {{ ref('raw_orders') }} o ON o.user_id = c.id
LEFT JOIN {{ ref('payments') }} p ON p.order_id = o.id
GROUP BY c.id, c.first_name, c.last_name

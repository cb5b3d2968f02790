SELECT c.name AS customer, count(DISTINCT o.id) AS orders, sum(i.quantity * i.price) AS revenue, min(s.on_hand) AS least_on_hand
FROM {{ source('api', 'orders') }} AS o
JOIN {{ source('crm', 'customers') }} AS c ON c.id = o.customer_id
JOIN {{ source('api', 'items') }} AS i ON i.order_id = o.id
LEFT JOIN {{ source('stock', 'levels') }} AS s ON s.sku = i.sku
GROUP BY c.name

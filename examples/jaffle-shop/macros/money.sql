-- Payments are stored in cents.
{% macro dollars(cents) %}({{ cents }} / 100.0)::numeric(12, 2){% endmacro %}

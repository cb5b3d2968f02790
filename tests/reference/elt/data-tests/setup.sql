CREATE SCHEMA raw;
CREATE SCHEMA main;
CREATE TABLE raw.kinds (id int, label text);
INSERT INTO raw.kinds VALUES (1, 'a'), (2, 'b'), (NULL, 'c');
CREATE TABLE raw.demand (id int, kind int, label text, ratio numeric, flag boolean, day date);
INSERT INTO raw.demand VALUES
  (1, 1, 'x', 0.5, true, '2024-01-01'), (2, 2, 'Y', 1.0, false, '2024-01-02'), (3, NULL, NULL, NULL, NULL, NULL),
  (3, 9, '', 2.50, true, '2024-01-01'), (NULL, NULL, 'x', NULL, NULL, NULL), (3, 8, 'x ', 7, false, NULL);

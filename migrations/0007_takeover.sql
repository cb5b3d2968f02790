-- Whose work a lease holder took over, until it has ended what they left open; and how often a step failed by itself,
-- which a killed worker does not count towards.

ALTER TABLE plumbline.leases ADD COLUMN previous_holder text NOT NULL DEFAULT '';
ALTER TABLE plumbline.run_steps ADD COLUMN failures integer NOT NULL DEFAULT 0;

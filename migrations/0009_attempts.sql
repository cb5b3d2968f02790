-- Which attempt is the newest goes by when Temporal scheduled it, not by when it came to run: a frozen worker may begin late.

ALTER TABLE plumbline.run_steps ADD COLUMN scheduled_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE plumbline.runs ADD COLUMN opened_ms bigint NOT NULL DEFAULT 0;

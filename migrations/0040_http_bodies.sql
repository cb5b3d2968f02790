-- Sources that are asked by POST.

ALTER TABLE plumbline.raw_pages ADD COLUMN body text;     -- what was sent, JSON, without secrets; NULL where it was asked by GET
ALTER TABLE plumbline.raw_pages ADD COLUMN next_at text;  -- JSON: what leads to the next page, where that stands in the body

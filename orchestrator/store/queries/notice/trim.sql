DELETE FROM notices
WHERE settled_us IS NOT NULL
  AND (settled_us < ?2 OR (state <> 'dead' AND settled_us < ?1) OR number <= (SELECT max(number) FROM notices) - ?3)

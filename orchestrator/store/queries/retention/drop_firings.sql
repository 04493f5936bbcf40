DELETE FROM firings
WHERE id IN (SELECT id FROM (SELECT id, at_us FROM firings ORDER BY id LIMIT ?2) AS oldest WHERE at_us < ?1)

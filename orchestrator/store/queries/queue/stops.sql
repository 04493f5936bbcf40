-- Newest first; the text of an event may also mention such a word without being one.
SELECT body FROM events
WHERE id > ?1 AND id <= ?2 AND (body LIKE '%"event":"cancel_asked"%' OR body LIKE '%"event":"retry_asked"%')
ORDER BY id DESC

SELECT id, request FROM backfills WHERE request_key = ?1

UPDATE tokens SET revoked_at_us = ?2 WHERE (id = ?1 OR name = ?1) AND revoked_at_us IS NULL

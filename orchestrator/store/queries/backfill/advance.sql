UPDATE backfills SET version = version + 1, phase = ?3, forgiven = ?4, ended_at_us = ?5
WHERE number = ?1 AND version = ?2

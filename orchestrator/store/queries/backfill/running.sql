SELECT id FROM backfills WHERE phase = 'running' ORDER BY number

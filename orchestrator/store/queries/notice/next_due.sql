SELECT min(CASE WHEN leased_until_us > due_us THEN leased_until_us ELSE due_us END) FROM notices WHERE state = 'waiting'

UPDATE notices SET state = 'waiting', due_us = 0, tries = 0, settled_us = NULL, leased_until_us = 0, owner = NULL
WHERE state = 'dead' AND channel = coalesce(?1, channel)

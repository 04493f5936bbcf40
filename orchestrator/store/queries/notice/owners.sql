SELECT DISTINCT owner FROM notices WHERE state = 'waiting' AND leased_until_us > ?1 AND owner IS NOT NULL

UPDATE notices SET leased_until_us = 0, owner = NULL WHERE state = 'waiting' AND owner = ?1

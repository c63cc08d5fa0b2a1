-- KEYS: record. Answers with the second it is, and the record.
return { redis.call('TIME')[1], redis.call('GET', KEYS[1]) }

-- Renews leases, also those that a Redis without a memory has forgotten: their calls are still there.
--
-- KEYS: where each lease is. ARGV[1]: their length in microseconds; then the name of each.
local now = redis.call('TIME')
local ends = tonumber(now[1]) * 1000000 + tonumber(now[2]) + tonumber(ARGV[1])
for nth, key in ipairs(KEYS) do
  redis.call('ZADD', key, string.format('%.0f', ends), ARGV[nth + 1])
  redis.call('PEXPIRE', key, string.format('%.0f', tonumber(ARGV[1]) / 1000))
end
return #KEYS

-- Takes what a call costs. It is `ph_policy::Allowance::charge`, by Redis's clock.
--
-- KEYS: one for each charge. ARGV[1]: the name of the lease for calls at the same time; ARGV[2]: its length in
-- microseconds; then for each key `GROUP KIND A B C D`:
--   r: A.B is the interval, C.D the burst times the interval
--   d: A calls in a day
--   c: A calls at the same time
-- A time is two whole numbers, seconds and nanoseconds: one number of Lua has no room for both.
--
-- Group 0 is enforced: all of it is taken, or nothing at all. Of each other group all or nothing is taken.
--
-- Returns {1, CHARGE, S, NS}: refused for CHARGE (from 0), with the time to wait; or {0, CHARGE...}: taken, and of
-- each group that was not, a charge that had nothing left.
local now = redis.call('TIME')
local now_s, now_n = tonumber(now[1]), tonumber(now[2]) * 1000
local now_us = now_s * 1000000 + tonumber(now[2])
local G = 1000000000

local function text(number)
  return string.format('%.0f', number)
end

local function plus(s1, n1, s2, n2)
  local s, n = s1 + s2, n1 + n2
  if n >= G then
    return s + 1, n - G
  end
  return s, n
end

local function is_after(s1, n1, s2, n2)
  return s1 > s2 or (s1 == s2 and n1 > n2)
end

-- Each returns the command that writes what is to be remembered; or nil and how long to wait.
local charge = {}

function charge.r(key, interval_s, interval_n, burst_s, burst_n)
  local free_s, free_n = now_s, now_n
  local kept_s, kept_n = string.match(redis.call('GET', key) or '', '^(%d+)%.(%d+)$')
  kept_s, kept_n = tonumber(kept_s or 0), tonumber(kept_n or 0)
  if is_after(kept_s, kept_n, free_s, free_n) then
    free_s, free_n = kept_s, kept_n
  end
  local most_s, most_n = plus(now_s, now_n, burst_s, burst_n)
  if is_after(free_s, free_n, most_s, most_n) then
    free_s, free_n = most_s, most_n
  end
  local next_s, next_n = plus(free_s, free_n, interval_s, interval_n)
  if is_after(next_s, next_n, most_s, most_n) then
    local wait_s, wait_n = next_s - most_s, next_n - most_n
    if wait_n < 0 then
      return nil, wait_s - 1, wait_n + G
    end
    return nil, wait_s, wait_n
  end
  local idle_ms = (next_s - now_s) * 1000 + math.ceil((next_n - now_n) / 1000000)
  return {'SET', key, text(next_s) .. '.' .. text(next_n), 'PX', text(math.max(idle_ms, 1))}
end

function charge.d(key, quota)
  local today, left = math.floor(now_s / 86400), 86400 - now_s % 86400
  local day, used = string.match(redis.call('GET', key) or '', '^(%d+):(%d+)$')
  day, used = tonumber(day or 0), tonumber(used or 0)
  if day < today then
    used = 0
  end
  if used >= quota then
    return nil, left, 0
  end
  -- An hour longer, for a clock that is set back.
  return {'SET', key, text(today) .. ':' .. text(used + 1), 'PX', text((left + 3600) * 1000)}
end

function charge.c(key, most)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now_us))
  if redis.call('ZCARD', key) >= most then
    return nil, 1, 0
  end
  return {'ZADD', key, text(now_us + tonumber(ARGV[2])), ARGV[1]}
end

local function asked(nth)
  return string.match(ARGV[nth + 2], '^(%d+) (%a) (%d+) (%d+) (%d+) (%d+)$')
end

local reply, nth = {0}, 1
while nth <= #KEYS do
  local group = asked(nth)
  local writes, lacking, wait_s, wait_n = {}, nil, 0, 0
  while nth <= #KEYS do
    local of, kind, a, b, c, d = asked(nth)
    if of ~= group then
      break
    end
    local write, s, n = charge[kind](KEYS[nth], tonumber(a), tonumber(b), tonumber(c), tonumber(d))
    if write then
      writes[#writes + 1] = write
    elseif not lacking or is_after(s, n, wait_s, wait_n) then
      lacking, wait_s, wait_n = nth - 1, s, n
    end
    nth = nth + 1
  end
  if not lacking then
    for _, write in ipairs(writes) do
      redis.call(unpack(write))
      if write[1] == 'ZADD' then
        redis.call('PEXPIRE', write[2], text(tonumber(ARGV[2]) / 1000))
      end
    end
  elseif group == '0' then
    return {1, lacking, wait_s, wait_n}
  else
    reply[#reply + 1] = lacking
  end
end
return reply

-- The load of tests/compare/etcd by JSON, for wrk; its words after the URL:
--
--   wrk ... -s load.lua URL -- vesper|etcd put|get KEYS VALUE_SIZE [COUNT]
--
-- Each request is for one of KEYS keys, drawn at random; all requests are made before the first is sent. Every reply is
-- looked at. done() prints one line of JSON. With COUNT the keys are put in their order, and wrk ends with the COUNTth
-- reply: so the keys come in, and as many PUTs into the one system as into the other.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 0, 3 do
      local digit = math.floor(bits / 64 ^ (3 - place)) % 64 + 1
      local is_filler = (place == 2 and not b) or (place == 3 and not c)
      table.insert(out, is_filler and "=" or DIGITS:sub(digit, digit))
    end
  end
  return table.concat(out)
end

-- As etcd_load.cc makes them.
local function key_of(index)
  return string.format("key-%08d", index)
end

local function value_of(index, size)
  local key = key_of(index)
  return key .. string.rep("v", size - #key)
end

local MAKERS = {
  vesper = {
    put = function(key, value)
      return "PUT", "/request", string.format('{"type":"put","payload":{"key":"%s","value":"%s"}}', key, value)
    end,
    get = function(key)
      return "GET", "/request", string.format('{"type":"get","payload":{"key":"%s"}}', key)
    end,
  },
  etcd = {
    put = function(key, value)
      return "POST", "/v3/kv/put", string.format('{"key":"%s","value":"%s"}', base64(key), base64(value))
    end,
    get = function(key)
      return "POST", "/v3/kv/range", string.format('{"key":"%s"}', base64(key))
    end,
  },
}

-- What a reply has in it that is a success: a get has found its value.
local SUCCESS = {
  vesper = {put = {'"code":"success"'}, get = {'"code":"success"', '"value"'}},
  etcd = {put = {'"revision"'}, get = {'"revision"', '"value"'}},
}

local requests, success, count = {}, {}, nil
local sent, good = 0, 0
bad, told = 0, ""

function init(words)
  local system, op, keys, value_size = words[1], words[2], tonumber(words[3]), tonumber(words[4])
  count, success = tonumber(words[5]), SUCCESS[system][op]
  math.randomseed(1000 + number)
  local headers = {["Content-Type"] = "application/json"}
  for index = 0, keys - 1 do
    local method, path, body = MAKERS[system][op](key_of(index), value_of(index, value_size))
    table.insert(requests, wrk.format(method, path, headers, body))
  end
end

function request()
  sent = sent + 1
  return requests[count and (sent - 1) % #requests + 1 or math.random(#requests)]
end

local function is_success(status, body)
  for _, words in ipairs(success) do
    if not body:find(words, 1, true) then return false end
  end
  return status == 200
end

function response(status, _, body)
  if is_success(status, body) then
    good = good + 1
  else
    bad = bad + 1
    if told == "" then told = status .. " " .. body:sub(1, 200) end
  end
  if count and good + bad == count then  -- nothing else ends wrk before its time
    print(string.format('{"ok":%d,"errors":%d,"told":"%s"}', good, bad, base64(told)))
    io.stdout:flush()
    os.exit(0)
  end
end

function done(summary, latency)
  local failed, first = 0, ""
  for _, thread in ipairs(threads) do
    failed = failed + thread:get("bad")
    if first == "" then first = thread:get("told") end
  end
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  if first == "" and broken > 0 then
    first = string.format("connect %d, read %d, write %d, timeout %d",
                          errors.connect, errors.read, errors.write, errors.timeout)
  end
  local ok = summary.requests - failed
  print(string.format('{"per_second":%.1f,"p50_ms":%.3f,"p99_ms":%.3f,"ok":%d,"errors":%d,"told":"%s"}',
                      ok / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
                      ok, failed + broken, base64(first)))
end

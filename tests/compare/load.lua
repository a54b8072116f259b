-- The load of tests/compare/etcd and tests/compare/growth by JSON, for wrk; its words after the URL:
--
--   wrk ... -s load.lua URL -- vesper|etcd put|get KEYS VALUE_SIZE before|each [COUNT]
--
-- Each request is for one of KEYS keys, drawn at random. All requests are made before the first is sent ("before"), or
-- each as it is sent ("each": however many keys there are and however long the values, it takes no more memory, and
-- the same time a key). Every reply is looked at. done() prints one line of JSON. With COUNT the keys are put in their
-- order, and wrk ends with the COUNTth reply: so the keys come in, and as many PUTs into the one system as into the
-- other.

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

local request_of, key_count, success, count
local sent, good = 0, 0
bad, told = 0, ""

-- As many bytes for every index, and only the key's differ. (Of etcd's too: a key's bytes come to whole digits.)
local function request_maker(system, op, value_size)
  local headers = {["Content-Type"] = "application/json"}
  return function(index)
    local method, path, body = MAKERS[system][op](key_of(index), value_of(index, value_size))
    return wrk.format(method, path, headers, body)
  end
end

-- The same requests, by putting keys into what lies between them.
local function quick_request_maker(system, op, value_size)
  local model = request_maker(system, op, value_size)(0)
  local encode = system == "etcd" and base64 or function(key) return key end
  local first, last = model:find(encode(key_of(0)), 1, true)
  local head, tail = model:sub(1, first - 1), model:sub(last + 1)
  local again, again_last = tail:find(encode(key_of(0)), 1, true)
  if not again then
    return function(index) return head .. encode(key_of(index)) .. tail end
  end
  local middle, rest = tail:sub(1, again - 1), tail:sub(again_last + 1)
  return function(index)
    local key = encode(key_of(index))
    return head .. key .. middle .. key .. rest
  end
end

function init(words)
  local system, op, value_size = words[1], words[2], tonumber(words[4])
  key_count, count, success = tonumber(words[3]), tonumber(words[6]), SUCCESS[system][op]
  math.randomseed(1000 + number)
  if words[5] == "each" then
    request_of = quick_request_maker(system, op, value_size)
    return
  end
  local make, requests = request_maker(system, op, value_size), {}
  for index = 0, key_count - 1 do requests[index] = make(index) end
  request_of = function(index) return requests[index] end
end

function request()
  sent = sent + 1
  return request_of(count and (sent - 1) % key_count or math.random(key_count) - 1)
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

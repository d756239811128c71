-- Refuses request bodies above a size, whether or not they announce their length (chunked), and
-- those that take too long to arrive.
--   filter lua.body-limit <bytes> <message> <seconds> <message>
-- The rest of a large body is read and discarded, because a client that is still sending when
-- the connection closes never sees the answer. Then txn.refusal is set to the message, txn.refused
-- to `large` or `slow`, and the request fails with status 400, which the configuration turns into
-- 413 or 408.

local DRAINED = 64 -- times the limit: what is read before the connection is closed all the same

local BodyLimit = {}
BodyLimit.id = "body-limit"
BodyLimit.flags = filter.FLT_CFG_FL_HTX

-- One per request; `self` is the configured filter, which holds limit and message.
function BodyLimit:new()
    return setmetatable({ received = 0, begun = core.now().sec }, { __index = self })
end

local function refuse(txn, kind, message)
    txn:set_var("txn.refused", kind)
    txn:set_var("txn.refusal", message)
    -- Returning filter.ERROR has no effect (HAProxy 2.6.12); an error ends the request with 400.
    error("request body refused: " .. message, 0)
end

function BodyLimit:http_headers(txn, message)
    if not message:is_resp() then
        filter.register_data_filter(self, message.channel)
    end
end

function BodyLimit:http_payload(txn, message)
    -- input() also counts the end mark of a chunked body; body() has only the content.
    self.received = self.received + #(message:body() or "")
    if core.now().sec - self.begun > self.seconds then
        refuse(txn, "slow", self.too_slow)
    end
    if self.received <= self.limit then
        return message:input()
    end
    if message:eom() or self.received > DRAINED * self.limit then
        refuse(txn, "large", self.too_large)
    end
    message:remove()
    return 0
end

core.register_filter("body-limit", BodyLimit, function(filter, arguments)
    filter.limit = tonumber(arguments[1])
    filter.too_large = arguments[2]
    filter.seconds = tonumber(arguments[3])
    filter.too_slow = arguments[4]
    return filter
end)

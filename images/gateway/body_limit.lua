-- Refuses request bodies above a limit, whether or not they announce their length (chunked).
--   filter lua.body-limit <bytes> <message>
-- The rest of such a body is read and thrown away, because a client that is still sending when
-- the connection closes never sees the answer. Then txn.refusal is set to the message and the
-- request fails with status 400, which the configuration turns into 413.

local DRAINED = 64 -- times the limit: what is read before the connection is closed all the same

local BodyLimit = {}
BodyLimit.id = "body-limit"
BodyLimit.flags = filter.FLT_CFG_FL_HTX

-- One per request; `self` is the configured filter, which holds limit and message.
function BodyLimit:new()
    return setmetatable({ received = 0 }, { __index = self })
end

function BodyLimit:http_headers(txn, message)
    if not message:is_resp() then
        filter.register_data_filter(self, message.channel)
    end
end

function BodyLimit:http_payload(txn, message)
    -- input() also counts the mark at the end of a chunked body; body() has the content alone.
    self.received = self.received + #(message:body() or "")
    if self.received <= self.limit then
        return message:input()
    end
    if message:eom() or self.received > DRAINED * self.limit then
        txn:set_var("txn.refusal", self.refusal)
        -- Returning filter.ERROR has no effect (HAProxy 2.6.12); an error ends the request with 400.
        error("request body above " .. self.limit .. " bytes", 0)
    end
    message:remove()
    return 0
end

core.register_filter("body-limit", BodyLimit, function(filter, arguments)
    filter.limit = tonumber(arguments[1])
    filter.refusal = arguments[2]
    return filter
end)

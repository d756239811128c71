-- The gateway's refusals: `http-request use-service lua.refuse-<kind>` answers with one.
-- HAProxy reads the rest of a request that such a service has answered. After `deny` it does not:
-- the connection of a client that is still sending is reset, and the answer lost.

local REFUSALS = {
    ["host"] = { 421, "this host is not served here" },
    ["origin"] = { 403, "this origin is not allowed" },
    ["token"] = { 401, "a bearer token is needed" },
    ["path"] = { 404, "no such server" },
    ["server"] = { 403, "this caller may not use this server" },
    ["size"] = { 413, "the body is larger than " .. os.getenv("BODY_LIMIT") .. " bytes" },
    ["rate"] = { 429, "too many calls by this caller" },
    ["replica"] = { 503, "no replica of this server is healthy" },
}
local RETRY_AFTER = { ["rate"] = "10", ["replica"] = "2" } -- seconds

for kind, refusal in pairs(REFUSALS) do
    local status, message = table.unpack(refusal)
    local text = '{"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "' .. message .. '"}}'

    core.register_service("refuse-" .. kind, "http", function(applet)
        applet:set_status(status)
        applet:add_header("Content-Type", "application/json")
        applet:add_header("Content-Length", tostring(#text))
        if RETRY_AFTER[kind] then
            applet:add_header("Retry-After", RETRY_AFTER[kind])
        end
        if status == 401 then
            local given = applet.headers["authorization"] and ', error="invalid_token"' or ""
            applet:add_header("WWW-Authenticate", 'Bearer realm="sophia"' .. given)
        end
        applet:start_response()
        applet:send(text)
    end)
end

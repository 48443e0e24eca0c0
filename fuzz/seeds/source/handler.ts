const m = require("m");
server.setRequestHandler(CallToolRequestSchema, async (r) => { switch (r.params.name) { case "x": return m.f(r); } });

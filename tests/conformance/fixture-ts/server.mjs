// A server for the MCP conformance suite, on the official TypeScript SDK.
//
//     node server.mjs PORT    Streamable HTTP on http://127.0.0.1:PORT/mcp, both protocol eras

import { randomUUID } from 'node:crypto';
import { createMcpExpressApp } from '@modelcontextprotocol/express';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { createMcpHandler, isInitializeRequest, isLegacyRequest, McpServer } from '@modelcontextprotocol/server';
import { addPrompts, addResources } from './documents.mjs';
import { MemoryEventStore } from './event-store.mjs';
import { addMultiRound, stateCodec } from './multi-round.mjs';
import { addTools } from './tools.mjs';

const RETRY_MS = 100;
const CACHEABLE = ['server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read'];

function build() {
    const server = new McpServer(
        { name: 'pilothouse-conformance-fixture-ts', version: '1.0.0' },
        {
            capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
            cacheHints: Object.fromEntries(CACHEABLE.map(method => [method, { ttlMs: 1000, cacheScope: 'public' }])),
            requestState: { verify: stateCodec.verify }
        }
    );
    addTools(server, () => modern.notify);
    addMultiRound(server);
    addResources(server);
    addPrompts(server);
    server.server.setRequestHandler('resources/subscribe', () => ({}));
    server.server.setRequestHandler('resources/unsubscribe', () => ({}));
    return server;
}

// 2026-07-28: one fresh server for each request.
const modern = createMcpHandler(build, { legacy: 'reject' });
const serveModern = toNodeHandler(modern);

// 2025-11-25: one server for each session.
const sessions = new Map();

async function serveLegacy(req, res) {
    const id = req.headers['mcp-session-id'];
    const transport = id === undefined && isInitializeRequest(req.body) ? await openSession() : sessions.get(id);
    if (transport !== undefined) return transport.handleRequest(req, res, req.body);
    const [status, message] = id === undefined ? [400, 'a session id is required'] : [404, 'no such session'];
    res.status(status).json({ jsonrpc: '2.0', id: null, error: { code: -32000, message } });
}

async function openSession() {
    const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: new MemoryEventStore(),
        retryInterval: RETRY_MS,
        onsessioninitialized: id => void sessions.set(id, transport),
        onsessionclosed: id => void sessions.delete(id)
    });
    await build().connect(transport);
    return transport;
}

const port = Number(process.argv[2]);
if (!Number.isInteger(port) || port <= 0) {
    console.error('usage: node server.mjs PORT');
    process.exit(2);
}
const app = createMcpExpressApp();
app.all('/mcp', async (req, res) => {
    const legacy = await isLegacyRequest(await toWebRequest(req, req.body), req.body);
    await (legacy ? serveLegacy(req, res) : serveModern(req, res, req.body));
});
app.listen(port, '127.0.0.1', () => console.error(`listening on http://127.0.0.1:${port}/mcp`));

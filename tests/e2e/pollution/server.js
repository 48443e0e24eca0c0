// A server of settings, as many are: what a tool is given is laid over what is there.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { apply } from './settings.js';

const server = new McpServer({ name: 'settings', version: '1.0.0' });
server.registerTool('change_settings', { inputSchema: { patch: z.string() } }, async ({ patch }) => {
  const changed = apply(JSON.parse(patch));
  return { content: [{ type: 'text', text: JSON.stringify(changed) }] };
});
server.registerTool('version', { inputSchema: {} }, async () => ({ content: [{ type: 'text', text: '1' }] }));
await server.connect(new StdioServerTransport());

// The tools that answer in one round, as the conformance suite expects them by name.

import { setTimeout as sleep } from 'node:timers/promises';
import { fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { audio, image, resource, say, text, toolResult } from './content.mjs';
import { SCHEMAS } from './data.mjs';

const STEP_MS = 50;

export function addTools(server, changes) {
    const tool = (name, description, run) => server.registerTool(name, { description }, run);
    const toolWith = (name, description, inputSchema, run) => server.registerTool(name, { description, inputSchema }, run);

    tool('test_simple_text', 'Answers with one text item', () => say('This is a simple text response for testing.'));
    tool('test_image_content', 'Answers with one image', () => toolResult(image()));
    tool('test_audio_content', 'Answers with one sound', () => toolResult(audio()));
    tool('test_embedded_resource', 'Answers with one embedded resource', () =>
        toolResult(resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'))
    );
    tool('test_multiple_content_types', 'Answers with text, an image and a resource', () =>
        toolResult(
            text('Multiple content types test:'),
            image(),
            resource('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 }))
        )
    );
    tool('test_error_handling', 'Always fails', () => {
        throw new Error('This tool intentionally returns an error for testing');
    });

    tool('test_tool_with_progress', 'Reports three steps of progress when the caller gave a token', async ctx => {
        for (const done of [0, 50, 100]) {
            await reportProgress(ctx, done, 100);
            await sleep(STEP_MS);
        }
        return say('Three steps done');
    });
    tool('test_tool_with_logging', 'Sends three log messages', async ctx => {
        for (const words of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
            await ctx.mcpReq.log('info', words);
            await sleep(STEP_MS);
        }
        return say('Three messages logged');
    });
    tool('test_logging_tool', 'Sends one log message, which only a caller that asked for logs may see', async ctx => {
        await ctx.mcpReq.log('info', 'One message from test_logging_tool');
        return say('One message logged');
    });

    toolWith('test_sampling', "Asks the client's model", z.object({ prompt: z.string() }), async ({ prompt }, ctx) => {
        const question = { role: 'user', content: text(prompt) };
        const params = { messages: [question], maxTokens: 100 };
        const answer = await ctx.mcpReq.requestSampling(params, { relatedRequestId: ctx.mcpReq.id });
        return say(`LLM response: ${answer.content.text ?? answer.content.type}`);
    });
    toolWith('test_elicitation', 'Asks the user for name and address', z.object({ message: z.string() }), async ({ message }, ctx) =>
        say(`User response: ${await askUser(ctx, message, SCHEMAS.userForm)}`)
    );
    tool('test_elicitation_sep1034_defaults', 'Shows the user a form with defaults', async ctx =>
        say(`Elicitation completed: ${await askUser(ctx, 'Please check these values', SCHEMAS.formWithDefaults)}`)
    );
    tool('test_elicitation_sep1330_enums', 'Shows the user a form with every kind of choice', async ctx =>
        say(`Elicitation completed: ${await askUser(ctx, 'Please choose', SCHEMAS.formWithEnums)}`)
    );

    // The SDK itself refuses to ask a client that has not declared sampling.
    tool('test_missing_capability', 'Needs a client that can sample', () =>
        inputRequired({
            inputRequests: {
                thought: inputRequired.createMessage({ messages: [{ role: 'user', content: text('Say one word') }], maxTokens: 10 })
            }
        })
    );
    tool('test_reconnection', 'Closes its own event stream in the middle of the call', async ctx => {
        ctx.http?.closeSSE?.();
        await sleep(2 * STEP_MS);
        return say('Delivered after the stream was closed');
    });

    toolWith('json_schema_2020_12_tool', 'Lists a rich JSON Schema 2020-12', fromJsonSchema(SCHEMAS.jsonSchema2020), given =>
        say(JSON.stringify(given))
    );
    toolWith('test_x_mcp_header', 'Takes an argument that clients repeat in a header', fromJsonSchema(SCHEMAS.regionHeader), ({ region }) =>
        say(`region=${region}`)
    );

    tool('test_trigger_tool_change', 'Announces a change of the tool list', () => {
        changes().toolsChanged();
        return say('Announced');
    });
    tool('test_trigger_prompt_change', 'Announces a change of the prompt list', () => {
        changes().promptsChanged();
        return say('Announced');
    });
}

export async function reportProgress(ctx, progress, total) {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    if (progressToken === undefined) return;
    await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total } });
}

async function askUser(ctx, message, requestedSchema) {
    const answer = await ctx.mcpReq.elicitInput({ message, requestedSchema }, { relatedRequestId: ctx.mcpReq.id });
    return `action=${answer.action}, content=${JSON.stringify(answer.content)}`;
}

// Tools and a prompt that need input from the client before they can answer (2026-07-28).

import { acceptedContent, createRequestStateCodec, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { promptResult, say, text } from './content.mjs';
import { FORMS } from './data.mjs';
import { reportProgress } from './tools.mjs';

const CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';

export const stateCodec = createRequestStateCodec({ key: 'a key that only protects states in a test run' });

export function addMultiRound(server) {
    const tool = (name, description, run) => server.registerTool(name, { description }, run);

    tool('test_input_required_result_elicitation', 'Greets the user, whose name it has to ask for', ctx => {
        const name = formValue(ctx, 'user_name', 'name');
        return typeof name === 'string' ? say(`Hello, ${name}!`) : need({ user_name: askName() });
    });
    tool('test_input_required_result_sampling', "Passes on what the client's model says", ctx => {
        const capital = sampled(ctx, 'capital_question');
        if (capital === undefined) return need({ capital_question: sample('What is the capital of France?', 100) });
        return say(`The model said: ${capital}`);
    });
    tool('test_input_required_result_list_roots', "Names the client's roots", ctx => {
        const found = roots(ctx, 'client_roots');
        return found === undefined ? need({ client_roots: inputRequired.listRoots() }) : say(`Client roots: ${found}`);
    });
    tool('test_input_required_result_request_state', 'Asks for a confirmation and gives the client a state to bring back', confirm);
    tool('test_input_required_result_tampered_state', 'Accepts its state only unchanged', confirm);

    tool('test_input_required_result_multiple_inputs', 'Asks for three things at once', async ctx => {
        const name = formValue(ctx, 'user_name', 'name');
        const greeting = sampled(ctx, 'greeting');
        const found = roots(ctx, 'client_roots');
        if (name !== undefined && greeting !== undefined && found !== undefined) return say(`${greeting} ${name}; roots: ${found}`);
        return need(
            { user_name: askName(), greeting: sample('Generate a greeting', 50), client_roots: inputRequired.listRoots() },
            await stateCodec.mint('three answers pending')
        );
    });

    tool('test_input_required_result_multi_round', 'Asks two questions, one after the other', async ctx => {
        const state = ctx.mcpReq.requestState() ?? {};
        const name = state.name ?? formValue(ctx, 'step1', 'name');
        if (name === undefined) return need({ step1: askName() }, await stateCodec.mint({ round: 1 }));
        const color = formValue(ctx, 'step2', 'color');
        if (color !== undefined) return say(`${name} likes ${color}`);
        return need({ step2: elicit('Which color do you like?', 'color') }, await stateCodec.mint({ round: 2, name }));
    });

    tool('test_input_required_result_capabilities', 'Asks only for what the client can answer', ctx => {
        const declared = ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES] ?? {};
        const requests = {
            ...(declared.sampling && { thought: sample('Say one word', 10) }),
            ...(declared.elicitation && { user_name: askName() })
        };
        if (Object.keys(requests).length === 0 || ctx.mcpReq.inputResponses) return say('Nothing left to ask');
        return need(requests);
    });

    tool('test_streaming_elicitation', 'Would rather ask the user; must not do so with a request of its own', async ctx => {
        await reportProgress(ctx, 1, 2);
        const name = formValue(ctx, 'user_name', 'name');
        return name === undefined ? need({ user_name: askName() }) : say(`Hello, ${name}!`);
    });

    server.registerPrompt('test_input_required_result_prompt', { description: 'Asks for context first' }, ctx => {
        const context = formValue(ctx, 'user_context', 'context');
        if (context === undefined) return need({ user_context: elicit('What is this about?', 'context') });
        return promptResult(text(`Context: ${context}`));
    });
}

async function confirm(ctx) {
    const returned = ctx.mcpReq.requestState() !== undefined;
    if (returned && formValue(ctx, 'confirm', 'ok') !== undefined) return say('state-ok');
    return need({ confirm: elicit('Go on?', 'ok') }, await stateCodec.mint('confirmation pending'));
}

const need = (inputRequests, requestState) => inputRequired({ inputRequests, ...(requestState && { requestState }) });
const elicit = (message, form) => inputRequired.elicit({ message, requestedSchema: FORMS[form] });
const askName = () => elicit('What is your name?', 'name');
const sample = (prompt, maxTokens) => inputRequired.createMessage({ messages: [{ role: 'user', content: text(prompt) }], maxTokens });

const formValue = (ctx, key, field) => acceptedContent(ctx.mcpReq.inputResponses, key)?.[field];

function sampled(ctx, key) {
    const answer = inputResponse(ctx.mcpReq.inputResponses, key);
    return answer.kind === 'sampling' ? (answer.result.content.text ?? '(not text)') : undefined;
}

function roots(ctx, key) {
    const answer = inputResponse(ctx.mcpReq.inputResponses, key);
    return answer.kind === 'roots' ? answer.roots.map(root => root.uri).join(', ') || 'none' : undefined;
}

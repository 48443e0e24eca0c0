// The resources and prompts of the fixture.

import { completable, ResourceTemplate } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { image, promptResult, resource, text } from './content.mjs';
import { PNG } from './data.mjs';

const KNOWN_WORDS = ['paris', 'park', 'party', 'test-one', 'test-two'];

export function addResources(server) {
    const addText = (name, uri, words) =>
        server.registerResource(name, uri, { description: `The text ${name}`, mimeType: 'text/plain' }, () => ({
            contents: [{ uri, mimeType: 'text/plain', text: words }]
        }));
    addText('static-text', 'test://static-text', 'This is the content of the static text resource.');
    addText('watched', 'test://watched-resource', 'Nothing has changed yet.');

    server.registerResource('static-binary', 'test://static-binary', { description: 'A picture', mimeType: 'image/png' }, uri => ({
        contents: [{ uri: uri.href, mimeType: 'image/png', blob: PNG }]
    }));

    const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
    const described = { description: 'Data of one id', mimeType: 'application/json' };
    server.registerResource('template', template, described, (uri, { id }) => ({
        contents: [
            {
                uri: uri.href,
                mimeType: 'application/json',
                text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
            }
        ]
    }));
}

export function addPrompts(server) {
    server.registerPrompt('test_simple_prompt', { description: 'One message' }, () =>
        promptResult(text('This is a simple prompt for testing.'))
    );

    const word = () => completable(z.string(), start => KNOWN_WORDS.filter(known => known.startsWith(start)));
    const twoWords = z.object({ arg1: word(), arg2: word() });
    server.registerPrompt('test_prompt_with_arguments', { description: 'Repeats its arguments', argsSchema: twoWords }, ({ arg1, arg2 }) =>
        promptResult(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))
    );

    const oneUri = z.object({ resourceUri: z.string() });
    server.registerPrompt('test_prompt_with_embedded_resource', { description: 'Embeds a resource', argsSchema: oneUri }, ({ resourceUri }) =>
        promptResult(
            resource(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
            text('Please process the embedded resource above.')
        )
    );
    server.registerPrompt('test_prompt_with_image', { description: 'Embeds a picture' }, () =>
        promptResult(image(), text('Please analyze the image above.'))
    );
}

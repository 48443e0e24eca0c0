// Short forms for content items, tool results and prompt results.

import { PNG, WAV } from './data.mjs';

export const text = words => ({ type: 'text', text: words });
export const image = () => ({ type: 'image', data: PNG, mimeType: 'image/png' });
export const audio = () => ({ type: 'audio', data: WAV, mimeType: 'audio/wav' });
export const resource = (uri, mimeType, words) => ({ type: 'resource', resource: { uri, mimeType, text: words } });

export const toolResult = (...content) => ({ content });
export const say = words => toolResult(text(words));
export const promptResult = (...blocks) => ({ messages: blocks.map(content => ({ role: 'user', content })) });

// What both fixture servers offer, as JavaScript values.

import { readFileSync } from 'node:fs';

const file = name => readFileSync(new URL(`../fixture-data/${name}`, import.meta.url));

export const SCHEMAS = JSON.parse(file('schemas.json'));
export const FORMS = SCHEMAS.textForms;
export const PNG = file('pixel.png').toString('base64');
export const WAV = file('silence.wav').toString('base64');

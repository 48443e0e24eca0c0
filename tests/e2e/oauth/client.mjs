// An official TypeScript client that meets a protected server for the first time: it finds the authorization server
// by our 401, registers, and comes back with a token. The browser is `walk`.
//
// usage: client.mjs sdk|client URL [TOKEN]; prints one JSON object.
// With TOKEN it has that and no way to get another.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [which, url, given] = process.argv.slice(2)
const require = createRequire(process.env.CLIENT_DEPS + '/')
const load = (name) => import(pathToFileURL(require.resolve(name)))
let Client, Transport, Unauthorized
if (which === 'sdk') {
  ;({ Client } = await load('@modelcontextprotocol/sdk/client/index.js'))
  ;({ StreamableHTTPClientTransport: Transport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js'))
  ;({ UnauthorizedError: Unauthorized } = await load('@modelcontextprotocol/sdk/client/auth.js'))
} else {
  ;({ Client, StreamableHTTPClientTransport: Transport, UnauthorizedError: Unauthorized } = await load(
    '@modelcontextprotocol/client'
  ))
}

const REDIRECT = 'http://127.0.0.1:9/callback'
let arrived

// What a browser does: follows redirects and keeps cookies, until it is sent to the client's own address.
async function walk(target) {
  const cookies = new Map()
  for (let steps = 0; steps < 20; steps += 1) {
    if (target.href.startsWith(REDIRECT)) return target.searchParams
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(target, { redirect: 'manual', headers: { cookie } })
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';')
      const at = pair.indexOf('=')
      cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    const next = answer.headers.get('location')
    if (!next) throw new Error(`${target} answered ${answer.status} ${await answer.text()}`)
    target = new URL(next, target)
  }
  throw new Error('redirected too often')
}

const kept = {}
const provider = {
  redirectUrl: REDIRECT,
  clientMetadata: {
    client_name: 'suite',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  redirectToAuthorization: async (target) => {
    kept.authorization = target.href
    arrived = await walk(target)
  },
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
}

const options = given
  ? { requestInit: { headers: { Authorization: `Bearer ${given}` } } }
  : { authProvider: provider }
let transport = new Transport(new URL(url), options)
let client = new Client({ name: 'suite', version: '1' })
const out = {}
try {
  try {
    await client.connect(transport)
  } catch (error) {
    if (!(error instanceof Unauthorized) || given) throw error
    out.unauthorized_first = true
    await transport.finishAuth(which === 'sdk' ? arrived.get('code') : arrived)
    transport = new Transport(new URL(url), options)
    client = new Client({ name: 'suite', version: '1' })
    await client.connect(transport)
  }
  out.tools = (await client.listTools()).tools.map((tool) => tool.name)
  out.result = (await client.callTool({ name: 'echo', arguments: { text: 'x' } })).isError ?? false
  await client.close()
} catch (error) {
  out.error = String(error.message ?? error)
}
out.token = kept.tokens?.access_token
out.resource = kept.authorization && new URL(kept.authorization).searchParams.get('resource')
out.pkce = kept.authorization && new URL(kept.authorization).searchParams.get('code_challenge_method')
out.registered = kept.client?.client_id !== undefined
console.log(JSON.stringify(out))
process.exit(0)

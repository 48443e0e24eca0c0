// The authorization server: oidc-provider, with dynamic registration, PKCE, resource indicators and JWT access
// tokens. Whoever comes is logged in as SUBJECT and agrees to everything, so that no person is needed.
//
// usage: server.mjs PORT JWKS_FILE SUBJECT
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(process.env.OAUTH_DEPS + '/')
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')))

const [port, jwksFile, subject] = process.argv.slice(2)
const issuer = `http://127.0.0.1:${port}`
const jwks = JSON.parse(readFileSync(jwksFile, 'utf8'))

const provider = new Provider(issuer, {
  jwks,
  cookies: { keys: ['only for this test'] },
  scopes: ['openid', 'offline_access', 'mcp:use'],
  clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'none' },
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  ttl: { AccessToken: 600 },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: 'mcp:use',
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: jwks.keys[0].alg } },
      }),
    },
  },
  extraTokenClaims: () => ({ groups: ['readers'] }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
})

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next()
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res)
  if (prompt.name === 'login') {
    return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: subject } })
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  grant.addOIDCScope('openid mcp:use offline_access')
  if (params.resource) grant.addResourceScope([params.resource].flat()[0], 'mcp:use')
  const grantId = await grant.save()
  return provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId } }, { mergeWithLastSubmission: true })
})

provider.on('server_error', (_, error) => console.error(error))
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${issuer}`))

// The identity provider upstream of the black-box tests: npm's oidc-provider, as it comes.
//
// Its clients register themselves (RFC 7591, with the token in the settings), so one provider
// serves every server under test, each with the signing algorithm it asks for. Access tokens for a
// resource (RFC 8707, or Auth0's `audience`) are JWTs that say who the user is. Any name logs in,
// and every login is a grant of its own. `/_test/users/NAME`, `/_test/clients/ID` and
// `/_test/settings` change what it says; what it cannot be made to get wrong, a proxy in front of it does.
//
// Started with its settings as JSON in the first argument; prints its port once it listens.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const given = JSON.parse(process.argv[2]);
const scopes = ['openid', 'offline_access', 'profile', 'email'];
const settings = { accessTokenTTL: 3600, rotate: true, refresh: true };
const users = new Map();

const provider = new Provider(given.issuer, {
  jwks: {
    keys: [
      key('rsa', { modulusLength: 2048 }, { kid: 'upstream-rsa', alg: 'RS256' }),
      key('ec', { namedCurve: 'P-256' }, { kid: 'upstream-ec', alg: 'ES256' }),
    ],
  },
  cookies: { keys: ['only for tests'] },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'HS256'] },
  scopes,
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
  },
  conformIdTokenClaims: false, // as Auth0 does: names and e-mail are in the ID token
  extraParams: ['audience'],
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true, initialAccessToken: given.registrationToken },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client, oneOf) => oneOf ?? ctx.oidc.params.audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, audience) => ({
        audience,
        scope: scopes.join(' '),
        accessTokenFormat: 'jwt',
        accessTokenTTL: settings.accessTokenTTL,
        jwt: { sign: { alg: audience.includes('es256') ? 'ES256' : 'RS256' } },
      }),
    },
  },
  expiresWithSession: () => false, // a login outlives the browser's
  extraTokenClaims: (ctx, token) => token.accountId && { ...claimsOf(token.accountId), sub: undefined },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => claimsOf(id) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: () => settings.refresh,
  loadExistingGrant: granted,
  rotateRefreshToken: () => settings.rotate,
  ttl: {
    AccessToken: () => settings.accessTokenTTL,
    Grant: 86400,
    IdToken: 3600,
    Interaction: 3600,
    RefreshToken: 86400,
    Session: 86400,
  },
});
provider.use(async (ctx, next) => {
  const [, root, ...names] = ctx.path.split('/').map(decodeURIComponent);
  if (root === 'interaction') return interact(ctx, await body(ctx));
  if (root === '_test') return instruct(ctx, names, JSON.parse(await body(ctx)));
  return next();
});
provider.on('server_error', (ctx, error) => console.error(error));

const server = createServer(provider.callback());
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

// Out of the name alone, unless a test has said more.
function claimsOf(name) {
  const [local] = name.split('@');
  const email = name.includes('@') ? name : `${name}@example.com`;
  const claims = { preferred_username: email, name: `${local} of the tests`, email, email_verified: true };
  return { sub: name, ...claims, ...users.get(name) };
}

// Whoever logs in grants all that is asked.
async function granted(ctx) {
  const { client, account, params, resourceServers } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId });
  grant.addOIDCScope(params.scope ?? 'openid');
  Object.keys(resourceServers).forEach((name) => grant.addResourceScope(name, scopes.join(' ')));
  await grant.save();
  return grant;
}

// The login page, and what it submits.
async function interact(ctx, form) {
  const { prompt } = await provider.interactionDetails(ctx.req, ctx.res);
  const fields = new URLSearchParams(form);
  if (ctx.method === 'POST') {
    const answers = { login: { login: { accountId: fields.get('login') } }, consent: { consent: {} } };
    const denied = { error: 'access_denied', error_description: 'the user said no' };
    const result = fields.has('cancel') ? denied : answers[prompt.name];
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }
  const name = '<label>Name <input name="login" required autofocus></label>';
  ctx.type = 'html';
  ctx.body = `<!doctype html><html lang="en"><title>Upstream</title><h1>Upstream</h1><form method="post">
    ${prompt.name === 'login' ? name : ''}
    <button>Continue</button><button name="cancel" value="1" formnovalidate>Cancel</button></form>`;
}

async function instruct(ctx, [kind, name], told) {
  const { adapter } = provider.Client;
  if (kind === 'users') users.set(name, told);
  else if (kind === 'clients') await adapter.upsert(name, { ...(await adapter.find(name)), ...told });
  else Object.assign(settings, told);
  ctx.status = 204;
}

async function body(ctx) {
  const chunks = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function key(type, options, more) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', ...more };
}

// An authorization server that others wrote and certified, with our rules turned on:
// PKCE required, refresh tokens rotated, short access tokens. Used by the tests of this folder.
//
//   node server.mjs '{"client_id": …, "client_secret": …, "redirect_uri": …, "seconds": 30}'
//
// Prints {"url": …} once it serves on loopback, and ends with its parent. Besides the provider's
// own addresses:
//   GET /contacts        a list for whoever holds a live access token, else 401
//   GET /log             [{"event": "grant.success", "grant_type": "refresh_token"}, …]
//   GET /forget-access   every access token given out so far is refused from now on

import http from 'node:http';
import Provider from 'oidc-provider';

const asked = JSON.parse(process.argv[2]);
const log = [];
const forgotten = new Set();
const given = new Set();
const CONTACTS = Array.from({ length: 25 }, (_, n) => ({ id: `c${n}`, name: `Contact ${n}` }));

function made(issuer) {
  const provider = new Provider(issuer, {
    clients: [{
      client_id: asked.client_id,
      client_secret: asked.client_secret,
      redirect_uris: [asked.redirect_uri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    scopes: ['openid', 'email', 'contacts'],
    claims: { openid: ['sub'], email: ['email'] },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@judge.example` }),
    }),
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: asked.seconds, RefreshToken: 86400, Grant: 86400, Session: 600, Interaction: 600 },
    cookies: { keys: ['only-for-tests'] },
    features: { devInteractions: { enabled: true } },
  });
  for (const event of ['grant.success', 'grant.error', 'grant.revoked']) {
    provider.on(event, (ctx, error) => log.push({
      event,
      grant_type: ctx.oidc.params?.grant_type ?? '',
      error: error?.error ?? '',
      detail: error?.error_detail ?? '',
    }));
  }
  provider.on('access_token.saved', (token) => given.add(token.jti));
  provider.use(async (ctx, next) => {
    if (ctx.path === '/log') {
      ctx.body = log;
    } else if (ctx.path === '/forget-access') {
      given.forEach((jti) => forgotten.add(jti));
      ctx.body = { forgotten: forgotten.size };
    } else if (ctx.path === '/contacts') {
      const bearer = (ctx.get('authorization').match(/^Bearer (.+)$/) ?? [])[1];
      const token = bearer && await provider.AccessToken.find(bearer);
      const live = token && !forgotten.has(token.jti);
      ctx.status = live ? 200 : 401;
      const page = Number(ctx.query.page ?? 1);
      ctx.body = live
        ? { contacts: CONTACTS.slice((page - 1) * 10, page * 10), total: CONTACTS.length }
        : { error: 'invalid_token' };
    } else {
      await next();
    }
  });
  return provider;
}

let answer;
const server = http.createServer((request, response) => answer(request, response));
server.keepAliveTimeout = 0; // nobody asks on a connection that is just being closed
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  answer = made(url).callback();
  console.log(JSON.stringify({ url }));
});
process.stdin.resume().on('end', () => process.exit(0));

// What the host is told: a configuration like that of benches/gateway, and the requests of an MCP
// client whose tokens are really signed.

import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { encodeHead } from "./host.mjs";

export const NOW = 1_790_000_000;
const ISSUER = "https://tenant.auth0.com/";
const RESOURCE = "https://mcp.example.com/mcp";
// PKCS #8 of an Ed25519 key (RFC 8410), whose 32 bytes follow.
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const key = createPrivateKey({
  key: Buffer.concat([PKCS8, Buffer.alloc(32, 7)]), format: "der", type: "pkcs8",
});

/** As many tokens as `tokens` are remembered; five identity headers are set, nothing is logged. */
export function configuration(tokens) {
  const jwk = { ...createPublicKey(key).export({ format: "jwk" }), kid: "1", use: "sig" };
  return {
    issuers: [{ issuer: ISSUER, jwks: { keys: [jwk] } }],
    resources: [{ path: "/mcp", resource: RESOURCE, scopes: ["mcp:read"] }],
    identity_headers: {
      "x-user-id": "user_id", "x-user-name": "username", "x-user-issuer": "issuer",
      "x-user-subject": "subject", "x-user-scopes": "scopes",
    },
    audit: "off",
    token_cache: tokens,
  };
}

/** What Envoy hands over of a request by the `nth` user. */
export function request(nth) {
  return encodeHead([
    [":authority", "mcp.example.com"],
    [":path", "/mcp"],
    [":method", "POST"],
    [":scheme", "https"],
    ["content-type", "application/json"],
    ["accept", "application/json, text/event-stream"],
    ["user-agent", "python-httpx/0.28.1"],
    ["authorization", `Bearer ${token(nth)}`],
    ["content-length", "100"],
    ["mcp-protocol-version", "2026-07-28"],
    ["mcp-method", "tools/list"],
    ["x-forwarded-proto", "https"],
    ["x-request-id", "5c1f3c54-7c8e-4a8e-9d62-1f3c547c8e4a"],
  ]);
}

/** A token of the size that Auth0 issues, also where its signature is RSA's. */
function token(nth) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = { alg: "EdDSA", typ: "at+jwt", kid: "1" };
  const claims = {
    iss: ISSUER,
    sub: `auth0|${String(nth).padStart(24, "0")}`,
    aud: [RESOURCE, `${ISSUER}userinfo`],
    iat: NOW - 1000,
    exp: NOW + 85400,
    scope: "openid profile email mcp:read mcp:write",
    azp: "vQ3mYx0JtKk1bD7eFz9hLq2sWc8uRn5p",
    preferred_username: `user-${nth}@example.com`,
    jti: String(nth).padStart(200, "0"),
  };
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

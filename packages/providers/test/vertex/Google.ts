/**
 * Google's token endpoints on a loopback port: it exchanges the assertion of a service account, a refresh token, and the
 * token of an external account (STS), impersonates a service account, and is a metadata server. Each request is checked as
 * Google does.
 */
import { createVerify, generateKeyPairSync } from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"

const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
})

const email = "gateway@search-prod-1.iam.gserviceaccount.com"
const scope = "https://www.googleapis.com/auth/cloud-platform"
const audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/oidc"

/** What is wrong with a request; `undefined` if nothing is. */
type Check = (form: URLSearchParams, headers: Http.IncomingHttpHeaders, url: string) => string | undefined

const expected = (pairs: ReadonlyArray<readonly [name: string, found: unknown, expected: unknown]>) => {
  const wrong = pairs.find(([, found, expected]) => found !== expected)
  return wrong && `${wrong[0]} is ${JSON.stringify(wrong[1])}, expected ${JSON.stringify(wrong[2])}`
}

const json = (part = ""): Record<string, unknown> => JSON.parse(Buffer.from(part, "base64url").toString()) as never

const assertion: Check = (form, _, url) => {
  const [head = "", body = "", signature = "", ...more] = (form.get("assertion") ?? "").split(".")
  const { aud, exp, iat, iss, scope: own, ...rest } = json(body)
  const now = Date.now() / 1000
  return (
    expected([
      ["alg", json(head)["alg"], "RS256"],
      ["iss", iss, email],
      ["scope", own, scope],
      ["aud", aud, `${url}/token`],
      ["exp - iat", Number(exp) - Number(iat), 3600],
      ["iat is now", Math.abs(Number(iat) - now) < 60, true],
      ["other claims", Object.keys(rest).length + more.length, 0],
    ]) ??
    (createVerify("RSA-SHA256").update(`${head}.${body}`).verify(publicKey, signature, "base64url")
      ? undefined
      : "Invalid JWT Signature.")
  )
}

const refreshToken: Check = (form) =>
  expected([
    ["client_id", form.get("client_id"), "client-1"],
    ["client_secret", form.get("client_secret"), "client-secret-0123456789"],
    ["refresh_token", form.get("refresh_token"), "refresh-token-0123456789"],
  ])

const exchange: Check = (form) =>
  expected([
    ["grant_type", form.get("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange"],
    ["audience", form.get("audience"), audience],
    ["scope", form.get("scope"), scope],
    ["requested_token_type", form.get("requested_token_type"), "urn:ietf:params:oauth:token-type:access_token"],
    ["subject_token", form.get("subject_token"), "oidc-token-of-the-workload"],
    ["subject_token_type", form.get("subject_token_type"), "urn:ietf:params:oauth:token-type:jwt"],
  ])

export interface Google {
  readonly url: string
  /** The credentials of a service account, in Google's format. */
  readonly serviceAccount: Record<string, unknown>
  readonly authorizedUser: Record<string, unknown>
  /** Credentials of an external account, whose token is in a file; `impersonated`: of a service account in its place. */
  readonly externalAccount: (file: string, impersonated: boolean) => Record<string, unknown>
  /** The requests for tokens, by path. */
  readonly asked: ReadonlyArray<string>
  /** What was wrong with requests. */
  readonly problems: ReadonlyArray<string>
  /** How the server behaves, from now on. */
  readonly behave: (behavior: Partial<Behavior>) => void
}

interface Behavior {
  /** The status of every response, if not 200. */
  readonly status: number
  /** The validity of tokens, in seconds. */
  readonly life: number
  /** The body of every response, in place of the token. */
  readonly body: unknown
  readonly delay: number
}

/** A listening server. Tokens are `ya29.1`, `ya29.2` and so on; those of STS `sts.1`. The scope closes it. */
export const make = Effect.gen(function* () {
  const asked: Array<string> = []
  const problems: Array<string> = []
  let behavior: Behavior = { status: 200, life: 3600, delay: 0, body: undefined }
  let url = ""
  let serial = 0

  const answer = (path: string, form: URLSearchParams, headers: Http.IncomingHttpHeaders): unknown => {
    const check = (problem: string | undefined, body: () => unknown) => {
      if (problem === undefined) return body()
      problems.push(`${path}: ${problem}`)
      return { error: "invalid_grant", error_description: problem }
    }
    const token = () => ({ access_token: `ya29.${++serial}`, expires_in: behavior.life, token_type: "Bearer" })
    switch (path) {
      case "/token":
        return form.get("grant_type") === "refresh_token"
          ? check(refreshToken(form, headers, url), token)
          : check(
              expected([["grant_type", form.get("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer"]]) ??
                assertion(form, headers, url),
              token,
            )
      case "/sts":
        return check(exchange(form, headers, url), () => ({
          ...token(),
          access_token: `sts.${serial}`,
          issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        }))
      case `/v1/projects/-/serviceAccounts/${email}:generateAccessToken`:
        return check(expected([["authorization", headers.authorization, `Bearer sts.${serial}`]]), () => ({
          accessToken: token().access_token,
          expireTime: new Date(Date.now() + behavior.life * 1000).toISOString(),
        }))
      case "/computeMetadata/v1/instance/service-accounts/default/token":
        return check(expected([["metadata-flavor", headers["metadata-flavor"], "Google"]]), token)
      case "/computeMetadata/v1/instance":
        return {}
      default:
        problems.push(`${path} is not known`)
        return { error: "not_found" }
    }
  }

  const server = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((incoming, response) => {
        const chunks: Array<Buffer> = []
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
        incoming.on("end", () => {
          const [path = ""] = (incoming.url ?? "").split("?")
          asked.push(path)
          setTimeout(() => {
            const body = answer(path, new URLSearchParams(Buffer.concat(chunks).toString()), incoming.headers)
            const failed = JSON.stringify(body).includes("invalid_grant")
            const status = behavior.status === 200 && failed ? 400 : behavior.status
            response.writeHead(status, { "content-type": "application/json", "metadata-flavor": "Google" })
            response.end(JSON.stringify(behavior.body ?? (status === 200 || failed ? body : { error: "unavailable" })))
          }, behavior.delay)
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const google: Google = {
    url,
    serviceAccount: {
      type: "service_account",
      project_id: "search-prod-1",
      private_key_id: "1",
      private_key: privateKey,
      client_email: email,
      token_uri: `${url}/token`,
    },
    authorizedUser: {
      type: "authorized_user",
      client_id: "client-1",
      client_secret: "client-secret-0123456789",
      refresh_token: "refresh-token-0123456789",
      quota_project_id: "billing-1",
      token_uri: `${url}/token`,
    },
    externalAccount: (file, impersonated) => ({
      type: "external_account",
      audience,
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${url}/sts`,
      credential_source: { file },
      ...(impersonated
        ? {
            service_account_impersonation_url: `${url}/v1/projects/-/serviceAccounts/${email}:generateAccessToken`,
          }
        : undefined),
    }),
    asked,
    problems,
    behave: (change) => (behavior = { ...behavior, ...change }),
  }
  return google
})

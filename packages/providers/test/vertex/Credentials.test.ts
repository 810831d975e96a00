/** Access tokens from Google's endpoints: see `Google`. */
import { assert, describe, it, vi } from "@effect/vitest"
import type { Provider } from "@understudy/core/Provider"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import * as Vertex from "@understudy/providers/vertex"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Connections from "../../src/transport/Connections.ts"
import * as Credentials from "../../src/vertex/Credentials.ts"
import { ask, collect } from "../Asking.ts"
import * as ProxyServer from "../transport/ProxyServer.ts"
import * as Google from "./Google.ts"

const stage = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const google = yield* Google.make
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-vertex-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
  )
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const connect = (
    credentials: Record<string, unknown> | string,
    options: Vertex.Options = {},
    environment: Record<string, string> = {},
  ) =>
    Vertex.make({
      project: "search-prod-1",
      location: "us-east5",
      baseUrl: server.url,
      credentials: Redacted.make(typeof credentials === "string" ? credentials : JSON.stringify(credentials)),
      ...options,
    }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(environment)))
  const authorization = (attempt = 1) =>
    Effect.map(server.received("ok", attempt), ({ headers }) => headers.authorization)
  return { server, google, folder, file, connect, authorization }
})

/** A private key that is not RSA. */
const { privateKey: ellipticKey } = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
})

/** A text between the lines of a PEM key. */
const pem = (text: string): string => `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`

const works = (provider: Provider["Service"]) => provider.chat(ask("ok"))

/** A provider with these credentials works, after these requests for one token, which is sent like this. */
const issues = (
  make: (prepared: Effect.Success<typeof stage>) => Record<string, unknown>,
  asked: ReadonlyArray<string>,
  headers: Readonly<Record<string, string>> = {},
) =>
  Effect.gen(function* () {
    const prepared = yield* stage
    const { connect, google, server } = prepared
    const provider = yield* connect(make(prepared))
    yield* works(provider)
    yield* works(provider)
    assert.deepStrictEqual([...google.problems], [])
    assert.deepStrictEqual([...google.asked], asked)
    const request = yield* server.received("ok", 2)
    assert.match(String(request.headers.authorization), /^Bearer ya29\.\d$/)
    assert.deepInclude(request.headers, headers)
  })

describe("a token", () => {
  it.live("of a service account is exchanged for its signed assertion, and shared by concurrent calls", () =>
    Effect.gen(function* () {
      const { authorization, connect, google } = yield* stage
      google.behave({ delay: 20 })
      const provider = yield* connect(google.serviceAccount)
      yield* Effect.all([works(provider), works(provider), collect(provider.stream(ask("ok")))], {
        concurrency: "unbounded",
      })
      yield* works(provider)
      assert.deepStrictEqual([...google.problems], [])
      assert.deepStrictEqual([...google.asked], ["/token"])
      for (const attempt of [1, 2, 3, 4]) assert.strictEqual(yield* authorization(attempt), "Bearer ya29.1")
    }),
  )

  it.live("of an authorized user is refreshed, and its quota project sent", () =>
    issues(({ google }) => google.authorizedUser, ["/token"], { "x-goog-user-project": "billing-1" }),
  )

  it.live("of an external account is exchanged at STS", () =>
    Effect.gen(function* () {
      const { authorization, connect, file, google } = yield* stage
      const provider = yield* connect(google.externalAccount(file("token", "oidc-token-of-the-workload"), false))
      yield* works(provider)
      assert.deepStrictEqual([...google.problems], [])
      assert.deepStrictEqual([...google.asked], ["/sts"])
      assert.strictEqual(yield* authorization(), "Bearer sts.1")
    }),
  )

  it.live("of an external account may be that of an impersonated service account", () =>
    issues(
      ({ file, google }) => google.externalAccount(file("token", "oidc-token-of-the-workload"), true),
      ["/sts", "/v1/projects/-/serviceAccounts/gateway@search-prod-1.iam.gserviceaccount.com:generateAccessToken"],
    ),
  )

  it.live("is had through the deployment's proxy", () =>
    Effect.gen(function* () {
      const { connect, google, server } = yield* stage
      const proxy = yield* ProxyServer.make("secret-word")
      const address = proxy.url.replace("//", "//user:secret-word@")
      yield* works(yield* connect(google.serviceAccount, { proxy: Redacted.make(address) }))
      assert.deepStrictEqual(
        proxy.passed.map(({ to }) => to),
        [google.url, server.url].map((url) => new URL(url).host),
      )
    }),
  )

  it.live("comes from the credentials in a file, of the option or of GOOGLE_APPLICATION_CREDENTIALS", () =>
    Effect.gen(function* () {
      const { authorization, connect, file, google, server } = yield* stage
      const path = file("account.json", JSON.stringify(google.serviceAccount))
      yield* works(yield* connect(path, { project: undefined }))
      assert.strictEqual(yield* authorization(), "Bearer ya29.1")
      assert.include((yield* server.received("ok")).path, "/projects/search-prod-1/")
      // It is only sent to Google: nothing listens at the proxy.
      const provider = yield* Vertex.make({
        project: "search-prod-1",
        location: "global",
        proxy: Redacted.make("http://127.0.0.1:1"),
      }).pipe(
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnvRecord({ GOOGLE_APPLICATION_CREDENTIALS: path }),
        ),
      )
      const failure = yield* Effect.flip(works(provider))
      assert.strictEqual(failure.reason._tag, "Network")
      assert.include(failure.message, `no access token from GOOGLE_APPLICATION_CREDENTIALS (${path})`)
    }),
  )
})

describe("a token that is rejected", () => {
  it.live("is replaced once it has worked, within the call", () =>
    Effect.gen(function* () {
      const { authorization, connect, google, server } = yield* stage
      const provider = yield* connect(google.serviceAccount)
      yield* works(provider)
      yield* server.script("ok", [Behavior.refuse("bad-key"), Behavior.answer()])
      yield* works(provider)
      yield* server.script("ok", [Behavior.refuse("bad-key"), Behavior.answer()])
      const { error } = yield* collect(provider.stream(ask("ok")))
      assert.isUndefined(error)
      const sent = yield* Effect.forEach([1, 2, 3, 4, 5], authorization)
      assert.deepStrictEqual(
        sent,
        ["ya29.1", "ya29.1", "ya29.2", "ya29.2", "ya29.3"].map((token) => `Bearer ${token}`),
      )
      assert.lengthOf(google.asked, 3)
    }),
  )

  it.live("is the account's fault if it never worked", () =>
    Effect.gen(function* () {
      const { connect, google, server } = yield* stage
      yield* server.script("ok", [Behavior.refuse("bad-key")])
      const provider = yield* connect(google.serviceAccount)
      for (const attempt of [1, 2]) {
        const { message, reason, status } = yield* Effect.flip(works(provider))
        assert.deepStrictEqual([reason._tag, status], ["Authentication", 401])
        // The server repeats the token.
        assert.notInclude(message, "ya29")
        assert.strictEqual(yield* server.attempts("ok"), attempt)
      }
      assert.lengthOf(google.asked, 1)
    }),
  )
})

describe("without a token", () => {
  it.live("a call fails with the reason of the exchange", () =>
    Effect.gen(function* () {
      const { connect, google, server } = yield* stage
      const cases: ReadonlyArray<readonly [Record<string, unknown>, number, string, string]> = [
        [{ ...google.serviceAccount, client_email: "another@example.com" }, 200, "Authentication", "invalid_grant"],
        [google.serviceAccount, 403, "Permission", "(403)"],
        [google.serviceAccount, 429, "RateLimited", "(429)"],
        [google.serviceAccount, 503, "Overloaded", "(503)"],
        [{ ...google.serviceAccount, token_uri: "http://127.0.0.1:1/token" }, 200, "Network", "ECONNREFUSED"],
      ]
      for (const [credentials, status, reason, detail] of cases) {
        google.behave({ status })
        const error = yield* Effect.flip(works(yield* connect(credentials)))
        assert.strictEqual(error.reason._tag, reason, error.message)
        assert.include(error.message, "no access token from credentials: ")
        assert.include(error.message, detail)
        assert.isUndefined(error.cause)
      }
      google.behave({ status: 200, body: { expires_in: 3600 } })
      const { message } = yield* Effect.flip(works(yield* connect(google.serviceAccount)))
      assert.include(message, "the response has no token")
      // Each is one request: the router retries.
      assert.lengthOf(google.asked, 5)
      assert.lengthOf(yield* server.requests, 0)
    }),
  )

  it.live("an interrupted call leaves the fetch to the others", () =>
    Effect.gen(function* () {
      const { connect, google, server } = yield* stage
      google.behave({ delay: 50 })
      const provider = yield* connect(google.serviceAccount)
      const first = yield* Effect.forkChild(works(provider), { startImmediately: true })
      const second = yield* Effect.forkChild(works(provider), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Fiber.join(second)
      assert.lengthOf(google.asked, 1)
      assert.strictEqual(yield* server.attempts("ok"), 1)
    }),
  )
})

describe("a process", () => {
  it.live(
    "that closes nothing ends, although its token is to be refreshed",
    () =>
      Effect.gen(function* () {
        const { google, server } = yield* stage
        const program = join(import.meta.dirname, "once.ts")
        const credentials = JSON.stringify(google.serviceAccount)
        const printed = yield* Effect.callback<string>((resume) => {
          const env = { ...process.env, BASE_URL: server.url, CREDENTIALS: credentials }
          execFile(process.execPath, [program], { env, timeout: 30_000 }, (error, stdout) =>
            resume(error === null ? Effect.succeed(stdout) : Effect.die(error)),
          )
        })
        assert.strictEqual(printed, "stop\n")
      }),
    40_000,
  )
})

describe("credentials", () => {
  it.live("that are not valid stop the start, and are not shown", () =>
    Effect.gen(function* () {
      const { connect, file, google } = yield* stage
      const secret = "private-0123456789"
      const privateKey = String(google.serviceAccount["private_key"])
      const cases: ReadonlyArray<readonly [Record<string, unknown> | string, string]> = [
        [`{ "private_key": ${secret}`, "credentials must be a JSON object"],
        [{ private_key: secret }, 'credentials must have a "type": one of service_account, authorized_user'],
        [{ type: "service_account", private_key: secret }, 'must have "client_email" (service_account)'],
        [{ ...google.serviceAccount, universe_domain: "example.com" }, "belong to the universe example.com"],
        [{ ...google.serviceAccount, private_key: secret }, 'must have a PEM key as "private_key"'],
        [{ ...google.serviceAccount, private_key: pem(secret) }, 'must have a PEM key as "private_key"'],
        [{ ...google.serviceAccount, private_key: [secret] }, 'must have a PEM key as "private_key"'],
        [
          { ...google.serviceAccount, private_key: privateKey.replaceAll("\n", String.raw`\n`) },
          String.raw`must have \n there, with one backslash`,
        ],
        [{ ...google.serviceAccount, private_key: ellipticKey }, 'must have an RSA key as "private_key"'],
        [
          {
            type: "impersonated_service_account",
            service_account_impersonation_url: google.url,
            source_credentials: { ...google.serviceAccount, private_key: secret },
          },
          'must have a PEM key as "private_key"',
        ],
        [
          file("key.json", JSON.stringify({ ...google.serviceAccount, private_key: secret })),
          "key.json) must have a PEM",
        ],
        [file("broken.json", secret), "must be a JSON object"],
        ["/nowhere.json", "credentials: neither JSON, nor a file that can be read: ENOENT"],
        [secret, "credentials: neither JSON, nor a file that can be read: ENOENT"],
        [
          Buffer.from(`{"private_key":"${secret}"}`).toString("base64").repeat(99),
          "nor a file that can be read: ENAMETOOLONG",
        ],
      ]
      for (const [credentials, message] of cases) {
        const failure = yield* Effect.flip(connect(credentials))
        assert.include(failure.message, message)
        assert.notInclude(failure.message, secret)
        for (const line of privateKey.split("\n").slice(1, -2)) assert.notInclude(failure.message, line)
        assert.isBelow(failure.message.length, 300)
      }
    }),
  )
})

describe("Application Default Credentials", () => {
  /** A token of the library's own search, which reads the process's environment. */
  const found = (environment: Record<string, string>, proxy?: string) =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.entries(environment).forEach(([name, value]) => vi.stubEnv(name, value))),
        () => Effect.sync(() => vi.unstubAllEnvs()),
      )
      const source = yield* Credentials.resolve({}, true).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord({})),
      )
      if (source._tag !== "Library") return assert.fail("no library")
      const dispatcher = Connections.make(1000, proxy === undefined ? undefined : Redacted.make(proxy)).fresh
      const sdk = yield* Credentials.load
      sdk.gcpMetadata.setGCPResidency(false)
      return yield* Credentials.fetchToken(sdk, source, { dispatcher, onToken: () => {} })
    })

  const closed = "127.0.0.1:1"

  it.live("are the metadata server's, also after it did not answer once", () =>
    Effect.gen(function* () {
      const { folder, google } = yield* stage
      const failure = yield* Effect.flip(found({ CLOUDSDK_CONFIG: folder, GCE_METADATA_HOST: closed }))
      assert.include(failure.message, "set credentials on the deployment or GOOGLE_APPLICATION_CREDENTIALS")
      google.behave({ life: 1800 })
      const host = google.url.replace("http://", "")
      const { expiresAt, headers } = yield* found({ CLOUDSDK_CONFIG: folder, GCE_METADATA_HOST: host })
      assert.deepStrictEqual(headers, ["authorization", "Bearer ya29.1"])
      assert.closeTo(expiresAt - Date.now(), 1_800_000, 30_000)
      const path = "/computeMetadata/v1/instance"
      // The project is not asked for.
      assert.deepStrictEqual([...google.asked], [path, `${path}/service-accounts/default/token`])
      assert.deepStrictEqual([...google.problems], [])
    }),
  )

  it.live("are the file of gcloud, before the metadata server's", () =>
    Effect.gen(function* () {
      const { file, folder, google } = yield* stage
      file("application_default_credentials.json", JSON.stringify(google.serviceAccount))
      const host = google.url.replace("http://", "")
      const environment = { CLOUDSDK_CONFIG: folder, GCE_METADATA_HOST: host }
      const failure = yield* Effect.flip(found(environment, `http://${closed}`))
      assert.strictEqual(failure._tag === "ProviderError" && failure.reason._tag, "Network")
      assert.lengthOf(google.asked, 0)
    }),
  )
})

/**
 * A role that is assumed, against a stand-in of AWS's token service: who asks it, and who then asks Bedrock.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Bedrock from "@understudy/providers/bedrock"
import * as FaultServer from "@understudy/providers/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ProxyServer from "../transport/ProxyServer.ts"

const keys = { accessKeyId: Redacted.make("AKIDBASE"), secretAccessKey: Redacted.make("base-secret") }
const roleArn = "arn:aws:iam::123456789012:role/bedrock"

interface Asked {
  readonly authorization: string
  readonly form: URLSearchParams
}

const assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`

const denied = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>AKIDBASE is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`

/** Gives out roles, unless they are called `denied`. */
const tokenService = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly asked: Array<Asked>; readonly server: Http.Server }>((resume) => {
    const asked: Array<Asked> = []
    const server = Http.createServer((request, response) => {
      let body = ""
      request.on("data", (chunk) => (body += chunk))
      request.on("end", () => {
        const form = new URLSearchParams(body)
        asked.push({ authorization: request.headers.authorization ?? "", form })
        const refuses = form.get("RoleArn")?.endsWith("/denied") === true
        response.writeHead(refuses ? 403 : 200, { "content-type": "text/xml" }).end(refuses ? denied : assumed)
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, asked, server }))
    })
  }),
  ({ server }) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    }),
)

/** Refuses every request in these words. */
const refusing = (words: string, status = 403, type = "AccessDeniedException") =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((request, response) => {
        const headers = { "content-type": "application/json", "x-amzn-requestid": words, "x-amzn-errortype": type }
        request.resume().on("end", () => response.writeHead(status, headers).end(JSON.stringify({ message: words })))
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

const environment = (env: Record<string, string>) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

/** Variables that the SDK reads itself, for as long as the scope lasts. */
const setting = (variables: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      }),
  )

const ask: Chat.Request = { model: "ok", messages: [Chat.user("Hello")] }

const signer = (authorization: string | undefined) =>
  /Credential=(\w+)\/\d{8}\/([\w-]+)\/(\w+)/.exec(authorization ?? "")?.slice(1)

describe("a key", () => {
  it.live("is told in no part of what an error names", () =>
    Effect.gen(function* () {
      const bearerToken = Redacted.make("bedrock/api+0123456789tail")
      const words = `${Redacted.value(bearerToken)} is not supported with this model`
      const endpoint = yield* refusing(words, 400, "ValidationException")
      const provider = yield* Bedrock.make({ bearerToken, region: "eu-west-1", endpoint })
      const { reason } = yield* Effect.flip(provider.chat(ask))
      assert.strictEqual(reason._tag, "Unsupported")
      assert.notInclude(inspect(reason), "tail")
    }).pipe(Effect.scoped),
  )
})

describe("a role", () => {
  it.live("is assumed once, with the keys given, and then signs", () =>
    Effect.gen(function* () {
      const service = yield* tokenService
      const server = yield* FaultServer.make()
      const made = Bedrock.make({
        ...keys,
        roleArn,
        roleSessionName: "team-a",
        region: "eu-west-1",
        endpoint: server.url,
      })
      const provider = yield* environment({ AWS_ENDPOINT_URL_STS: service.url, AWS_BEARER_TOKEN_BEDROCK: "not it" })(
        made,
      )
      yield* provider.chat(ask)
      yield* provider.chat(ask)
      assert.lengthOf(service.asked, 1)
      const [asked] = service.asked
      assert.deepStrictEqual(signer(asked?.authorization), ["AKIDBASE", "eu-west-1", "sts"])
      assert.strictEqual(asked?.form.get("Action"), "AssumeRole")
      assert.strictEqual(asked?.form.get("RoleArn"), roleArn)
      assert.strictEqual(asked?.form.get("RoleSessionName"), "team-a")
      const { headers } = yield* server.received("ok")
      assert.deepStrictEqual(signer(headers.authorization), ["ASIAROLE", "eu-west-1", "bedrock"])
      assert.strictEqual(headers["x-amz-security-token"], "role-token")
    }).pipe(Effect.scoped),
  )

  it.live("is assumed through the proxy that the deployment has", () =>
    Effect.gen(function* () {
      const service = yield* tokenService
      const server = yield* FaultServer.make()
      const proxy = yield* ProxyServer.make()
      const made = Bedrock.make({
        ...keys,
        roleArn,
        region: "eu-west-1",
        endpoint: server.url,
        proxy: Redacted.make(proxy.url),
      })
      const provider = yield* environment({ AWS_ENDPOINT_URL_STS: service.url })(made)
      yield* provider.chat(ask)
      assert.deepStrictEqual(
        proxy.passed.map(({ to }) => to),
        [service.url, server.url].map((url) => new URL(url).host),
      )
    }).pipe(Effect.scoped),
  )

  it.live("is assumed with a profile's keys, in the profile's region", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "bedrock-role-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
      )
      const file = join(folder, "config")
      writeFileSync(
        file,
        "[profile main]\nregion = sa-east-1\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n",
      )
      yield* setting({
        AWS_CONFIG_FILE: file,
        AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
        AWS_EC2_METADATA_DISABLED: "true",
      })
      const service = yield* tokenService
      const server = yield* FaultServer.make()
      const made = Bedrock.make({ profile: "main", roleArn, endpoint: server.url })
      const provider = yield* environment({ AWS_ENDPOINT_URL_STS: service.url })(made)
      yield* provider.chat(ask)
      assert.deepStrictEqual(signer(service.asked[0]?.authorization), ["AKIDFILE", "sa-east-1", "sts"])
      assert.strictEqual(service.asked[0]?.form.get("RoleSessionName"), "understudy")
      const { headers } = yield* server.received("ok")
      assert.deepStrictEqual(signer(headers.authorization), ["ASIAROLE", "sa-east-1", "bedrock"])
    }).pipe(Effect.scoped),
  )

  it.live("that is refused is a lack of credentials, and tells no key", () =>
    Effect.gen(function* () {
      const service = yield* tokenService
      const server = yield* FaultServer.make()
      const denied = "arn:aws:iam::123456789012:role/denied"
      const made = Bedrock.make({ ...keys, roleArn: denied, region: "eu-west-1", endpoint: server.url })
      const provider = yield* environment({ AWS_ENDPOINT_URL_STS: service.url })(made)
      const error = yield* Effect.flip(provider.chat(ask))
      assert.strictEqual(error.reason._tag, "Authentication")
      assert.include(error.message, denied)
      assert.include(error.message, "not authorized")
      assert.notInclude(error.message, "AKIDBASE")
      assert.strictEqual(yield* server.attempts("ok"), 0)
    }).pipe(Effect.scoped),
  )

  it.live("has credentials that no message tells, nor have the profile's that got it", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "bedrock-role-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
      )
      const file = join(folder, "config")
      const profile = "region = sa-east-1\naws_access_key_id = AKIDFILE\naws_secret_access_key = file-secret\n"
      writeFileSync(file, `[profile main]\n${profile}`)
      yield* setting({
        AWS_CONFIG_FILE: file,
        AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
        AWS_EC2_METADATA_DISABLED: "true",
      })
      const service = yield* tokenService
      const told = "AKIDFILE file-secret ASIAROLE role-secret role-token"
      const url = yield* refusing(told)
      for (const [options, words] of [
        [{ profile: "main", roleArn }, "*** *** *** *** ***"],
        [{ profile: "main" }, "*** *** ASIAROLE role-secret role-token"],
      ] as const) {
        const made = Bedrock.make({ ...options, endpoint: url })
        const provider = yield* environment({ AWS_ENDPOINT_URL_STS: service.url })(made)
        const error = yield* Effect.flip(provider.chat(ask))
        assert.deepStrictEqual([error.status, error.message, error.requestId], [403, words, words])
      }
    }).pipe(Effect.scoped),
  )

  it.live("by a web identity that is refused is a lack of credentials, told without the token", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "bedrock-role-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
      )
      writeFileSync(join(folder, "token"), "web-identity-token")
      for (const [status, reason] of [
        [400, "Authentication"],
        [503, "Overloaded"],
      ] as const) {
        const service = yield* refusing("web-identity-token", status, "InvalidIdentityToken")
        yield* setting({
          AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "token"),
          AWS_ROLE_ARN: roleArn,
          AWS_CONFIG_FILE: join(folder, "none"),
          AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
          AWS_ENDPOINT_URL_STS: service,
          AWS_EC2_METADATA_DISABLED: "true",
        })
        for (const options of [{}, { roleArn }]) {
          const made = Bedrock.make({ ...options, region: "eu-west-1", endpoint: "http://127.0.0.1:1" })
          const provider = yield* environment({ AWS_ENDPOINT_URL_STS: service })(made)
          const error = yield* Effect.flip(provider.chat(ask))
          assert.strictEqual(error.reason._tag, reason)
          assert.match(error.message, new RegExp(`\\(${status}\\)`))
          assert.notInclude(inspect(error, { depth: 9 }), "web-identity-token")
        }
      }
    }).pipe(Effect.scoped),
  )

  it.live("leaves no connection behind", () =>
    Effect.gen(function* () {
      const service = yield* tokenService
      const server = yield* FaultServer.make()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const made = Bedrock.make({ ...keys, roleArn, region: "eu-west-1", endpoint: server.url })
          yield* (yield* environment({ AWS_ENDPOINT_URL_STS: service.url })(made)).chat(ask)
        }),
      )
      yield* server.drained
      const open = yield* Effect.callback<number>((resume) => {
        service.server.getConnections((_, count) => resume(Effect.succeed(count)))
      })
      assert.strictEqual(open, 0)
    }).pipe(Effect.scoped),
  )

  it.effect("is not assumed with a bearer key", () =>
    Effect.gen(function* () {
      const bearerToken = Redacted.make("bearer")
      const error = yield* Effect.flip(environment({})(Bedrock.make({ bearerToken, roleArn, region: "eu-west-1" })))
      assert.match(error.message, /bearerToken or roleArn/)
    }).pipe(Effect.scoped),
  )
})

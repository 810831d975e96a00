/**
 * A request but for its body: address, authorisation and headers, as a vendor's SDK builds them. Built once for each
 * provider: they are the same for every call.
 */
import * as Effect from "effect/Effect"
import type { Native } from "@understudy/core/Chat"
import { ProviderStartError } from "../ProviderStartError.ts"
import type { Redaction } from "./Redaction.ts"

export interface RequestTemplate {
  readonly origin: string
  /** With `{model}` in the model's place, where a vendor has it in its addresses. */
  readonly path: string
  /** Names and values in turn, the way undici writes them without another look. */
  readonly headers: ReadonlyArray<string>
}

/** The part of an SDK's client that builds requests: `openai`'s and `@anthropic-ai/sdk`'s have it in common. */
export interface Builder {
  readonly buildRequest: (options: {
    readonly method: "post"
    readonly path: string
    readonly body: object
  }) => Promise<{ readonly url: string; readonly req: { readonly headers: Iterable<readonly [string, string]> } }>
}

/** Headers that belong to one request: they are not kept for the next. */
const fleeting = new Set(["content-length", "idempotency-key"])

/** Has the SDK build a POST to `path`, and keeps everything but its body. What it says where it cannot is scrubbed. */
export const build = (
  provider: string,
  client: Builder,
  path: string,
  { text }: Pick<Redaction, "text">,
): Effect.Effect<RequestTemplate, ProviderStartError> =>
  Effect.map(
    Effect.tryPromise({
      try: () => client.buildRequest({ method: "post", path, body: {} }),
      catch: (cause) =>
        new ProviderStartError({ provider, message: text(`the SDK cannot build a request: ${String(cause)}`) }),
    }),
    ({ req, url }) => {
      const slash = url.indexOf("/", url.indexOf("//") + 2)
      return {
        origin: url.slice(0, slash),
        path: url.slice(slash).replace(encodeURI(placeholder), placeholder),
        headers: [...req.headers].flatMap(([name, value]) => (fleeting.has(name.toLowerCase()) ? [] : [name, value])),
      }
    },
  )

/** Whether the model is a part of the address. */
export const takesModel = (prepared: RequestTemplate | undefined): boolean =>
  prepared?.path.includes(placeholder) === true

/** The same for a model, whose name may hold anything that fits (see `ModelPath`), slashes included. */
export const withModel = (prepared: RequestTemplate, model: string): RequestTemplate =>
  takesModel(prepared)
    ? {
        ...prepared,
        path: prepared.path.replace(placeholder, () => model.split("/").map(encodeURIComponent).join("/")),
      }
    : prepared

/** What stands in a path where the model will. */
export const placeholder = "{model}"

/** The same, with the headers and the query that came with a client's own request: its headers win. */
export const withNative = (
  prepared: RequestTemplate,
  { headers, query }: Pick<Native, "headers" | "query">,
): RequestTemplate => ({
  ...prepared,
  ...(headers === undefined ? undefined : { headers: overlay(prepared.headers, headers) }),
  ...(query === undefined
    ? undefined
    : { path: `${prepared.path}${prepared.path.includes("?") ? "&" : "?"}${new URLSearchParams(query)}` }),
})

const overlay = (headers: ReadonlyArray<string>, own: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const kept: Array<string> = []
  for (let at = 0; at < headers.length; at += 2) {
    if (own[headers[at]!.toLowerCase()] === undefined) kept.push(headers[at]!, headers[at + 1]!)
  }
  return [...kept, ...Object.entries(own).flat()]
}

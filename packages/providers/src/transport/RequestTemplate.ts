/**
 * A request without its body: address, authorisation and headers, as a vendor's SDK builds them. Built once per
 * provider, as they do not change between calls.
 */
import * as Effect from "effect/Effect"
import type { Native } from "@understudy/core/Chat"
import { ProviderStartError } from "../ProviderStartError.ts"
import type { Redaction } from "./Redaction.ts"

/** The headers, by lower-case names, and the query of a client's own request. */
type Own = Pick<Native, "headers" | "query">

export interface RequestTemplate {
  /** Default: `POST`. */
  readonly method?: "GET" | "POST" | "DELETE" | undefined
  readonly origin: string
  /** Contains `{model}` if the vendor's path includes the model. */
  readonly path: string
  /** Alternating names and values: undici writes them without further checks. */
  readonly headers: ReadonlyArray<string>
  /** The path of a model, in place of its name. */
  readonly modelPath?: ((model: string) => string) | undefined
  /** What is sent of the headers and the query of a client's own request. Default: all. */
  readonly accept?: ((own: Own) => Own) | undefined
}

/** The part of an SDK client that builds requests, common to `openai` and `@anthropic-ai/sdk`. */
export interface Builder {
  readonly buildRequest: (options: {
    readonly method: "post"
    readonly path: string
    readonly body: object
  }) => Promise<{ readonly url: string; readonly req: { readonly headers: Iterable<readonly [string, string]> } }>
}

/** Headers of a single request, left out of the template. */
const perRequest = new Set(["content-length", "idempotency-key"])

/** Makes the SDK build a POST to `path`, and keeps everything but the body. Error messages of the SDK are redacted. */
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
        headers: [...req.headers].flatMap(([name, value]) => (perRequest.has(name.toLowerCase()) ? [] : [name, value])),
      }
    },
  )

/** Whether the path includes the model. */
export const takesModel = (template: RequestTemplate | undefined): boolean =>
  template?.path.includes(placeholder) === true

/** The template for one model. The name must fit into a path (see `ModelPath`) and may contain slashes. */
export const withModel = (template: RequestTemplate, model: string): RequestTemplate =>
  takesModel(template)
    ? {
        ...template,
        path: template.path.replace(placeholder, () =>
          (template.modelPath?.(model) ?? model).split("/").map(encodeURIComponent).join("/"),
        ),
      }
    : template

/** The placeholder of the model in a path. */
export const placeholder = "{model}"

/** The template with the headers and the query of a client's own request. The client's headers take precedence. */
export const withNative = (template: RequestTemplate, native: Own): RequestTemplate => {
  const { headers, query } = template.accept?.(native) ?? native
  return {
    ...template,
    ...(headers === undefined ? undefined : { headers: overlay(template.headers, headers) }),
    ...(query === undefined
      ? undefined
      : { path: `${template.path}${template.path.includes("?") ? "&" : "?"}${new URLSearchParams(query)}` }),
  }
}

const overlay = (headers: ReadonlyArray<string>, own: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const kept: Array<string> = []
  for (let at = 0; at < headers.length; at += 2) {
    if (own[headers[at]!.toLowerCase()] === undefined) kept.push(headers[at]!, headers[at + 1]!)
  }
  return [...kept, ...Object.entries(own).flat()]
}

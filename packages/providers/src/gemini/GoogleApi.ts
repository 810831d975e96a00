/**
 * What the Gemini API and Vertex AI have in common: the request that `@google/genai` builds, and the properties of the endpoint.
 */
import type * as Sdk from "@google/genai"
import * as Redacted from "effect/Redacted"
import type * as HttpProvider from "../HttpProvider.ts"
import * as Gemini from "../protocols/gemini/index.ts"
import type * as RequestTemplate from "../transport/RequestTemplate.ts"

/** Where requests in Gemini's protocol go: `host` is `undefined` for Google's own servers. */
export const endpointAt = (host: string | undefined): HttpProvider.Options<Gemini.Errors.WireError>["endpoint"] => ({
  name: host ?? "google",
  host,
  ids: { lenient: true },
  limits: { names: { longest: 64, refused: /[^\w.:-]/g, startsWithLetter: true } },
  writeEncrypted: (sealed) => Gemini.Signatures.write(sealed) ?? "",
})

interface Versioned {
  readonly apiVersion?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const keyHeader = "x-goog-api-key"

/** Lets the SDK call `generateContent` with a `fetch` that sends nothing, and returns the address and headers. */
export const sdkRequest = (
  { GoogleGenAI }: Pick<typeof Sdk, "GoogleGenAI">,
  baseUrl: string,
  key: Redacted.Redacted | undefined,
  { apiVersion, headers }: Versioned,
): RequestTemplate.Builder => ({
  buildRequest: () =>
    new Promise((resolve, reject) => {
      const client = new GoogleGenAI({
        vertexai: false,
        apiKey: key === undefined ? "none" : Redacted.value(key),
        apiVersion: apiVersion ?? "v1beta",
        httpOptions: {
          baseUrl,
          headers: { ...headers },
          fetch: (url, init) => {
            const headers = new Headers(init?.headers)
            if (key === undefined) headers.delete(keyHeader)
            resolve({ url: String(url), req: { headers } })
            return Promise.resolve(Response.json({}))
          },
        },
      })
      client.models.generateContent({ model: templateModel, contents: "x" }).catch(reject)
    }),
})

/** The model in the address of `sdkRequest`. */
export const templateModel = "x"

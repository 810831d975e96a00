/**
 * The response format: `response_format` of Chat Completions, and `text.format` of Responses.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"

/** The fields of a JSON schema format, which are nested in Chat Completions and flat in Responses. */
export interface JsonSchema {
  readonly name: string
  readonly schema?: Readonly<Record<string, unknown>> | null | undefined
  readonly description?: string | null | undefined
  readonly strict?: boolean | null | undefined
}

/** The format of that type; `undefined` if there is none. `jsonSchema` is set for `json_schema`. */
export const decode = (
  type: "text" | "json_object" | "json_schema" | undefined,
  jsonSchema: JsonSchema | undefined,
): Chat.Format | undefined => {
  if (jsonSchema !== undefined) {
    const { description, name, schema, strict } = jsonSchema
    return {
      type: "json-schema",
      name,
      schema: schema ?? {},
      ...(Predicate.isString(description) ? { description } : undefined),
      ...(Predicate.isBoolean(strict) ? { strict } : undefined),
    }
  }
  switch (type) {
    case "text":
      return { type: "text" }
    case "json_object":
      return { type: "json" }
    default:
      return undefined
  }
}

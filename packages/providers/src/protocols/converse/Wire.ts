/**
 * The schema of a Converse request. Fields not listed here are not validated. Bytes are bytes, as the SDK takes them,
 * or base64, as it sends them.
 */
import * as Schema from "effect/Schema"
import * as Json from "../Json.ts"

const optional = Schema.optional
const Empty = Json.Anything
const Bytes = Schema.Union([Schema.String, Schema.Uint8Array])

const Source = Schema.Struct({
  bytes: optional(Bytes),
  text: optional(Schema.String),
  s3Location: optional(Schema.Struct({ uri: Schema.String })),
})
export type Source = typeof Source.Type

const Image = Schema.Struct({ format: Schema.String, source: Source })
const Document = Schema.Struct({
  format: optional(Schema.String),
  name: Schema.String,
  source: Source,
  context: optional(Schema.String),
  citations: optional(Schema.Struct({ enabled: Schema.Boolean })),
})
export type Document = typeof Document.Type

const CachePoint = Schema.Struct({ type: Schema.String, ttl: optional(Schema.String) })
export type CachePoint = typeof CachePoint.Type

const Media = { text: optional(Schema.String), image: optional(Image), document: optional(Document) }

const ToolResult = Schema.Struct({
  toolUseId: Schema.String,
  content: Schema.Array(Schema.Struct({ ...Media, json: optional(Schema.Unknown) })),
  status: optional(Schema.String),
})
export type ToolResult = typeof ToolResult.Type

/** Each block has exactly one of these fields. */
const Block = Schema.Struct({
  ...Media,
  audio: optional(Image),
  toolUse: optional(Schema.Struct({ toolUseId: Schema.String, name: Schema.String, input: optional(Schema.Unknown) })),
  toolResult: optional(ToolResult),
  reasoningContent: optional(
    Schema.Struct({
      reasoningText: optional(Schema.Struct({ text: Schema.String, signature: optional(Schema.String) })),
      redactedContent: optional(Bytes),
    }),
  ),
  citationsContent: optional(
    Schema.Struct({
      content: Schema.Array(Schema.Struct({ text: optional(Schema.String) })),
      citations: optional(Schema.Array(Schema.Unknown)),
    }),
  ),
  cachePoint: optional(CachePoint),
})
export type Block = typeof Block.Type

const Message = Schema.Struct({
  role: Schema.Literals(["user", "assistant", "system"]),
  content: Schema.Array(Block),
})
export type Message = typeof Message.Type

const System = Schema.Struct({ text: optional(Schema.String), cachePoint: optional(CachePoint) })
export type System = typeof System.Type

const Tool = Schema.Struct({
  toolSpec: optional(
    Schema.Struct({
      name: Schema.String,
      description: optional(Schema.String),
      inputSchema: Schema.Struct({ json: Empty }),
      strict: optional(Schema.Boolean),
    }),
  ),
  cachePoint: optional(CachePoint),
})
export type Tool = typeof Tool.Type

export const Request = Schema.Struct({
  modelId: Schema.String.check(Schema.isNonEmpty({ expected: "the id of a model" })),
  messages: optional(Schema.Array(Message)),
  system: optional(Schema.Array(System)),
  inferenceConfig: optional(
    Schema.Struct({
      maxTokens: optional(Schema.Int),
      temperature: optional(Schema.Finite),
      topP: optional(Schema.Finite),
      stopSequences: optional(Schema.Array(Schema.String)),
    }),
  ),
  toolConfig: optional(
    Schema.Struct({
      tools: Schema.Array(Tool),
      toolChoice: optional(
        Schema.Struct({
          auto: optional(Empty),
          any: optional(Empty),
          tool: optional(Schema.Struct({ name: Schema.String })),
        }),
      ),
    }),
  ),
  outputConfig: optional(
    Schema.Struct({
      effort: optional(Schema.String),
      textFormat: optional(
        Schema.Struct({
          structure: Schema.Struct({
            jsonSchema: Schema.Struct({
              schema: Schema.String,
              name: optional(Schema.String),
              description: optional(Schema.String),
            }),
          }),
        }),
      ),
    }),
  ),
  requestMetadata: optional(Json.Labels),
  additionalModelRequestFields: optional(Schema.Unknown),
  additionalModelResponseFieldPaths: optional(Schema.Unknown),
})
export type Request = typeof Request.Type

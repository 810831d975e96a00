/**
 * The schema of a client's `generateContent` request. Fields not listed here are not validated.
 *
 * Nearly every optional field may be null, which means the same as leaving it out. A part's type is determined by its
 * fields.
 */
import * as Schema from "effect/Schema"
import * as ExactNumber from "../ExactNumber.ts"
import * as Json from "../Json.ts"
import { optional } from "../WireSchema.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Contents
// ---------------------------------------------------------------------------------------------------------------------

const Blob = Schema.Struct({ mimeType: Schema.String, data: Schema.String })
const FileData = Schema.Struct({ fileUri: Schema.String, mimeType: optional(Schema.String) })
const media = { inlineData: optional(Blob), fileData: optional(FileData) }

const Media = Schema.Struct(media)
export type Media = typeof Media.Type

const FunctionCall = Schema.Struct({
  id: optional(Schema.String),
  name: Schema.String,
  args: optional(Json.Anything),
})

const FunctionResponse = Schema.Struct({
  id: optional(Schema.String),
  name: Schema.String,
  response: optional(Json.Anything),
  parts: optional(Schema.Array(Media)),
})
export type FunctionResponse = typeof FunctionResponse.Type

const Part = Schema.Struct({
  text: optional(Schema.String),
  thought: optional(Schema.Boolean),
  thoughtSignature: optional(Schema.String),
  ...media,
  functionCall: optional(FunctionCall),
  functionResponse: optional(FunctionResponse),
  executableCode: optional(Schema.Struct({ code: Schema.String, language: optional(Schema.String) })),
  codeExecutionResult: optional(Schema.Struct({ output: optional(Schema.String) })),
})
export type Part = typeof Part.Type

const Content = Schema.Struct({
  role: optional(Schema.Literals(["user", "model", "function"])),
  parts: optional(Schema.Array(Part)),
})
export type Content = typeof Content.Type

const System = Schema.Struct({ parts: optional(Schema.Array(Part)) })

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const FunctionDeclaration = Schema.Struct({
  name: Schema.String,
  description: optional(Schema.String),
  parameters: optional(Json.Anything),
  parametersJsonSchema: optional(Json.Anything),
})
export type FunctionDeclaration = typeof FunctionDeclaration.Type

const ToolConfig = Schema.Struct({
  functionCallingConfig: optional(
    Schema.Struct({
      mode: optional(Schema.Literals(["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"])),
      allowedFunctionNames: optional(Schema.Array(Schema.String)),
    }),
  ),
})

export const GenerationConfig = Schema.Struct({
  maxOutputTokens: optional(Schema.Int),
  temperature: optional(Schema.Finite),
  topP: optional(Schema.Finite),
  topK: optional(Schema.Finite),
  stopSequences: optional(Schema.Array(Schema.String)),
  seed: optional(ExactNumber.Integer),
  presencePenalty: optional(Schema.Finite),
  frequencyPenalty: optional(Schema.Finite),
  candidateCount: optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { expected: "at least 1" }))),
  responseLogprobs: optional(Schema.Boolean),
  logprobs: optional(Schema.Int),
  responseMimeType: optional(Schema.String),
  responseSchema: optional(Json.Anything),
  responseJsonSchema: optional(Json.Anything),
  thinkingConfig: optional(
    Schema.Struct({
      thinkingBudget: optional(Schema.Int),
      thinkingLevel: optional(Schema.String),
    }),
  ),
})
export type GenerationConfig = typeof GenerationConfig.Type

export const Request = Schema.Struct({
  contents: Schema.Array(Content).check(Schema.isNonEmpty({ expected: "at least one content" })),
  systemInstruction: optional(System),
  tools: optional(Schema.Array(Schema.Struct({ functionDeclarations: optional(Schema.Array(FunctionDeclaration)) }))),
  toolConfig: optional(ToolConfig),
  generationConfig: optional(GenerationConfig),
  labels: optional(Json.Labels),
})
export type Request = typeof Request.Type

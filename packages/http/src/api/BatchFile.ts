/**
 * The input file of a batch: lines of JSON, each a request whose `body.model` names a route of the gateway. All name the same one. The
 * file is read line by line, and sent with the vendor's model id in place of that name; everything else of a line stays as it is.
 */
import type { File } from "@understudy/core/Operation"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as Effect from "effect/Effect"
import { Buffer } from "node:buffer"
import { StringDecoder } from "node:string_decoder"
import * as ApiError from "./ApiError.ts"

/** The longest line, in UTF-16 code units. */
const longestLine = 16_000_000

/** The model that the lines of a file name, and the file as it is sent for a vendor's model. Fails for a line that is no request. */
export const read = (file: File): Effect.Effect<{ readonly model: string; readonly file: File }, ApiError.ApiError> =>
  Effect.flatMap(
    Effect.promise(() => survey(file)),
    (found) => {
      if ("problem" in found) return Effect.fail(invalid(found.problem, found.line))
      const { bytes, lines, model } = found
      return Effect.succeed({
        model,
        file: {
          ...file,
          forModel: (id) => ({
            size: bytes + lines * (Buffer.byteLength(JSON.stringify(id)) - empty),
            open: () => rewritten(file, id),
          }),
        },
      })
    },
  )

/** The bytes of `""`. */
const empty = 2

type Survey =
  | { readonly model: string; readonly lines: number; readonly bytes: number }
  | { readonly problem: string; readonly line: number }

/** The model of a file, the number of its lines, and their bytes with an empty model. */
async function survey(file: File): Promise<Survey> {
  let model: string | undefined
  let lines = 0
  let bytes = 0
  for await (const line of linesOf(file)) {
    lines++
    if (line.length > longestLine) return { problem: `is longer than ${longestLine} characters`, line: lines }
    const request = parsed(line)
    if (request === undefined) return { problem: "is not a JSON object", line: lines }
    const own = Json.fields(request["body"])["model"]
    if (!Json.isNonEmptyString(own)) return { problem: "has no model: set `body.model` to a route", line: lines }
    if (model !== undefined && own !== model)
      return { problem: `is for the model "${own}", and those before it for "${model}"`, line: lines }
    model = own
    bytes += Buffer.byteLength(withModel(request, "")) + 1
  }
  return model === undefined ? { problem: "is missing: the file is empty", line: 1 } : { model, lines, bytes }
}

async function* rewritten(file: File, model: string): AsyncGenerator<Uint8Array> {
  for await (const line of linesOf(file)) {
    const request = parsed(line)
    if (request !== undefined) yield Buffer.from(`${withModel(request, model)}\n`)
  }
}

const parsed = (line: string): Json.Fields | undefined => {
  const value = Json.parseExact(line)
  return Json.isObject(value) ? value : undefined
}

const withModel = (request: Json.Fields, model: string): string =>
  JsonText.print({ ...request, body: { ...Json.fields(request["body"]), model } }, request)

/** The lines of a file that are not blank. One that is too long is cut. */
async function* linesOf(file: File): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8")
  let rest = ""
  for await (const chunk of file.open()) {
    const [first = "", ...others] = decoder.write(Buffer.from(chunk)).split("\n")
    rest += first
    for (const next of others) {
      if (rest.trim() !== "") yield rest
      rest = next
    }
    if (rest.length > longestLine) break
  }
  rest += decoder.end()
  if (rest.trim() !== "") yield rest
}

const invalid = (problem: string, line: number): ApiError.ApiError =>
  ApiError.invalid(`Invalid value for 'file': line ${line} ${problem}.`, { param: "file", code: "invalid_file" })

/**
 * Records events of this protocol that are passed on, so that another deployment can continue the stream, or the stream
 * can be ended with all of its content.
 *
 * Upstreams omit events and fields, and some send invalid events: nothing here relies on any of them.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as Citations from "./Citations.ts"
import * as Output from "./Output.ts"
import * as EchoedItems from "./EchoedItems.ts"
import * as OutputItemWriter from "./OutputItemWriter.ts"

/** Records a delta. Its data is only parsed if its part was not announced. */
export const delta = (data: string, parts: ReadonlyArray<Chat.Part>, writer: OutputItemWriter.State): void => {
  writer.sequence++
  for (const part of parts) {
    if (part.type !== "text" && part.type !== "refusal") continue
    const type = part.type === "text" ? "output_text" : "refusal"
    const open = writer.message?.part
    const written = open?.type === type ? open : openPart(Json.fields(Json.parse(data)), type, writer)
    written.text += part.text
  }
}

/** Records any other event. */
export const event = (type: string, data: string, writer: OutputItemWriter.State): void => {
  const body = Json.fields(Json.parseExact(data))
  writer.sequence = (Json.integer(body["sequence_number"]) ?? writer.sequence) + 1
  switch (type) {
    case "response.output_item.added":
      return added(body, writer)
    case "response.output_item.done":
      return done(body, writer)
    case "response.content_part.added": {
      const kind = Json.fields(body["part"])["type"]
      if (kind === "output_text" || kind === "refusal") openPart(body, kind, writer)
      return
    }
    case "response.content_part.done":
      if (writer.message?.index === indexOf(body, writer)) donePart(writer.message, Json.fields(body["part"]))
      return
    case "response.output_text.annotation.added":
      return addAnnotation(body["annotation"], writer)
  }
}

/** The index of an event's item. Default: the open item, else the next one. */
const indexOf = (body: Fields, { message, next }: OutputItemWriter.State): number =>
  validIndex(body["output_index"]) ?? message?.index ?? next

const validIndex = (value: unknown): number | undefined => {
  const index = Json.integer(value)
  return index === undefined || index < 0 ? undefined : index
}

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

const added = (body: Fields, writer: OutputItemWriter.State): void => {
  const index = validIndex(body["output_index"]) ?? writer.next
  const item = Json.fields(body["item"])
  writer.next = Math.max(writer.next, index + 1)
  if (item["type"] === "message") openMessage(index, item, writer)
  else if (Predicate.isString(item["type"])) writer.open.set(index, complete(index, item, "incomplete", writer))
}

/** The complete item. Missing fields are taken from earlier events. */
const done = (body: Fields, writer: OutputItemWriter.State): void => {
  const index = indexOf(body, writer)
  const item = Json.fields(body["item"])
  const { message } = writer
  writer.next = Math.max(writer.next, index + 1)
  writer.open.delete(index)
  if (message?.index === index) {
    writer.message = undefined
    const written = OutputItemWriter.completeMessage(message, "completed")
    const content = Array.isArray(item["content"]) ? item["content"] : written["content"]
    OutputItemWriter.recordDone(writer, index, { ...written, ...Json.defined(item), content })
  } else if (Predicate.isString(item["type"]))
    OutputItemWriter.recordDone(writer, index, complete(index, item, "completed", writer))
}

/** An item other than a message, with missing required fields. */
const complete = (
  index: number,
  item: Fields,
  status: Output.Status,
  { responseId }: OutputItemWriter.State,
): Block => {
  switch (item["type"]) {
    case "reasoning":
      return { id: EchoedItems.id("rs", responseId, index), summary: [], ...Json.defined(item) }
    case "function_call": {
      const id = EchoedItems.id("fc", responseId, index)
      return { ...Output.call(id, status, { id, name: "", arguments: "" }, none), ...Json.defined(item) }
    }
    default:
      return { ...item }
  }
}

const none: OutputItemWriter.State["names"] = new Map()

/** Opens a message. A message left open by its upstream is ended. */
const openMessage = (index: number, item: Fields, writer: OutputItemWriter.State): OutputItemWriter.Message => {
  const { message: before } = writer
  if (before !== undefined)
    OutputItemWriter.recordDone(writer, before.index, OutputItemWriter.completeMessage(before, "completed"))
  const id = Json.nonEmptyString(item["id"]) ?? EchoedItems.id("msg", writer.responseId, index)
  return (writer.message = { id, index, item: { ...item, id }, content: [], part: undefined })
}

// ---------------------------------------------------------------------------------------------------------------------
// Parts of messages
// ---------------------------------------------------------------------------------------------------------------------

const openPart = (
  body: Fields,
  type: OutputItemWriter.MessagePart["type"],
  writer: OutputItemWriter.State,
): OutputItemWriter.MessagePart => {
  const index = indexOf(body, writer)
  const item = { id: body["item_id"] }
  const message = writer.message?.index === index ? writer.message : openMessage(index, item, writer)
  writer.next = Math.max(writer.next, index + 1)
  donePart(message, {})
  return (message.part = OutputItemWriter.part(message, type, validIndex(body["content_index"])))
}

const addAnnotation = (wire: unknown, { message }: OutputItemWriter.State): void => {
  const part = message?.part
  if (part === undefined) return
  const annotation = Citations.complete(wire, part.text.length)
  if (annotation !== undefined) part.annotations.push(annotation)
}

const donePart = (message: OutputItemWriter.Message, wire: Fields): void => {
  const { part } = message
  message.part = undefined
  if (part !== undefined) message.content.push({ ...OutputItemWriter.content(part), ...Json.defined(wire) })
  else if (Predicate.isString(wire["type"])) message.content.push({ ...wire })
}

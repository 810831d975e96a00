/**
 * Keeping up with this protocol's own events, which go out as they came: what the client has been told is folded, so that
 * another deployment can go on from there, or the end be told with all of it.
 *
 * Upstreams leave out events and fields, and some write what is no event at all: nothing here relies on any of them.
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

/** Most events are deltas, and say no more than their parts: only the first of a part nobody announced is read for more. */
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

/** Any other event. */
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
      return annotated(body["annotation"], writer)
  }
}

/** Where an event's item stands; where it does not say so, that is the one being written, or the next. */
const indexOf = (body: Fields, { message, next }: OutputItemWriter.State): number =>
  place(body["output_index"]) ?? message?.index ?? next

const place = (index: unknown): number | undefined => {
  const place = Json.integer(index)
  return place === undefined || place < 0 ? undefined : place
}

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

const added = (body: Fields, writer: OutputItemWriter.State): void => {
  const index = place(body["output_index"]) ?? writer.next
  const item = Json.fields(body["item"])
  writer.next = Math.max(writer.next, index + 1)
  if (item["type"] === "message") openMessage(index, item, writer)
  else if (Predicate.isString(item["type"])) writer.open.set(index, complete(index, item, "incomplete", writer))
}

/** The item says all of itself again. What it does not say was told before. */
const done = (body: Fields, writer: OutputItemWriter.State): void => {
  const index = indexOf(body, writer)
  const item = Json.fields(body["item"])
  const { message } = writer
  writer.next = Math.max(writer.next, index + 1)
  writer.open.delete(index)
  if (message?.index === index) {
    writer.message = undefined
    const told = OutputItemWriter.whole(message, "completed")
    const content = Array.isArray(item["content"]) ? item["content"] : told["content"]
    OutputItemWriter.keep(writer, index, { ...told, ...Json.defined(item), content })
  } else if (Predicate.isString(item["type"]))
    OutputItemWriter.keep(writer, index, complete(index, item, "completed", writer))
}

/** One that is no message, with what is due where its upstream left it out. */
const complete = (index: number, item: Fields, status: Output.Status, { answer }: OutputItemWriter.State): Block => {
  switch (item["type"]) {
    case "reasoning":
      return { id: EchoedItems.id("rs", answer, index), summary: [], ...Json.defined(item) }
    case "function_call": {
      const id = EchoedItems.id("fc", answer, index)
      return { ...Output.call(id, status, { id, name: "", arguments: "" }, none), ...Json.defined(item) }
    }
    default:
      return { ...item }
  }
}

const none: OutputItemWriter.State["names"] = new Map()

/** One that its upstream left open is as whole as it will be. */
const openMessage = (index: number, item: Fields, writer: OutputItemWriter.State): OutputItemWriter.Message => {
  const { message: before } = writer
  if (before !== undefined) OutputItemWriter.keep(writer, before.index, OutputItemWriter.whole(before, "completed"))
  const id = Json.nonEmptyString(item["id"]) ?? EchoedItems.id("msg", writer.answer, index)
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
  return (message.part = OutputItemWriter.part(message, type, place(body["content_index"])))
}

const annotated = (said: unknown, { message }: OutputItemWriter.State): void => {
  const part = message?.part
  if (part === undefined) return
  const annotation = Citations.complete(said, part.text.length)
  if (annotation !== undefined) part.annotations.push(annotation)
}

const donePart = (message: OutputItemWriter.Message, said: Fields): void => {
  const { part } = message
  message.part = undefined
  if (part !== undefined) message.content.push({ ...OutputItemWriter.content(part), ...Json.defined(said) })
  else if (Predicate.isString(said["type"])) message.content.push({ ...said })
}

/**
 * Adapts items of earlier responses that a client's own body returns. OpenAI's own items are unchanged. Items written
 * here for other vendors' responses are removed if only OpenAI could read them, lose ids that OpenAI did not issue, and
 * get call ids that OpenAI accepts.
 */
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Reasoning from "./Reasoning.ts"
import * as SealedSummary from "./SealedSummary.ts"

/** OpenAI's rule for call ids. */
export const ids: ToolIds.Rule = { longest: 64, plain: true }

/** A mark in item ids written by this codec. */
const mark = "_understudy_"

/** The id of an item of a response, by kind: `msg`, `rs`, `fc`, `ctc`. */
export const id = (kind: string, answer: string, index: number): string => `${kind}${mark}${answer}_${index}`

const hasMark = (id: unknown): boolean => Predicate.isString(id) && id.includes(mark)

/** The items as OpenAI accepts them; the given array if nothing changes. `change` reports removed items. */
export const fit = (input: ReadonlyArray<unknown>, endpoint: Endpoint, change: Warn): ReadonlyArray<unknown> => {
  let fitted: Array<unknown> | undefined
  for (const [index, item] of input.entries()) {
    const result = Predicate.isObject(item) ? fitItem(item, endpoint) : item
    if (fitted === undefined && result !== item) fitted = input.slice(0, index)
    if (result === undefined && isEncrypted(item)) change("reasoning not issued by OpenAI, left out")
    if (fitted !== undefined && result !== undefined) fitted.push(result)
  }
  return fitted ?? input
}

const isEncrypted = (item: unknown): boolean => Predicate.isString(Json.fields(item)["encrypted_content"])

/** Whether OpenAI can use reasoning without an encrypted value: it is stored, or its text is from an open model. */
const isReadable = ({ content, encrypted_content, id }: Fields, isGenerated: boolean): boolean =>
  !Predicate.isString(encrypted_content) &&
  ((Json.nonEmptyString(id) !== undefined && !isGenerated) || Json.list(content).length > 0)

const withoutId = (item: Fields, isGenerated: boolean): Fields => {
  const { id: _id, ...rest } = item
  return isGenerated ? rest : item
}

/** `undefined` if the item is useless to OpenAI. */
const fitItem = (item: Fields, endpoint: Endpoint): Fields | undefined => {
  const { call_id, encrypted_content, id, type } = item
  if (type === "compaction" && SealedSummary.isReadable(encrypted_content))
    return { type: "message", role: "user", content: SealedSummary.textOf(item) }
  const isGenerated = hasMark(id)
  if (type === "reasoning") {
    const encrypted = Reasoning.ownContent(encrypted_content, endpoint.host)
    if (encrypted === undefined) return isReadable(item, isGenerated) ? item : undefined
    if (encrypted !== encrypted_content) return { ...withoutId(item, isGenerated), encrypted_content: encrypted }
  }
  const call = Predicate.isString(call_id) ? ToolIds.toward(ToolIds.read(call_id).id, endpoint) : call_id
  if (!isGenerated && call === call_id) return item
  return { ...withoutId(item, isGenerated), ...(call === undefined ? undefined : { call_id: call }) }
}

/**
 * What a client brings back of earlier answers, on its way to OpenAI in the client's own body: items of OpenAI's pass as
 * they are. Those of other vendors' answers were only dressed as OpenAI's, and are undressed: thoughts that OpenAI could
 * not read are left out, ids that it never gave too, and a call's id is one that it takes.
 */
import * as Predicate from "effect/Predicate"
import type { Endpoint } from "../Endpoint.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as ToolIds from "../ToolIds.ts"
import * as Reasoning from "./Reasoning.ts"

/** The ids of calls that OpenAI takes. */
export const ids: ToolIds.Rule = { longest: 64, plain: true }

/** The ids that this codec gives to items, told by what stands in them. */
const mark = "_understudy_"

/** The id of an item of the answer of that id, by its kind: `msg`, `rs`, `fc`, `ctc`. */
export const id = (kind: string, answer: string, index: number): string => `${kind}${mark}${answer}_${index}`

const isOurs = (id: unknown): boolean => Predicate.isString(id) && id.includes(mark)

/** The items as OpenAI takes them; the same array where nothing is to be done. */
export const strip = (input: ReadonlyArray<unknown>, endpoint: Endpoint): ReadonlyArray<unknown> => {
  let stripped: Array<unknown> | undefined
  for (const [index, item] of input.entries()) {
    const kept = Predicate.isObject(item) ? stripItem(item, endpoint) : item
    if (stripped === undefined && kept !== item) stripped = input.slice(0, index)
    if (stripped !== undefined && kept !== undefined) stripped.push(kept)
  }
  return stripped ?? input
}

/** Whether thoughts without a seal are worth something: OpenAI has stored them, or an open model thought aloud. */
const isReadable = ({ content, encrypted_content, id }: Fields, ours: boolean): boolean =>
  !Predicate.isString(encrypted_content) &&
  ((Json.nonEmptyString(id) !== undefined && !ours) || Json.list(content).length > 0)

const without = (item: Fields, ours: boolean): Fields => {
  const { id: _id, ...rest } = item
  return ours ? rest : item
}

/** `undefined` for one that is worth nothing there. */
const stripItem = (item: Fields, endpoint: Endpoint): Fields | undefined => {
  const { call_id, encrypted_content, id, type } = item
  const ours = isOurs(id)
  if (type === "reasoning") {
    const seal = Reasoning.own(encrypted_content, endpoint.host)
    if (seal === undefined) return isReadable(item, ours) ? item : undefined
    if (seal !== encrypted_content) return { ...without(item, ours), encrypted_content: seal }
  }
  const call = Predicate.isString(call_id) ? ToolIds.toward(ToolIds.read(call_id).id, endpoint) : call_id
  if (!ours && call === call_id) return item
  return { ...without(item, ours), ...(call === undefined ? undefined : { call_id: call }) }
}

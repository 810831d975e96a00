/**
 * Ids of files and batches as clients get them. Each names the route that it was made on and the deployment and the account that hold
 * it, so that later calls go there, after a restart and by other gateways with the configuration too. It is no secret and no proof:
 * what a caller may do with it is decided by its route, as for every call.
 */
import type { Holder } from "@understudy/core/Operation"
import * as Json from "@understudy/providers/internal/protocols/Json"
import { Buffer } from "node:buffer"

/** What an id names. `id` is the vendor's. */
export interface Held {
  readonly route: string
  readonly holder: Holder
  readonly id: string
}

const mark = "us1_"

/** The id for clients. It begins as the vendor's does: `file-`, `batch_`. */
export const encode = ({ holder: { account = "", deployment }, id, route }: Held): string => {
  const [prefix = ""] = /^[a-z]+[-_]/.exec(id) ?? []
  return `${prefix}${mark}${Buffer.from(JSON.stringify([route, deployment, account, id])).toString("base64url")}`
}

/** What an id names; `undefined` if it is none of this gateway. */
export const decode = (text: string): Held | undefined => {
  const encoded = /^(?:[a-z]+[-_])?us1_([\w-]{1,2000})$/.exec(text)?.[1]
  if (encoded === undefined) return undefined
  const parts = parse(Buffer.from(encoded, "base64url").toString())
  if (parts === undefined) return undefined
  const [route, deployment, account, id] = parts
  const holder = account === "" ? { deployment } : { deployment, account }
  const held: Held = { route, holder, id }
  // The same text again: no other spelling of it is accepted.
  return vendors.test(id) && encode(held) === text ? held : undefined
}

/** Ids that vendors give. Others must not become a part of a path. */
const vendors = /^[\w-][\w.-]{0,255}$/

type Parts = readonly [route: string, deployment: string, account: string, id: string]

const isParts = (value: unknown): value is Parts =>
  Array.isArray(value) && value.length === 4 && value.every((part) => typeof part === "string")

const parse = (text: string): Parts | undefined => {
  if (!text.startsWith("[")) return undefined
  const value = Json.parse(text)
  return isParts(value) ? value : undefined
}

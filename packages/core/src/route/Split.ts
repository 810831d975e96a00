/**
 * Traffic splitting: which arm of a `Route.split` a call takes. Pure.
 *
 * The arm is chosen by weighted rendezvous hashing of the split's route, the identity of the call and the name of the arm. So
 * one identity takes the same arm in every process, and a share that is raised moves only calls of other arms, to its arm.
 */
import type { Call } from "../model/Call.ts"
import * as Outline from "../model/Outline.ts"

/**
 * What a split is sticky by.
 *
 * - `call`: nothing: the arm is drawn for each call.
 * - `key`: `CallOptions.caller`.
 * - `user`: the `user` of the request.
 *
 * A call without a key or a user is drawn as by `call`.
 */
export const splitBy = ["call", "key", "user"] as const

export type SplitBy = (typeof splitBy)[number]

/** An arm of a split: the route for a share of the calls. Shares are relative to their sum; an arm with share 0 gets no calls. */
export interface Arm<Use> {
  readonly use: Use
  readonly share: number
}

/** The arms of a split, by name, in the route of that name. */
export interface Split {
  readonly by: SplitBy
  readonly route: string
  readonly arms: ReadonlyArray<Arm<string>>
}

/** What decides the arm of a call: an identity, or a number that was drawn for the call. */
export interface Identity {
  readonly by: SplitBy
  readonly id: string
}

/** The identity of a call on the split; `undefined` if it has neither one nor a number that was drawn for it. */
export const identityOf = ({ by }: Pick<Split, "by">, call: Call): Identity | undefined => {
  const id = by === "call" ? undefined : by === "key" ? call.options.caller : userOf(call)
  if (id !== undefined && id !== "") return { by, id }
  return call.draw === undefined ? undefined : { by: "call", id: String(call.draw) }
}

/** The user is not among the texts that an outline shortens. */
const userOf = ({ request }: Call): string | undefined =>
  "messages" in request ? Outline.settings(request).user : request.user

/** The index of the arm that a call takes. Without an identity, that of the arm with the largest share. */
export const armOf = (split: Split, call: Call): number => {
  const identity = identityOf(split, call)
  let chosen = 0
  let best = -1
  split.arms.forEach(({ share, use }, index) => {
    const score = identity === undefined ? share : scoreOf(share, hash(`${split.route}\n${use}\n${identity.id}`))
    if (score <= best) return
    best = score
    chosen = index
  })
  return chosen
}

/** The arm with the highest score has an exponentially distributed time that is the shortest: its odds are its share. */
const scoreOf = (share: number, hash: number): number => share / -Math.log((hash + 1) / (range + 1))

/** Hashes are whole numbers from 0 (inclusive) to this (exclusive). */
const range = 2 ** 52

/**
 * A hash of 52 bits: two lanes of 32 bits that are multiplied and mixed as MurmurHash3 does. It must never change: a change
 * moves users to other arms.
 */
export const hash = (text: string): number => {
  let one = 0x9e3779b9
  let other = 0x85ebca6b
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    one = Math.imul(one ^ code, 0x9e3779b1)
    other = Math.imul(other ^ code, 0x5f356495)
  }
  const [high, low] = [mix(one ^ (other >>> 13)), mix(other ^ (one >>> 16))]
  return (high & 0xfffff) * 2 ** 32 + low
}

const mix = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** A share of the sum of all, such as `10 %`. */
export const percent = (share: number, arms: ReadonlyArray<Pick<Arm<unknown>, "share">>): string => {
  const sum = arms.reduce((sum, { share }) => sum + share, 0)
  return `${sum === 0 ? 0 : Math.round((share / sum) * 10_000) / 100} %`
}

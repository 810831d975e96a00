/**
 * What a deployment sets in a request whose body the client wrote: its parameters in place of those of the body, and fields of
 * the vendor's own.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"

type Block = Record<string, unknown>

/** A parameter that a deployment may set. */
export type Param = "reasoning" | NonNullable<keyof Chat.Sampling>

/** The names that each parameter has in the bodies of a protocol. */
export type Names = Readonly<Partial<Record<Param, ReadonlyArray<string>>>>

/** The body with the fields of `encoded` in place of all that the overridden parameters have in it. */
export const replace = (body: Block, names: Names, overrides: Chat.Overrides, encoded: Block): Block => {
  const replaced = { ...body }
  for (const param of overridden(overrides)) for (const name of names[param] ?? []) delete replaced[name]
  return Object.assign(replaced, encoded)
}

/** Whether the client's own body changes. */
export const changesBody = (overrides: Chat.Overrides | undefined): overrides is Chat.Overrides =>
  overrides !== undefined && overridden(overrides).length > 0

const overridden = ({ reasoning, sampling = {} }: Chat.Overrides): ReadonlyArray<Param> => {
  const params: Array<Param> = (Object.keys(sampling) as Array<keyof Chat.Sampling>).filter(
    (name) => sampling[name] !== undefined,
  )
  if (reasoning !== undefined) params.push("reasoning")
  return params
}

/** The request of only what the deployment sets: what of it the protocol does not support is unsupported. */
export const only = (
  { model }: Pick<Chat.Request, "model">,
  { reasoning, sampling }: Chat.Overrides,
): Chat.Request => ({
  model,
  messages: [],
  ...(sampling === undefined ? undefined : { sampling }),
  ...(reasoning === undefined ? undefined : { reasoning }),
})

/** The body with the vendor's own fields that the deployment sets. */
export const withExtraBody = <Body>(body: Body, extra: Chat.Overrides["extraBody"]): Body => {
  if (extra === undefined) return body
  const { force = {}, params = {} } = extra
  const extended = (own: Block) => forced(withDefaults(own, params), force)
  // A request that takes several calls of the vendor has several bodies.
  return (Array.isArray(body) ? body.map(extended) : extended(body as Block)) as Body
}

/** The fields, and those of `defaults` that they lack, object by object. */
const withDefaults = (fields: Block, defaults: Block): Block => {
  const all = { ...fields }
  for (const [name, value] of Object.entries(defaults)) {
    const own = fields[name]
    if (own === undefined) all[name] = value
    else if (isPlain(own) && isPlain(value)) all[name] = withDefaults(own, value)
  }
  return all
}

/** The fields with those of `force` in place of their own, object by object. */
const forced = (fields: Block, force: Block): Block => {
  const all = { ...fields }
  for (const [name, value] of Object.entries(force)) {
    const own = fields[name]
    all[name] = isPlain(own) && isPlain(value) ? forced(own, value) : value
  }
  return all
}

/** An object of fields: not bytes, and not a number that is kept as written. */
const isPlain = (value: unknown): value is Block =>
  Predicate.isObject(value) && Object.getPrototypeOf(value) === Object.prototype

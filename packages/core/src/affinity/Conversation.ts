/**
 * The conversation that a call belongs to, as the keys under which a balance keeps it. A key names the balance and the caller, so
 * that no caller can move, or find out about, a conversation of another. What tells the conversation apart is hashed.
 *
 * A session or a user has one key. Without either, a conversation is recognized by its beginning: each message that is added
 * gives the beginning up to it another key, and the longest beginning that was kept tells where the conversation is.
 */
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Outline from "../model/Outline.ts"
import type { AffinityBy } from "../policy/AffinityPolicy.ts"

/** The keys of one conversation at one balance. */
export interface ConversationKeys {
  /** Where it may have been kept, the best first. */
  readonly find: ReadonlyArray<string>
  /** Where it is kept once this call has its answer. */
  readonly keep: ReadonlyArray<string>
}

/** The keys of the call's conversation; `undefined` if nothing tells it apart. `balance` names the balance. */
export const keysOf = (call: Call<Chat.Request>, by: AffinityBy, balance: string): ConversationKeys | undefined => {
  const { caller = "" } = call.options
  const scope = `${encodeURIComponent(balance)}:${encodeURIComponent(caller)}`
  const id = identify(call, by)
  if (id === undefined) return undefined
  if (id._tag === "Prefix") {
    const keys = beginningsOf(call.request).map((beginning) => `${scope}:prefix:${beginning}`)
    // The second one too: some clients add to the latest message what they leave out in the next request.
    return keys.length === 0 ? undefined : { find: keys, keep: keys.slice(0, 2) }
  }
  const hash = new RollingHash()
  hash.add(id.text)
  const keys = [`${scope}:${id._tag.toLowerCase()}:${hash.value}`]
  return { find: keys, keep: keys }
}

/** What tells a conversation apart from others of its caller. A user may be the caller itself, whose text is empty. */
type Identity = { readonly _tag: "Session" | "User"; readonly text: string } | { readonly _tag: "Prefix" }

const identify = (call: Call<Chat.Request>, by: AffinityBy): Identity | undefined => {
  switch (by) {
    case "session": {
      const { session } = call.options
      if (session !== undefined && session !== "") return { _tag: "Session", text: session }
      return userOf(call.request) ?? prefix
    }
    case "user":
      return userOf(call.request) ?? (call.options.caller === undefined ? undefined : { _tag: "User", text: "" })
    case "prefix":
      return prefix
  }
}

const prefix: Identity = { _tag: "Prefix" }

const userOf = (request: Chat.Request): Identity | undefined => {
  const { user } = Outline.settings(request)
  return user === undefined || user === "" ? undefined : { _tag: "User", text: user }
}

// ---------------------------------------------------------------------------------------------------------------------
// Prefixes
// ---------------------------------------------------------------------------------------------------------------------

/** How many beginnings are looked up: those that end at the latest messages. A turn of an agent adds two. */
const maxBeginnings = 32

/**
 * The beginnings of a conversation, the longest first, each by its hash: that of the beginning before it, and of one message
 * more. None ends before the first message of the user, since a system prompt alone is that of many conversations.
 *
 * Left out is what may differ between the turns of one conversation: reasoning, which clients drop, and cache breakpoints,
 * which move. So are tools: other tools make no other conversation.
 */
const beginningsOf = (request: Chat.Request): ReadonlyArray<string> => {
  const outline = Outline.of(request)
  const hash = new RollingHash(outline?.restore)
  const beginnings: Array<string> = []
  let begun = false
  for (const message of (outline?.request ?? request).messages) {
    hash.add(message.role)
    for (const part of message.content) addPart(hash, part)
    begun ||= message.role === "user"
    if (begun) beginnings.push(hash.value)
  }
  return beginnings.slice(-maxBeginnings).reverse()
}

const addPart = (hash: RollingHash, part: Chat.UserContent | Chat.AssistantContent | Chat.ToolResult): void => {
  switch (part.type) {
    case "text":
    case "refusal":
      return hash.add(part.text)
    case "reasoning":
      return
    case "tool-call":
      hash.add(part.name)
      return hash.add(part.arguments)
    case "tool-result":
      return part.content.forEach((each) => addPart(hash, each))
    case "image":
    case "file":
    case "audio":
      return addSource(hash, part.source)
  }
}

/** Of data only the length and the ends are read: an image has megabytes. */
const addSource = (hash: RollingHash, source: Chat.Source): void => {
  switch (source.type) {
    case "url":
      return hash.add(source.url)
    case "id":
      return hash.add(source.id)
    case "base64":
      hash.add(String(source.data.length))
      hash.add(source.data.slice(0, sampled))
      return hash.add(source.data.slice(-sampled))
  }
}

/** Characters of each end of the data of an image or a file. */
const sampled = 256

/**
 * A hash of 64 bits of all texts added so far: two multiplicative hashes of 32 bits, mixed as MurmurHash3 does at its end. A loop
 * over more than one character at a time is slower. It needs no strength: where two conversations of one caller have one hash, they
 * are kept on one deployment.
 */
class RollingHash {
  readonly #restore: ((text: string) => string) | undefined
  #high = 0xdeadbeef
  #low = 0x41c6ce57

  /** `restore`: the whole of a text that may be shortened. */
  constructor(restore?: (text: string) => string) {
    this.#restore = restore
  }

  add(shortened: string): void {
    const text = this.#restore === undefined ? shortened : this.#restore(shortened)
    let high = this.#high
    let low = this.#low
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      high = Math.imul(high ^ unit, 2654435761)
      low = Math.imul(low ^ unit, 1597334677)
    }
    // No unit: texts that end elsewhere have another hash.
    this.#high = Math.imul(high ^ 0x10000, 2654435761)
    this.#low = Math.imul(low ^ 0x10000, 1597334677)
  }

  get value(): string {
    const high = mixed(this.#high ^ (this.#low >>> 16))
    return `${high.toString(36)}.${mixed(this.#low ^ high).toString(36)}`
  }
}

const mixed = (bits: number): number => {
  let mixing = Math.imul(bits ^ (bits >>> 16), 2246822507)
  mixing = Math.imul(mixing ^ (mixing >>> 13), 3266489909)
  return (mixing ^ (mixing >>> 16)) >>> 0
}

/**
 * Seals: a signature of thoughts, or thoughts that only their issuer can read. They are worth something to the endpoint
 * that gave them, and are refused by any other.
 *
 * The seals of a vendor's own address are the vendor's, on every cloud that serves its models: `"anthropic"`, `"google"`,
 * `"openai"`. Those of any other address that speaks the vendor's protocol are that address's own, `"anthropic@h1a2b3c4d"`:
 * what stands behind it is not known. A client is given a vendor's own as it wrote them, and any other under a mark that
 * names the issuer, for it to bring back.
 */
import type * as Chat from "@understudy/core/Chat"
import type { EncryptedReasoning } from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"

const mark = "understudy."

// ---------------------------------------------------------------------------------------------------------------------
// In a client's hands
// ---------------------------------------------------------------------------------------------------------------------

/** What a protocol of `issuer`'s writes where it has a place for seals. */
export const write = ({ issuer, value }: EncryptedReasoning, own: string): string =>
  issuer === own ? value : `${mark}${issuer}.${value}`

/** The seal in a place where `own`'s protocol has one. */
export const read = (text: string, own: string): EncryptedReasoning => {
  if (!text.startsWith(mark)) return { issuer: own, value: text }
  const dot = text.indexOf(".", mark.length)
  return { issuer: text.slice(mark.length, dot), value: text.slice(dot + 1) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Whose they are
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Where seals come from, and where they are taken back: `undefined` is a vendor's own address, a name any other. To
 * `nobody` none is worth anything.
 */
export type Host = string | undefined

export const nobody = ""

/** The host at an address that is not the vendor's own: a short hash, which tells clients nothing of the address. */
export const hostAt = (baseUrl: string): string => {
  const plain = baseUrl.toLowerCase().replace(/\/+$/, "").replace(/\/v1$/, "")
  return `h${createHash("sha256").update(plain).digest("hex").slice(0, 8)}`
}

const at = "@"

/** A seal in an answer of that host's, as the rest of the house knows it. */
export const from = (seal: EncryptedReasoning, host: Host): EncryptedReasoning =>
  host === undefined ? seal : { issuer: `${seal.issuer}${at}${host}`, value: seal.value }

/** A seal on its way to that host: as the host gave it, under whatever issuer it named, or else under nobody's. */
export const toward = (seal: EncryptedReasoning, host: Host): EncryptedReasoning => {
  const end = seal.issuer.lastIndexOf(at)
  if (host === undefined && end < 0) return seal
  return end >= 0 && host !== nobody && seal.issuer.slice(end + 1) === host
    ? { issuer: seal.issuer.slice(0, end), value: seal.value }
    : { issuer: `${seal.issuer}${at}`, value: seal.value }
}

/** Whether a seal that is on its way is worth nothing there. */
export const isNobodys = ({ issuer }: EncryptedReasoning): boolean => issuer.endsWith(at)

/** For a place in which every vendor's seals stand. */
export const anyone = ""

/**
 * The seal in a client's own body as that host takes it, where it is the host's or may be; `issuer` is whose protocol it
 * stands in. One without a mark is the protocol's owner's as far as one can tell.
 */
export const own = (text: string, issuer: string, host: Host): string | undefined => {
  if (text === "" || host === nobody) return undefined
  if (!text.startsWith(mark))
    return host !== undefined && issuer === "anthropic" && isAnthropics(text) ? undefined : text
  const marked = read(text, issuer)
  const seal = toward(marked, host)
  // One of the host's may be another's that it passed on.
  const isHosts = seal.issuer.length < marked.issuer.length
  return seal.issuer === issuer || (issuer === anyone && (isHosts || !seal.issuer.includes(at)))
    ? seal.value
    : undefined
}

/** Whether a seal in a client's hands names its issuer. */
export const isMarked = (text: string): boolean => text.startsWith(mark)

/** Whether a seal in a client's hands, whose issuer is named beside it, is under our mark of that issuer. */
export const isOurs = (text: string, issuer: string): boolean => text.startsWith(`${mark}${issuer}${at}`)

/**
 * The seal in a client's conversation, where its value stood in a body of `issuer`'s protocol. One beside the name of its
 * host is as the host gave it, and may bear the mark of another gateway, which is the host.
 */
export const returned = ({ issuer, value }: EncryptedReasoning): EncryptedReasoning =>
  issuer.includes(at) && !isOurs(value, issuer) ? { issuer, value } : read(value, issuer)

/** Whether Anthropic made it, or a cloud for it: base64 of a message whose first field is its second, and long. */
const isAnthropics = (text: string): boolean => text.length >= 80 && /^E[g-v][A-Za-z0-9+/]+={0,2}$/.test(text)

// ---------------------------------------------------------------------------------------------------------------------
// Of a whole conversation
// ---------------------------------------------------------------------------------------------------------------------

/** The messages with every seal as `change` has it; the same ones where it changes nothing. */
export const map = (
  messages: ReadonlyArray<Chat.Message>,
  change: (seal: EncryptedReasoning) => EncryptedReasoning,
): ReadonlyArray<Chat.Message> => {
  let changed = false
  const mapped = messages.map((message): Chat.Message => {
    if (message.role !== "assistant" || !message.content.some(isSealed)) return message
    changed = true
    return { ...message, content: message.content.map((part) => mapPart(part, change)) }
  })
  return changed ? mapped : messages
}

type Sealable = {
  readonly signature?: EncryptedReasoning | undefined
  readonly redacted?: EncryptedReasoning | undefined
}

/** Whether a part bears one. */
export const isSealed = (part: object): part is Sealable =>
  ("signature" in part && part.signature !== undefined) || ("redacted" in part && part.redacted !== undefined)

/** The part with its seal, if it has one, as `change` has it. */
export const mapPart = <Part extends object>(
  part: Part,
  change: (seal: EncryptedReasoning) => EncryptedReasoning,
): Part => {
  if (!isSealed(part)) return part
  const { redacted, signature } = part
  return {
    ...part,
    ...(signature === undefined ? undefined : { signature: change(signature) }),
    ...(redacted === undefined ? undefined : { redacted: change(redacted) }),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Where one is refused
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Asks once more without any seal where the vendor has refused one. `ask` is told for whom the request is to be written;
 * it is asked again at once, for what the vendor refused is not what the caller asked.
 */
export const orWithout = <A, R>(
  host: Host,
  request: Chat.Request,
  ask: (host: Host) => Effect.Effect<A, ProviderError, R>,
): Effect.Effect<A, ProviderError, R> =>
  Effect.catchIf(
    ask(host),
    (error) => isRefusal(error) && bringsThoughts(request),
    () => ask(nobody),
  )

/**
 * Anthropic's and Bedrock's `Invalid \`signature\` in \`thinking\` block` and `thinking blocks … cannot be modified`,
 * Google's `Thought signature is not valid`, OpenAI's `invalid_encrypted_content` and what it says of reasoning items.
 */
const isRefusal = ({ message }: ProviderError): boolean =>
  /thought[_ ]?signature|signature\W+in\W+|thinking\W+(?:or\W+redacted_thinking\W+)?(?:blocks?\b|but found)|redacted_thinking|thinking\.signature|encrypted[_ ]content|reasoning\W+item|of type 'reasoning'/i.test(
    message,
  )

const bringsThoughts = ({ messages }: Chat.Request): boolean =>
  messages.some(
    ({ content, role }) => role === "assistant" && content.some((part) => part.type === "reasoning" || isSealed(part)),
  )

/**
 * Encrypted reasoning: the signature of a reasoning part, or reasoning that only its issuer can read. It is valid at
 * the endpoint that issued it, and rejected by any other.
 *
 * An issuer is a vendor, on every cloud that serves its models (`"anthropic"`, `"google"`, `"openai"`), if the endpoint
 * is the vendor's own. Any other endpoint that speaks the vendor's protocol is an issuer of its own
 * (`"anthropic@h1a2b3c4d"`), because the server behind it is unknown. A client receives a vendor's own value unchanged,
 * and any other value tagged with its issuer, so that the client returns the tag.
 */
import type * as Chat from "@understudy/core/Chat"
import type { EncryptedReasoning } from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"

const mark = "understudy."

// ---------------------------------------------------------------------------------------------------------------------
// Client
// ---------------------------------------------------------------------------------------------------------------------

/** The value as it is sent to a client in the protocol of the vendor `own`. */
export const write = ({ issuer, value }: EncryptedReasoning, own: string): string =>
  issuer === own ? value : `${mark}${issuer}.${value}`

/** Reads a value that a client returns in the protocol of the vendor `own`. */
export const read = (text: string, own: string): EncryptedReasoning => {
  if (!text.startsWith(mark)) return { issuer: own, value: text }
  const dot = text.indexOf(".", mark.length)
  return { issuer: text.slice(mark.length, dot), value: text.slice(dot + 1) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Hosts
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The endpoint that issues and accepts encrypted reasoning: `undefined` is a vendor's own endpoint, a name is any
 * other, and `noHost` accepts none.
 */
export type Host = string | undefined

export const noHost = ""

/**
 * The host name of an endpoint that is not the vendor's own: a short hash, which does not reveal the URL to clients.
 */
export const hostAt = (baseUrl: string): string => {
  const plain = baseUrl.toLowerCase().replace(/\/+$/, "").replace(/\/v1$/, "")
  return `h${createHash("sha256").update(plain).digest("hex").slice(0, 8)}`
}

const at = "@"

/** Encrypted reasoning of the host's response, with the host in its issuer. */
export const from = (encrypted: EncryptedReasoning, host: Host): EncryptedReasoning =>
  host === undefined ? encrypted : { issuer: `${encrypted.issuer}${at}${host}`, value: encrypted.value }

/** Encrypted reasoning for a request to the host: with the issuer that the host gave, or marked as foreign. */
export const toward = (encrypted: EncryptedReasoning, host: Host): EncryptedReasoning => {
  const end = encrypted.issuer.lastIndexOf(at)
  if (host === undefined && end < 0) return encrypted
  return end >= 0 && host !== noHost && encrypted.issuer.slice(end + 1) === host
    ? { issuer: encrypted.issuer.slice(0, end), value: encrypted.value }
    : { issuer: `${encrypted.issuer}${at}`, value: encrypted.value }
}

/** Whether `toward` marked it as foreign to the host. */
export const isForeign = ({ issuer }: EncryptedReasoning): boolean => issuer.endsWith(at)

/** The issuer in places where every vendor's values may occur. */
export const anyIssuer = ""

/**
 * The value in a client's own body as the host accepts it, or `undefined` if it is another host's. `issuer` is the
 * vendor of the body's protocol. A value without a tag is assumed to be that vendor's.
 */
export const ownValue = (text: string, issuer: string, host: Host): string | undefined => {
  if (text === "" || host === noHost) return undefined
  if (!text.startsWith(mark))
    return host !== undefined && issuer === "anthropic" && isAnthropicValue(text) ? undefined : text
  const marked = read(text, issuer)
  const encrypted = toward(marked, host)
  // The host may have passed on another host's value.
  const isHosts = encrypted.issuer.length < marked.issuer.length
  return encrypted.issuer === issuer || (issuer === anyIssuer && (isHosts || !encrypted.issuer.includes(at)))
    ? encrypted.value
    : undefined
}

/** Whether a client's value is tagged with its issuer. */
export const isMarked = (text: string): boolean => text.startsWith(mark)

/** Whether a client's value, whose issuer is stated next to it, is tagged by a gateway for that issuer. */
export const isTaggedFor = (text: string, issuer: string): boolean => text.startsWith(`${mark}${issuer}${at}`)

/**
 * Reads a value from a client's conversation in a body of `issuer`'s protocol. A value next to its host's name is as
 * the host gave it; it may carry the tag of another gateway, which then is the host.
 */
export const readReturned = ({ issuer, value }: EncryptedReasoning): EncryptedReasoning =>
  issuer.includes(at) && !isTaggedFor(value, issuer) ? { issuer, value } : read(value, issuer)

/**
 * Whether Anthropic, or a cloud that serves its models, issued it: long base64 of a protobuf message that starts with
 * field 2.
 */
const isAnthropicValue = (text: string): boolean => text.length >= 80 && /^E[g-v][A-Za-z0-9+/]+={0,2}$/.test(text)

// ---------------------------------------------------------------------------------------------------------------------
// Conversation
// ---------------------------------------------------------------------------------------------------------------------

/** The messages, each value replaced by `change`; the given messages if there is none. */
export const map = (
  messages: ReadonlyArray<Chat.Message>,
  change: (encrypted: EncryptedReasoning) => EncryptedReasoning,
): ReadonlyArray<Chat.Message> => {
  let changed = false
  const mapped = messages.map((message): Chat.Message => {
    if (message.role !== "assistant" || !message.content.some(isEncrypted)) return message
    changed = true
    return { ...message, content: message.content.map((part) => mapPart(part, change)) }
  })
  return changed ? mapped : messages
}

type Encrypted = {
  readonly signature?: EncryptedReasoning | undefined
  readonly redacted?: EncryptedReasoning | undefined
}

/** Whether a part has encrypted reasoning. */
export const isEncrypted = (part: object): part is Encrypted =>
  ("signature" in part && part.signature !== undefined) || ("redacted" in part && part.redacted !== undefined)

/** The part, its value replaced by `change`. */
export const mapPart = <Part extends object>(
  part: Part,
  change: (encrypted: EncryptedReasoning) => EncryptedReasoning,
): Part => {
  if (!isEncrypted(part)) return part
  const { redacted, signature } = part
  return {
    ...part,
    ...(signature === undefined ? undefined : { signature: change(signature) }),
    ...(redacted === undefined ? undefined : { redacted: change(redacted) }),
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Rejection
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Sends the request, and sends it again without encrypted reasoning if the vendor rejects a value. The second request
 * is sent at once, because the rejection is not caused by the client's request.
 */
export const retryWithout = <A, R>(
  host: Host,
  request: Chat.Request,
  send: (host: Host) => Effect.Effect<A, ProviderError, R>,
): Effect.Effect<A, ProviderError, R> =>
  Effect.catchIf(
    send(host),
    (error) => isRejection(error) && hasReasoning(request),
    () => send(noHost),
  )

/**
 * Anthropic's and Bedrock's `Invalid \`signature\` in \`thinking\` block` and `thinking blocks … cannot be modified`,
 * Google's `Thought signature is not valid`, OpenAI's `invalid_encrypted_content` and messages about reasoning items.
 */
const isRejection = ({ message }: ProviderError): boolean =>
  /thought[_ ]?signature|signature\W+in\W+|thinking\W+(?:or\W+redacted_thinking\W+)?(?:blocks?\b|but found)|redacted_thinking|thinking\.signature|encrypted[_ ]content|reasoning\W+item|of type 'reasoning'/i.test(
    message,
  )

const hasReasoning = ({ messages }: Chat.Request): boolean =>
  messages.some(
    ({ content, role }) =>
      role === "assistant" && content.some((part) => part.type === "reasoning" || isEncrypted(part)),
  )

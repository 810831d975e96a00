/**
 * Renames tools for a vendor with stricter rules than the client's. The request has names that fit, and the response
 * has the client's names again. A name that fits is unchanged, and a name is always converted to the same result.
 */
import type * as Chat from "@understudy/core/Chat"
import { createHash } from "node:crypto"

/** A vendor's documented rule for names. */
export interface Rule {
  readonly longest: number
  /** Matches characters that the vendor rejects. */
  readonly refused: RegExp
  /** Whether a name must begin with a letter or `_`. */
  readonly startsWithLetter?: boolean
}

/** OpenAI's rule, which most compatible servers and Bedrock share. */
export const common: Rule = { longest: 64, refused: /[^a-zA-Z0-9_-]/g }

/** The names that fit, by the client's names. */
export type Names = ReadonlyMap<string, string>

/** The names of a request that do not fit, with their replacements; `undefined` if all fit. */
export const of = ({ messages, toolChoice, tools }: Chat.Request, rule: Rule): Names | undefined => {
  let names: Map<string, string> | undefined
  const add = (name: string) => {
    const fitting = fit(name, rule)
    if (fitting !== name) (names ??= new Map()).set(name, fitting)
  }
  if (tools !== undefined) for (const { name } of tools) add(name)
  if (typeof toolChoice === "object") add(toolChoice.name)
  for (const { content, role } of messages) {
    if (role === "assistant") for (const part of content) if (part.type === "tool-call") add(part.name)
  }
  return names
}

const fit = (name: string, { startsWithLetter = false, longest, refused }: Rule): string => {
  const plain = name.replace(refused, "_")
  const started = startsWithLetter && !/^[a-zA-Z_]/.test(plain) ? `_${plain}` : plain
  if (name === "" || (started === name && name.length <= longest)) return name
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 8)
  return `${started.slice(0, longest - digest.length - 1)}_${digest}`
}

/** The request with names that fit. */
export const lower = (request: Chat.Request, names: Names): Chat.Request => {
  const named = <Named extends { readonly name: string }>(it: Named): Named => {
    const name = names.get(it.name)
    return name === undefined ? it : { ...it, name }
  }
  return {
    ...request,
    ...(request.tools === undefined ? undefined : { tools: request.tools.map(named) }),
    ...(typeof request.toolChoice === "object" ? { toolChoice: named(request.toolChoice) } : undefined),
    messages: request.messages.map((message) =>
      message.role === "assistant"
        ? { ...message, content: message.content.map((part) => (part.type === "tool-call" ? named(part) : part)) }
        : message,
    ),
  }
}

/** The fields of any protocol that contain a tool's name. */
export const fields: ReadonlySet<string> = new Set(["name", "allowedFunctionNames", "allowed_function_names"])

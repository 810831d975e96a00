/**
 * The names of tools, towards a vendor that takes fewer of them than its client's does: there each bears one that fits, and
 * in the answer its own again. A name that fits is left as it is, and the same name fits the same way every time.
 */
import type * as Chat from "@understudy/core/Chat"
import { createHash } from "node:crypto"

/** What a vendor's documentation says of the names it takes. */
export interface Rule {
  readonly longest: number
  /** Any character that it refuses. */
  readonly refused: RegExp
  /** Whether it begins with a letter or `_`. */
  readonly begun?: boolean
}

/** OpenAI's, and what nearly everyone takes who speaks its protocol. Bedrock's too. */
export const common: Rule = { longest: 64, refused: /[^a-zA-Z0-9_-]/g }

/** The names that fit, by the client's own; `undefined` where all of its own do. */
export type Names = ReadonlyMap<string, string>

/** The names of a request that do not fit, each with one that does. */
export const of = ({ messages, toolChoice, tools }: Chat.Request, rule: Rule): Names | undefined => {
  let names: Map<string, string> | undefined
  const see = (name: string) => {
    const fitting = fit(name, rule)
    if (fitting !== name) (names ??= new Map()).set(name, fitting)
  }
  if (tools !== undefined) for (const { name } of tools) see(name)
  if (typeof toolChoice === "object") see(toolChoice.name)
  for (const { content, role } of messages) {
    if (role === "assistant") for (const part of content) if (part.type === "tool-call") see(part.name)
  }
  return names
}

const fit = (name: string, { begun = false, longest, refused }: Rule): string => {
  const plain = name.replace(refused, "_")
  const started = begun && !/^[a-zA-Z_]/.test(plain) ? `_${plain}` : plain
  if (name === "" || (started === name && name.length <= longest)) return name
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 8)
  return `${started.slice(0, longest - digest.length - 1)}_${digest}`
}

/** The request under names that fit. */
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

/** The fields of any protocol in which a tool is named. */
export const fields: ReadonlySet<string> = new Set(["name", "allowedFunctionNames", "allowed_function_names"])

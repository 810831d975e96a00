/**
 * Tool names in namespaces, which Codex uses to group a server's tools. Other protocols have no namespaces: there a
 * tool's name includes its namespace, and clients get both back.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import * as ToolIds from "../ToolIds.ts"
import { protocol } from "./Protocol.ts"

/** A tool's name as sent by its client. */
export interface Name {
  readonly name: string
  readonly namespace?: string
}

/** The maximum length that every vendor accepts. */
const maxNameLength = 64

/** The combined name of a tool. */
export const join = (namespace: unknown, name: string): string =>
  Predicate.isString(namespace) && namespace !== "" ? ToolIds.fit(`${namespace}__${name}`, maxNameLength) : name

/** The client's names of tools in namespaces, by combined name. */
export const of = (request: Chat.Request): ReadonlyMap<string, Name> => {
  const { native } = Outline.settings(request)
  const names = new Map<string, Name>()
  if (native?.protocol !== protocol) return names
  for (const group of Json.list(native.body["tools"])) {
    const { name: namespace, tools, type } = Json.fields(group)
    if (type !== "namespace" || !Predicate.isString(namespace)) continue
    for (const tool of Json.list(tools)) {
      const name = Json.string(Json.fields(tool)["name"])
      names.set(join(namespace, name), { name, namespace })
    }
  }
  return names
}

/**
 * Names of tools in a namespace, in which Codex groups the tools of a server. Nobody else knows of namespaces: elsewhere
 * such a tool's name is both in one, and clients get it back in two.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import * as ToolIds from "../ToolIds.ts"
import { protocol } from "./Protocol.ts"

/** A tool's name as its client knows it. */
export interface Name {
  readonly name: string
  readonly namespace?: string
}

/** What every vendor takes for a tool's name is at most so long. */
const longestName = 64

/** The one name of a tool. */
export const join = (namespace: unknown, name: string): string =>
  Predicate.isString(namespace) && namespace !== "" ? ToolIds.fit(`${namespace}__${name}`, longestName) : name

/** The client's names of the tools that it offered in namespaces, by the one name each has. */
export const of = ({ native }: Chat.Request): ReadonlyMap<string, Name> => {
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

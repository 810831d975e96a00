/**
 * Whom a gateway would let in, before it listens: wider than this machine takes a key, or the configuration's own word.
 */
import * as Config from "effect/Config"
import type { ServerSettings } from "../config/ServerSection.ts"
import * as Guard from "../Guard.ts"

/** The key that callers must send, where there is one. */
export const key = Config.option(Config.Redacted("UNDERSTUDY_API_KEY"))

/** Why it must not listen there, and what to do; `undefined` if it may. `keyed`: callers must send a key. */
export const refusal = ({ anonymous, host }: ServerSettings, keyed: boolean): string | undefined =>
  keyed || anonymous || Guard.isLoopback(host)
    ? undefined
    : `Listening on ${host} would let anybody who reaches this machine spend your money.\n` +
      "Set a key that callers must send (UNDERSTUDY_API_KEY, or `keys` in the configuration), or say there that you mean it: server: { anonymous: true }."

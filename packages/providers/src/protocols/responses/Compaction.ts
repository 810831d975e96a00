/**
 * Compaction: an input whose last item is a `compaction_trigger` asks for one item in place of the conversation, of type
 * `compaction`, which the client sends instead of it from then on.
 *
 * OpenAI writes and reads its own. For any other endpoint, the trigger is an instruction to summarize the conversation, and the item
 * contains the summary, so that every vendor can read it.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as EchoedItems from "./EchoedItems.ts"
import { protocol } from "./Protocol.ts"
import * as SealedSummary from "./SealedSummary.ts"

export const trigger = "compaction_trigger"

/** Whether a request asks for a compaction. */
export const isRequested = ({ native }: Pick<Chat.Request, "native">): boolean =>
  native?.protocol === protocol && isTriggered(native.body["input"])

/** Whether the last item of an input is the trigger. */
export const isTriggered = (input: unknown): boolean =>
  Array.isArray(input) && Json.fields(input.at(-1))["type"] === trigger

/** The item with a summary. `answer`: the id of the response, without a prefix. */
export const item = (answer: string, summary: string): Block => ({
  id: EchoedItems.id("cmp", answer, 0),
  type: "compaction",
  encrypted_content: SealedSummary.write(summary),
})

/** The instruction to summarize. */
export const instruction =
  "Summarize the conversation so far for the assistant that continues it, which will see your summary in place of the conversation. " +
  "Keep what the user wants and has decided, all constraints, what was done and found (with exact names, paths, values and errors), " +
  "and what is left to do, in order. Write the summary only, and call no tool."

export { isReadable } from "./SealedSummary.ts"

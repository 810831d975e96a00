/**
 * Text parts.
 */
import type * as Chat from "@understudy/core/Chat"

/** The parts of a string: one text, or none if it is empty. */
export const fromString = (text: string): ReadonlyArray<Chat.Text> => (text === "" ? [] : [{ type: "text", text }])

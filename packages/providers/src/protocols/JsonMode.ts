/**
 * JSON answers without a schema, from a vendor that has no such mode: the model is asked for one, which it may not heed.
 */

/** What the system prompt says in its place. */
export const instruction = "Answer with one JSON value and nothing else: no words before or after it, no code fence."

/** How it is named to the caller. */
export const warning = "JSON mode, sent as an instruction"

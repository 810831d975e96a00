/** JSON mode for a vendor without it: an instruction in the system prompt, which the model may not follow. */

/** The instruction. */
export const instruction = "Answer with one JSON value and nothing else: no words before or after it, no code fence."

/** The name of the change in the dropped parameters. */
export const warning = "JSON mode, sent as an instruction"

/** OpenAI's APIs for chat. */
export const apis = ["chat-completions", "responses"] as const
export type Api = (typeof apis)[number]

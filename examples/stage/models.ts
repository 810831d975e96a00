/**
 * The models of the original systems and their successors: some have been retired, some never existed. Offline the ids are
 * the original ones. Calls to vendors use the successor, or the id in `UNDERSTUDY_MODEL_<ID>` (the original id in capitals,
 * with underscores for everything but letters and digits).
 */
export const successors: Readonly<Record<string, string>> = {
  "gpt-3.5-turbo": "gpt-4o-mini",
  "claude-4-20250115": "claude-sonnet-4-5",
  "claude-3-7-sonnet-20250115": "claude-sonnet-4-5",
  "claude-3-7-sonnet-latest": "claude-sonnet-4-5",
  "claude-3-7-haiku-20250115": "claude-haiku-4-5",
  "claude-3-5-sonnet-20241022": "claude-sonnet-4-5",
  "claude-3-5-haiku-20241022": "claude-haiku-4-5",
  "us.anthropic.claude-sonnet-4-20250514-v1:0": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  "us.anthropic.claude-3-7-sonnet-20250219-v1:0": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  "us.anthropic.claude-3-5-haiku-20241022-v1:0": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
  "anthropic.claude-3-5-sonnet-20241022-v2:0": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  "us.anthropic.claude-3-5-sonnet-20241022-v2:0": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  "anthropic.claude-3-5-haiku-20241022-v1:0": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
  "llama-3.1-8b-instant": "llama-3.1-8b-instant",
  "mixtral-8x7b-32768": "llama-3.3-70b-versatile",
  "meta-llama/Llama-3-70b-chat-hf": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
}

/** The id in calls to the vendor. */
export const successor = (id: string): string => {
  const named = process.env[`UNDERSTUDY_MODEL_${id.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`]
  return named ?? successors[id] ?? id
}

/**
 * Google's `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`: their name in `Chat.Native` and
 * `Provider.protocol`.
 */
export const protocol = "gemini"

/** The issuer of its encrypted reasoning. */
export const issuer = "google"

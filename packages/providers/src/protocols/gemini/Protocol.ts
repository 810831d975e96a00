/**
 * The name of this protocol, as `Chat.Native` and `Provider.protocol` carry it: Google's
 * `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
 */
export const protocol = "gemini"

/** Whose models sign and read the seals that this protocol carries. */
export const issuer = "google"

/** A client's end of the matrix: its vendor's own SDK, pointed at the gateway. */
import type { Failed, Feature, Heard } from "../Feature.ts"

export interface Client {
  readonly name: string
  /** What this protocol has no words for, and where its vendor's documentation shows that. */
  readonly cannotSay: Partial<Readonly<Record<Feature, string>>>
  /** Whether it can say that a tool's result is an error, but in the result's own words. */
  readonly marksErrors: boolean
  /** Asks for what shows the feature, and gives what the SDK made of the answer, or how it failed. */
  readonly ask: (url: string, feature: Feature, stream: boolean) => Promise<Heard | Failed>
}

export const hasFailed = (outcome: Heard | Failed): outcome is Failed => "message" in outcome

/** What the SDK threw, told by its own error class's fields. */
export const failed = (error: unknown): Failed => ({
  status:
    typeof error === "object" && error !== null && "status" in error && typeof error.status === "number"
      ? error.status
      : undefined,
  message: error instanceof Error ? error.message : String(error),
})

/** JSON that an SDK gives as text. */
export const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

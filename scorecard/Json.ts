/** Parses JSON that may be invalid. */

/** As a shape whose every field may be missing; `undefined` where it is no JSON. */
export const parsed = <Wire>(text: string): Wire | undefined => {
  try {
    return JSON.parse(text) as Wire
  } catch {
    return undefined
  }
}

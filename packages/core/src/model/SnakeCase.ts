/**
 * Tags as machine-readable output writes them: `RateLimited` is `rate_limited` in JSON and metric labels.
 */

/** `CoolingDown` is `cooling_down`, `first-token` is `first_token`. */
export const snakeCase = (tag: string): string =>
  tag.replace(/[A-Z-]/g, (letter, at: number) =>
    letter === "-" ? "_" : `${at === 0 ? "" : "_"}${letter.toLowerCase()}`,
  )

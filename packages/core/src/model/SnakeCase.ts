/**
 * Tags as machine-readable output writes them: `RateLimited` is `rate_limited` in JSON, metric labels and configuration.
 */

/** `CoolingDown` is `cooling_down`, `first-token` is `first_token`. */
export const snakeCase = (tag: string): string =>
  tag.replace(/[A-Z-]/g, (letter, at: number) =>
    letter === "-" ? "_" : `${at === 0 ? "" : "_"}${letter.toLowerCase()}`,
  )

/** The tag whose `snakeCase` is `word`; `undefined` if there is none. */
export const fromSnakeCase = <Tag extends string>(tags: ReadonlyArray<Tag>, word: string): Tag | undefined =>
  tags.find((tag) => snakeCase(tag) === word)

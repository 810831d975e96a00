/** Something wrong with a route, a deployment or the defaults. */
export interface Problem {
  /** Where: `routes.assistant[1]` is the second name in that route. */
  readonly path: string
  /** What is wrong, and what to do. */
  readonly message: string
}

/**
 * As the only parameter of a statement of SQLite: it stands for these statements, which run one after the other in one
 * transaction, the one that is open or one of their own, and gives the rows of all. To hand over each alone would wake the two
 * threads once for each.
 */
export class Script {
  readonly statements: ReadonlyArray<Repeated>

  constructor(statements: ReadonlyArray<Repeated>) {
    this.statements = statements
  }
}

/** A statement that runs for several lists of values. */
export interface Repeated {
  readonly sql: string
  /**
   * A JSON list of the lists. To hand over a text costs the thread of the event loop less than to hand over values. A list goes
   * on with its share of `numbers`, where `NaN` is null.
   */
  readonly lists: string
  readonly numbers?: Float64Array | undefined
  /** How many lists have their values in one run of the statement. Their number is a multiple of it. */
  readonly perRun: number
}

/**
 * As the only parameter of a statement of SQLite: the statement runs for several lists of values, and gives the rows of all.
 *
 * `json` is a JSON list of lists of values, since to hand over a text costs the thread of the event loop less than to hand over
 * its values. To each list is added its share of `numbers`, where `NaN` is null. A statement that takes the values of several
 * lists runs for so many at a time, of which their number is a multiple.
 */
export class ForEach {
  readonly json: string
  readonly numbers: Float64Array | undefined
  readonly lists: number

  constructor({
    json,
    lists = 1,
    numbers,
  }: {
    readonly json: string
    readonly numbers?: Float64Array
    readonly lists?: number
  }) {
    this.json = json
    this.numbers = numbers
    this.lists = lists
  }
}

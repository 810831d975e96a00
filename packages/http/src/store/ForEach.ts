/**
 * As the only parameter of a statement of SQLite: the statement runs for each of these lists of values, and gives the rows of
 * all.
 *
 * The lists are one JSON text: to hand over a text costs the thread of the event loop less than to hand over its values.
 */
export class ForEach {
  readonly json: string

  constructor(json: string) {
    this.json = json
  }
}

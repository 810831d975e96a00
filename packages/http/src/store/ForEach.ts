/**
 * As the only parameter of a statement of SQLite: the statement runs for each of these lists of values. It gives `{ index }` of
 * those for which it changed nothing.
 *
 * The lists are one JSON text: to hand over a text costs the thread of the event loop less than to hand over its values.
 */
export class ForEach {
  readonly json: string

  constructor(json: string) {
    this.json = json
  }
}

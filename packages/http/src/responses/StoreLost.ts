/** The error of statements on stored responses. */
import * as Data from "effect/Data"

/** The database did not respond. */
export class StoreLost extends Data.TaggedError("StoreLost")<{ readonly message: string }> {}

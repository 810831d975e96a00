/**
 * `SqlClient` of Effect over PostgreSQL. Loaded only if the configuration has a `postgres://` database.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** A client of this database. Fails if it cannot be reached; later it reconnects whenever a statement needs a connection. */
export const layer = (url: Redacted.Redacted): Layer.Layer<PgClient.PgClient | SqlClient, SqlError> =>
  PgClient.layer({
    url,
    types,
    applicationName: "understudy",
    connectTimeout: Duration.seconds(3),
    keepAlive: Duration.seconds(10),
    maxConnections: 8,
    minConnections: 1,
  })

const integer = (bytes: Uint8Array, offset: number): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset + offset, 8).getBigInt64(0))

/** Integers of 64 bits are numbers here, not `bigint`: times and amounts of money stay within 53 bits. */
const types = PgTypes.makeRegistry()
types.register<number>(PgTypes.OID.int8, {
  encode: (value) => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigInt64(0, BigInt(value))
    return Result.succeed(bytes)
  },
  decode: (bytes) => Result.succeed(integer(bytes, 0)),
  read: (bytes, offset) => Result.succeed(integer(bytes, offset)),
})

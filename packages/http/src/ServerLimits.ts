/**
 * Limits that protect the process from one caller or one provider: the size of requests, how long they may take to arrive,
 * and the size of provider responses. The section `server.limits` of a configuration.
 */
import * as AnswerLimits from "@understudy/providers/internal/transport/AnswerLimits"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"

export interface Limits {
  /** Top-level fields of a body. Default: 1,000. */
  readonly fields: number
  /** Nesting depth of objects and arrays in a body. Default: 200. */
  readonly nesting: number
  /** Values in a body. Default: 1,000,000. */
  readonly values: number
  /** Distinct field names in a body, each counted with the names before it in its object. Default: 30,000. */
  readonly distinctFields: number
  /** Messages of a conversation (`messages`, `input`, `contents`). Default: 10,000. */
  readonly messages: number
  /** Content parts over all messages. Default: 100,000. */
  readonly parts: number
  /** Tools of a request. Default: 2,000. */
  readonly tools: number
  /** Inputs of an embeddings request. Default: 10,000. */
  readonly inputs: number
  /** Log a warning for a body that takes longer to decode. Default: 250 ms. */
  readonly slowDecode: Duration.Duration
  /** Ratio of decompressed to compressed size, for bodies that exceed 1 MB when decompressed. Default: 100. */
  readonly expansion: number
  /** Bytes of incomplete bodies over all connections. Default: 256 MB. */
  readonly unfinishedBodies: ByteSize.ByteSize
  /** Size of a body with files. Default: 256 MB. */
  readonly upload: ByteSize.ByteSize
  /** Bytes of files on disk over all requests. Default: 4 GB. */
  readonly uploads: ByteSize.ByteSize
  /** Concurrent connections. Default: 10,000. */
  readonly connections: number
  /** How long the head of a request may take to arrive. Default: 10 s. */
  readonly headTimeout: Duration.Duration
  /** How long a request with its body may take to arrive. Default: 60 s. */
  readonly requestTimeout: Duration.Duration
  /** Decompressed size of a provider's response, streamed or not. */
  readonly answer: ByteSize.ByteSize
  /** Decompressed size of a provider's error response. */
  readonly error: ByteSize.ByteSize
}

export const defaults: Limits = {
  fields: 1000,
  nesting: 200,
  values: 1_000_000,
  distinctFields: 30_000,
  messages: 10_000,
  parts: 100_000,
  tools: 2000,
  inputs: 10_000,
  slowDecode: Duration.millis(250),
  expansion: 100,
  unfinishedBodies: ByteSize.megabytes(256),
  upload: ByteSize.megabytes(256),
  uploads: ByteSize.gigabytes(4),
  connections: 10_000,
  headTimeout: Duration.seconds(10),
  requestTimeout: Duration.seconds(60),
  answer: ByteSize.fromInputUnsafe(AnswerLimits.defaults.answer),
  error: ByteSize.fromInputUnsafe(AnswerLimits.defaults.error),
}

/** The size of the body that is read of an unauthenticated request. */
export const unauthenticatedBody = ByteSize.fromInputUnsafe(4096)

/**
 * What one caller, or one provider, may ask of the process that all callers share: how much a request may hold, how long it
 * may take to arrive, and how large an answer may be. `server.limits` of a configuration.
 */
import * as AnswerLimits from "@understudy/providers/internal/transport/AnswerLimits"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"

export interface Limits {
  /** Top-level fields of a body. */
  readonly fields: number
  /** How deep the objects and arrays of a body stand in each other. */
  readonly nesting: number
  /** Values of a body in all. */
  readonly values: number
  /** Different fields of the objects in a body, each told apart by the names before it in its object. */
  readonly distinctFields: number
  /** Messages of a conversation, by whatever name its protocol has for them. */
  readonly messages: number
  /** Parts of all messages together. */
  readonly parts: number
  readonly tools: number
  /** Inputs of one request for embeddings. */
  readonly inputs: number
  /** A body that takes longer to decode is logged. */
  readonly slowDecode: Duration.Duration
  /** How many times as large a body of more than 1 MB may become when its `content-encoding` is undone. */
  readonly expansion: number
  /** Bytes of bodies that have not arrived whole, or are being decoded, over all connections. */
  readonly unfinishedBodies: ByteSize.ByteSize
  /** Connections at once. */
  readonly connections: number
  /** How long the head of a request may take to arrive. */
  readonly headTimeout: Duration.Duration
  /** How long a request, its body included, may take to arrive. */
  readonly requestTimeout: Duration.Duration
  /** Bytes of a provider's answer, whole or streamed, decoded. */
  readonly answer: ByteSize.ByteSize
  /** Bytes of a provider's error, decoded. */
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
  connections: 10_000,
  headTimeout: Duration.seconds(10),
  requestTimeout: Duration.seconds(60),
  answer: ByteSize.fromInputUnsafe(AnswerLimits.defaults.answer),
  error: ByteSize.fromInputUnsafe(AnswerLimits.defaults.error),
}

/** The most that is read of a request before its caller is known, in bytes. */
export const unknownCaller = ByteSize.fromInputUnsafe(4096)

/**
 * The format of a tape.
 *
 * A tape is a sequence of segments, and two tapes in one file are a tape. A segment is the signature, the number of the
 * format, and frames: first its header, then blocks of records. A frame is its kind (one byte), the length of its payload, the
 * CRC-32 of kind and payload, and the payload. Frames of an unknown kind are skipped.
 *
 * A block is a sequence of records: the kind, the length, and the fields. Records of an unknown kind are skipped, and so are
 * fields after those that are known: a later version adds fields at the end. A record of the kind `name` adds a text to the
 * dictionary of its segment. Calls refer to texts by their numbers in it, from 1 on; 0 is no text.
 *
 * A writer that was stopped, or a full disk, leaves a part of a frame: a reader takes its whole records, and goes on at the
 * next signature.
 */

/** No text has these bytes: the first one begins no character of UTF-8. */
export const signature: Uint8Array = Uint8Array.of(0x89, 0x55, 0x54, 0x41, 0x50, 0x45, 0x0d, 0x0a)

/** Raised when a reader of this version could no longer read what is written. */
export const version = 1

/** No kind of a frame is one of a record, so that a block without its end is not read into the next frame. */
export const frameKinds = { header: 0x48, block: 0x42 } as const

export const recordKinds = { name: 1, call: 2 } as const

/** Bytes of a payload: a longer one is corrupt. */
export const maxPayload = 1 << 20

/** Bytes after which a block is ended, and those after which its segment is. */
export const blockSize = 1 << 16
export const segmentSize = 1 << 20

/** Texts of a segment: with more of them, another segment begins. */
export const maxNames = 4096

/** The length of a text in a dictionary, and the number of tags of a call: callers choose some of them. */
export const maxNameLength = 128
export const maxTags = 16

/** The bits of a call's flags. */
export const callFlags = { streaming: 1, hit: 2, miss: 4, needs: 8, shadow: 16 } as const

/** The bits of an attempt's flags. */
export const attemptFlags = { usage: 1, estimated: 2, cost: 4, injected: 8 } as const

/** Outcomes by their numbers in a tape. Only calls are refused. */
export const outcomes = ["success", "failure", "cancelled", "refused"] as const

/** Costs are written in nanodollars. */
export const nanodollars = 1e9

/**
 * The texts of keys that are made at run time: a prefix by which people and secret scanners know them, and 256 random bits.
 */
import { randomBytes } from "node:crypto"

const prefix = "sk-us-"

/** The length of every text. */
export const length = prefix.length + 43

export const make = (): string => `${prefix}${randomBytes(32).toString("base64url")}`

/** The end of a text, by which people tell keys apart. */
export const hintOf = (text: string): string => text.slice(-4)

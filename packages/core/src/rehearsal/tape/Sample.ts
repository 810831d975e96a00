/**
 * Which calls are recorded: a share of them, by their ids.
 */

/** Whether a call is in a share from 0 to 1. Decided by its id alone, so that all parts of a program decide alike. */
export const isSampled = (call: string, share: number): boolean => share >= 1 || hash(call) < share * 2 ** 32

/** 32 bits that differ in half of their places for ids that differ in one: FNV-1a, and the last step of MurmurHash3. */
const hash = (text: string): number => {
  let value = 0x811c_9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193)
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35)
  return (value ^ (value >>> 16)) >>> 0
}

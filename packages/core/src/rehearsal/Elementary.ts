/**
 * The natural logarithm and the exponential function, by additions, multiplications and divisions alone, which IEEE 754 defines to the
 * last bit. Those of `Math` may differ in it from one engine, processor or version to another, and a rehearsal gives the same
 * bytes on any machine.
 *
 * The algorithms are those of FreeBSD's msun (fdlibm), with errors below one unit in the last place.
 */

const view = new DataView(new ArrayBuffer(8))

/** The upper half of a number's bits. */
const highOf = (x: number): number => {
  view.setFloat64(0, x)
  return view.getInt32(0)
}

const withHigh = (x: number, high: number): number => {
  view.setFloat64(0, x)
  view.setInt32(0, high)
  return view.getFloat64(0)
}

const ln2High = 0.6931471803691238
const ln2Low = 1.9082149292705877e-10

/** The natural logarithm of a number above 0. */
export const log = (x: number): number => {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x === 0 ? Number.NEGATIVE_INFINITY : x > 0 ? x : Number.NaN
  // A subnormal number has no exponent of its own.
  if (x < 2.2250738585072014e-308) return log(x * 18014398509481984) - log(18014398509481984)
  const high = highOf(x)
  const fraction = high & 0xfffff
  const carry = (fraction + 0x95f64) & 0x100000
  const exponent = (high >> 20) - 1023 + (carry >> 20)
  const f = withHigh(x, fraction | (carry ^ 0x3ff00000)) - 1
  const shift = exponent * ln2Low
  if ((0xfffff & (2 + fraction)) < 3) {
    const r = f * f * (0.5 - 0.3333333333333333 * f)
    return exponent === 0 ? f - r : exponent * ln2High - (r - shift - f)
  }
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373))
  const odd = z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)))
  const r = odd + even
  if (((fraction - 0x6147a) | (0x6b851 - fraction)) > 0) {
    const half = 0.5 * f * f
    return exponent === 0 ? f - (half - s * (half + r)) : exponent * ln2High - (half - (s * (half + r) + shift) - f)
  }
  return exponent === 0 ? f - s * (f - r) : exponent * ln2High - (s * (f - r) - shift - f)
}

/** e to the power of a number. */
export const exp = (x: number): number => {
  if (Number.isNaN(x)) return x
  if (x > 709) return Number.POSITIVE_INFINITY
  if (x < -708) return 0
  const power = Math.round(Math.LOG2E * x)
  const high = x - power * ln2High
  const low = power * ln2Low
  const r = high - low
  const t = r * r
  const c =
    r -
    t *
      (0.16666666666666602 +
        t *
          (-0.0027777777777015593 +
            t * (0.00006613756321437934 + t * (-0.0000016533902205465252 + t * 4.1381367970572385e-8))))
  const y = 1 - (low - (r * c) / (2 - c) - high)
  return y * withHigh(0, (power + 1023) << 20)
}
